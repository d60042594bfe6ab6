#!/usr/bin/env bash
# Every step of CI, each also when an earlier one failed, with its time; then a summary.
# `ci/test.sh fmt clippy` runs only these. Each step is a script that runs the same by hand.
#
# The steps of Python, which wait more than they compute, run beside those of Rust, which keep the
# cores busy; within each of the two one comes after the other. Named steps, and all with VERBOSE=1,
# run one by one.
#
# What a step prints goes to target/ci/STEP.log. A step which passed shows one line; one which failed
# shows the end of its log and the lines which name what failed. VERBOSE=1 shows everything as it
# comes, too.
source "$(dirname "$0")/lib.sh"

# The cheap ones first: a slip in the form shows within a minute. What builds with the profile of
# the tests is in one row, for cargo lets one build at a time into a directory.
rust=(fmt clippy features msrv rust-tests loom interop doc-tests)
python=(venv typing python-tests conformance-part)

logs=target/ci
results=$logs/results
mkdir -p "$logs"
: >"$results"

# run_steps STEP...: one after the other.
run_steps() {
    local step log began status took line left text
    for step in "$@"; do
        log=$logs/$step.log
        began=$SECONDS
        status=0
        if [[ -n ${VERBOSE:-} ]]; then
            say "$step"
            "ci/$step.sh" 2>&1 | tee "$log" || status=$?
        else
            "ci/$step.sh" >"$log" 2>&1 || status=$?
        fi
        took=$((SECONDS - began))
        if ((status == 0)); then
            line=$(printf '%-17s passed %5d s' "$step" "$took")
            # What of it could not be done here, so that nobody takes it for done.
            left=$(sed -n 's/^left out/                  &/p' "$log")
            line+=${left:+$'\n'$left}
            text=$line
        else
            line=$(printf '%-17s FAILED %5d s   exit status %d, see %s' "$step" "$took" "$status" "$log")
            text=$line$'\n'$(show_failure "$log")
        fi
        # In one piece, for another row may have something to say meanwhile.
        printf '%s\n' "$text"
        printf '%s\n' "$line" >>"$results"
    done
}

# end_tree PID: ends a process and all that it has started, which may be in groups of their own.
end_tree() {
    local child children=()
    read -r -a children 2>/dev/null <"/proc/$1/task/$1/children" || true
    # Itself first: it would go on with the next step.
    kill "$1" 2>/dev/null || true
    for child in "${children[@]}"; do
        end_tree "$child"
    done
}

steps=("$@")
if ((${#steps[@]} == 0)) && [[ -n ${VERBOSE:-} ]]; then
    # Both need what the other row has built.
    steps=(fmt clippy features msrv rust-tests loom venv interop typing python-tests conformance-part doc-tests)
fi
if ((${#steps[@]})); then
    run_steps "${steps[@]}"
else
    steps=("${rust[@]}" "${python[@]}")
    # Both rows begin with the tools in .venv, and would make it at the same time.
    ci/venv.sh tools
    # A job of its own: without that a shell has what it starts in the background ignore Ctrl-C, and
    # so would every program that is tested there.
    set -m
    run_steps "${python[@]}" </dev/null &
    beside=$!
    set +m
    trap 'end_tree "$beside"' EXIT
    run_steps "${rust[@]}"
    wait "$beside"
    trap - EXIT
fi

say "all steps, $SECONDS s"
cat "$results"
# Once more, at the end, where whoever sees only that finds it.
for step in "${steps[@]}"; do
    if grep -q "^$step .*FAILED" "$results"; then
        what_failed "$logs/$step.log" | tail -n 25 | sed "s/^/$step: /"
    fi
done
passed=$(grep -c ' passed ' "$results" || true)
echo "steps: $passed passed, $((${#steps[@]} - passed)) failed"
((passed == ${#steps[@]}))
