"""Stock against patched in one run: what to measure, the rounds, the result."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.client import Worker, started
from bench.figures import (
    aligned,
    markdown,
    number,
    ratio,
    spread,
    times,
    with_spread,
)
from bench.operations import DAY, Operation, select
from bench.proxy import farther
from bench.report import Report, circumstances
from bench.values import compressed_size, pickled
from patchstack.errors import StackError
from patchstack.progress import say, step

STOCK, PATCHED = "stock", "patched"
MOST_CALLS = 2_000  # in one block
FORMAT = 1  # of the JSON file

HEADER = (
    "operation",
    "rows",
    "stock CPU µs",
    "patched CPU µs",
    "ratio",
    "stock wall µs",
    "patched wall µs",
    "ratio",
    "statements",
    "calls with COUNT",
)
LEGEND = (
    "µs per call: median of the rounds [first - third quartile]. ratio: stock /"
    " patched, median of each\nround's ratio. CPU is that of the Python process,"
    " without a server's. statements: mean per call,\nBEGIN and COMMIT included."
)


@dataclass(frozen=True)
class Plan:
    """What one run measures.

    ``values`` is the kind of the cache's values, ``block`` the wished length of a
    block in seconds, ``latency`` what is added to each round trip to the server,
    in milliseconds.
    """

    rows: tuple[int, ...] = (1_000, 300_000)
    operations: tuple[str, ...] = ()
    values: str = "dict"
    max_entries: int | None = None
    rounds: int = 15
    block: float = 0.1
    counted_calls: int = 100
    seed: int = 1
    latency: float = 0

    @property
    def limit(self) -> int:
        """MAX_ENTRIES: as asked, else one that is never reached."""
        return self.max_entries or max(1_000_000, 2 * max(self.rows))


QUICK = Plan(rounds=5, block=0.04, counted_calls=40)


@dataclass(frozen=True)
class Block:
    """One variant's part of a round, in nanoseconds; the last two of single calls."""

    calls: int
    cpu_ns: int
    wall_ns: int
    p99_ns: int
    worst_ns: int


@dataclass(frozen=True)
class Counted:
    """Statements of ``calls`` calls together, and how many of them ran a COUNT."""

    calls: int
    statements: int
    with_count: int

    @property
    def mean(self) -> float:
        return self.statements / self.calls


@dataclass(frozen=True)
class Measured:
    """One operation at one number of rows; variant name → values, one a round."""

    operation: str
    per: int
    rows: int
    blocks: Mapping[str, Sequence[Block]]
    counted: Mapping[str, Counted]

    def cpu(self, variant: str) -> list[float]:
        """Return µs of CPU per call, round by round."""
        return [each.cpu_ns / each.calls / 1_000 for each in self.blocks[variant]]

    def wall(self, variant: str) -> list[float]:
        """Return µs of wall time per call, round by round."""
        return [each.wall_ns / each.calls / 1_000 for each in self.blocks[variant]]


@dataclass(frozen=True)
class Choice:
    """What two Djangos and a database can do of what was wished.

    ``instead``: operation → what stock, which lacks it, runs for it; ``skipped``:
    operation → why it is left out.
    """

    operations: Sequence[Operation]
    instead: Mapping[str, str]
    skipped: Mapping[str, str]

    def runs(self, operation: Operation, variant: str) -> str:
        """Return the name of what a variant runs for an operation."""
        if variant == STOCK:
            return self.instead.get(operation.name, operation.name)
        return operation.name


def choose(
    operations: Sequence[Operation], lacking: Mapping[str, Mapping[str, str]]
) -> Choice:
    """Choose by what each variant lacks; StackError if nothing is left."""
    stock = {each.name: each.meant(lacking[STOCK]) for each in operations}
    why = {**lacking[STOCK], **lacking[PATCHED]}
    left = [
        each
        for each in operations
        if stock[each.name] and each.name not in lacking[PATCHED]
    ]
    skipped = {each.name: why[each.name] for each in operations if each not in left}
    if not left:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise StackError(f"bench: there is nothing to measure: {reasons}")
    for name, reason in skipped.items():
        say(f"{name}: not run: {reason}")
    return Choice(
        operations=left,
        instead={
            each.name: stock[each.name]
            for each in left
            if stock[each.name] != each.name
        },
        skipped=skipped,
    )


@dataclass(frozen=True)
class Comparison(Report):
    """Everything of one run.

    ``skipped`` and ``instead`` are those of the Choice.
    """

    plan: Plan
    measured: Sequence[Measured]
    skipped: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything that was measured, and the medians for readers of it."""
        return {
            "format": FORMAT,
            **self.head(),
            "options": asdict(self.plan)
            | {
                "max_entries": self.plan.limit,
                "value_bytes": len(pickled(self.plan.values)),
                "value_bytes_zlib": compressed_size(self.plan.values),
            },
            "skipped": dict(self.skipped),
            "instead": dict(self.instead),
            "results": [asdict(each) | summary(each) for each in self.measured],
        }

    def table(self) -> str:
        return aligned(HEADER, cells(self.measured))

    def markdown(self) -> str:
        return markdown(HEADER, cells(self.measured))

    def notes(self) -> list[str]:
        """Return a line for each operation that is not what its row says."""
        return [
            *(f"{name}: stock runs {other}" for name, other in self.instead.items()),
            *(f"{name}: not run: {why}" for name, why in self.skipped.items()),
        ]

    def growth(self) -> list[str]:
        """Return a line per operation: time at the most rows / time at the fewest."""
        few, many = min(self.plan.rows), max(self.plan.rows)
        if few == many:
            return []
        at = {(each.operation, each.rows): each for each in self.measured}
        lines = []
        for name in dict.fromkeys(each.operation for each in self.measured):
            small, large = at[name, few], at[name, many]
            parts = [
                f"{variant} CPU {times(ratio(large.cpu(variant), small.cpu(variant)))},"
                f" wall {times(ratio(large.wall(variant), small.wall(variant)))}"
                for variant in (STOCK, PATCHED)
            ]
            lines.append(f"{name}: " + "; ".join(parts))
        return [f"Time at {many:,} rows / time at {few:,} rows:", *lines]


def summary(each: Measured) -> dict[str, Any]:
    """Return the medians, quartiles (µs per call) and ratios of one measurement."""
    found: dict[str, Any] = {}
    for kind, values in (("cpu", each.cpu), ("wall", each.wall)):
        found[f"{kind}_us"] = {
            variant: {
                "median": median(values(variant)),
                "quartiles": spread(values(variant)),
            }
            for variant in (STOCK, PATCHED)
        }
        found[f"{kind}_ratio"] = ratio(values(STOCK), values(PATCHED))
    found["mean_statements"] = {
        variant: counted.mean for variant, counted in each.counted.items()
    }
    return found


def cells(measured: Sequence[Measured]) -> list[list[str]]:
    """Return the table's rows as text."""
    rows = []
    for each in measured:
        stock, patched = each.counted[STOCK], each.counted[PATCHED]
        rows.append(
            [
                each.operation,
                f"{each.rows:,}",
                with_spread(each.cpu(STOCK)),
                with_spread(each.cpu(PATCHED)),
                times(ratio(each.cpu(STOCK), each.cpu(PATCHED))),
                with_spread(each.wall(STOCK)),
                with_spread(each.wall(PATCHED)),
                times(ratio(each.wall(STOCK), each.wall(PATCHED))),
                f"{number(stock.mean)} → {number(patched.mean)}",
                f"{stock.with_count} → {patched.with_count} of {stock.calls}",
            ]
        )
    return rows


def compare(
    *,
    stock: Path,
    patched: Path,
    url: str = "sqlite:///:memory:",
    plan: Plan = QUICK,
    ids: Mapping[str, str] | None = None,
) -> Comparison:
    """Measure the Django in two folders on the database server that ``url`` names.

    Each variant and number of rows has a process and a database of its own (on
    SQLite a file in a temporary folder), all alive at once; the variants take
    turns at each operation, in another order every round. ``ids`` says what the
    folders hold, for the JSON. StackError if nothing of the plan can be measured.
    """
    trees = {STOCK: stock, PATCHED: patched}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        if plan.latency:
            url = stack.enter_context(farther(url, plan.latency))
        workers: dict[int, dict[str, Worker]] = {}
        for rows in plan.rows:
            workers[rows] = {
                variant: stack.enter_context(
                    started(f"{variant} {rows} rows", tree, url, folder)
                )
                for variant, tree in trees.items()
            }
        opened: dict[str, dict[str, Any]] = {}
        for rows, pair in workers.items():
            for variant, worker in pair.items():
                opened[variant] = worker.ask(
                    "open",
                    name=f"{variant}_{rows}",
                    folder=str(folder),
                    synchronous="NORMAL",
                )
        pair = workers[plan.rows[0]]
        choice = choose(
            select(plan.operations),
            {variant: pair[variant].ask("lacking") for variant in trees},
        )
        for rows, pair in workers.items():
            with step(f"filling {rows:,} rows, stock and patched"):
                for worker in pair.values():
                    worker.send(
                        "prepare",
                        rows=rows,
                        max_entries=plan.limit,
                        timeout=DAY,
                        seed=plan.seed,
                        tables=sorted({each.table for each in choice.operations}),
                        values=plan.values,
                    )
                for worker in pair.values():
                    worker.receive()
        measured = _rounds(workers, choice, plan)
    return Comparison(
        **circumstances(opened, ids),
        plan=plan,
        measured=measured,
        skipped=choice.skipped,
        instead=choice.instead,
    )


def _rounds(
    workers: Mapping[int, Mapping[str, Worker]], choice: Choice, plan: Plan
) -> list[Measured]:
    """Count the statements, warm up, then take turns for all rounds."""
    lanes = [(each, rows) for each in choice.operations for rows in workers]
    counted: dict[tuple[str, int], dict[str, Counted]] = {}
    calls: dict[tuple[str, int, str], int] = {}
    with step("counting statements, warming up"):
        for each, rows in lanes:
            counted[each.name, rows] = {}
            for variant, worker in workers[rows].items():
                found = worker.ask(
                    "statements",
                    operation=choice.runs(each, variant),
                    calls=max(1, plan.counted_calls // each.per),
                    seed=plan.seed,
                )
                one = found.pop("wall_ns") / found["calls"]
                counted[each.name, rows][variant] = Counted(**found)
                # Blocks of one length, not of one number of calls: a fast variant
                # would be measured with the caches of the slow one's few calls.
                calls[each.name, rows, variant] = min(
                    MOST_CALLS, max(1, round(plan.block * 1e9 / one))
                )
    blocks: dict[tuple[str, int], dict[str, list[Block]]] = {
        (each.name, rows): {STOCK: [], PATCHED: []} for each, rows in lanes
    }
    for turn in range(plan.rounds):
        say(f"round {turn + 1} of {plan.rounds}")
        order = (STOCK, PATCHED) if turn % 2 == 0 else (PATCHED, STOCK)
        for each, rows in lanes:
            lane = each.name, rows
            for variant in order:
                block = workers[rows][variant].ask(
                    "run",
                    operation=choice.runs(each, variant),
                    calls=calls[each.name, rows, variant],
                    seed=plan.seed + turn,
                )
                blocks[lane][variant].append(Block(**block))
    return [
        Measured(
            operation=each.name,
            per=each.per,
            rows=rows,
            blocks=blocks[each.name, rows],
            counted=counted[each.name, rows],
        )
        for each, rows in lanes
    ]
