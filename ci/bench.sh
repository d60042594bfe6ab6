#!/usr/bin/env bash
# Builds the release extension, then measures pumasi and its rivals in one run; see
# benches/README.md. Arguments go to the benchmark.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
PYTHON=$PWD/.venv/bin/python exec benches/run.sh "$@"
