"""Medians, spreads and ratios of what the rounds gave; tables of text cells."""

from collections.abc import Sequence
from statistics import median, quantiles


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and third quartile; a single value is both."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios of each round.

    Both values of a pair were measured one after the other, so that a slow
    minute of the machine falls out.
    """
    return median(a / b for a, b in zip(above, below, strict=True))


def microseconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def with_spread(values: Sequence[float]) -> str:
    """Format microseconds as ``median [first quartile - third quartile]``."""
    low, high = spread(values)
    return (
        f"{microseconds(median(values))} [{microseconds(low)} - {microseconds(high)}]"
    )


def number(value: float) -> str:
    """Format a mean: whole numbers without decimals."""
    return f"{value:g}" if value == round(value) else f"{value:.2f}"


def times(value: float) -> str:
    return f"{value:.2f} x" if value < 10 else f"{value:.1f} x"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return plain text, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(c.rjust(w) for c, w in others)])

    return "\n".join([line(header), line(["-" * w for w in widths]), *map(line, rows)])


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the same as a Markdown table."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])
