"""The bytes on disk of a cache table with its indexes, stock beside patched."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.client import started
from bench.figures import aligned, times
from bench.report import Report, circumstances
from bench.values import KINDS, compressed_size, pickled
from bench.variants import PATCHED, STOCK
from patchstack.progress import step

FORMAT = 1  # of the JSON file
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
    """Everything of one run."""

    sizes: Sequence[Size]

    def to_json(self) -> dict[str, Any]:
        sizes = [each.to_json() for each in self.sizes]
        return {"format": FORMAT, **self.head(), "sizes": sizes}

    def table(self) -> str:
        return aligned(HEADER, cells(self.sizes))


def cells(sizes: Sequence[Size]) -> list[list[str]]:
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
    names, on SQLite a file in a temporary folder.
    """
    trees = {STOCK: stock, PATCHED: patched}
    sizes = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        workers = {
            variant: stack.enter_context(started(variant, tree, url, Path(folder)))
            for variant, tree in trees.items()
        }
        opened = {
            variant: worker.ask(
                "open", name=f"{variant}_size", folder=folder, synchronous="OFF"
            )
            for variant, worker in workers.items()
        }
        for number, kind in ((rows, kind) for rows in rows for kind in values):
            with step(f"writing {number:,} entries ({kind}), stock and patched"):
                for worker in workers.values():
                    worker.send("size", rows=number, seed=seed, values=kind)
                found = {
                    variant: worker.receive()["bytes"]
                    for variant, worker in workers.items()
                }
            sizes.append(Size(kind, number, found))
    return Sizes(**circumstances(opened, ids), sizes=sizes)


def show(found: Sizes) -> str:
    """Return what a person reads at the end of a run."""
    head = f"{found.database} {found.database_version}"
    return "\n\n".join([head, found.table(), LEGEND])
