"""Hit ratios of request streams in the real cache backends, by their strategies."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import md5
from pathlib import Path
from statistics import fmean
from typing import Any

from common.progress import say
from databases import urls
from lab.bench.models import MODELS
from lab.bench.report import Report, circumstances
from lab.bench.tally import Tally
from lab.bench.traces import Trace
from lab.client import Worker, started
from lab.figures import aligned, microseconds
from lab.variants import PATCHED, STOCK

CHUNK = 10_000  # requests between two lines of progress
WORKER = "lab.bench.replay_worker"
DATABASE = "db"
BACKENDS = ("locmem", "file", DATABASE)

# LRU as it is without CULL_FREQUENCY = 3, and as good as it can be.
ONE_AT_A_TIME = "lru-1"

# What the JSON has of a model.
OF_MODELS = (
    *("trace", "requests", "distinct", "share", "max_entries"),
    *("strategy", "model", "hits"),
)

HEADER = (
    *("trace", "MAX_ENTRIES", "strategy", "hit ratio", "gain", "writes / hit"),
    *("further / hit", "entries", "most", "hit", "miss", "worst get", "worst set"),
)
LEGEND = (
    "gain: over the first strategy. writes, further: what hits cause beside reading,"
    " updates\n(of rows, of times of files) and other statements but BEGIN and COMMIT."
    " entries: at the\nend, and the most after each {:,} requests. hit, miss: CPU us of"
    " get(), and of get()\nand set(), roughly, as what counts is in it. worst: wall us"
    " of one call, and the most\nCPU us of one."
)


def _digest(number: int) -> str:
    return md5(str(number).encode(), usedforsecurity=False).hexdigest()


# How a number of the trace becomes a cache key. It matters to a backend that
# culls in key order.
KEYS: dict[str, Callable[[int], str]] = {"decimal": str, "md5": _digest}


@dataclass(frozen=True)
class Plan:
    """What is replayed into what.

    ``strategies``: "stock", "patched" for what that Django does by default,
    "lru-1" for LRU one at a time, or what CULL_STRATEGY takes. ``shares`` are
    MAX_ENTRIES in percent of the distinct keys.
    """

    backend: str = DATABASE
    strategies: tuple[str, ...] = (STOCK, PATCHED)
    shares: tuple[int, ...] = (10,)
    keys: str = "decimal"
    seed: int = 1


@dataclass(kw_only=True)
class Replayed(Tally):
    """What a cache did with one trace. A model has nothing but hits."""

    trace: str
    requests: int
    distinct: int
    share: int
    max_entries: int
    strategy: str
    model: bool

    @property
    def ratio(self) -> float:
        return self.hits / self.requests

    @property
    def writes_per_hit(self) -> float:
        """Rows updated, and files whose times were set, by get()."""
        writes = self.rows.get("get UPDATE", 0) + self.calls.get("get utime", 0)
        return writes / max(self.hits, 1)

    @property
    def further_per_hit(self) -> float:
        """Statements of get() but for its SELECT and updates, BEGIN and COMMIT."""
        sent = Counter({k: n for k, n in self.calls.items() if k.startswith("get ")})
        del sent["get UPDATE"], sent["get utime"]
        # Each get() reads once, whether it finds something or not.
        return max(0, sent.total() - self.requests) / max(self.hits, 1)

    @property
    def hit_us(self) -> float:
        return self.hit_cpu_ns / max(self.hits, 1) / 1_000

    @property
    def miss_us(self) -> float:
        return self.miss_cpu_ns / max(self.requests - self.hits, 1) / 1_000

    def to_json(self) -> dict[str, Any]:
        data = asdict(self) | {"hit_ratio": self.ratio}
        if self.model:
            return {name: data[name] for name in (*OF_MODELS, "hit_ratio")}
        return data | {
            "writes_per_hit": self.writes_per_hit,
            "further_per_hit": self.further_per_hit,
            "hit_cpu_us": self.hit_us,
            "miss_cpu_us": self.miss_us,
        }


@dataclass(frozen=True)
class Replays(Report):
    """Everything of one run."""

    KIND = "replay"
    FORMAT = 1

    plan: Plan
    replayed: Sequence[Replayed]

    def to_json(self) -> dict[str, Any]:
        head = self.head()
        if self.plan.backend != DATABASE:
            del head["database"]
        return {
            **head,
            "options": asdict(self.plan),
            "results": [each.to_json() for each in self.replayed],
        }

    def table(self) -> str:
        return aligned(HEADER, cells(self.replayed))


def variant_of(strategy: str) -> str:
    return STOCK if strategy == STOCK else PATCHED


def options_of(strategy: str, max_entries: int) -> dict[str, object]:
    """Return the OPTIONS of a cache.

    >>> options_of("lru-1", 300)
    {'MAX_ENTRIES': 300, 'CULL_STRATEGY': 'lru', 'CULL_FREQUENCY': 300}
    """
    options: dict[str, object] = {"MAX_ENTRIES": max_entries}
    if strategy == ONE_AT_A_TIME:
        return options | {"CULL_STRATEGY": "lru", "CULL_FREQUENCY": max_entries}
    if strategy not in (STOCK, PATCHED):
        options["CULL_STRATEGY"] = strategy
    return options


def replay(
    traces: Sequence[Trace],
    *,
    stock: Path,
    patched: Path,
    plan: Plan,
    url: str = urls.DEFAULT,
    ids: Mapping[str, str] | None = None,
) -> Replays:
    """Get every key in turn and set it on a miss, with each strategy.

    Each has a process of its own for each trace and share, and they take turns.
    On SQLite a database is a file in a temporary folder, as the file cache is.
    """
    trees = {STOCK: stock, PATCHED: patched}
    replayed: list[Replayed] = []
    opened: dict[str, dict[str, Any]] = {}
    for trace in traces:
        for share in plan.shares:
            with tempfile.TemporaryDirectory(prefix="bench-") as name:
                replayed += replay_one(
                    trace, share, plan, trees, url, Path(name), opened
                )
    return Replays(**circumstances(opened, ids), plan=plan, replayed=replayed)


def replay_one(
    trace: Trace,
    share: int,
    plan: Plan,
    trees: Mapping[str, Path],
    url: str,
    folder: Path,
    opened: dict[str, dict[str, Any]],
) -> list[Replayed]:
    """Replay one trace into caches of one size; ``opened`` gets what workers say."""
    distinct = trace.distinct
    limit = max(1, distinct * share // 100)
    given: dict[str, Any] = {
        "trace": trace.label,
        "requests": len(trace.keys),
        "distinct": distinct,
        "share": share,
        "max_entries": limit,
    }
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        # All at first: a name that Django does not know shows before hours go by.
        for number, strategy in enumerate(plan.strategies):
            own = folder / str(number)
            own.mkdir()
            variant = variant_of(strategy)
            worker = stack.enter_context(
                started(strategy, trees[variant], url, own, WORKER)
            )
            opened[variant] = worker.ask(
                "open", name=f"replay{number}", folder=str(own), synchronous="OFF"
            )
            worker.ask(
                "cache",
                backend=plan.backend,
                options=options_of(strategy, limit),
                folder=str(own),
                path=[str(Path.cwd())],
                seed=plan.seed,
            )
            workers[strategy] = worker
        tallies: dict[str, dict[str, Any]] = {}
        for start in range(0, len(trace.keys), CHUNK):
            chunk = [KEYS[plan.keys](each) for each in trace.keys[start:][:CHUNK]]
            for strategy, worker in workers.items():
                tallies[strategy] = worker.ask("replay", keys=chunk)
            done = start + len(chunk)
            say(f"{trace.name}, {share} %: {done:,} of {len(trace.keys):,} requests")
    return [
        *(
            Replayed(**given, strategy=name, model=False, **tally)
            for name, tally in tallies.items()
        ),
        *(
            Replayed(**given, strategy=name, model=True, hits=hits(trace.keys, limit))
            for name, hits in MODELS.items()
        ),
    ]


def cells(replayed: Sequence[Replayed]) -> list[list[str]]:
    """Return the table's rows as text, the means of each strategy last."""
    rows = []
    first: dict[tuple[str, int], Replayed] = {}
    for each in replayed:
        base = first.setdefault((each.trace, each.share), each)
        rows.append(
            [
                each.trace,
                f"{each.max_entries:,}",
                each.strategy,
                *hit_cells(each.ratio, each.ratio - base.ratio),
                *(["-"] * 8 if each.model else more_cells(each)),
            ]
        )
    if len(first) > 1:
        rows += mean_rows(replayed)
    return rows


def hit_cells(ratio: float, gain: float) -> list[str]:
    return [f"{ratio:.4f}", f"{gain:+.4f}"]


def more_cells(each: Replayed) -> list[str]:
    return [
        f"{each.writes_per_hit:.3f}",
        f"{each.further_per_hit:.3f}",
        f"{each.entries:,}",
        f"{each.most_entries:,}",
        microseconds(each.hit_us),
        microseconds(each.miss_us),
        worst(each.worst_get_ns, each.worst_get_cpu_ns),
        worst(each.worst_set_ns, each.worst_set_cpu_ns),
    ]


def worst(wall_ns: int, cpu_ns: int) -> str:
    return f"{microseconds(wall_ns / 1_000)} ({microseconds(cpu_ns / 1_000)})"


def mean_rows(replayed: Sequence[Replayed]) -> list[list[str]]:
    """Return a row for each strategy: the means of what does not depend on size."""
    by_name: dict[str, list[Replayed]] = {}
    for each in replayed:
        by_name.setdefault(each.strategy, []).append(each)
    rows = []
    base = fmean(each.ratio for each in next(iter(by_name.values())))
    for name, group in by_name.items():
        ratio = fmean(each.ratio for each in group)
        writes = f"{fmean(each.writes_per_hit for each in group):.3f}"
        further = f"{fmean(each.further_per_hit for each in group):.3f}"
        more = ["-", "-"] if group[0].model else [writes, further]
        rows.append(
            ["mean", "-", name, *hit_cells(ratio, ratio - base), *more, *["-"] * 6]
        )
    return rows


def show(found: Replays) -> str:
    """Return what a person reads at the end of a run."""
    what = found.plan.backend
    if what == DATABASE:
        what = f"{what}, {found.database} {found.database_version}"
    head = f"{what}, {found.plan.keys} keys: get, on a miss set, no expiry."
    return "\n\n".join([head, found.table(), LEGEND.format(CHUNK)])
