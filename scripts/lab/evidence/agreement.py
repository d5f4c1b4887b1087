"""Tell whether two runs of the bench agree."""

from pathlib import Path

from common.errors import StackError
from common.tables import aligned
from lab.evidence.results import Place, Timing, read, timings
from lab.figures import times
from lab.variants import PATCHED, STOCK

WITHIN = 0.15  # of the smaller ratio.
LEAST = 50  # µs of the slower side: disturbances are as long as shorter calls.


def run_of(path: Path) -> dict[Place, Timing]:
    """Return the measurements of stock and patched in a file."""
    result = read(path)
    if result.data.get("kind") != "bench":
        raise StackError(f"{path} has the kind {result.data.get('kind')}, not bench")
    return {each.place: each for each in timings([result]) if STOCK in each.over}


def compare(first: Path, second: Path) -> tuple[str, bool]:
    """Return a table, greatest differences first, and whether the ratios agree."""
    one, two = run_of(first), run_of(second)
    rows = []
    for place, each in one.items():
        if place in two:
            a, b = (run[place].over[STOCK].median for run in (one, two))
            us = max(each.wall[side].median for side in (STOCK, PATCHED))
            rows.append((max(a, b) / min(a, b) - 1, us, a, b, each))
    if not rows:
        raise StackError(
            f"{first} and {second} have no operation in common",
            "two runs of ./scripts/stack bench with the same options",
        )
    table = [("operation", "rows", "µs", "first", "second", "apart")]
    for apart, us, a, b, each in sorted(rows, key=lambda row: -row[0]):
        figures = (f"{each.rows:,}", f"{us:,.0f}", times(a), times(b))
        table.append((each.operation, *figures, f"{100 * apart:.0f} %"))
    long = [apart for apart, us, *_ in rows if us >= LEAST]
    close = sum(apart <= WITHIN for apart in long)
    said = f"{close} of {len(long)} ratios of operations over {LEAST} µs agree within"
    return f"{aligned(table, range(1, 6))}\n{said} {100 * WITHIN:.0f} %", close == len(
        long
    )
