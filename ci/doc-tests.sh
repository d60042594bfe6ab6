#!/usr/bin/env bash
# What the documents promise: the API documentation builds without a warning, and every example
# in README.md, README.ko.md, docs/ and examples/ runs.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
RUSTDOCFLAGS="-D warnings" \
    cargo doc "${cargo_flags[@]}" --workspace --exclude pumasi-py --no-deps --document-private-items
.venv/bin/python ci/run_doc_examples.py

shopt -s nullglob
for example in crates/pumasi/examples/*.rs; do
    name=$(basename "$example" .rs)
    say "Rust example $name"
    cargo build --quiet "${cargo_flags[@]}" -p pumasi --example "$name"
    watchdog 120 cargo run --quiet "${cargo_flags[@]}" -p pumasi --example "$name"
done
for example in examples/python/*.py; do
    say "Python example ${example##*/}"
    watchdog 120 .venv/bin/python "$example"
done
