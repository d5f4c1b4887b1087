"""The bytes on disk of a cache table with its indexes, stock beside patched."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.progress import step
from lab.bench.peers import find, of_database
from lab.bench.report import Report, circumstances
from lab.bench.values import KINDS, compressed_size, pickled
from lab.client import Worker, started
from lab.figures import aligned, times
from lab.variants import PATCHED, STOCK

ROWS = 10_000

HEADER = (
    "values",
    "pickled bytes",
    "rows",
    "stock bytes",
    "patched bytes",
    "stock / patched",
    "stock per entry",
    "patched per entry",
)
LEGEND = (
    "Bytes on disk of the table and its indexes, filled by set_many() of the cache"
    " and then\ncompacted."
)


@dataclass(frozen=True)
class Size:
    """The table of one kind of values; ``bytes``: variant name → its size."""

    values: str
    rows: int
    bytes: Mapping[str, int]

    @property
    def ratio(self) -> float:
        return self.bytes[STOCK] / self.bytes[PATCHED]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "value_bytes": len(pickled(self.values)),
            "value_bytes_zlib": compressed_size(self.values),
            "ratio": self.ratio,
        }


@dataclass(frozen=True)
class Sizes(Report):
    """Everything of one run.

    ``peers``: name → version; ``absent``: name of one that could not be run → why.
    """

    KIND = "size"
    FORMAT = 1

    sizes: Sequence[Size]
    peers: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.head(),
            "peers": dict(self.peers),
            "absent": dict(self.absent),
            "sizes": [each.to_json() for each in self.sizes],
        }

    def table(self) -> str:
        header = [*HEADER]
        for name, version in self.peers.items():
            header += [f"{name} {version} bytes", f"{name} / patched"]
        return aligned(header, cells(self.sizes, tuple(self.peers)))


def cells(sizes: Sequence[Size], peers: Sequence[str] = ()) -> list[list[str]]:
    """Return the table's rows as text."""
    rows = []
    for each in sizes:
        stock, patched = each.bytes[STOCK], each.bytes[PATCHED]
        rows.append(
            [
                each.values,
                f"{len(pickled(each.values)):,}",
                f"{each.rows:,}",
                f"{stock:,}",
                f"{patched:,}",
                times(each.ratio),
                f"{stock / each.rows:,.0f}",
                f"{patched / each.rows:,.0f}",
                *(
                    cell
                    for peer in peers
                    for cell in (
                        f"{each.bytes[peer]:,}",
                        times(each.bytes[peer] / patched),
                    )
                ),
            ]
        )
    return rows


def measure(
    *,
    stock: Path,
    patched: Path,
    url: str,
    rows: Sequence[int] = (ROWS,),
    values: Sequence[str] = tuple(KINDS),
    seed: int = 1,
    ids: Mapping[str, str] | None = None,
) -> Sizes:
    """Let the caches of two Djangos fill their tables, and read how long they are.

    Both have a process and a database of their own on the server that ``url``
    names, on SQLite a file in a temporary folder; so has each peer.
    """
    sizes = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        workers: dict[str, Worker] = {}
        opened: dict[str, dict[str, Any]] = {}

        def begin(variant: str, tree: Path) -> None:
            workers[variant] = stack.enter_context(
                started(variant, tree, url, Path(folder))
            )
            opened[variant] = workers[variant].ask(
                "open", name=f"{variant}_size", folder=folder, synchronous="OFF"
            )

        begin(STOCK, stock)
        begin(PATCHED, patched)
        database = opened[STOCK]["database"]
        peers = find(workers[STOCK], database, of_database(database), {})
        for peer in peers.peers:
            begin(peer.name, stock)
        for number, kind in ((number, kind) for number in rows for kind in values):
            with step(f"writing {number:,} entries ({kind}), {', '.join(workers)}"):
                for variant, worker in workers.items():
                    worker.send(
                        "size",
                        rows=number,
                        seed=seed,
                        values=kind,
                        backend=peers.backend(variant),
                    )
                found = {
                    variant: worker.receive()["bytes"]
                    for variant, worker in workers.items()
                }
            sizes.append(Size(kind, number, found))
    return Sizes(
        **circumstances(opened, ids),
        sizes=sizes,
        peers=peers.versions,
        absent=peers.absent,
    )


def show(found: Sizes) -> str:
    """Return what a person reads at the end of a run."""
    head = f"{found.database} {found.database_version}"
    absent = [f"{name}: not run: {why}" for name, why in found.absent.items()]
    return "\n\n".join([head, found.table(), LEGEND, *absent])
