"""Tell whether two runs of the bench agree."""

from pathlib import Path

from common.errors import StackError
from common.tables import aligned
from lab.evidence.results import Timing, read, timings
from lab.figures import times
from lab.variants import PATCHED, STOCK

WITHIN = 0.15  # of the smaller ratio.
LEAST = 50  # µs of the slower side. What disturbs shorter calls is as long as they.


def compare(first: Path, second: Path) -> tuple[str, bool]:
    """Return a table of the ratios, stock / patched, and whether they agree.

    The pairs that differ most come first. Raise StackError if one of the files is
    not of the bench, or if they have no operation in common.
    """
    runs: list[dict[tuple[str, str, str, int], Timing]] = []
    for path in (first, second):
        result = read(path)
        if result.kind != "bench":
            raise StackError(f"{path} is of kind {result.kind}, not bench")
        runs.append({each.place: each for each in timings([result]) if each.ratio})
    pairs = []
    for one in runs[0].values():
        other = runs[1].get(one.place)
        if one.ratio and other and other.ratio:
            ratios = [one.ratio.median, other.ratio.median]
            slower = max(one.wall[side].median for side in (STOCK, PATCHED))
            pairs.append((max(ratios) / min(ratios) - 1, slower, ratios, one))
    if not pairs:
        raise StackError(
            f"{first} and {second} have no operation in common",
            "two runs of ./scripts/stack bench with the same options",
        )
    pairs.sort(key=lambda pair: -pair[0])
    rows = [("operation", "rows", "µs", "first", "second", "apart")]
    for apart, us, (a, b), one in pairs:
        figures = (f"{one.rows:,}", f"{us:,.0f}", times(a), times(b), f"{apart:.0%}")
        rows.append((one.operation, *figures))
    long = [apart for apart, us, *_ in pairs if us >= LEAST]
    close = sum(apart <= WITHIN for apart in long)
    said = (
        f"{close} of {len(long)} ratios of operations over {LEAST} µs agree within"
        f" {WITHIN:.0%}"
    )
    return f"{aligned(rows, range(1, 6))}\n{said}", close == len(long)
