#!/usr/bin/env bash
# Rust and Python on one heap: what one language stores the other reads, checked from Rust's side.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
PUMASI_PYTHON=$PWD/.venv/bin/python watchdog 600 \
    cargo test "${cargo_flags[@]}" -p pumasi --test typed python
