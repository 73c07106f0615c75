#!/usr/bin/env bash
# The main job on real data, and sign-in through real identity providers: `cargo x real`. Needs
# SYNCLINE_BIN (the program), DATABASE_URL and SIGN_IN_DATABASE_URL (empty databases), node, and a
# python3 with simple-salesforce, pysaml2 and pyotp (of the environment SYNCLINE_PYTHON, if set); starts
# and stops what it needs on loopback. With SYNCLINE_SAML the program speaks SAML, which is then tried too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python="${SYNCLINE_PYTHON:+$SYNCLINE_PYTHON/bin/}python3"
"$python" tests/real/main_job.py "$@" </dev/null
DATABASE_URL="$SIGN_IN_DATABASE_URL" "$python" tests/real/sign_in.py </dev/null
