#!/usr/bin/env bash
# Runs the crash simulator, the property, churn and kill tests round after round, each round with
# a new seed, for the given number of seconds or until Ctrl-C. Ends at the first failure, whose
# seed it prints: ci/soak.sh 3600, or PUMASI_SEED=1234 ci/soak.sh to repeat one round.
source "$(dirname "$0")/lib.sh"

seconds=${1:-}
ci/venv.sh
# How long one test that is marked "soak" may go on in one round.
export PUMASI_SOAK_SECONDS="${PUMASI_SOAK_SECONDS:-60}"
build=("${cargo_flags[@]}" -p pumasi --profile model)
cargo test "${build[@]}" --lib --tests --no-run

fixed=${PUMASI_SEED:-}
round=0
while ((round == 0)) || [[ -z $fixed && (-z $seconds || $SECONDS -lt $seconds) ]]; do
    round=$((round + 1))
    export PUMASI_SEED="${fixed:-$((RANDOM * 32768 + RANDOM))}"
    # proptest and hypothesis have their own ways to be told.
    export PROPTEST_RNG_SEED="$PUMASI_SEED"
    say "round $round, $SECONDS s so far, PUMASI_SEED=$PUMASI_SEED"
    cargo test --quiet "${build[@]}" --lib --tests -- --include-ignored \
        || die "failed with PUMASI_SEED=$PUMASI_SEED"
    .venv/bin/python -m pytest --quiet --timeout 0 -p no:cacheprovider --hypothesis-seed="$PUMASI_SEED" \
        || die "failed with PUMASI_SEED=$PUMASI_SEED"
done
echo "soaked for $SECONDS s: $round rounds passed, 0 failed"
