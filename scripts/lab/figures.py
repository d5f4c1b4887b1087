"""Medians, spreads and ratios of the rounds; numbers and tables as text."""

from collections.abc import Iterable, Sequence
from statistics import median, quantiles

from common import tables


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and third quartile; a single value is both."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = quantiles(values, n=4, method="inclusive")
    return first, third


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios of each round.

    Both values of a pair were measured one after the other, so a slow minute of
    the machine cancels out.
    """
    return median(a / b for a, b in zip(above, below, strict=True))


def rotated(names: Iterable[str], turn: int) -> list[str]:
    """Return the names in the order of a turn: each turn begins with another one.

    >>> rotated("abc", 1)
    ['b', 'c', 'a']
    """
    each = [*names]
    first = turn % len(each)
    return each[first:] + each[:first]


def microseconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def with_spread(values: Sequence[float]) -> str:
    """Format microseconds as ``median [first quartile - third quartile]``."""
    low, high = map(microseconds, spread(values))
    return f"{microseconds(median(values))} [{low} - {high}]"


def number(value: float) -> str:
    """Format a mean: whole numbers without decimals."""
    return f"{value:g}" if value == round(value) else f"{value:.2f}"


def times(value: float) -> str:
    return f"{value:.2f} x" if value < 10 else f"{value:.1f} x"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return plain text: a rule below the header, all but the first column right."""
    rules = ["-" * max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return tables.aligned([header, rules, *rows], right=range(1, len(header)))
