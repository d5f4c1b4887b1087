"""The bytes on disk of a cache table with its indexes, stock beside patched."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common.errors import StackError
from common.progress import step
from common.project import Project
from databases import urls
from lab import origin
from lab.bench import peers
from lab.bench.compare import WORKER
from lab.bench.values import KINDS, compressed_size, pickled
from lab.client import Worker, sharing
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
    rows: Sequence[int] = (ROWS,),
    values: Sequence[str] = tuple(KINDS),
    seed: int = 1,
    ids: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Let the caches of two Djangos fill their tables, and read their bytes.

    Each has a process and a database of its own on the server that ``url`` names;
    so has each other cache with a table. Return the data of the JSON file.
    """
    data: dict[str, Any] = {
        **origin.head("size", 1, Project.here().root),
        "ids": dict(ids or {}),
        **{"django": {}, "peers": {}, "absent": {}, "sizes": []},
    }
    backends = dict.fromkeys((STOCK, PATCHED), peers.DATABASE_CACHE)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        workers: dict[str, Worker] = {}

        def begin(variant: str, tree: Path) -> dict[str, Any]:
            [workers[variant]], opened = stack.enter_context(
                sharing(f"{variant}_size", tree, url, folder, WORKER, [variant])
            )
            return opened

        for variant, tree in ((STOCK, stock), (PATCHED, patched)):
            opened = begin(variant, tree)
            data["django"][variant] = opened["django"]
        database = opened["database"]
        data["database"] = {"name": database, "version": opened["database_version"]}
        for peer in peers.PEERS:
            if database not in peer.databases:
                continue
            try:
                with peers.place(peer, database, max(rows), folder) as (_, version):
                    data["peers"][peer.name] = version
            except StackError as error:
                data["absent"][peer.name] = str(error)
                continue
            begin(peer.name, stock)
            backends[peer.name] = peer.backend
        for number, kind in ((number, kind) for number in rows for kind in values):
            given = {"rows": number, "seed": seed, "values": kind}
            with step(f"writing {number:,} entries ({kind}), {', '.join(workers)}"):
                for variant, worker in workers.items():
                    worker.send("size", **given, backend=backends[variant])
                found = {name: one.receive()["bytes"] for name, one in workers.items()}
            data["sizes"].append(entry(kind, number, found))
    return data


def entry(values: str, rows: int, found: Mapping[str, int]) -> dict[str, Any]:
    """Return the data of one table; ``found``: variant → bytes."""
    return {
        "values": values,
        "rows": rows,
        "bytes": dict(found),
        "value_bytes": len(pickled(values)),
        "value_bytes_zlib": compressed_size(values),
        "ratio": found[STOCK] / found[PATCHED],
    }


def show(data: Mapping[str, Any]) -> str:
    """Return what a person reads at the end of a run."""
    header, rows = [*HEADER], []
    for name, version in data["peers"].items():
        header += [f"{name} {version} bytes", f"{name} / patched"]
    for each in data["sizes"]:
        both = [each["bytes"][name] for name in (STOCK, PATCHED)]
        row = [each["values"], f"{each['value_bytes']:,}", f"{each['rows']:,}"]
        row += [f"{size:,}" for size in both] + [times(each["ratio"])]
        row += [f"{size / each['rows']:,.0f}" for size in both]
        for name in data["peers"]:
            size = each["bytes"][name]
            row += [f"{size:,}", times(size / both[1])]
        rows.append(row)
    head = f"{data['database']['name']} {data['database']['version']}"
    absent = [f"{name}: not run: {why}" for name, why in data["absent"].items()]
    return "\n\n".join([head, aligned(header, rows), LEGEND, *absent])
