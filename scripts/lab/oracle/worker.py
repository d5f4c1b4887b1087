"""A module of this package in a process of its own, with a Django of one's choice."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from common.errors import StackError


def told(module: str, *words: str, env: Mapping[str, str], task: str, then: str) -> Any:
    """Run ``python -m lab.oracle.MODULE WORD...``; return the JSON that it prints.

    StackError if it fails: ``task`` says what did not work, the last line of the
    process says why, and ``then`` is the next command.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", f"lab.oracle.{module}", *words],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise StackError(f"{task}: {last}", then)
    return json.loads(done.stdout)
