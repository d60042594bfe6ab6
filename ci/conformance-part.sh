#!/usr/bin/env bash
# The part of CPython's own tests of multiprocessing which fits into every run: on the Python of
# .venv, for fork. `ci/conformance.sh` runs everything, beside the standard library's own result.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
.venv/bin/python tests/cpython/conformance.py doc --check
watchdog 600 .venv/bin/python tests/cpython/conformance.py run \
    --out target/conformance-part --methods fork --part "$@"
.venv/bin/python tests/cpython/conformance.py table --out target/conformance-part
