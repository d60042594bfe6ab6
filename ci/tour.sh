#!/usr/bin/env bash
# Builds what is not up to date, then runs the tour. Arguments go to it: ci/tour.sh --lang ko
source "$(dirname "$0")/lib.sh"

ci/venv.sh
exec .venv/bin/pumasi tour "$@"
