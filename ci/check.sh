#!/usr/bin/env bash
# The quick look before a commit: form, clippy, the tidy test. No extension is built.
source "$(dirname "$0")/lib.sh"

ci/fmt.sh
ci/clippy.sh
cargo test "${cargo_flags[@]}" -p pumasi --test tidy
# Licences and advisories, where the tool is at hand; it takes minutes to build, so nothing installs it.
if command -v cargo-deny >/dev/null; then
    cargo deny check
    cargo deny --manifest-path benches/rust/Cargo.toml --all-features check --config deny.toml
else
    echo "left out: licences and advisories, cargo-deny not found"
fi
