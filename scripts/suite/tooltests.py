"""The tests of the tool itself, quick ones first."""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

from common.errors import StackError
from common.progress import step

# Tests that need a server, Django's suite or more than 2 s are slow.
STEPS = {"quick": "not slow", "slow": "slow"}


class Count(NamedTuple):
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


NONE = Count()


def run(root: Path) -> Count:
    """Run the tests of the checkout at ``root`` with pytest, all of them."""
    counts = []
    for name, marked in STEPS.items():
        with step(f"the tool's {name} tests"):
            counts.append(_run(root, marked))
    return Count(*map(sum, zip(*counts, strict=True)))


def _run(root: Path, marked: str) -> Count:
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        xml = Path(folder) / "tests.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", marked, f"--junitxml={xml}"],
            cwd=root,
            stdout=sys.stderr,
            check=False,
        )
        if not xml.exists():
            raise StackError("pytest gave no result", ".venv/bin/pytest")
        suite = ET.parse(xml).getroot().find("testsuite")
    assert suite is not None
    tests, failures, errors, skipped = (
        int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    return Count(tests - failed - skipped, failed, skipped)
