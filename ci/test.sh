#!/usr/bin/env bash
# Every step of CI, in order, each also when an earlier one failed, with its time; then a summary.
# `ci/test.sh fmt clippy` runs only these. Each step is a script that runs the same by hand.
#
# What a step prints goes to target/ci/STEP.log. A step which passed shows one line; one which failed
# shows the end of its log and the lines which name what failed. VERBOSE=1 shows everything as it
# comes, too.
source "$(dirname "$0")/lib.sh"

steps=("$@")
if ((${#steps[@]} == 0)); then
    # The cheap ones first: a slip in the form shows within a minute.
    steps=(fmt clippy features msrv rust-tests loom venv interop typing python-tests conformance-part doc-tests)
fi

logs=target/ci
mkdir -p "$logs"

lines=() passed=0 failed=0
for step in "${steps[@]}"; do
    log=$logs/$step.log
    printf '%-14s ' "$step"
    began=$SECONDS
    status=0
    if [[ -n ${VERBOSE:-} ]]; then
        echo
        "ci/$step.sh" 2>&1 | tee "$log" || status=$?
    else
        "ci/$step.sh" >"$log" 2>&1 || status=$?
    fi
    took=$((SECONDS - began))
    if ((status == 0)); then
        passed=$((passed + 1))
        line=$(printf 'passed %5d s' "$took")
    else
        failed=$((failed + 1))
        line=$(printf 'FAILED %5d s   exit status %d, see %s' "$took" "$status" "$log")
    fi
    echo "$line"
    if ((status != 0)); then
        show_failure "$log"
    fi
    lines+=("$(printf '%-14s %s' "$step" "$line")")
done

say "all steps, $SECONDS s"
printf '%s\n' "${lines[@]}"
echo "steps: $passed passed, $failed failed"
((failed == 0))
