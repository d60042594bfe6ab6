#!/usr/bin/env bash
# The Python tests: in .venv, and then on every other supported CPython that this machine has.
# Arguments go to pytest. PUMASI_PYTHONS="3.10 3.13" runs only these versions.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
choose_versions

passed=() failed=() missing=()
for version in "${versions[@]}"; do
    status=0
    python_environment "$version" || status=$?
    if ((status == 2)); then
        missing+=("$version")
        continue
    elif ((status)); then
        failed+=("$version")
        continue
    fi
    say "pytest on $("$environment/bin/python" -V)"
    if watchdog 1200 "$environment/bin/python" -m pytest "$@"; then
        passed+=("$version")
    else
        failed+=("$version")
    fi
done

say "CPython: passed on ${passed[*]:-none}; failed on ${failed[*]:-none}"
if ((${#missing[@]})); then
    echo "not found: ${missing[*]}, not tested"
fi
((${#failed[@]} == 0 && ${#passed[@]} > 0))
