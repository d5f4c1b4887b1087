"""How often a call took how long, in buckets that grow with the time."""

from collections import Counter
from collections.abc import Iterable
from math import ceil

# The highest bits of a time that its bucket tells apart: the middle of a bucket is
# at most 1 / 2 ** BITS off.
BITS = 6
STEPS = 1 << (BITS - 1)  # buckets of each power of two
EXACT = 1 << BITS  # times below it have a bucket of their own


def bucket(ns: int) -> int:
    """Return the number of the bucket of a time.

    >>> bucket(63), bucket(64), bucket(65), bucket(66)
    (63, 64, 64, 65)
    """
    shift = max(0, ns.bit_length() - BITS)
    return shift * STEPS + (ns >> shift)


def middle(number: int) -> float:
    """Return the time in the middle of a bucket.

    >>> middle(63), middle(64)
    (63.0, 64.5)
    """
    shift = max(0, number // STEPS - 1)
    return float((number - shift * STEPS) << shift) + ((1 << shift) - 1) / 2


class Histogram:
    """Times in whole nanoseconds, each known to 1.6 %; the longest one exactly."""

    def __init__(self, counts: Iterable[tuple[int, int]] = (), worst: int = 0) -> None:
        self._counts = Counter(dict(counts))
        self.worst = worst

    def add(self, ns: int) -> None:
        self._counts[bucket(ns)] += 1
        if ns > self.worst:
            self.worst = ns

    def merge(self, other: "Histogram") -> None:
        """Add what another one holds."""
        self._counts.update(other._counts)
        self.worst = max(self.worst, other.worst)

    def __len__(self) -> int:
        """Return the number of times."""
        return self._counts.total()

    def quantile(self, share: float) -> float:
        """Return the time that a share (0 to 1) of all did not exceed.

        ValueError if there is none.
        """
        if not self._counts:
            raise ValueError("an empty histogram has no quantiles")
        wanted = ceil(share * len(self))
        for number in sorted(self._counts):
            wanted -= self._counts[number]
            if wanted <= 0:
                break
        return min(middle(number), float(self.worst))

    def to_json(self) -> dict[str, object]:
        """Return the arguments of the constructor."""
        return {"counts": sorted(self._counts.items()), "worst": self.worst}
