#!/usr/bin/env bash
# The types of the Python side: mypy on the package and on what users write, and the stub of
# the native module compared with the module that was built.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
status=0
.venv/bin/mypy python/pumasi tests/typing ci || status=1
.venv/bin/python -m mypy.stubtest pumasi._core --mypy-config-file pyproject.toml || status=1
exit "$status"
