"""Hostile requests to every operation of the interface, made from its own description by schemathesis:
none may be answered with a status from 500 on. Bounded and seeded, so that a failure comes again.

Called by `main_job.py` with its hub at the end of the job; alone, `hostile.py ADDRESS KEY`.
"""

import os
import subprocess
import sys
from pathlib import Path

# What would end the caller's own access, or an answer that does not end.
LEFT_OUT = ["events", "sign_out", "put_security_policy"]
SEED = os.environ.get("SYNCLINE_SEED", "1")


def hostile(base, key, examples=12):
    """Whether no operation of the hub at `base` answered that something went wrong on its side."""
    command = [
        str(Path(sys.executable).with_name("st")), "run", f"{base}/api/v1/openapi.json",
        "--url", base,
        "--checks", "not_a_server_error",
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(examples),
        "--seed", SEED,
        "--workers", "2",
        "--request-timeout", "20",
        "--suppress-health-check", "all",
        "--warnings", "off",
        "--continue-on-failure",
        "--header", f"Authorization: Bearer {key}",
    ]
    for operation in LEFT_OUT:
        command += ["--exclude-operation-id", operation]
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(0 if hostile(*sys.argv[1:3]) else 1)
