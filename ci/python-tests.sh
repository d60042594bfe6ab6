#!/usr/bin/env bash
# The Python tests: in .venv, and then on every other supported CPython that this machine has.
# Arguments go to pytest. PUMASI_PYTHONS="3.10 3.13" runs only these versions.
#
# Two versions are tested at a time, for most of the tests wait for something; what each of them says
# comes when it is done. The environment for the next one is made meanwhile.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
choose_versions

logs=target/ci
mkdir -p "$logs"
passed=() failed=() missing=() running=() skipped=

# Becomes the watchdog of the tests itself: a signal to it ends them too.
test_on() {
    local python=$1/bin/python
    shift
    say "pytest on $("$python" -V)"
    # With every test's name, for one that hangs takes the summary with it.
    exec timeout --kill-after=30 1800 "$python" -m pytest -v "$@"
}

# Waits for the version whose tests were started first.
finish() {
    local version=${running[0]%% *} pid=${running[0]##* }
    running=("${running[@]:1}")
    local status=0
    wait "$pid" || status=$?
    cat "$logs/pytest-$version.log"
    if ((status == 0)); then
        passed+=("$version")
        skipped+=$(sed -n "s/^SKIPPED /left out on $version: /p" "$logs/pytest-$version.log")$'\n'
        return
    fi
    failed+=("$version")
    if ((status == 124 || status == 137)); then
        echo "pytest on $version: stopped, for it would not end"
    fi
}

# Whatever ends this ends its tests as well.
end_all() {
    local each
    for each in "${running[@]}"; do
        kill "${each##* }" 2>/dev/null || true
    done
}
trap end_all EXIT

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
    if ((${#running[@]} == 2)); then
        finish
    fi
    test_on "$environment" "$@" >"$logs/pytest-$version.log" 2>&1 &
    running+=("$version $!")
done
while ((${#running[@]})); do
    finish
done

say "CPython: passed on ${passed[*]:-none}; failed on ${failed[*]:-none}"
if ((${#missing[@]})); then
    echo "left out: CPython ${missing[*]}, not found"
fi
grep . <<<"$skipped" || true
((${#failed[@]} == 0 && ${#passed[@]} > 0))
