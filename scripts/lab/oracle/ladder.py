"""The ladder of checks that stands in for an Oracle server, rung by rung.

Each rung shows something that the one below cannot, and none but the last is Oracle:
docs-drafts/oracle.md says what each of them shows and what it does not. A rung that
cannot run says so, with the command that would change it.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.project import Project
from databases.servers import Database, running
from databases.targets import Target, Unavailable, resolve, standins
from lab.client import environment
from lab.oracle import golden, worker
from lab.oracle.grammars import grammars
from lab.oracle.races import MergeRaced
from patchstack import trees
from suite.matrix import Cell, NotRun, run_cell, run_target

# Django's own tests of what MERGE changes, on the stand-ins.
LABELS = (
    "bulk_create",
    "get_or_create",
    "many_to_many",
    "m2m_through",
    "cache",
    "composite_pk",
    "upsert",
)
# Tests of bulk_create for which Oracle lacks a feature; without MERGE it is 27.
SKIPPED = {"bulk_create": 13}
UNIQUE_VIOLATION = 1  # ORA-00001
STOCK = "stock"  # It has no MERGE.
# Stand-ins at a time: their tests use one processor each.
AT_A_TIME = 2


@dataclass(frozen=True)
class Rung:
    """What a rung found; ``shows`` is what is known if there are no findings."""

    number: int
    name: str
    shows: str
    ran: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    not_run: tuple[NotRun, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return what a program may want to know, but for the cells."""
        kept = {key: value for key, value in vars(self).items() if key != "cells"}
        return kept | {"not_run": [vars(entry) for entry in self.not_run]}

    def lines(self) -> Iterator[str]:
        """Yield what ran, and what was not shown."""
        head = f"rung {self.number}, {self.name}: "
        if self.ran:
            yield head + "; ".join(self.ran)
        for entry in self.not_run:
            yield f"{head}{entry.database} not run: {entry.reason}"
            yield f"  next: {entry.command}"
        if not self.ran:
            yield f"  not shown: {self.shows}"


def golden_file(stock: Path, tree: Path) -> Rung:
    """Rung 0: the statements and binds that Django makes are those on file."""
    oracle, others, found = golden.findings(stock, tree)
    return Rung(
        0,
        "statements on file",
        "Django sends what somebody has looked at, and other databases get the same"
        " INSERT as from stock",
        ran=(
            f"{oracle} cases on Oracle 19c, 21c and 23ai, {others} cases of INSERT on"
            f" each other database, {len(found)} findings",
        ),
        findings=tuple(found),
    )


def two_grammars() -> Rung:
    """Rung 1: two grammars accept the statements on file, and no mutant."""
    name, shows = "grammars", "two grammars of Oracle's SQL accept the statements"
    try:
        said, findings = grammars.check(golden.on_file(), golden.good())
    except Unavailable as error:
        missing = NotRun("two grammars", error.reason, error.command)
        return Rung(1, name, shows, not_run=(missing,))
    return Rung(1, name, shows, ran=(said,), findings=tuple(findings))


def raced(database: Database, tree: Path) -> tuple[MergeRaced, dict[str, bool]]:
    """Race and plant mutants on a stand-in; see oracle.races. StackError if it dies."""
    name = database.target.name
    result = worker.told(
        "races",
        name,
        env=environment(tree, database.url) | database.environment(),
        task=f"the race on {name} ended",
        then=f"./scripts/stack test --db {name} upsert",
    )
    return MergeRaced(**result["race"]), result["refused"]


def unlike_oracle(
    raced: MergeRaced, refused: Mapping[str, bool], outcomes: Mapping[str, str]
) -> Iterator[str]:
    """Yield what a stand-in did otherwise than Oracle.

    ``refused`` tells of each mutant that it has to refuse whether it did, and
    ``outcomes`` of each test how it ended.
    """
    if not raced.waited:
        yield "the second MERGE of a row did not wait for the first"
    if raced.error != UNIQUE_VIOLATION:
        yield f"the second MERGE of a row raised {raced.error}, not ORA-00001"
    if len(raced.rows) != 1:
        yield f"two sessions that MERGE one row leave {raced.rows}"
    for mutant, is_refused in refused.items():
        if not is_refused:
            yield f"it lets a mutant pass: {mutant}"
    for label, most in SKIPPED.items():
        skipped = sum(
            outcome == "skip" and test.startswith(f"{label}.")
            for test, outcome in outcomes.items()
        )
        if skipped > most:
            yield f"{skipped} tests of {label} are skipped, at most {most} may be"


def stand_in(
    target: Target,
    tree: tuple[str, Path],
    labels: Sequence[str],
    logs: Path,
    extra: Sequence[str],
) -> Rung:
    """Run the tests, the race and the mutants on one stand-in."""
    name, path = tree
    shows = f"Django's tests pass on {target.name}, which has a MERGE of its own"
    ran: list[str] = []
    found: list[str] = []
    try:
        with running(target) as database:
            log = logs / f"{target.name}-{name}.log"
            cell = run_cell(database, path, name, labels, extra=extra, log=log)
            if name != STOCK:
                race, refused = raced(database, path)
                found = [*unlike_oracle(race, refused, cell.run.outcomes)]
                ran = [str(race), *(f"it refuses {mutant}" for mutant in refused)]
    except Unavailable as error:
        missing = NotRun(target.name, error.reason, error.command)
        return Rung(2, "a stand-in", shows, not_run=(missing,))
    return Rung(
        2,
        "a stand-in",
        shows,
        ran=(f"{target.name}: {cell.passed} tests pass", *ran),
        findings=tuple(f"{target.name}: {line}" for line in found),
        cells=(cell,),
    )


def server(
    tree: tuple[str, Path], labels: Sequence[str], logs: Path, extra: Sequence[str]
) -> Rung:
    """Rung 4: an Oracle server, named by the user or of docker compose."""
    name, shows = "an Oracle server", "Oracle accepts the statements and executes them"
    tested = run_target(resolve("oracle"), [tree], labels, logs, extra=extra)
    if isinstance(tested, NotRun):
        return Rung(4, name, shows, not_run=(tested,))
    ran = tuple(f"{cell.version}: {cell.passed} tests pass" for cell in tested)
    return Rung(4, name, shows, ran=ran, cells=tuple(tested))


def rungs(
    tree: tuple[str, Path],
    logs: Path,
    *,
    touched: Sequence[str],
    labels: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> Iterator[Rung]:
    """Run every rung that can be run on a tree, a pair of its name and path.

    The stand-ins run ``labels`` or else LABELS, the server ``labels`` or else
    ``touched``. There is nothing for rungs 0 and 1 in stock Django.
    """
    if tree[0] != STOCK:
        yield golden_file(trees.stock(Project.here()), tree[1])
        yield two_grammars()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield from pool.map(
            lambda target: stand_in(target, tree, labels or LABELS, logs, extra),
            standins(),
        )
    yield server(tree, labels or touched, logs, extra)
