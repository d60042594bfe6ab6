#!/usr/bin/env bash
# Runs the benchmarks with the Python in $PYTHON, in which pumasi is already installed (`make bench`
# sees to both). Options are passed on: --quick, --only GROUP, --json FILE, --save; --help lists all.
set -euo pipefail

: "${PYTHON:?set PYTHON to an interpreter which has pumasi installed, or use make bench}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

"$PYTHON" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2
PYTHONPATH="$here/python${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m pumasi_bench "$@"
