"""Hit ratios of request streams in the real cache backends, by their strategies."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from hashlib import md5
from pathlib import Path
from statistics import fmean
from typing import Any

from common.progress import say
from common.project import Project
from databases import urls
from lab import origin
from lab.bench.traces import MODELS, Trace
from lab.client import Worker, sharing
from lab.figures import aligned, microseconds
from lab.variants import PATCHED, STOCK

CHUNK = 10_000  # requests between two lines of progress
WORKER = "lab.bench.replay_worker"
DATABASE = "db"
BACKENDS = ("locmem", "file", DATABASE)

# LRU without CULL_FREQUENCY = 3: as good as it can be.
ONE_AT_A_TIME = "lru-1"

HEADER = (
    *("trace", "MAX_ENTRIES", "strategy", "hit ratio", "gain", "writes / hit"),
    *("entries", "most", "hit", "miss"),
)
LEGEND = (
    "gain: over the first strategy. writes: rows updated, and files whose times were"
    " set, by\nhits. entries: at the end, and the most after each {:,} requests. hit,"
    " miss: CPU us of\nget(), and of get() and set(), roughly, as counting takes time,"
    " too."
)


def _digest(number: int) -> str:
    return md5(str(number).encode(), usedforsecurity=False).hexdigest()


# How a number of the trace becomes a cache key. It matters to a backend that
# culls in key order.
KEYS: dict[str, Callable[[int], str]] = {"decimal": str, "md5": _digest}


@dataclass(frozen=True)
class Plan:
    """What is replayed into what.

    ``strategies``: "stock" and "patched" for the default of that Django, "lru-1"
    for LRU one at a time, or a value of CULL_STRATEGY. ``shares`` are MAX_ENTRIES
    in percent of the distinct keys.
    """

    backend: str = DATABASE
    strategies: tuple[str, ...] = (STOCK, PATCHED)
    shares: tuple[int, ...] = (10,)
    keys: str = "decimal"
    seed: int = 1


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
) -> dict[str, Any]:
    """Get every key in turn and set it on a miss, with each strategy.

    Each has a process of its own for each trace and share, and they take turns.
    On SQLite a database is a file in a temporary folder, as the file cache is.
    Return the data of the JSON file.
    """
    trees = {STOCK: stock, PATCHED: patched}
    data: dict[str, Any] = {
        **origin.head("replay", 1, Project.here().root),
        "ids": dict(ids or {}),
        "options": {
            name: list(given) if isinstance(given, tuple) else given
            for name, given in asdict(plan).items()
        },
        **{"django": {}, "results": []},
    }
    for trace in traces:
        for share in plan.shares:
            with tempfile.TemporaryDirectory(prefix="bench-") as name:
                data["results"] += replay_one(
                    trace, share, plan, trees, url, Path(name), data
                )
    return data


def replay_one(
    trace: Trace,
    share: int,
    plan: Plan,
    trees: Mapping[str, Path],
    url: str,
    folder: Path,
    data: dict[str, Any],
) -> list[dict[str, Any]]:
    """Replay one trace into caches of one size; return a result for each strategy."""
    limit = max(1, trace.distinct * share // 100)
    about = {"trace": trace.label, "requests": len(trace.keys), "share": share}
    about |= {"distinct": trace.distinct, "max_entries": limit}
    workers: dict[str, Worker] = {}
    tallies: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        # All at first: a name that Django does not know shows before hours go by.
        for number, strategy in enumerate(plan.strategies):
            own = folder / str(number)
            own.mkdir()
            variant = variant_of(strategy)
            [worker], opened = stack.enter_context(
                sharing(f"replay{number}", trees[variant], url, own, WORKER, [strategy])
            )
            data["django"][variant] = opened["django"]
            if plan.backend == DATABASE:
                version = opened["database_version"]
                data["database"] = {"name": opened["database"], "version": version}
            worker.ask(
                "cache",
                backend=plan.backend,
                options=options_of(strategy, limit),
                folder=str(own),
                path=[str(Path.cwd())],
                seed=plan.seed,
            )
            workers[strategy] = worker
        for start in range(0, len(trace.keys), CHUNK):
            chunk = [KEYS[plan.keys](each) for each in trace.keys[start:][:CHUNK]]
            for strategy, worker in workers.items():
                tallies[strategy] = worker.ask("replay", keys=chunk)
            done = start + len(chunk)
            say(f"{trace.name}, {share} %: {done:,} of {len(trace.keys):,} requests")
    found = [{"strategy": name, "model": False} | tallies[name] for name in tallies]
    found += [
        {"strategy": name, "model": True, "hits": hits(trace.keys, limit)}
        for name, hits in MODELS.items()
    ]
    return [summary(about | each) for each in found]


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """Add ratios, and µs of CPU time, to what was counted."""
    requests, hits = result["requests"], result["hits"]
    result["hit_ratio"] = hits / requests
    if not result["model"]:
        misses = requests - hits
        result["writes_per_hit"] = result["writes"] / max(hits, 1)
        result["hit_cpu_us"] = result.pop("hit_cpu_ns") / max(hits, 1) / 1_000
        result["miss_cpu_us"] = result.pop("miss_cpu_ns") / max(misses, 1) / 1_000
    return result


def show(data: Mapping[str, Any]) -> str:
    """Return what a person reads at the end of a run."""
    what = data["options"]["backend"]
    if found := data.get("database"):
        what = f"{what}, {found['name']} {found['version']}"
    head = f"{what}, {data['options']['keys']} keys: get, on a miss set, no expiry."
    table = aligned(HEADER, cells(data["results"]))
    return "\n\n".join([head, table, LEGEND.format(CHUNK)])


def cells(results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the table's rows as text; the means of each strategy come last."""
    rows = []
    first: dict[tuple[str, int], float] = {}
    for each in results:
        base = first.setdefault((each["trace"], each["share"]), each["hit_ratio"])
        more = ["-"] * 5
        if not each["model"]:
            more = [f"{each['writes_per_hit']:.3f}"]
            more += [f"{each[name]:,}" for name in ("entries", "most_entries")]
            more += [microseconds(each[f"{name}_cpu_us"]) for name in ("hit", "miss")]
        head = [each["trace"], f"{each['max_entries']:,}", each["strategy"]]
        rows.append([*head, *gained(each["hit_ratio"], base), *more])
    if len(first) > 1:
        for name in dict.fromkeys(each["strategy"] for each in results):
            group = [each for each in results if each["strategy"] == name]
            ratio = fmean(each["hit_ratio"] for each in group)
            writes = "-"
            if not group[0]["model"]:
                writes = f"{fmean(each['writes_per_hit'] for each in group):.3f}"
            hits = gained(ratio, fmean(first.values()))
            rows.append(["mean", "-", name, *hits, writes, *["-"] * 4])
    return rows


def gained(ratio: float, base: float) -> list[str]:
    return [f"{ratio:.4f}", f"{ratio - base:+.4f}"]
