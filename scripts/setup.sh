#!/usr/bin/env bash
# Installs what a bare Debian machine with Rust misses. Safe to run again; it does nothing that is done.
set -euo pipefail

packages=(build-essential pkg-config libclang-dev clang lld wasi-libc libclang-rt-14-dev-wasm32)
missing=()
for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]})); then
    echo "setup: installing ${missing[*]}"
    as_root=()
    ((EUID == 0)) || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
fi
command -v cargo >/dev/null || { echo "setup: cargo is missing: install Rust first" >&2; exit 1; }
if [[ ${1:-} == --test ]] && ! cargo nextest --version >/dev/null 2>&1; then
    echo "setup: installing cargo-nextest"
    cargo install --quiet --locked cargo-nextest
fi
