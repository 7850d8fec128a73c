#!/usr/bin/env bash
# All tests: formatting, lints, docs, house rules, then every test of the workspace.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
scripts/setup.sh --test
cargo xtask ci
