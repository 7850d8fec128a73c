#!/bin/sh
# Compiles the sample programs to WebAssembly: build.sh OUT_DIR
# Needs Debian's clang, lld, wasi-libc and libclang-rt-*-dev-wasm32.
set -eu
if [ $# -ne 1 ]; then
    echo "usage: $0 OUT_DIR" >&2
    exit 2
fi
here=$(dirname "$0")
mkdir -p "$1"
for source in "$here"/*.c; do
    name=$(basename "$source" .c)
    # Written beside and renamed, so that builds at the same time do not meet.
    "${CLANG:-clang}" --target=wasm32-wasi --sysroot=/usr -O2 -Wall -Wextra -Werror \
        -Wl,--strip-all -o "$1/$name.wasm.$$" "$source"
    mv "$1/$name.wasm.$$" "$1/$name.wasm"
done
