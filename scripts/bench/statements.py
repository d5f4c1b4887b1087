"""How many statements an operation runs, without a benchmark around it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.client import started
from bench.operations import DAY, select


def mean_statements(
    tree: Path,
    operations: Sequence[str],
    *,
    calls: int = 200,
    rows: int = 1_000,
    max_entries: int = 1_000_000,
    seed: int = 1,
) -> dict[str, float]:
    """Return operation name → mean statements per call, on SQLite in memory.

    BEGIN, COMMIT and SAVEPOINT count. ``calls`` is divided by the number of
    entries that a call handles. The same seed gives the same means.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        worker_of = started("statements", tree, "sqlite:///:memory:", Path(name))
        with worker_of as worker:
            worker.ask("open", name="statements", folder=None, synchronous="OFF")
            worker.ask(
                "prepare", rows=rows, max_entries=max_entries, timeout=DAY, seed=seed
            )
            means = {}
            for each in select(operations):
                found = worker.ask(
                    "statements",
                    operation=each.name,
                    calls=max(1, calls // each.per),
                    seed=seed,
                )
                means[each.name] = found["statements"] / found["calls"]
    return means
