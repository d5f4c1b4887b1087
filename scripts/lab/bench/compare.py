"""Time operations on stock and on patched Django, which take turns in one run."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.errors import StackError
from common.progress import say, step
from databases import urls
from databases.family import Unavailable
from lab import runs
from lab.bench import peers
from lab.bench.operations import Operation, select
from lab.bench.proxy import delayed_url
from lab.bench.values import pickled
from lab.client import Worker
from lab.figures import aligned, number, ratio, rotated, times, with_spread
from lab.variants import PATCHED, STOCK

KIND, FORMAT = "bench", 3
WORKER = "lab.bench.worker"
MOST_CALLS = 2_000  # in one block
BOTH = (STOCK, PATCHED)

HEADER = (
    *("operation", "rows", "stock CPU µs", "patched CPU µs", "ratio"),
    *("stock wall µs", "patched wall µs", "ratio", "statements"),
)
PEER_HEADER = (
    *("operation", "rows", "cache", "CPU µs", "/ patched"),
    *("wall µs", "/ patched", "statements"),
)
LEGEND = (
    "µs per call: median of the rounds [first - third quartile]. ratio: stock /"
    " patched, median of each\nround's ratio. CPU is that of the Python process,"
    " without a server's. statements: mean per call,\nBEGIN and COMMIT included."
)


@dataclass(frozen=True)
class Plan:
    """What one run measures.

    ``values`` is the kind of the cache's values. A block lasts about ``block``
    seconds. Round trips to the server are ``latency`` milliseconds longer.
    ``peers`` are the names of other caches that take part if they can.
    """

    rows: tuple[int, ...] = (1_000, 10_000, 300_000)
    operations: tuple[str, ...] = ()
    values: str = "dict"
    rounds: int = 15
    block: float = 0.1
    counted_calls: int = 100
    seed: int = 1
    latency: float = 0
    peers: tuple[str, ...] = peers.NAMES

    @property
    def limit(self) -> int:
        """Return a MAX_ENTRIES that is never reached."""
        return max(1_000_000, 2 * max(self.rows))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "max_entries": self.limit,
            "value_bytes": len(pickled(self.values)),
        }


# A quick run of everything ends within about a minute.
QUICK = Plan(rows=(1_000, 50_000), rounds=5, block=0.04, counted_calls=40, peers=())
# Stock's table of 300,000 pages takes 4 GB.
PAGE_ROWS = (1_000, 10_000)


@dataclass
class Lane:
    """One operation at one number of rows: variant → what it runs, what was measured.

    ``runs`` are the names of operations, ``blocks`` have one entry a round.
    """

    operation: Operation
    rows: int
    runs: dict[str, str]
    counted: dict[str, dict[str, int]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, list[dict[str, int]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation.name,
            "rows": self.rows,
            "blocks": self.blocks,
            "counted": self.counted,
            "limit_of": self.operation.limit_of,
            "cpu_ratio": over_patched(self.blocks, STOCK, "cpu_ns"),
        }


def compare(
    *,
    stock: Path,
    patched: Path,
    url: str = urls.DEFAULT,
    plan: Plan = QUICK,
    ids: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Measure the Django in two folders on the database server that ``url`` names.

    Return the data of the JSON file; ``ids`` tell in it what the folders hold.
    StackError if the run can measure nothing.
    """
    data = runs.head(KIND, FORMAT, ids) | {"options": plan.to_json(), "results": []}
    # Why operations or other caches are left out, by name.
    data |= {"skipped": {}, "instead": {}, "absent": {}, "unsupported": {}}
    data |= {"peers": {}}
    with ExitStack() as stack:
        if plan.latency:
            url = stack.enter_context(delayed_url(url, plan.latency))
        for rows in plan.rows:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                cell = Cell(rows, plan, stock, url, Path(folder), data)
                cell.measure(patched)
            data["results"] += [lane.to_json() for lane in cell.lanes]
    if not data["results"]:
        reasons = "; ".join(f"{name}: {why}" for name, why in data["skipped"].items())
        raise StackError(f"bench: there is nothing to measure: {reasons}")
    return data


@dataclass
class Cell:
    """All operations at one number of rows; ``data`` notes what is left out.

    Each variant has a process and a database of its own. They take turns at each
    operation, in another order every round.
    """

    rows: int
    plan: Plan
    stock: Path
    url: str
    folder: Path
    data: dict[str, Any]
    workers: dict[str, Worker] = field(default_factory=dict)
    lanes: list[Lane] = field(default_factory=list)

    def measure(self, patched: Path) -> None:
        with ExitStack() as stack:
            self.begin(stack, STOCK, self.stock, self.url)
            self.begin(stack, PATCHED, patched, self.url)
            lacking = {each: self.workers[each].ask("lacking") for each in BOTH}
            caches = self.others(stack)
            self.lanes = self.choose(lacking)
            if self.lanes:
                self.fill(caches)
                self.count()
                self.take_turns()

    def begin(self, stack: ExitStack, variant: str, tree: Path, url: str) -> None:
        where = f"{variant}_{self.rows}", tree, url, self.folder, WORKER
        processes = [f"{variant} {self.rows} rows"]
        started = runs.start(stack, self.data, variant, *where, processes)
        self.workers[variant] = started[0]

    def others(self, stack: ExitStack) -> dict[str, dict[str, str]]:
        """Begin with other caches; return backend and location of each."""
        found = {}
        plan, database = self.plan, self.data["database"]["name"]
        used = select(plan.operations)
        for peer in peers.PEERS:
            name = peer.name
            if name not in plan.peers or not any(each.runs_on(name) for each in used):
                continue
            about = self.rows, self.folder, plan.values, plan.latency
            place = peers.place(peer, database, *about)
            try:
                location, version = stack.enter_context(place)
            except (Unavailable, StackError) as error:
                self.data["absent"][name] = " ".join(str(error).split())
                say(f"{name}: not run: {self.data['absent'][name]}")
                continue
            # A peer without a table has no database either.
            url = urls.DEFAULT if location else self.url
            self.begin(stack, name, self.stock, url)
            self.data["peers"][name] = version
            found[name] = {"backend": peer.backend, "location": location}
        return found

    def choose(self, lacking: Mapping[str, dict[str, str]]) -> list[Lane]:
        """Choose what each variant runs, by what stock and patched lack.

        Stock may run something else instead. What one of them cannot run at all is
        left out.
        """
        lanes = []
        for each in select(self.plan.operations):
            its = {name: each.name for name in self.workers if each.runs_on(name)}
            if STOCK in its:
                its[STOCK] = each.meant(lacking[STOCK])
            unable = [
                variant
                for variant, name in its.items()
                if name in {"", *lacking.get(variant, ())}
            ]
            if unable:
                self.data["skipped"][each.name] = lacking[unable[-1]][each.name]
                continue
            if its.get(STOCK, each.name) != each.name:
                self.data["instead"][each.name] = its[STOCK]
            lanes.append(Lane(each, self.rows, its))
        return lanes

    def fill(self, caches: Mapping[str, Mapping[str, str]]) -> None:
        """Let all workers make and fill their tables at the same time."""
        with step(f"filling {self.rows:,} rows, {', '.join(self.workers)}"):
            for variant, worker in self.workers.items():
                used = [each.operation for each in self.lanes if variant in each.runs]
                worker.send(
                    "prepare",
                    rows=self.rows,
                    max_entries=self.plan.limit,
                    seed=self.plan.seed,
                    tables=sorted({each.table for each in used}),
                    values=self.plan.values,
                    **caches.get(variant, {}),
                )
            for worker in self.workers.values():
                worker.receive()

    def count(self) -> None:
        """Count statements; set the calls of a block by how long these calls took."""
        with step("counting statements, warming up"):
            for lane in self.lanes:
                each, plan = lane.operation, self.plan
                few = max(1, plan.counted_calls // each.per)
                for variant, name in [*lane.runs.items()]:
                    asked = {"operation": name, "calls": few, "seed": plan.seed}
                    found = self.workers[variant].ask("statements", **asked)
                    if why := found.get("why"):
                        self.leave_out(lane, variant, why)
                        continue
                    took = found.pop("wall_ns")
                    # A cache without a table sends nothing through Django.
                    if found["statements"]:
                        lane.counted[variant] = found
                    # Blocks have one length, not one number of calls: a fast variant
                    # would be measured with the processor's caches of few calls.
                    most = MOST_CALLS // (each.per if each.bounded else 1)
                    calls = round(plan.block * 1e9 / (took / few))
                    lane.calls[variant] = min(most, max(1, calls))
        self.lanes = [lane for lane in self.lanes if lane.runs]

    def leave_out(self, lane: Lane, variant: str, why: str) -> None:
        """Leave out what another cache cannot do, or is not one bare statement."""
        name = lane.operation.name
        if variant in BOTH and not lane.operation.only:
            raise StackError(f"bench, {variant}: {name}: {why}")
        del lane.runs[variant]
        if variant in BOTH:
            self.data["skipped"][name] = why
        else:
            self.data["unsupported"].setdefault(variant, {})[name] = why

    def take_turns(self) -> None:
        where = f"{self.data['database']['name']}, {self.rows:,} rows"
        for turn in range(self.plan.rounds):
            say(f"{where}: round {turn + 1} of {self.plan.rounds}")
            for lane in self.lanes:
                for variant in rotated(lane.runs, turn):
                    block = self.workers[variant].ask(
                        "run",
                        operation=lane.runs[variant],
                        calls=lane.calls[variant],
                        seed=self.plan.seed + turn,
                    )
                    lane.blocks.setdefault(variant, []).append(block)


# What a person reads


def per_call(blocks: list[dict[str, int]], kind: str) -> list[float]:
    """Return µs per call, round by round; ``kind``: "cpu_ns", "wall_ns"."""
    return [each[kind] / each["calls"] / 1_000 for each in blocks]


def over_patched(
    blocks: Mapping[str, list[dict[str, int]]], variant: str, kind: str
) -> float | None:
    """Return a variant's time / patched's; None if one of them did not run."""
    if not {variant, PATCHED} <= blocks.keys():
        return None
    return ratio(*(per_call(blocks[name], kind) for name in (variant, PATCHED)))


def cells(result: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Return CPU and wall time of variants, each with the first one's / patched's.

    Then their statements. "-" stands for what was not run.
    """
    found = []
    for kind in ("cpu_ns", "wall_ns"):
        for name in names:
            blocks = result["blocks"].get(name)
            found.append(with_spread(per_call(blocks, kind)) if blocks else "-")
        one = over_patched(result["blocks"], names[0], kind)
        found.append("-" if one is None else times(one))
    counted = [result["counted"].get(name) for name in names]
    sent = [number(n["statements"] / n["calls"]) if n else "-" for n in counted]
    return [*found, " → ".join(sent)]


def show(data: Mapping[str, Any]) -> str:
    """Return what a person reads at the end of a run."""
    options, results = data["options"], data["results"]
    delay = options["latency"]
    longer = f", round trips {delay:g} ms longer" if delay else ""
    heads = [(each, [each["operation"], f"{each['rows']:,}"]) for each in results]
    parts = [
        f"{data['database']['name']} {data['database']['version']},"
        f" values of {options['value_bytes']:,} bytes pickled,"
        f" MAX_ENTRIES {options['max_entries']:,}, {options['rounds']} rounds{longer}",
        aligned(HEADER, [[*head, *cells(each, BOTH)] for each, head in heads]),
        LEGEND,
    ]
    if data["peers"]:
        versions = ", ".join(f"{name} {text}" for name, text in data["peers"].items())
        rows = [
            [*head, peer, *cells(each, (peer,))]
            for each, head in heads
            for peer in data["peers"]
            if peer in each["blocks"]
        ]
        parts += [
            f"The same on stock Django with {versions}:\n{aligned(PEER_HEADER, rows)}"
        ]
    left_out = data["skipped"] | data["absent"]
    for peer, reasons in data["unsupported"].items():
        left_out |= {f"{name}, {peer}": why for name, why in reasons.items()}
    notes = [f"{name}: stock runs {other}" for name, other in data["instead"].items()]
    notes += [f"{name}: not run: {why}" for name, why in left_out.items()]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])
