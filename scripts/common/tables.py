"""Tables of text, for the terminal and for Markdown."""

import textwrap
from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return the rows with each column as wide as its widest cell.

    The columns numbered in ``right`` (from 0) are aligned to the right.

    >>> print(aligned([["a", "100"], ["bcd", "2"]], right=[1]))
    a    100
    bcd    2
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def wrapped(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """Return the rows with their cells wrapped in columns of these widths.

    >>> print(wrapped([["a b", "x"]], [1, 1]))
    a  x
    b
    """
    lines = []
    for row in rows:
        cells = [
            textwrap.wrap(cell, width) or [""]
            for cell, width in zip(row, widths, strict=True)
        ]
        for number in range(max(map(len, cells))):
            parts = (
                (cell[number] if number < len(cell) else "").ljust(width)
                for cell, width in zip(cells, widths, strict=True)
            )
            lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def markdown(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()
) -> str:
    """Return a Markdown table; the columns numbered in ``right`` align right.

    >>> print(markdown(["a", "b"], [["1", "2"]], right=[1]), end="")
    | a | b |
    | --- | ---: |
    | 1 | 2 |
    """
    rules = ["---:" if number in right else "---" for number in range(len(head))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rules, *rows))
