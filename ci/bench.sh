#!/usr/bin/env bash
# Builds the release extension, installs the rivals and measures both in one run: Python first,
# then Rust. Arguments go to the Python benchmark.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r ci/requirements-bench.txt
.venv/bin/python benches/python/run.py "$@"
cargo run --release "${cargo_flags[@]}" --manifest-path benches/rust/Cargo.toml
