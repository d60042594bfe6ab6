# What the scripts of this directory share. Sourced by each of them, never run.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The supported versions of CPython, oldest first; pyproject.toml says the same to pip.
supported_pythons=(3.10 3.11 3.12 3.13)

# In CI the committed lock file decides; by hand, a new dependency may still change it.
cargo_flags=()
if [[ -n ${CI:-} ]]; then
    cargo_flags+=(--locked)
fi

say() { printf '\n== %s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# watchdog SECONDS COMMAND...: ends a command that hangs, so that no run lasts for ever.
watchdog() {
    local seconds=$1
    shift
    local flags=(--kill-after=30 "$seconds")
    # At a terminal the command stays in the foreground, so that Ctrl-C reaches it.
    if [[ -t 0 ]]; then
        flags=(--foreground "${flags[@]}")
    fi
    local status=0
    timeout "${flags[@]}" "$@" || status=$?
    if ((status == 124 || status == 137)); then
        printf '%s: stopped after %s s: %s\n' "${0##*/}" "$seconds" "$*" >&2
    fi
    return "$status"
}

# what_failed LOG: the lines of a failed step's log which name what failed: cargo's "failures:" lists
# and compile errors, pytest's short summary and the test that it was at when the time was over,
# panics and what they said, watchdogs.
what_failed() {
    awk '
        # Colours, where a tool insists on them.
        { gsub(/\033\[[0-9;]*m/, "") }
        /^failures:$/ { listing = 1; next }
        listing && /^    [^ ]/ { print "failed:" $0; next }
        /^(FAILED|ERROR) / || /panicked at/ || /^error(\[|:)/ || /^[^ ]+: error:/ \
            || /stopped after [0-9]+ s/ || /^would reformat|^Diff in / || /^[^ ]+ FAILED$/ \
            || /FAILED +[0-9]|^fatal|Fatal Python error|^E   [A-Z]/ { print }
        # What a panic says stands in the lines after it: the first, and the two sides of an equation.
        /^ +(left|right): / { print "    it said:" $0 }
        said { print "    it said: " $0 }
        { said = /panicked at .*:$/ }
        # A test that hangs: its name, and of its main thread, as pytest-timeout shows it, our lines.
        /^tests\/[^ ]*::.* Timeout \([0-9:]+\)!$/ { print }
        /^~+ Stack of / { stack = /MainThread/ }
        stack && /^ +File .*\/(tests|python\/pumasi|site-packages\/pumasi)\// { print "in its stack:" $0 }
        !/^$/ { listing = 0 }
    ' "$1" | awk '!seen[$0]++ && n++ < 60' | cut -c -300
}

# show_failure LOG: what failed in a step, by name, and the end of its log.
show_failure() {
    local log=$1
    echo "---- what failed, by name ($log)"
    what_failed "$log"
    echo "---- the end of $log"
    tail -n 60 "$log" | cut -c -300
    echo "---- end of $log"
}

# The system is one that pumasi runs on, or one sentence says what is, and what to use instead.
require_platform() {
    case "$(uname -s)-$(uname -m)" in
        Linux-x86_64 | Linux-aarch64) ;;
        *) die "pumasi runs on Linux on x86-64 or aarch64, not on $(uname -s) on $(uname -m);" \
            "use the standard library's multiprocessing there" ;;
    esac
}

# python_is EXECUTABLE VERSION: it runs (a version manager's shim may not), and can make environments.
python_is() {
    "$1" -c '
import sys, sysconfig, ensurepip, venv
ok = sys.implementation.name == "cpython" and "%d.%d" % sys.version_info[:2] == sys.argv[1]
sys.exit(not (ok and sysconfig.get_config_var("Py_GIL_DISABLED") != 1))
' "$2" >/dev/null 2>&1
}

# find_python VERSION: prints an interpreter of this version, or fails.
find_python() {
    local version=$1 candidate
    for candidate in \
        "$(command -v "python$version" || true)" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version" \
        "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/cpython-"$version".*/bin/"python$version" \
        /usr/local/bin/"python$version" \
        /opt/python/cp"${version/./}"-cp"${version/./}"/bin/python; do
        if [[ -x $candidate ]] && python_is "$candidate" "$version"; then
            # The real path: a shim changes its mind when the directory or a setting does.
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return 0
        fi
    done
    return 1
}

# The Python of .venv: the machine's python3 where that is a supported one, or else the newest found.
default_python() {
    local version
    for version in "${supported_pythons[@]}"; do
        if python_is python3 "$version"; then
            python3 -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return 0
        fi
    done
    for version in $(printf '%s\n' "${supported_pythons[@]}" | sort -rV); do
        find_python "$version" && return 0
    done
    die "pumasi needs CPython 3.10 to 3.13 with its venv module, and none was found here;" \
        "install one, or use the standard library's multiprocessing"
}

# make_environment DIRECTORY PYTHON REQUIREMENTS...: a virtual environment with these tools in it.
# Made anew for another Python, filled anew for other requirements, and otherwise left alone.
make_environment() {
    local directory=$1 python=$2
    shift 2
    local wanted
    wanted=$("$python" -c 'import sys; print(sys.version, sys.executable)' && cat ci/requirements-*.txt)
    if [[ -f $directory/.filled && $(<"$directory/.filled") == "$wanted" ]] \
        && "$directory/bin/python" -c '' 2>/dev/null; then
        return 0
    fi
    say "making $directory with $("$python" -V) for $*"
    "$python" -m venv --clear "$directory"
    local file arguments=()
    for file in "$@"; do
        arguments+=(-r "$file")
    done
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check \
        --no-deps "${arguments[@]}"
    printf '%s\n' "$wanted" >"$directory/.filled"
}

# run_maturin ARGUMENTS...: the maturin of .venv. It warns that pip will not use it, since it does
# not look into ci/build_backend.py, through which pip does; that one line is left out.
run_maturin() {
    VIRTUAL_ENV=$PWD/.venv .venv/bin/maturin "$@" 2>&1 | sed '/build-backend. in pyproject.toml is not set/d'
}

# What the extension is built from is newer than the stamp (a deleted file shows in its directory).
sources_newer_than() {
    [[ ! -f $1 ]] && return 0
    [[ -n $(find crates Cargo.toml Cargo.lock pyproject.toml .cargo \
        -not -path '*/tests/*' -not -path '*/examples/*' -newer "$1" -print -quit) ]]
}

# choose_versions: sets `versions` to the Pythons to test on, that of .venv first, or to those which
# PUMASI_PYTHONS names, and `default` to that of .venv.
choose_versions() {
    default=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    # shellcheck disable=SC2034 # for the scripts which source this
    read -r -a versions <<<"${PUMASI_PYTHONS:-$default $(printf '%s ' "${supported_pythons[@]/$default/}")}"
}

# python_environment VERSION: sets `environment` to one of this Python with pumasi in it, which is
# up to date. Fails with status 2 when the machine has no such Python. After choose_versions.
python_environment() {
    local version=$1 python stamp began wheels
    if [[ $version == "$default" ]]; then
        environment=.venv
        return 0
    fi
    python=$(find_python "$version") || return 2
    environment=.venvs/$version
    mkdir -p .venvs
    make_environment "$environment" "$python" ci/requirements-test.txt || return 1
    stamp=$environment/.built
    if ! sources_newer_than "$stamp" \
        && [[ -z $(find python -newer "$stamp" -name '*.py*' -not -name '*.pyc' -print -quit) ]]; then
        return 0
    fi
    say "building the wheel for CPython $version"
    began=$(mktemp "$environment/.began.XXXXXX")
    wheels=target/wheels/$version
    rm -rf "$wheels"
    if run_maturin build --release "${cargo_flags[@]}" --interpreter "$python" --out "$wheels" \
        && "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
            --no-deps --force-reinstall "$wheels"/*.whl; then
        mv "$began" "$stamp"
    else
        rm -f "$began"
        return 1
    fi
}
