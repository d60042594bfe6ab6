#!/usr/bin/env bash
# Clippy over every crate, target and binding; a warning is an error.
source "$(dirname "$0")/lib.sh"

ci/venv.sh tools
PYO3_PYTHON=$PWD/.venv/bin/python \
    cargo clippy "${cargo_flags[@]}" --workspace --all-targets -- -D warnings
