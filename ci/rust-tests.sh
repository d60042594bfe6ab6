#!/usr/bin/env bash
# Every Rust test: units, integration, documentation. Arguments go to cargo test.
source "$(dirname "$0")/lib.sh"

# pumasi-py has its tests in tests/: an extension module does not link into a test binary.
packages=(--workspace --exclude pumasi-py)
# Built first, so that the watchdog measures the tests and not the machine's compiler.
cargo test "${cargo_flags[@]}" "${packages[@]}" --no-run
watchdog 1800 cargo test "${cargo_flags[@]}" "${packages[@]}" --no-fail-fast "$@"
