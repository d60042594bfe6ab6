#!/usr/bin/env bash
# Runs the benchmarks with the Python in $PYTHON, in which pumasi is already installed (`make bench`
# sees to both). Options are passed on: --quick, --only GROUP, --json FILE, --save; --help lists all.
set -euo pipefail

: "${PYTHON:?set PYTHON to an interpreter which has pumasi installed, or use make bench}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

"$PYTHON" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2
# Of the others each by itself: one that cannot be built here has no rows, and is named.
grep -v '^#' "$here/peers.txt" | while read -r peer; do
    "$PYTHON" -m pip install --quiet --disable-pip-version-check "$peer" >&2 ||
        echo "left out, for it cannot be installed: $peer" >&2
done
PYTHONPATH="$here/python${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m pumasi_bench "$@"
