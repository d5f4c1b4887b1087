"""Time operations on stock and on patched Django, which take turns in one run."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.errors import StackError
from common.progress import say, step
from common.project import Project
from databases import urls
from databases.family import Unavailable
from lab import origin
from lab.bench import peers
from lab.bench.operations import DAY, Operation, select
from lab.bench.proxy import delayed_url
from lab.bench.values import compressed_size, pickled
from lab.client import Worker, sharing
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
    max_entries: int | None = None
    rounds: int = 15
    block: float = 0.1
    counted_calls: int = 100
    seed: int = 1
    latency: float = 0
    peers: tuple[str, ...] = peers.NAMES

    @property
    def limit(self) -> int:
        """MAX_ENTRIES: by default one that is never reached."""
        return self.max_entries or max(1_000_000, 2 * max(self.rows))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "max_entries": self.limit,
            "value_bytes": len(pickled(self.values)),
            "value_bytes_zlib": compressed_size(self.values),
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
        cpu, wall = ratios(self.blocks, STOCK) or (None, None)
        return {
            "operation": self.operation.name,
            "rows": self.rows,
            "blocks": self.blocks,
            "counted": self.counted,
            "limit_of": self.operation.limit_of,
            "cpu_ratio": cpu,
            "wall_ratio": wall,
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
    trees = {STOCK: stock, PATCHED: patched}
    data: dict[str, Any] = {
        **origin.head(KIND, FORMAT, Project.here().root),
        "django": {},
        "ids": dict(ids or {}),
        "options": plan.to_json(),
    }
    # Why operations or other caches are left out, by name.
    data |= {"skipped": {}, "instead": {}, "absent": {}, "unsupported": {}}
    data |= {"peers": {}, "results": []}
    with ExitStack() as stack:
        if plan.latency:
            url = stack.enter_context(delayed_url(url, plan.latency))
        for rows in plan.rows:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                lanes = measure(rows, trees, url, plan, Path(folder), data)
            data["results"] += [lane.to_json() for lane in lanes]
    if not data["results"]:
        reasons = "; ".join(f"{name}: {why}" for name, why in data["skipped"].items())
        raise StackError(f"bench: there is nothing to measure: {reasons}")
    return data


def measure(
    rows: int,
    trees: Mapping[str, Path],
    url: str,
    plan: Plan,
    folder: Path,
    data: dict[str, Any],
) -> list[Lane]:
    """Measure all operations at one number of rows; note in ``data`` what is left out.

    Each variant has a process and a database of its own. They take turns at each
    operation, in another order every round.
    """
    workers: dict[str, Worker] = {}
    with ExitStack() as stack:

        def begin(variant: str, tree: Path, url: str) -> dict[str, Any]:
            name = f"{variant}_{rows}"
            [workers[variant]], opened = stack.enter_context(
                sharing(name, tree, url, folder, WORKER, [f"{variant} {rows} rows"])
            )
            return opened

        for variant, tree in trees.items():
            opened = begin(variant, tree, url)
            data["django"][variant] = opened["django"]
        database = opened["database"]
        data["database"] = {"name": database, "version": opened["database_version"]}
        prepared = {
            variant: {"backend": peers.DATABASE_CACHE, "location": ""}
            for variant in BOTH
        }
        for peer in peers_of(plan):
            given = peers.place(
                peer,
                database,
                rows,
                folder,
                values=plan.values,
                max_entries=plan.max_entries,
                latency=plan.latency,
            )
            try:
                location, version = stack.enter_context(given)
            except (Unavailable, StackError) as error:
                data["absent"][peer.name] = " ".join(str(error).split())
                say(f"{peer.name}: not run: {data['absent'][peer.name]}")
                continue
            # A peer without a table has no database either.
            begin(peer.name, trees[STOCK], urls.DEFAULT if location else url)
            data["peers"][peer.name] = version
            prepared[peer.name] = {"backend": peer.backend, "location": location}
        lanes = choose(rows, plan, workers, data)
        fill(lanes, plan, workers, prepared)
        count(lanes, plan, workers, data)
        lanes = [lane for lane in lanes if lane.operation.name not in data["skipped"]]
        take_turns(lanes, plan, workers, f"{database}, {rows:,} rows")
    return lanes


def peers_of(plan: Plan) -> list[peers.Peer]:
    """Return the other caches that run an operation of the plan."""
    operations = select(plan.operations)
    return [
        peer
        for peer in peers.PEERS
        if peer.name in plan.peers
        and any(each.runs_on(peer.name) for each in operations)
    ]


def choose(
    rows: int, plan: Plan, workers: Mapping[str, Worker], data: dict[str, Any]
) -> list[Lane]:
    """Choose what each variant runs, by what stock and patched lack.

    Stock may run something else instead. What one of them cannot run at all is
    left out.
    """
    lacking = {variant: workers[variant].ask("lacking") for variant in BOTH}
    lanes = []
    for each in select(plan.operations):
        runs = {name: each.name for name in workers if each.runs_on(name)}
        if STOCK in runs:
            runs[STOCK] = each.meant(lacking[STOCK])
        unable = [
            variant
            for variant in runs
            if runs[variant] in {"", *lacking.get(variant, ())}
        ]
        if unable:
            data["skipped"][each.name] = lacking[unable[-1]][each.name]
            continue
        if runs.get(STOCK, each.name) != each.name:
            data["instead"][each.name] = runs[STOCK]
        lanes.append(Lane(each, rows, runs))
    return lanes


def fill(
    lanes: list[Lane],
    plan: Plan,
    workers: Mapping[str, Worker],
    prepared: Mapping[str, Mapping[str, str]],
) -> None:
    """Let all workers make and fill their tables at the same time."""
    if not lanes:
        return
    with step(f"filling {lanes[0].rows:,} rows, {', '.join(workers)}"):
        for variant, worker in workers.items():
            used = [lane.operation for lane in lanes if variant in lane.runs]
            worker.send(
                "prepare",
                rows=lanes[0].rows,
                max_entries=plan.limit,
                timeout=DAY,
                seed=plan.seed,
                tables=sorted({each.table for each in used}),
                values=plan.values,
                **prepared[variant],
            )
        for worker in workers.values():
            worker.receive()


def count(
    lanes: list[Lane], plan: Plan, workers: Mapping[str, Worker], data: dict[str, Any]
) -> None:
    """Count statements; set the calls of a block by how long these calls took.

    An operation that another cache cannot do is left out for that cache. A call
    that is not one bare statement is left out.
    """
    with step("counting statements, warming up"):
        for lane in lanes:
            each = lane.operation
            few = max(1, plan.counted_calls // each.per)
            for variant, name in [*lane.runs.items()]:
                asked = {"operation": name, "calls": few, "seed": plan.seed}
                found = workers[variant].ask("statements", **asked)
                if why := found.get("why"):
                    left_out(lane, variant, why, data)
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


def left_out(lane: Lane, variant: str, why: str, data: dict[str, Any]) -> None:
    name = lane.operation.name
    del lane.runs[variant]
    if variant not in BOTH:
        data["unsupported"].setdefault(variant, {})[name] = why
    elif lane.operation.only:
        data["skipped"][name] = why
    else:
        raise StackError(f"bench, {variant}: {name}: {why}")


def take_turns(
    lanes: list[Lane], plan: Plan, workers: Mapping[str, Worker], where: str
) -> None:
    for turn in range(plan.rounds):
        say(f"{where}: round {turn + 1} of {plan.rounds}")
        for lane in lanes:
            for variant in rotated(lane.runs, turn):
                block = workers[variant].ask(
                    "run",
                    operation=lane.runs[variant],
                    calls=lane.calls[variant],
                    seed=plan.seed + turn,
                )
                lane.blocks.setdefault(variant, []).append(block)


# What a person reads


def per_call(blocks: list[dict[str, int]], kind: str) -> list[float]:
    """Return µs per call, round by round; ``kind``: "cpu_ns", "wall_ns"."""
    return [each[kind] / each["calls"] / 1_000 for each in blocks]


def ratios(
    blocks: Mapping[str, list[dict[str, int]]], variant: str
) -> tuple[float, float] | None:
    """Return a variant's time / patched's, CPU and wall; None if one is absent."""
    if not {variant, PATCHED} <= blocks.keys():
        return None
    cpu, wall = (
        ratio(per_call(blocks[variant], kind), per_call(blocks[PATCHED], kind))
        for kind in ("cpu_ns", "wall_ns")
    )
    return cpu, wall


def cells(result: Mapping[str, Any], names: tuple[str, ...], over: str) -> list[str]:
    """Return CPU and wall time of variants, each with a ratio to patched's.

    Then their statements. "-" stands for what was not run.
    """
    found = []
    both = ratios(result["blocks"], over) or (None, None)
    for kind, one in zip(("cpu_ns", "wall_ns"), both, strict=True):
        for name in names:
            blocks = result["blocks"].get(name)
            found.append(with_spread(per_call(blocks, kind)) if blocks else "-")
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
        aligned(HEADER, [[*head, *cells(each, BOTH, STOCK)] for each, head in heads]),
        LEGEND,
    ]
    if data["peers"]:
        versions = ", ".join(f"{name} {text}" for name, text in data["peers"].items())
        rows = [
            [*head, peer, *cells(each, (peer,), peer)]
            for each, head in heads
            for peer in data["peers"]
            if peer in each["blocks"]
        ]
        parts += [
            f"The same on stock Django with {versions}:\n{aligned(PEER_HEADER, rows)}"
        ]
    notes = [
        *(f"{name}: stock runs {other}" for name, other in data["instead"].items()),
        *(
            f"{name}: not run: {why}"
            for name, why in [*data["skipped"].items(), *data["absent"].items()]
        ),
        *(
            f"{name}, {peer}: not run: {why}"
            for peer, left in data["unsupported"].items()
            for name, why in left.items()
        ),
    ]
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])
