#!/usr/bin/env bash
# The main job on real data: `cargo x real`. Needs SYNCLINE_BIN (the program), DATABASE_URL (an empty
# database) and a python3 with simple-salesforce; starts and stops what it needs on loopback.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec python3 tests/real/main_job.py "$@" </dev/null
