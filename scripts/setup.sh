#!/usr/bin/env bash
# Installs what a bare Debian machine with Rust misses. Safe to run again; it does nothing that is done.
set -euo pipefail

packages=(build-essential pkg-config libclang-dev clang lld wasi-libc libclang-rt-dev-wasm32 git)
missing=()
if [[ ${1:-} == --test ]]; then
    # For faults of wires; and for other people's clients, unless it is here from elsewhere than Debian.
    packages+=(iproute2)
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
fi
for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]})); then
    echo "setup: installing ${missing[*]}"
    as_root=(env DEBIAN_FRONTEND=noninteractive)
    ((EUID == 0)) || as_root=(sudo "${as_root[@]}")
    command -v "${as_root[0]}" >/dev/null || { echo "setup: sudo is missing: install these as root" >&2; exit 1; }
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq "${missing[@]}" >/dev/null
fi
command -v cargo >/dev/null || { echo "setup: cargo is missing: install Rust first" >&2; exit 1; }
[[ ${1:-} == --test ]] || exit 0
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
cargo nextest --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-nextest
# Not optimised, as it compiles in a minute and runs for seconds; without it the tests skip its step.
cargo deny --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-deny ||
    echo "setup: cargo-deny cannot be installed, so licences and sources of dependencies stay unchecked" >&2
