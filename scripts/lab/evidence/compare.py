"""Tell whether two runs of the bench agree."""

from pathlib import Path

from common.errors import StackError
from common.tables import aligned
from lab.evidence.results import read, timings
from lab.figures import times
from lab.variants import PATCHED, STOCK

WITHIN = 0.15  # of the smaller ratio.
LEAST = 50  # µs of the slower side. What disturbs shorter calls is as long as they.


def ratios(path: Path) -> dict[tuple[str, str, str, int], tuple[float, float]]:
    """Return place → ratio, stock / patched, and µs of the slower side."""
    result = read(path)
    if result.data.get("kind") != "bench":
        raise StackError(f"{path} is of kind {result.data.get('kind')}, not bench")
    return {
        each.place: (
            each.ratio.median,
            max(each.wall[side].median for side in (STOCK, PATCHED)),
        )
        for each in timings([result])
        if each.ratio
    }


def compare(first: Path, second: Path) -> tuple[str, bool]:
    """Return a table, greatest differences first, and whether the ratios agree."""
    one, two = ratios(first), ratios(second)
    if not one.keys() & two.keys():
        raise StackError(
            f"{first} and {second} have no operation in common",
            "two runs of ./scripts/stack bench with the same options",
        )
    rows, apart = [], []
    for place in one.keys() & two.keys():
        (a, us), (b, _) = one[place], two[place]
        *_, operation, count = place
        difference = max(a, b) / min(a, b) - 1
        figures = (
            f"{count:,}",
            f"{us:,.0f}",
            times(a),
            times(b),
            f"{100 * difference:.0f} %",
        )
        rows.append((difference, operation, *figures))
        if us >= LEAST:
            apart.append(difference)
    rows.sort(key=lambda row: (-row[0], row[1:]))
    head = ("operation", "rows", "µs", "first", "second", "apart")
    close = sum(each <= WITHIN for each in apart)
    said = (
        f"{close} of {len(apart)} ratios of operations over {LEAST} µs agree within"
        f" {100 * WITHIN:.0f} %"
    )
    table = aligned([head, *(row[1:] for row in rows)], range(1, len(head)))
    return f"{table}\n{said}", close == len(apart)
