#!/usr/bin/env bash
# CPython's own tests of multiprocessing, on pumasi and on the standard library itself, and those of
# executors, on every supported CPython that this machine has, for each start method; then the table.
# Arguments go to tests/cpython/conformance.py: ci/conformance.sh --methods fork --packages pumasi
# PUMASI_PYTHONS="3.12" runs only this version. What the tests print is in target/conformance.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
choose_versions

worst=0 missing=()
for version in "${versions[@]}"; do
    status=0
    python_environment "$version" || status=$?
    if ((status == 2)); then
        missing+=("$version")
        continue
    elif ((status)); then
        worst=1
        continue
    fi
    say "CPython's own tests on $("$environment/bin/python" -V)"
    watchdog 3600 "$environment/bin/python" tests/cpython/conformance.py run \
        --packages pumasi,multiprocessing "$@" || worst=1
    watchdog 1800 "$environment/bin/python" tests/test_executor_judge.py || worst=1
done

say "passed of those which ran; excepted are those of docs/conformance.md"
.venv/bin/python tests/cpython/conformance.py table
if ((${#missing[@]})); then
    echo "left out: CPython ${missing[*]}, not found"
fi
exit "$worst"
