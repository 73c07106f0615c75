#!/usr/bin/env bash
# The main job on real data: `cargo x real`. Needs SYNCLINE_BIN (the program), DATABASE_URL (an empty
# database) and a python3 with simple-salesforce (of the environment SYNCLINE_PYTHON, if set); starts
# and stops what it needs on loopback.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec "${SYNCLINE_PYTHON:+$SYNCLINE_PYTHON/bin/}python3" tests/real/main_job.py "$@" </dev/null
