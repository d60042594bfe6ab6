#!/usr/bin/env bash
# Makes .venv with the default Python and the tools, and builds the release extension into it.
# Does nothing when that is up to date. `ci/venv.sh tools` leaves the extension out.
source "$(dirname "$0")/lib.sh"

require_platform
command -v cargo >/dev/null || die "no cargo found; pumasi is built with Rust 1.89 or newer"
python=$(default_python)
make_environment .venv "$python" ci/requirements-dev.txt

if [[ ${1:-} != tools ]]; then
    # Two steps of ci/test.sh may come here at the same time.
    mkdir -p target
    exec {lock}>target/.venv.lock
    flock "$lock"
    stamp=.venv/.built
    # An interrupted build leaves no stamp; a vanished or unloadable module is built again.
    if sources_newer_than "$stamp" || ! .venv/bin/python -c 'import pumasi._core' 2>/dev/null; then
        say "building the release extension for $(.venv/bin/python -V)"
        began=$(mktemp .venv/.began.XXXXXX)
        trap 'rm -f "$began"' EXIT
        run_maturin develop --release "${cargo_flags[@]}"
        # The stamp has the time at which the build began, so that an edit made meanwhile counts.
        mv "$began" "$stamp"
    fi
fi
