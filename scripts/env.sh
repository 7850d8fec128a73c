# Sourced by the other scripts: one target folder outside the checkout, so that RocksDB compiles once.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/artel/target}"
