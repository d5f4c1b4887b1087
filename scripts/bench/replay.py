"""Hit ratio of a request stream in the real cache backend, stock beside patched."""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bench.client import started
from bench.figures import aligned
from bench.traces import Trace
from bench.variants import PATCHED, STOCK
from patchstack.progress import say

CHUNK = 10_000  # requests between two lines of progress

HEADER = ("trace", "requests", "MAX_ENTRIES", "keys", "stock", "patched", "gain")


def _digest(number: int) -> str:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


# How a number of the trace becomes a cache key. It matters to a backend that
# culls in key order.
KEYS: dict[str, Callable[[int], str]] = {"decimal": str, "md5": _digest}


@dataclass(frozen=True)
class Replayed:
    """``hits``: variant name → hits among ``requests``."""

    trace: str
    keys: str
    requests: int
    max_entries: int
    hits: dict[str, int]

    def ratio(self, variant: str) -> float:
        return self.hits[variant] / self.requests


def replay(
    trace: Trace,
    *,
    stock: Path,
    patched: Path,
    share: float = 0.1,
    keys: str = "decimal",
    seed: int = 1,
) -> Replayed:
    """Get every key in turn and set it on a miss, in two processes side by side.

    MAX_ENTRIES is ``share`` of the distinct keys; entries never expire. SQLite
    files in a temporary folder: what is counted does not depend on the database.
    """
    limit = max(1, int(trace.distinct * share))
    trees = {STOCK: stock, PATCHED: patched}
    hits = dict.fromkeys(trees, 0)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        workers = {
            variant: stack.enter_context(
                started(variant, tree, "sqlite:///:memory:", folder)
            )
            for variant, tree in trees.items()
        }
        for variant, worker in workers.items():
            worker.ask("open", name=variant, folder=str(folder), synchronous="OFF")
            worker.ask("prepare", rows=0, max_entries=limit, timeout=None, seed=seed)
        for start in range(0, len(trace.keys), CHUNK):
            chunk = [KEYS[keys](each) for each in trace.keys[start : start + CHUNK]]
            for worker in workers.values():
                worker.send("replay", keys=chunk)
            for variant, worker in workers.items():
                hits[variant] += worker.receive()["hits"]
            done = start + len(chunk)
            say(f"{trace.name}: {done:,} of {len(trace.keys):,} requests")
    return Replayed(trace.label, keys, len(trace.keys), limit, hits)


def cells(replayed: Sequence[Replayed]) -> list[list[str]]:
    """Return the table's rows as text, the mean of the ratios last."""
    rows = []
    for each in replayed:
        stock, patched = each.ratio(STOCK), each.ratio(PATCHED)
        rows.append(
            [
                each.trace,
                f"{each.requests:,}",
                f"{each.max_entries:,}",
                each.keys,
                f"{stock:.3f}",
                f"{patched:.3f}",
                f"{patched - stock:+.3f}",
            ]
        )
    stock = fmean(each.ratio(STOCK) for each in replayed)
    patched = fmean(each.ratio(PATCHED) for each in replayed)
    gain = f"{patched - stock:+.3f}"
    rows.append(["mean", "", "", "", f"{stock:.3f}", f"{patched:.3f}", gain])
    return rows


def table(replayed: Sequence[Replayed]) -> str:
    return aligned(HEADER, cells(replayed))
