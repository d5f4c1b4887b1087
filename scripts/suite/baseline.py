"""The tests that stock Django fails on a database, so that only news is news."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from databases.family import version_in
from suite.run import Run

FOLDER = Path(__file__).parent / "baseline"


@dataclass(frozen=True)
class Known:
    """A test that stock Django fails, and why. A flaky one may also pass.

    ``since``: the first version of the database on which it does, all if empty.
    """

    test: str
    reason: str
    flaky: bool = False
    since: str = ""

    def applies_to(self, version: str) -> bool:
        return version_in(version) >= version_in(self.since)


@dataclass(frozen=True)
class Verdict:
    """A run against the baseline; each a sorted tuple of test ids.

    ``new`` are failures that the baseline does not list, ``known`` those that
    it does, ``repaired`` the listed ones that ran and did not fail.
    """

    new: tuple[str, ...]
    known: tuple[str, ...]
    repaired: tuple[str, ...]


def load(family: str, version: str) -> tuple[Known, ...]:
    """Return the baseline of a version of a database family, such as "postgresql".

    What stock fails on every database is part of each.
    """
    paths = [FOLDER / "any.toml", FOLDER / f"{family}.toml"]
    return tuple(
        known
        for path in paths
        if path.exists()
        for table in tomllib.loads(path.read_text(encoding="utf-8")).get("known", [])
        if (known := Known(**table)).applies_to(version)
    )


def judge(run: Run, known: Sequence[Known]) -> Verdict:
    listed = {entry.test for entry in known}
    steady = {entry.test for entry in known if not entry.flaky}
    passed = {test for test, outcome in run.outcomes.items() if outcome == "ok"}
    return Verdict(
        new=tuple(sorted({*run.failed} - listed)),
        known=tuple(sorted({*run.failed} & listed)),
        repaired=tuple(sorted(passed & steady)),
    )
