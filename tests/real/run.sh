#!/usr/bin/env bash
# The main job on real data, and sign-in through real identity providers: `cargo x real`. Needs
# SYNCLINE_BIN (the program), DATABASE_URL (an empty database), node, and a python3 with
# simple-salesforce and pysaml2 (of the environment SYNCLINE_PYTHON, if set); starts and stops what it
# needs on loopback. With SYNCLINE_SAML the program speaks SAML, which is then tried too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python="${SYNCLINE_PYTHON:+$SYNCLINE_PYTHON/bin/}python3"
"$python" tests/real/main_job.py "$@" </dev/null
"$python" tests/real/sign_in.py </dev/null
