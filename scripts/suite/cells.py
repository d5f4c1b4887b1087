"""Run labels on databases, and compare the failures with those of stock Django."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import StackError, last_line
from common.progress import say
from databases.servers import Database, running
from databases.targets import Target, Unavailable
from suite.baseline import Verdict, judge, load
from suite.run import Run, run_tests


@dataclass(frozen=True)
class Cell:
    """The tests of one tree on one database."""

    database: str
    version: str
    tree: str
    run: Run
    verdict: Verdict

    @property
    def ok(self) -> bool:
        return bool(self.run.outcomes) and not self.verdict.new

    @property
    def passed(self) -> int:
        return self.run.counts["ok"] + self.run.counts["expected failure"]

    @property
    def skipped(self) -> int:
        return self.run.counts["skip"]


@dataclass(frozen=True)
class NotRun:
    """A database that this machine lacks, the reason, and the command to get it."""

    database: str
    reason: str
    command: str


def run_cell(
    database: Database,
    tree: Path,
    tree_name: str,
    labels: Sequence[str],
    *,
    extra: Sequence[str] = (),
    through: Sequence[str] = (),
    log: Path | None = None,
) -> Cell:
    """Run the labels of a tree; ``extra`` and ``through`` as in run_tests.

    Raise StackError if the server died meanwhile.
    """
    name = database.target.name
    began = time.monotonic()
    say(f"{name}, {tree_name}: {' '.join(labels) or 'the whole suite'} ...")
    run = run_tests(
        tree, labels, database.environment(), extra=extra, through=through, log=log
    )
    if not database.alive():
        raise StackError(
            f"the {name} server ended during the tests, so they show nothing:"
            f" {database.why_dead()}",
            f"./scripts/stack test --db {name} (again)",
        )
    if not run.outcomes and run.code:
        said = f": {last_line(log.read_text(errors='replace'))}" if log else ""
        raise StackError(
            f"runtests.py ended with status {run.code} before any result{said}",
            f"see {log}" if log else None,
        )
    verdict = judge(run, load(database.target.family, database.version))
    cell = Cell(name, database.version, tree_name, run, verdict)
    say(
        f"{name}, {tree_name}: {cell.passed} passed, {len(run.failed)} failed,"
        f" {cell.skipped} skipped ({time.monotonic() - began:.0f} s)"
    )
    return cell


def run_target(
    target: Target,
    tree: tuple[str, Path],
    labels: Sequence[str],
    logs: Path | None,
    *,
    extra: Sequence[str] = (),
    through: Sequence[str] = (),
) -> Cell | NotRun:
    """Run the labels of a tree, its name and its path, on one database.

    The output goes to a file in ``logs``, or to the terminal without it.
    """
    name, path = tree
    log = logs and logs / f"{target.name}-{name}.log"
    options = {"extra": extra, "through": through}
    try:
        with running(target) as database:
            return run_cell(database, path, name, labels, log=log, **options)
    except Unavailable as error:
        say(f"{target.name}: not run: {error.reason}")
        return NotRun(target.name, error.reason, error.command)
