"""The test runner inside Django's process: upstream's, and a record of it.

Loaded by Django's settings through TEST_RUNNER; nothing that is outside Django's
process may be imported here.
"""

import json
import os
import unittest
from pathlib import Path
from typing import Any

from django.test.runner import DiscoverRunner


class Recording(unittest.TextTestResult):
    """A result that also knows which tests passed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.passed: list[Any] = []

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self.passed.append(test)


def record(result: Any) -> dict[str, dict[str, str]]:
    """Return the outcomes and reasons of suite.run.Run, subtests with their test."""
    # The later kind wins: a test fails if one of its subtests fails.
    kinds = {
        "skip": result.skipped,
        "ok": [(test, "") for test in result.passed],
        "expected failure": result.expectedFailures,
        "unexpected success": [(test, "") for test in result.unexpectedSuccesses],
        "fail": result.failures,
        "error": result.errors,
    }
    outcomes: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for kind, found in kinds.items():
        for test, text, *_ in found:  # With --debug-sql its SQL follows.
            name = getattr(test, "test_case", test).id()
            outcomes[name] = kind
            if lines := text.strip().splitlines():
                reasons[name] = lines[-1][:300]
    return {"outcomes": outcomes, "reasons": reasons}


class RecordingRunner(DiscoverRunner):  # type: ignore[misc,unused-ignore]
    """Django's runner; writes what happened to the file STACK_RESULTS."""

    def get_resultclass(self) -> Any:
        special = super().get_resultclass()  # With --debug-sql or --pdb.
        if special is None:
            return Recording
        return type("Recording", (Recording, special), {})

    def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> Any:
        text = json.dumps(record(result))
        Path(os.environ["STACK_RESULTS"]).write_text(text, encoding="utf-8")
        return super().suite_result(suite, result, **kwargs)
