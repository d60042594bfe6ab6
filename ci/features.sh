#!/usr/bin/env bash
# The crate with each of its features alone and with none: no warning in any combination, and without
# features none of what they bring is compiled.
source "$(dirname "$0")/lib.sh"

bare=(-p pumasi --no-default-features)

for feature in "" derive serde process bench; do
    say "pumasi with ${feature:-no feature}"
    cargo clippy "${cargo_flags[@]}" "${bare[@]}" --features "$feature" --lib -- -D warnings
done

# refuse FEATURES CRATE...: none of these is among what pumasi is built with.
refuse() {
    local features=$1 tree crate
    shift
    tree=$(cargo tree "${cargo_flags[@]}" "${bare[@]}" --features "$features" -e normal,build --prefix none)
    for crate; do
        if grep -q "^$crate v" <<<"$tree"; then
            die "with ${features:-no feature} pumasi brings $crate: cargo tree ${bare[*]} -i $crate"
        fi
    done
}
refuse "" syn quote proc-macro2 serde serde_core postcard inventory thiserror pumasi-derive
refuse serde syn quote proc-macro2 postcard inventory thiserror pumasi-derive
refuse derive serde serde_core postcard inventory thiserror

# What needs no feature works without any, in several processes too.
say "the tests of forks, with no feature"
cargo test "${cargo_flags[@]}" "${bare[@]}" --test fork --no-run
watchdog 120 cargo test "${cargo_flags[@]}" "${bare[@]}" --test fork
