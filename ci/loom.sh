#!/usr/bin/env bash
# The loom models: every interleaving of the lock, the claim, the block word and the mark epoch.
source "$(dirname "$0")/lib.sh"

# `--cfg loom` swaps the atomics of every crate, so these builds stay apart from the others.
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
# How many preemptions a model tries; CI's bound keeps a model in seconds.
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"
cargo test "${cargo_flags[@]}" -p pumasi --test loom --profile model --no-run
watchdog 900 cargo test "${cargo_flags[@]}" -p pumasi --test loom --profile model "$@"
