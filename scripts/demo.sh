#!/usr/bin/env bash
# The main job, once: a chain starts, a task on FILE goes from post to payout, and a second one draws a picture.
set -euo pipefail
file=$(realpath "${1:-$(dirname "${BASH_SOURCE[0]}")/../README.md}")
picture=$PWD/mandelbrot.ppm
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
scripts/setup.sh
echo "demo: building (minutes the first time, as RocksDB and the Wasm engine compile)"
cargo build --locked --bin artel
programs=$CARGO_TARGET_DIR/programs
tests/programs/build.sh "$programs"
exec "$CARGO_TARGET_DIR/debug/artel" demo "$file" --programs "$programs" --picture "$picture"
