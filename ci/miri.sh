#!/usr/bin/env bash
# The models under Miri, which runs every instruction of the core and ends at undefined behaviour: a
# read out of bounds or of freed memory, a data race, a reference that should not be. Takes
# some twenty minutes; arguments name tests: ci/miri.sh a_list sets::
# Needs a nightly compiler, so that it is no part of `make test`.
source "$(dirname "$0")/lib.sh"

cargo +nightly miri --version >/dev/null 2>&1 \
    || die "no Miri found; rustup toolchain install nightly --component miri,rust-src gets it"
# Seeds come from the system. A process's private state is left behind on purpose (PART-1).
export MIRIFLAGS="${MIRIFLAGS:-} -Zmiri-disable-isolation -Zmiri-ignore-leaks"
cargo +nightly miri test "${cargo_flags[@]}" -p pumasi --test model -- "$@"
