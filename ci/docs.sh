#!/usr/bin/env bash
# Builds the API documentation of the crates, with warnings as errors, and says where it is.
source "$(dirname "$0")/lib.sh"

RUSTDOCFLAGS="-D warnings" cargo doc "${cargo_flags[@]}" --workspace --exclude pumasi-py --no-deps
echo "open ${CARGO_TARGET_DIR:-target}/doc/pumasi/index.html; the map is ARCHITECTURE.md, the guide in docs/"
