"""The bytes on disk of a cache table with its indexes, stock beside patched."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common.progress import step
from databases import urls
from lab import runs
from lab.bench.compare import WORKER
from lab.bench.values import KINDS, pickled
from lab.client import Worker
from lab.figures import aligned, times
from lab.variants import PATCHED, STOCK

ROWS = 10_000
HEADER = (
    *("values", "pickled bytes", "rows", "stock bytes", "patched bytes"),
    *("stock / patched", "stock per entry", "patched per entry"),
)
LEGEND = (
    "Bytes on disk of the table and its indexes, filled by set_many() of the cache"
    " and then\ncompacted."
)


def measure(
    *,
    stock: Path,
    patched: Path,
    url: str = urls.DEFAULT,
    rows: int = ROWS,
    ids: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Let the caches of two Djangos fill their tables, and read their bytes.

    Each has a process and a database of its own on the server that ``url`` names.
    Return the data of the JSON file.
    """
    data = runs.head("size", 1, ids) | {"sizes": []}
    with tempfile.TemporaryDirectory(prefix="bench-") as made, ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for variant, tree in ((STOCK, stock), (PATCHED, patched)):
            where = tree, url, Path(made), WORKER, [variant]
            name = f"{variant}_size"
            [workers[variant]] = runs.start(stack, data, variant, name, *where)
        for kind in KINDS:
            with step(f"writing {rows:,} entries ({kind}), {', '.join(workers)}"):
                for worker in workers.values():
                    worker.send("size", rows=rows, values=kind)
                found = {side: one.receive()["bytes"] for side, one in workers.items()}
            about = {"values": kind, "rows": rows, "value_bytes": len(pickled(kind))}
            ratio = found[STOCK] / found[PATCHED]
            data["sizes"].append(about | {"bytes": found, "ratio": ratio})
    return data


def show(data: Mapping[str, Any]) -> str:
    """Return what a person reads at the end of a run."""
    rows = []
    for each in data["sizes"]:
        both = [each["bytes"][name] for name in (STOCK, PATCHED)]
        row = [each["values"], f"{each['value_bytes']:,}", f"{each['rows']:,}"]
        row += [f"{size:,}" for size in both] + [times(each["ratio"])]
        row += [f"{size / each['rows']:,.0f}" for size in both]
        rows.append(row)
    head = f"{data['database']['name']} {data['database']['version']}"
    return "\n\n".join([head, aligned(HEADER, rows), LEGEND])
