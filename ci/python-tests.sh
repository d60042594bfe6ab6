#!/usr/bin/env bash
# The Python tests: in .venv, and then on every other supported CPython that this machine has.
# Arguments go to pytest. PUMASI_PYTHONS="3.10 3.13" runs only these versions.
source "$(dirname "$0")/lib.sh"

ci/venv.sh
default=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
read -r -a versions <<<"${PUMASI_PYTHONS:-$default $(printf '%s ' "${supported_pythons[@]/$default/}")}"

passed=() failed=() missing=()
for version in "${versions[@]}"; do
    if [[ $version == "$default" ]]; then
        environment=.venv
    else
        if ! python=$(find_python "$version"); then
            missing+=("$version")
            continue
        fi
        environment=.venvs/$version
        mkdir -p .venvs
        make_environment "$environment" "$python" ci/requirements-test.txt
        stamp=$environment/.built
        if sources_newer_than "$stamp" || [[ -n $(find python -newer "$stamp" -name '*.py*' -not -name '*.pyc' -print -quit) ]]; then
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
                failed+=("$version")
                continue
            fi
        fi
    fi
    say "pytest on $("$environment/bin/python" -V)"
    if watchdog 1200 "$environment/bin/python" -m pytest "$@"; then
        passed+=("$version")
    else
        failed+=("$version")
    fi
done

say "CPython: passed on ${passed[*]:-none}; failed on ${failed[*]:-none}"
if ((${#missing[@]})); then
    echo "not found: ${missing[*]}, not tested"
fi
((${#failed[@]} == 0 && ${#passed[@]} > 0))
