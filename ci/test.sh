#!/usr/bin/env bash
# Every step of CI, in order, each also when an earlier one failed, with its time; then a summary.
# `ci/test.sh fmt clippy` runs only these. Each step is a script that runs the same by hand.
source "$(dirname "$0")/lib.sh"

steps=("$@")
if ((${#steps[@]} == 0)); then
    # The cheap ones first: a slip in the form shows within a minute.
    steps=(fmt clippy rust-tests loom venv interop typing python-tests doc-tests)
fi

lines=() passed=0 failed=0
for step in "${steps[@]}"; do
    say "ci/$step.sh"
    began=$SECONDS
    if "ci/$step.sh"; then
        verdict=passed
        passed=$((passed + 1))
    else
        verdict=FAILED
        failed=$((failed + 1))
    fi
    line=$(printf '%-14s %-6s %5d s' "$step" "$verdict" $((SECONDS - began)))
    lines+=("$line")
    echo "-- $line"
done

say "all steps, $SECONDS s"
printf '%s\n' "${lines[@]}"
echo "steps: $passed passed, $failed failed"
((failed == 0))
