"""The outcome of a whole run of tests: its exit status and its text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.errors import FINDINGS, OK, USAGE
from common.tables import aligned
from suite.cells import Cell, NotRun
from suite.tooltests import NONE, Count


@dataclass(frozen=True)
class Outcome:
    """All that ran or could not run.

    ``problems`` are findings beside failed tests, ``tool`` counts the tool's own
    tests, and ``notes`` are more lines to show. ``shown`` tells that something ran,
    even if no cell did.
    """

    cells: Sequence[Cell]
    not_run: Sequence[NotRun] = ()
    problems: Sequence[str] = ()
    tool: Count = NONE
    notes: Sequence[str] = ()
    shown: bool = False

    @property
    def count(self) -> Count:
        return Count(
            self.tool.passed + sum(cell.passed for cell in self.cells),
            self.tool.failed
            + sum(len(cell.verdict.new) for cell in self.cells)
            + len(self.problems),
            self.tool.skipped + sum(cell.skipped for cell in self.cells),
        )

    @property
    def code(self) -> int:
        """Return the exit status."""
        if self.count.failed:
            return FINDINGS
        if self.cells or self.shown:
            return OK
        # Nothing is wrong where nothing ran, but nothing was shown either.
        return USAGE if self.not_run else FINDINGS

    def lines(self) -> Iterator[str]:
        """Yield the failures, then a table, then the sums."""
        for cell in self.cells:
            yield from _failures(cell)
        yield from self.problems
        if self.cells:
            yield aligned([_row(cell) for cell in self.cells], right=[3, 4, 5])
        for entry in self.not_run:
            yield f"{entry.database}: not run: {entry.reason}"
            yield f"  next: {entry.command}"
        yield from self.notes
        yield str(self.count)


def _failures(cell: Cell) -> Iterator[str]:
    name = f"{cell.database}, {cell.tree}"
    for test in cell.verdict.new:
        yield f"{name}: FAILED {test}: {cell.run.reasons.get(test, '')}"
    if cell.verdict.new and cell.run.log:
        yield f"{name}: the whole output is in {cell.run.log}"
    for test in cell.verdict.known:
        yield f"{name}: known failure of stock Django: {test}"
    for test in cell.verdict.repaired:
        yield f"{name}: listed as failing, but it passes: {test}"


def _row(cell: Cell) -> tuple[str, ...]:
    return (
        cell.database,
        cell.version.split("-")[0],
        cell.tree,
        f"{cell.passed} passed",
        f"{len(cell.verdict.new)} new failures",
        f"{cell.skipped} skipped",
    )
