#!/usr/bin/env bash
# The form of the code: formatters, linters that need no build, spelling, the READMEs' numbers. `ci/fmt.sh fix` mends it.
source "$(dirname "$0")/lib.sh"

ci/venv.sh tools
if [[ ${1:-} == fix ]]; then
    cargo fmt --all
    .venv/bin/ruff check --fix-only .
    .venv/bin/ruff format .
fi
status=0
cargo fmt --all --check || status=1
.venv/bin/ruff format --check . || status=1
.venv/bin/ruff check . || status=1
.venv/bin/shellcheck --external-sources --source-path=SCRIPTDIR ci/*.sh .ci/run benches/run.sh || status=1
.venv/bin/typos || status=1
# No number in the READMEs is one that somebody typed.
.venv/bin/python ci/readme_numbers.py --check || status=1
exit "$status"
