"""Whether two runs of the bench say the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.evidence.timings import Timing
from lab.figures import aligned, times
from lab.variants import PATCHED, STOCK

WITHIN = 0.15  # of the ratio
# Shorter calls are about as long as what disturbs them. µs, of the slower side.
LEAST = 50.0


@dataclass(frozen=True)
class Pair:
    """The ratios, stock / patched, of one operation in two runs.

    ``us`` is the time of stock or of patched, whichever is longer.
    """

    operation: str
    rows: int
    us: float
    first: float
    second: float

    @property
    def apart(self) -> float:
        """By how much of the smaller one the ratios differ."""
        low, high = sorted((self.first, self.second))
        return high / low - 1

    @property
    def counts(self) -> bool:
        """Tell whether the calls are long enough to agree."""
        return self.us >= LEAST


def pairs(first: Sequence[Timing], second: Sequence[Timing]) -> list[Pair]:
    """Return the operations that both runs have, in the order of the first."""

    def place(each: Timing) -> tuple[str, str, str, int]:
        return each.database, each.values, each.operation, each.rows

    others = {place(each): each.ratio for each in second}
    return [
        Pair(
            each.operation,
            each.rows,
            max(each.wall[name].median for name in (STOCK, PATCHED)),
            each.ratio.median,
            other.median,
        )
        for each in first
        if each.ratio and (other := others.get(place(each)))
    ]


def shown(found: Sequence[Pair]) -> str:
    """Return a table, those that differ most first, and what it comes to."""
    rows = [
        [
            each.operation,
            f"{each.rows:,}",
            f"{each.us:,.0f}",
            times(each.first),
            times(each.second),
            f"{100 * each.apart:.0f} %",
        ]
        for each in sorted(found, key=lambda each: -each.apart)
    ]
    counting = [each for each in found if each.counts]
    close = [each for each in counting if each.apart <= WITHIN]
    return "\n".join(
        [
            aligned(("operation", "rows", "µs", "first", "second", "apart"), rows),
            f"{len(close)} of {len(counting)} ratios of operations over {LEAST:.0f} µs"
            f" agree within {100 * WITHIN:.0f} %",
        ]
    )
