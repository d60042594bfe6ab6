#!/usr/bin/env bash
# The oldest Rust that builds us, `rust-version` in Cargo.toml: no dependency asks for a newer one,
# and the workspace is checked with that very compiler where rustup has it. What the standard library
# lacks there clippy's `incompatible_msrv` finds with any compiler.
source "$(dirname "$0")/lib.sh"

ours=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
[[ -n $ours ]] || die "no rust-version in Cargo.toml"
newer=$(cargo metadata "${cargo_flags[@]}" --format-version 1 | python3 -c '
import json, sys

ours = tuple(map(int, sys.argv[1].split(".")))
for package in json.load(sys.stdin)["packages"]:
    wanted = package["rust_version"]
    if wanted and tuple(map(int, wanted.split(".")))[:2] > ours[:2]:
        name, version = package["name"], package["version"]
        print(f"{name} {version} asks for Rust {wanted}")
' "$ours")
[[ -z $newer ]] || die "newer than our rust-version $ours: $newer"
echo "every dependency builds with Rust $ours, as far as it says"

if rustup run "$ours" rustc --version 2>/dev/null; then
    CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/msrv" \
        rustup run "$ours" cargo check "${cargo_flags[@]}" -p pumasi -p pumasi-derive -p pumasi-cli
else
    echo "left out: Rust $ours itself, not found; \"rustup toolchain install $ours --profile minimal\""
fi
