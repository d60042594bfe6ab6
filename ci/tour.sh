#!/usr/bin/env bash
# Builds what is not up to date, then runs the tour. Arguments go to it: ci/tour.sh --lang ko
source "$(dirname "$0")/lib.sh"

ci/venv.sh
say "building the program pumasi"
# Not the script of the same name in .venv: there a process in Rust would begin with an interpreter,
# and starting it would take longer than most of what the tour has it do.
cargo build --release "${cargo_flags[@]}" --package pumasi-cli
export PUMASI_PYTHON=${PUMASI_PYTHON:-$PWD/.venv/bin/python}
exec cargo run --quiet --release "${cargo_flags[@]}" --package pumasi-cli -- tour "$@"
