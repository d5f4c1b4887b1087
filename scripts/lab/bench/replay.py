"""Hit ratios of request streams in the real cache backends, by their strategies."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.progress import say
from databases import urls
from lab import runs
from lab.bench.traces import MODELS, Trace
from lab.client import Worker
from lab.figures import aligned
from lab.variants import PATCHED, STOCK

CHUNK = 10_000  # requests between two lines of progress
WORKER = "lab.bench.replay_worker"
DATABASE = "db"
BACKENDS = ("locmem", "file", DATABASE)

# LRU without CULL_FREQUENCY = 3: as good as it can be.
ONE_AT_A_TIME = "lru-1"

HEADER = (
    *("trace", "MAX_ENTRIES", "strategy", "hit ratio", "gain", "writes / hit"),
    *("entries", "most"),
)
LEGEND = (
    "gain: over the first strategy. writes: rows updated, and files whose times were"
    " set, by\nhits. entries: at the end, and the most after each {:,} requests."
)


@dataclass(frozen=True)
class Plan:
    """What is replayed into what.

    ``strategies``: "stock" and "patched" for the default of that Django, "lru-1"
    for LRU one at a time, or a value of CULL_STRATEGY. ``entries`` are MAX_ENTRIES;
    without them ``shares`` are, in percent of the distinct keys.
    """

    backend: str = DATABASE
    strategies: tuple[str, ...] = (STOCK, PATCHED)
    shares: tuple[int, ...] = (10,)
    entries: tuple[int, ...] = ()
    seed: int = 1

    def sizes(self, distinct: int) -> dict[int, float]:
        """Return MAX_ENTRIES → in percent of that many keys.

        >>> Plan(shares=(1, 10)).sizes(12_345)
        {123: 1, 1234: 10}
        >>> Plan(entries=(300, 1_000)).sizes(12_345)
        {300: 2.43, 1000: 8.1}
        """
        if self.entries:
            return {each: round(100 * each / distinct, 2) for each in self.entries}
        return {max(1, distinct * share // 100): share for share in self.shares}


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

    Each has a process of its own for each trace and size, and they take turns.
    On SQLite a database is a file in a temporary folder, as the file cache is.
    Return the data of the JSON file.
    """
    trees = {STOCK: stock, PATCHED: patched}
    about = {"options": asdict(plan), "results": []}
    data: dict[str, Any] = runs.head("replay", 1, ids) | about
    for trace in traces:
        for limit, share in plan.sizes(trace.distinct).items():
            with tempfile.TemporaryDirectory(prefix="bench-") as name:
                data["results"] += replay_one(
                    trace, limit, share, plan, trees, url, Path(name), data
                )
    if plan.backend != DATABASE:
        del data["database"]
    return data


def replay_one(
    trace: Trace,
    limit: int,
    share: float,
    plan: Plan,
    trees: Mapping[str, Path],
    url: str,
    folder: Path,
    data: dict[str, Any],
) -> list[dict[str, Any]]:
    """Replay one trace into caches of one size; return a result for each strategy."""
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
            where = trees[variant], url, own, WORKER, [strategy]
            [worker] = runs.start(stack, data, variant, f"replay{number}", *where)
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
            chunk = [str(each) for each in trace.keys[start:][:CHUNK]]
            for strategy, worker in workers.items():
                tallies[strategy] = worker.ask("replay", keys=chunk)
            done = start + len(chunk)
            say(f"{trace.name}, {limit:,}: {done:,} of {len(trace.keys):,} requests")
    requests = len(trace.keys)
    results = [
        about
        | {"strategy": name, "model": False, "hit_ratio": found["hits"] / requests}
        | found
        | {"writes_per_hit": found["writes"] / max(found["hits"], 1)}
        for name, found in tallies.items()
    ]
    for name, hits in MODELS.items():
        ratio = hits(trace.keys, limit) / requests
        model = {"strategy": name, "model": True, "hit_ratio": ratio}
        results.append(about | model)
    return results


def show(data: Mapping[str, Any]) -> str:
    """Return what a person reads at the end of a run."""
    what = data["options"]["backend"]
    if found := data.get("database"):
        what = f"{what}, {found['name']} {found['version']}"
    head = f"{what}: get, on a miss set, no expiry."
    table = aligned(HEADER, cells(data["results"]))
    return "\n\n".join([head, table, LEGEND.format(CHUNK)])


def cells(results: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the table's rows as text."""
    rows = []
    first: dict[tuple[str, int], float] = {}  # trace, MAX_ENTRIES → hit ratio
    for each in results:
        ratio = each["hit_ratio"]
        base = first.setdefault((each["trace"], each["max_entries"]), ratio)
        more = ["-"] * 3
        if not each["model"]:
            more = [f"{each[name]:,}" for name in ("entries", "most_entries")]
            more.insert(0, f"{each['writes_per_hit']:.3f}")
        head = [each["trace"], f"{each['max_entries']:,}", each["strategy"]]
        rows.append([*head, f"{ratio:.4f}", f"{ratio - base:+.4f}", *more])
    return rows
