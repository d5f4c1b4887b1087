"""The test runner inside Django's process: upstream's, and a record of it.

Loaded by Django's settings through TEST_RUNNER; nothing of this package that
is outside Django's process may be imported here.
"""

import json
import os
import unittest
from pathlib import Path
from typing import Any

from django.test.runner import DiscoverRunner


class Recording(unittest.TextTestResult):
    """A result that remembers how each test ended, subtests with their test.

    ``outcomes`` maps a test's id to "ok", "fail", "error", "skip", "expected
    failure" or "unexpected success"; ``reasons`` has the text of each skip and
    the last line of each traceback.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def _record(self, test: Any, outcome: str, reason: str = "") -> None:
        test = getattr(test, "test_case", test)  # A subtest counts for its test.
        name = test.id()
        # Once failed, a later success (of another subtest) does not repair it.
        if self.outcomes.get(name) not in ("fail", "error"):
            self.outcomes[name] = outcome
            if reason:
                self.reasons[name] = reason

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self._record(test, "ok")

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._record(test, "fail", _last_line(self.failures[-1][1]))

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._record(test, "error", _last_line(self.errors[-1][1]))

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self._record(test, "skip", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self._record(test, "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._record(test, "unexpected success")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self._record(test, "fail" if failed else "error", repr(err[1]))


def _last_line(traceback: str) -> str:
    return (traceback.strip().splitlines() or [""])[-1][:300]


class RecordingRunner(DiscoverRunner):  # type: ignore[misc,unused-ignore]
    """Django's runner; writes what happened to the file STACK_RESULTS."""

    def get_resultclass(self) -> Any:
        special = super().get_resultclass()  # With --debug-sql or --pdb.
        if special is None:
            return Recording
        return type("Recording", (Recording, special), {})

    def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> Any:
        Path(os.environ["STACK_RESULTS"]).write_text(
            json.dumps({"outcomes": result.outcomes, "reasons": result.reasons}),
            encoding="utf-8",
        )
        return super().suite_result(suite, result, **kwargs)
