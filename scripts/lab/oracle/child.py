"""Run a module of this package in its own process, on a given Django."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from common.errors import StackError, last_line


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
        raise StackError(f"{task}: {last_line(done.stderr)}", then)
    return json.loads(done.stdout)
