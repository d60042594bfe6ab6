#!/usr/bin/env bash
# Rust and Python on one heap: what one language stores the other reads, checked from Rust's side; and
# two programs, one of each, that share a Dict by a name.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
# The packages of ci/rust-tests.sh: of fewer, cargo would build some dependencies anew, with fewer
# features, and all that stands on them.
packages=(--workspace --exclude pumasi-py)
PUMASI_PYTHON=$PWD/.venv/bin/python watchdog 600 \
    cargo test "${cargo_flags[@]}" "${packages[@]}" --test typed python

say "a Rust program and a Python program on one named heap"
cargo build --quiet "${cargo_flags[@]}" "${packages[@]}" --example named_heap
example=${CARGO_TARGET_DIR:-target}/debug/examples/named_heap
name="interop-$$" said=$(mktemp)
trap 'rm -f "$said"' EXIT
watchdog 100 "$example" "$name" >"$said" &
rust=$!
python=$(watchdog 100 .venv/bin/python examples/python/named_heap.py "$name")
wait "$rust"
# Whoever comes first to the end has seen the other's last step.
[[ $python == "2000 sheaves" && $(<"$said") == "2000 sheaves" ]] ||
    die "they did not share the Dict: Python says '$python', Rust '$(<"$said")'"
[[ ! -e /dev/shm/pumasi-$(id -u)-$name ]] || die "the name of the heap is left"
