"""How many statements an operation runs, without a benchmark around it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from common.errors import StackError
from lab.bench.operations import DAY, select
from lab.client import started


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
    entries that a call handles. The same seed gives the same means. An operation
    that this Django lacks counts as the one that is run instead; StackError where
    there is none.
    """
    chosen = select(operations)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        worker_of = started("statements", tree, "sqlite:///:memory:", Path(folder))
        with worker_of as worker:
            worker.ask("open", name="statements", folder=None, synchronous="OFF")
            worker.ask(
                "prepare",
                rows=rows,
                max_entries=max_entries,
                timeout=DAY,
                seed=seed,
                tables=sorted({each.table for each in chosen}),
            )
            lacking = worker.ask("lacking")
            means = {}
            for each in chosen:
                name = each.meant(lacking)
                if not name:
                    raise StackError(f"{each.name}: {lacking[each.name]}")
                found = worker.ask(
                    "statements",
                    operation=name,
                    calls=max(1, calls // each.per),
                    seed=seed,
                )
                means[each.name] = found["statements"] / found["calls"]
    return means
