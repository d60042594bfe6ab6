#!/usr/bin/env bash
# What the documents promise: the API documentation builds without a warning, and every example
# in README.md, README.ko.md and docs/ runs. The programs of examples/ are run by the tests of their
# language, crates/pumasi/tests/examples.rs and tests/test_examples.py.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
RUSTDOCFLAGS="-D warnings" \
    cargo doc "${cargo_flags[@]}" --workspace --exclude pumasi-py --no-deps --document-private-items
.venv/bin/python ci/run_doc_examples.py
