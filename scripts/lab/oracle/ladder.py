"""The ladder of checks that stands in for an Oracle server, rung by rung.

Each rung shows something that the one below cannot, and none but the last is Oracle:
docs-drafts/oracle.md says what each of them shows and what it does not. A rung that
cannot run says so, with the command that would change it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.project import Project
from databases.servers import Database, running
from databases.targets import Target, Unavailable, resolve, standins
from databases.urls import DEFAULT
from lab.client import environment
from lab.oracle import child, golden
from lab.oracle.grammars import grammars
from lab.oracle.merge_race import MergeRaced
from lab.variants import STOCK
from patchstack import trees
from suite.cells import Cell, NotRun, run_cell

# Django's own tests around MERGE, for the stand-ins.
LABELS = (
    "bulk_create",
    "get_or_create",
    "many_to_many",
    "m2m_through",
    "cache",
    "composite_pk",
    "upsert",
    "bulk_insert",
)
# Tests of bulk_create for which Oracle lacks a feature; without MERGE it is 27.
SKIPPED = {"bulk_create": 13}
UNIQUE_VIOLATION = 1  # ORA-00001
# Stand-ins at a time: their tests use one processor each.
AT_A_TIME = 2


# A text about each run, the findings, and the tests that ran.
type Found = tuple[Sequence[str], Sequence[str], Sequence[Cell]]

# Number: name, and the fact that a rung without findings shows.
RUNGS: Mapping[float, tuple[str, str]] = {
    0: (
        "statements on file",
        "Django sends the reviewed statements, and other databases get the same"
        " INSERT as from stock",
    ),
    0.5: (
        "the driver",
        "python-oracledb's thin mode takes and encodes every bind, LOB and array",
    ),
    1: ("grammars", "two grammars of Oracle's SQL accept the statements"),
    2: ("a stand-in", "Django's tests pass on an engine with a MERGE of its own"),
    4: ("an Oracle server", "Oracle accepts the statements and executes them"),
}


@dataclass(frozen=True)
class Rung:
    """The result of a rung; without findings it shows what ``shows`` says."""

    number: float
    name: str
    shows: str
    ran: Sequence[str] = ()
    findings: Sequence[str] = ()
    cells: Sequence[Cell] = ()
    not_run: Sequence[NotRun] = ()

    def lines(self) -> Iterator[str]:
        """Yield the text about the rung."""
        head = f"rung {self.number}, {self.name}: "
        if self.ran:
            yield head + "; ".join(self.ran)
        for entry in self.not_run:
            yield f"{head}{entry.database} not run: {entry.reason}"
            yield f"  next: {entry.command}"
        if not self.ran:
            yield f"  not shown: {self.shows}"


def attempt(number: float, what: str, climb: Callable[[], Found]) -> Rung:
    """Climb a rung, which needs ``what``; it is not run if that is Unavailable."""
    try:
        ran, findings, cells = climb()
    except Unavailable as error:
        missing = NotRun(what, error.reason, error.command)
        return Rung(number, *RUNGS[number], not_run=(missing,))
    return Rung(number, *RUNGS[number], ran, findings, cells)


def statements(stock: Path, tree: Path) -> Found:
    """Compare the statements and binds that Django makes with those on file."""
    oracle, others, findings = golden.findings(stock, tree)
    said = (
        f"{oracle} cases on Oracle 19c, 21c and 23ai, {others} cases of INSERT on each"
        f" other database, {len(findings)} findings"
    )
    return [said], findings, []


def encoded(tree: Path) -> Found:
    """Let the driver encode the statements that Django makes, for no server."""
    told = child.told(
        "wire",
        *golden.ORACLE,
        env=environment(tree, DEFAULT),
        task=f"the Django in {tree} sent nothing",
        then="./scripts/stack setup",
    )
    if reason := told.get("unlike"):
        raise Unavailable(reason, "pip install oracledb==26.1.0")
    findings = [f"the driver refuses: {line}" for line in told["refused"]]
    findings += [f"the driver lets a mistake pass: {name}" for name in told["missed"]]
    said = (
        f"oracledb {told['version']} encodes {told['calls']} calls in"
        f" {told['bytes']:,} bytes, {len(findings)} findings"
    )
    return [said], findings, []


def two_grammars() -> Found:
    """Ask two grammars about the statements on file and the mutants."""
    said, findings = grammars.check(golden.on_file(), golden.good()["sql"])
    return [said], findings, []


def raced(database: Database, tree: Path) -> tuple[MergeRaced, dict[str, bool]]:
    """Run merge_race on a stand-in. Raise StackError if it dies."""
    name = database.target.name
    result = child.told(
        "merge_race",
        name,
        env=environment(tree, database.url) | database.environment(),
        task=f"the race on {name} ended",
        then=f"./scripts/stack test --db {name} bulk_insert",
    )
    return MergeRaced(**result["race"]), result["refused"]


def unlike_oracle(
    raced: MergeRaced, refused: Mapping[str, bool], outcomes: Mapping[str, str]
) -> Iterator[str]:
    """Yield the differences of a stand-in from Oracle.

    ``refused`` tells whether it refused each mutant that it has to refuse.
    ``outcomes`` maps each test to its outcome.
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


def tested(
    target: Target,
    tree: tuple[str, Path],
    labels: Sequence[str],
    logs: Path,
    extra: Sequence[str],
) -> Found:
    """Run the tests on Oracle or a stand-in, and there the race and the mutants."""
    name, path = tree
    findings: list[str] = []
    with running(target) as database:
        log = logs / f"{target.name}-{name}.log"
        cell = run_cell(database, path, name, labels, extra=extra, log=log)
        ran = [f"{target.name}, {cell.version}: {cell.passed} tests pass"]
        if target.name != "oracle" and name != STOCK:  # Stock has no MERGE.
            race, refused = raced(database, path)
            ran += [str(race), *(f"it refuses {mutant}" for mutant in refused)]
            findings += unlike_oracle(race, refused, cell.run.outcomes)
    return ran, [f"{target.name}: {line}" for line in findings], [cell]


def rungs(
    tree: tuple[str, Path],
    logs: Path,
    *,
    touched: Sequence[str],
    labels: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> Iterator[Rung]:
    """Run every available rung on a tree, a pair of its name and path.

    Without ``labels`` the stand-ins run LABELS, and the server runs ``touched``.
    Stock Django has no rungs below 2.
    """

    def on(number: int, target: Target, chosen: Sequence[str]) -> Rung:
        return attempt(
            number, target.name, lambda: tested(target, tree, chosen, logs, extra)
        )

    if tree[0] != STOCK:
        stock = trees.stock(Project.here())
        yield attempt(0, "Django", lambda: statements(stock, tree[1]))
        yield attempt(0.5, "oracledb", lambda: encoded(tree[1]))
        yield attempt(1, "two grammars", two_grammars)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield from pool.map(lambda each: on(2, each, labels or LABELS), standins())
    yield on(4, resolve("oracle"), labels or touched)
