"""What one run of the benchmark measures."""

from dataclasses import asdict, dataclass
from typing import Any

from lab.bench.peers import NAMES
from lab.bench.values import compressed_size, pickled

ROWS = (1_000, 10_000, 300_000)
# Of 300,000 pages the table of stock takes 4 GB.
PAGE_ROWS = (1_000, 10_000)
# The most with which a quick run of everything ends within a minute or so.
QUICK_ROWS = (1_000, 50_000)


@dataclass(frozen=True)
class Plan:
    """What one run measures.

    ``values`` is the kind of the cache's values, ``block`` the wished length of a
    block in seconds, ``latency`` what is added to each round trip to the server,
    in milliseconds, ``peers`` the names of other caches that take part if they can.
    """

    rows: tuple[int, ...] = ROWS
    operations: tuple[str, ...] = ()
    values: str = "dict"
    max_entries: int | None = None
    rounds: int = 15
    block: float = 0.1
    counted_calls: int = 100
    seed: int = 1
    latency: float = 0
    peers: tuple[str, ...] = NAMES

    @property
    def limit(self) -> int:
        """MAX_ENTRIES: as asked, else one that is never reached."""
        return self.max_entries or max(1_000_000, 2 * max(self.rows))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "max_entries": self.limit,
            "value_bytes": len(pickled(self.values)),
            "value_bytes_zlib": compressed_size(self.values),
        }


QUICK = Plan(rows=QUICK_ROWS, rounds=5, block=0.04, counted_calls=40, peers=())
