"""Stock against patched in one run: who takes part at what, and the result."""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from common.errors import StackError
from common.progress import say, step
from databases import urls
from lab.bench.operations import DAY, Operation, select
from lab.bench.partial import Identity, Partial
from lab.bench.peers import Found, find, settle, unfit
from lab.bench.plan import QUICK, Plan
from lab.bench.report import Report, circumstances
from lab.bench.rounds import Block, Counted, Lane, Workers, count, take_turns, warm_up
from lab.client import Worker, started
from lab.figures import aligned, markdown, number, ratio, spread, times, with_spread
from lab.load.proxy import farther
from lab.variants import PATCHED, STOCK

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
PEER_HEADER = (
    "operation",
    "rows",
    "cache",
    "CPU µs",
    "/ patched",
    "wall µs",
    "/ patched",
    "statements",
)
LEGEND = (
    "µs per call: median of the rounds [first - third quartile]. ratio: stock /"
    " patched, median of each\nround's ratio. CPU is that of the Python process,"
    " without a server's. statements: mean per call,\nBEGIN and COMMIT included."
)


@dataclass(frozen=True)
class Measured:
    """One operation at one number of rows; variant name → values, one a round.

    Not every operation is measured on every variant. ``limit_of`` is the operation
    that cannot be faster than this one, if it is the limit of one.
    """

    operation: str
    per: int
    rows: int
    blocks: Mapping[str, Sequence[Block]]
    counted: Mapping[str, Counted]
    limit_of: str = ""

    def cpu(self, variant: str) -> list[float]:
        """Return µs of CPU per call, round by round."""
        return [each.cpu_ns / each.calls / 1_000 for each in self.blocks[variant]]

    def wall(self, variant: str) -> list[float]:
        """Return µs of wall time per call, round by round."""
        return [each.wall_ns / each.calls / 1_000 for each in self.blocks[variant]]

    def over(self, other: "Measured", variant: str) -> tuple[float, float]:
        """Return this one's time / the other's, CPU and wall, on one variant."""
        return (
            ratio(self.cpu(variant), other.cpu(variant)),
            ratio(self.wall(variant), other.wall(variant)),
        )

    def over_patched(self, variant: str) -> tuple[float, float] | None:
        """Return a variant's time / patched's, CPU and wall; None if one is absent."""
        if not {variant, PATCHED} <= self.blocks.keys():
            return None
        return (
            ratio(self.cpu(variant), self.cpu(PATCHED)),
            ratio(self.wall(variant), self.wall(PATCHED)),
        )


@dataclass(frozen=True)
class Limit:
    """How far an operation is from its limit on one variant: time / time."""

    operation: str
    limit: str
    rows: int
    variant: str
    cpu_ratio: float
    wall_ratio: float

    def __str__(self) -> str:
        return (
            f"{self.operation} / {self.limit}, {self.rows:,} rows, {self.variant}:"
            f" CPU {times(self.cpu_ratio)}, wall {times(self.wall_ratio)}"
        )


@dataclass(frozen=True)
class Choice:
    """What the variants and a database can do of what was wished.

    ``runs``: operation → variant → the name of what it runs for it; ``skipped``:
    operation → why it is left out.
    """

    operations: Sequence[Operation]
    runs: Mapping[str, Mapping[str, str]]
    skipped: Mapping[str, str]

    @property
    def instead(self) -> dict[str, str]:
        """Operation → what stock, which lacks it, runs for it."""
        return {
            name: runs[STOCK]
            for name, runs in self.runs.items()
            if runs.get(STOCK, name) != name
        }

    def tables(self, variant: str) -> list[str]:
        """Return the kinds of tables that a variant needs."""
        return sorted(
            {each.table for each in self.operations if variant in self.runs[each.name]}
        )

    def limits(self, variant: str) -> list[str]:
        """Return the operations that are another's limit, which may turn out not to be.

        What they execute is known when there is a table.
        """
        return [
            each.name
            for each in self.operations
            if each.limit_of and variant in self.runs[each.name]
        ]

    def without(self, why: Mapping[str, str]) -> "Choice":
        """Leave operations (name → why) out; StackError if nothing is left."""
        for name, reason in why.items():
            say(f"{name}: not run: {reason}")
        skipped = {**self.skipped, **why}
        left = [each for each in self.operations if each.name not in why]
        if not left:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
            raise StackError(f"bench: there is nothing to measure: {reasons}")
        runs = {each.name: self.runs[each.name] for each in left}
        return Choice(left, runs, skipped)

    def spared(self, why: Mapping[str, Mapping[str, str]]) -> "Choice":
        """Leave out what some variants cannot do: variant → operation → why."""
        runs = {
            name: {
                variant: meant
                for variant, meant in its.items()
                if name not in why.get(variant, {})
            }
            for name, its in self.runs.items()
        }
        return Choice(self.operations, runs, self.skipped)


def choose(
    operations: Sequence[Operation], lacking: Mapping[str, Mapping[str, str]]
) -> Choice:
    """Choose by what each variant lacks; StackError if nothing is left.

    Stock may run something else instead; a Django that can do nothing for an
    operation that is measured on it leaves it out for all.
    """
    runs, skipped = {}, {}
    for each in operations:
        names = {
            variant: each.meant(lacks) if variant == STOCK else each.name
            for variant, lacks in lacking.items()
            if variant in each.sides
        }
        # "" is nothing to run instead.
        unable = {
            variant
            for variant, name in names.items()
            if name in {"", *lacking[variant]}
        }
        if needed := unable & {STOCK, PATCHED}:
            skipped[each.name] = lacking[min(needed)][each.name]
        runs[each.name] = {
            variant: name for variant, name in names.items() if variant not in unable
        }
    return Choice(operations, runs, {}).without(skipped)


@dataclass(frozen=True)
class Comparison(Report):
    """Everything of one run.

    ``skipped`` and ``instead`` are those of the Choice. ``peers``: name → version;
    ``absent``: name of one that could not be run → why; ``unsupported``: name →
    operation that it cannot do → why. ``resumed`` is how often the run was
    interrupted and gone on with.
    """

    KIND = "bench"
    FORMAT = 3

    plan: Plan
    measured: Sequence[Measured]
    skipped: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    unsupported: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    resumed: int = 0

    def identity(self) -> Identity:
        """Return what must be the same when a run is gone on with."""
        head = self.head()
        return {
            **{name: head[name] for name in ("database", "machine", "django", "ids")},
            "options": self.plan.to_json(),
            "peers": dict(self.peers),
        }

    def to_json(self) -> dict[str, Any]:
        """Return everything that was measured, and the medians for readers of it."""
        return {
            **self.head(),
            "options": self.plan.to_json(),
            "resumed": self.resumed,
            "skipped": dict(self.skipped),
            "instead": dict(self.instead),
            "peers": dict(self.peers),
            "absent": dict(self.absent),
            "unsupported": {name: dict(why) for name, why in self.unsupported.items()},
            "results": [asdict(each) | summary(each) for each in self.measured],
            "limits": [asdict(each) for each in self.limits()],
        }

    def table(self) -> str:
        return aligned(HEADER, cells(self.measured))

    def markdown(self) -> str:
        return markdown(HEADER, cells(self.measured))

    def peer_table(self) -> list[str]:
        """Return the lines about the peers that were measured."""
        if not self.peers:
            return []
        versions = ", ".join(f"{name} {text}" for name, text in self.peers.items())
        return [
            f"The same on stock Django with {versions}:",
            aligned(PEER_HEADER, peer_cells(self.measured, self.peers)),
        ]

    def notes(self) -> list[str]:
        """Return a line for each operation that is not what its row says."""
        return [
            *(f"{name}: stock runs {other}" for name, other in self.instead.items()),
            *(
                f"{name}: not run: {why}"
                for left_out in (self.skipped, self.absent)
                for name, why in left_out.items()
            ),
            *(
                f"{name}, {peer}: not run: {why}"
                for peer, operations in self.unsupported.items()
                for name, why in operations.items()
            ),
        ]

    def growth(self) -> list[str]:
        """Return a line per operation: time at the most rows / time at the fewest."""
        few, many = min(self.plan.rows), max(self.plan.rows)
        if few == many:
            return []
        at = self._at()
        lines = []
        for name in dict.fromkeys(each.operation for each in self.measured):
            small, large = at[name, few], at[name, many]
            parts = []
            for variant in small.blocks:
                cpu, wall = large.over(small, variant)
                parts.append(f"{variant} CPU {times(cpu)}, wall {times(wall)}")
            lines.append(f"{name}: " + "; ".join(parts))
        return [f"Time at {many:,} rows / time at {few:,} rows:", *lines]

    def limits(self) -> list[Limit]:
        """Return how far each operation is from its limit, where both were run."""
        at = self._at()
        found = []
        for each in self.measured:
            limited = at.get((each.limit_of, each.rows))
            if limited is None:
                continue
            found += [
                Limit(
                    limited.operation,
                    each.operation,
                    each.rows,
                    variant,
                    *limited.over(each, variant),
                )
                for variant in each.blocks
                if variant in limited.blocks
            ]
        return found

    def _at(self) -> dict[tuple[str, int], Measured]:
        return {(each.operation, each.rows): each for each in self.measured}


def summary(each: Measured) -> dict[str, Any]:
    """Return the medians, quartiles (µs per call) and ratios of one measurement.

    A ratio is None where stock or patched did not run it. Those of the peers are
    peer / patched.
    """
    found: dict[str, Any] = {}
    for kind, values in (("cpu", each.cpu), ("wall", each.wall)):
        found[f"{kind}_us"] = {
            variant: {
                "median": median(values(variant)),
                "quartiles": spread(values(variant)),
            }
            for variant in each.blocks
        }
    found["cpu_ratio"], found["wall_ratio"] = each.over_patched(STOCK) or (None, None)
    found["peers"] = {
        variant: dict(zip(("cpu_ratio", "wall_ratio"), ratios, strict=True))
        for variant in each.blocks.keys() - {STOCK, PATCHED}
        if (ratios := each.over_patched(variant))
    }
    found["mean_statements"] = {
        variant: counted.mean for variant, counted in each.counted.items()
    }
    return found


def cells(measured: Sequence[Measured]) -> list[list[str]]:
    """Return the table's rows as text; "-" for what was not run."""

    def shown(values: Callable[[str], list[float]], variant: str) -> str:
        return with_spread(values(variant)) if variant in each.blocks else "-"

    rows = []
    for each in measured:
        counted = [each.counted.get(variant) for variant in (STOCK, PATCHED)]
        calls = next(one.calls for one in counted if one)
        ratios = each.over_patched(STOCK)
        cpu, wall = map(times, ratios) if ratios else ("-", "-")
        rows.append(
            [
                each.operation,
                f"{each.rows:,}",
                *(shown(each.cpu, variant) for variant in (STOCK, PATCHED)),
                cpu,
                *(shown(each.wall, variant) for variant in (STOCK, PATCHED)),
                wall,
                " → ".join(number(one.mean) if one else "-" for one in counted),
                " → ".join(str(one.with_count) if one else "-" for one in counted)
                + f" of {calls}",
            ]
        )
    return rows


def peer_cells(measured: Sequence[Measured], peers: Iterable[str]) -> list[list[str]]:
    """Return the rows of the peers' table as text."""
    rows = []
    for each, peer in ((each, peer) for each in measured for peer in peers):
        if ratios := each.over_patched(peer):
            cpu, wall = map(times, ratios)
            rows.append(
                [
                    each.operation,
                    f"{each.rows:,}",
                    peer,
                    with_spread(each.cpu(peer)),
                    cpu,
                    with_spread(each.wall(peer)),
                    wall,
                    number(each.counted[peer].mean) if peer in each.counted else "-",
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
    partial: Partial | None = None,
) -> Comparison:
    """Measure the Django in two folders on the database server that ``url`` names.

    Each variant and number of rows has a process and a database of its own (on
    SQLite a file in a temporary folder), all alive at once; the variants take
    turns at each operation, in another order every round. Other caches take part
    where they can be had, on the stock Django. ``ids`` says what the folders hold,
    for the JSON. ``partial`` is the file that keeps each round. StackError if
    nothing of the plan can be measured, or if the file is of another run.
    """
    wished = select(plan.operations)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        if plan.latency:
            url = stack.enter_context(farther(url, plan.latency))
        workers: dict[int, dict[str, Worker]] = {rows: {} for rows in plan.rows}
        opened: dict[str, dict[str, Any]] = {}

        def begin(variant: str, tree: Path, url: str) -> None:
            for rows, group in workers.items():
                group[variant] = stack.enter_context(
                    started(f"{variant} {rows} rows", tree, url, folder)
                )
                opened[variant] = group[variant].ask(
                    "open", name=f"{variant}_{rows}", folder=name, synchronous="NORMAL"
                )

        begin(STOCK, stock, url)
        begin(PATCHED, patched, url)
        some = workers[plan.rows[0]]
        sides = {side for each in wished for side in each.sides}
        found = find(
            some[STOCK],
            opened[STOCK]["database"],
            sides.intersection(plan.peers),
            unfit(max(plan.rows), plan.values, plan.max_entries),
        )
        peers, places = settle(found, stack, plan.rows, folder, plan.latency)
        # Those that have no table have no database either.
        silent = [peer.name for peer in peers.peers if not peer.databases]
        for peer in peers.peers:
            begin(peer.name, stock, urls.DEFAULT if peer.name in silent else url)
        choice = choose(
            wished,
            {variant: worker.ask("lacking") for variant, worker in some.items()},
        )
        about = Comparison(
            **circumstances(opened, ids),
            plan=plan,
            measured=[],
            peers=peers.versions,
            absent=peers.absent,
        )
        if partial:
            partial.check(about.identity())
        _fill(workers, plan, choice, peers, places)
        for variant, worker in some.items():
            unable = worker.ask("unable", operations=choice.limits(variant))
            choice = choice.without(unable)
        unsupported: dict[str, dict[str, str]] = {}
        for peer in peers.peers:
            its = [name for name, runs in choice.runs.items() if peer.name in runs]
            if failing := some[peer.name].ask("failing", operations=its):
                unsupported[peer.name] = failing
        choice = choice.spared(unsupported)
        lanes = [
            Lane(each, rows, choice.runs[each.name])
            for each in choice.operations
            for rows in workers
        ]
        _run(workers, lanes, about, silent, partial)
    return replace(
        about,
        measured=[measured(lane) for lane in lanes],
        skipped=choice.skipped,
        instead=choice.instead,
        unsupported=unsupported,
        resumed=partial.resumed if partial else 0,
    )


def _fill(
    workers: Workers,
    plan: Plan,
    choice: Choice,
    peers: Found,
    places: Mapping[str, Mapping[int, str]],
) -> None:
    """Let all workers of a number of rows make their tables at once."""
    for rows, group in workers.items():
        with step(f"filling {rows:,} rows, {', '.join(group)}"):
            for variant, worker in group.items():
                worker.send(
                    "prepare",
                    rows=rows,
                    max_entries=plan.limit,
                    timeout=DAY,
                    seed=plan.seed,
                    tables=choice.tables(variant),
                    values=plan.values,
                    backend=peers.backend(variant),
                    location=places[variant][rows] if variant in places else "",
                )
            for worker in group.values():
                worker.receive()


def _run(
    workers: Workers,
    lanes: Sequence[Lane],
    about: Comparison,
    silent: Sequence[str],
    partial: Partial | None,
) -> None:
    """Measure all rounds, or those that another run has not measured.

    ``about`` is everything but what is measured.
    """
    plan = about.plan
    runs = {lane.operation.name: dict(lane.runs) for lane in lanes}
    identity = {**about.identity(), "runs": runs}
    if partial:
        partial.check(identity)
    done = 0
    if partial and partial.saved:
        done = partial.load(lanes)
        say(f"{about.database}: going on after round {done} of {plan.rounds}")
        warm_up(workers, lanes, plan)
    else:
        count(workers, lanes, plan, silent)

    def keep(rounds: int) -> None:
        if partial:
            partial.keep(identity, lanes, rounds)

    take_turns(workers, lanes, plan, first=done, database=about.database, keep=keep)


def measured(lane: Lane) -> Measured:
    """Return what all rounds of a lane gave."""
    return Measured(
        operation=lane.operation.name,
        per=lane.operation.per,
        rows=lane.rows,
        blocks=lane.blocks,
        counted=lane.counted,
        limit_of=lane.operation.limit_of,
    )
