"""What tests showed of each patch on each database and Python, and what did not run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.evidence.results import Result

# What tox.ini runs, shown whether it ran or not.
PYTHONS = ("3.12", "3.13", "3.14")
TARGETS: Mapping[str, str] = {
    "sqlite": "SQLite",
    "postgres": "PostgreSQL",
    "postgres18": "PostgreSQL 18",
    "mariadb": "MariaDB",
    "mysql": "MySQL",
    "oracle": "Oracle",
    "standin-h2": "Oracle's backend on H2",
    "standin-h2-23": "Oracle's backend on H2, as 23ai",
    "standin-postgres": "Oracle's backend on PostgreSQL",
}

PASSED, SKIPPED, FAILED, NOT_RUN = "passed", "skipped", "failed", "not run"
LEGEND = (
    "A number is that of the patch's own tests, red without it, that passed; in"
    " brackets, where it has none or they do not run there, that of the tests of the"
    " areas that it touches. “skipped”: all its own tests need a feature that the"
    " database lacks, and the others passed. Oracle's backend on another database is a"
    " stand-in and not Oracle."
)


@dataclass(frozen=True)
class Column:
    """One database under one Python; ``version`` is empty if nothing ran there."""

    python: str
    target: str
    version: str

    @property
    def title(self) -> str:
        return TARGETS[self.target]


@dataclass(frozen=True)
class Cell:
    """What is known of one patch in one column; ``note`` says it in words."""

    state: str
    text: str
    note: str


def minor(version: str) -> str:
    """Return the version that counts.

    >>> minor("3.13.0")
    '3.13'
    """
    return ".".join(version.split(".")[:2])


def version(result: Result) -> str:
    """Return the version of the database, without that of its package."""
    return str(result.data["database"]["version"]).split("-")[0]


def columns(results: Iterable[Result]) -> list[tuple[Column, Result | None]]:
    """Return the columns, with the results of each that ran."""
    found = {
        (minor(each.data["python"]), each.data["database"]["target"]): each
        for each in results
    }
    return [
        (Column(python, target, version(one) if one else ""), one)
        for python in PYTHONS
        for target in TARGETS
        for one in [found.get((python, target))]
    ]


def cell(counts: Mapping[str, Mapping[str, int]] | None) -> Cell:
    """Return the cell of a patch; ``counts`` are those of its tests, if they ran."""
    if counts is None:
        return Cell(NOT_RUN, NOT_RUN, "no test was run")
    own, area = counts["own"], counts["area"]
    note = (
        f"its own: {said(own)}; those of the areas that it touches: {said(area)}"
        if any(own.values())
        else f"those of the areas that it touches: {said(area)}"
    )
    if own["failed"] or area["failed"]:
        return Cell(FAILED, f"{own['failed'] + area['failed']} failed", note)
    if own["passed"]:
        return Cell(PASSED, str(own["passed"]), note)
    if own["skipped"]:
        return Cell(SKIPPED, SKIPPED, note)
    if area["passed"]:
        return Cell(PASSED, f"({area['passed']})", note)
    return Cell(NOT_RUN, NOT_RUN, note)


def said(counts: Mapping[str, int]) -> str:
    """Return counts in words.

    >>> said({"passed": 3, "failed": 0, "skipped": 1, "not_run": 0})
    '3 passed, 1 skipped'
    """
    named = [f"{n} {what.replace('_', ' ')}" for what, n in counts.items() if n]
    return ", ".join(named) or "none"


@dataclass(frozen=True)
class Matrix:
    """``cells``: slug → one for each of the columns."""

    columns: Sequence[Column]
    cells: Mapping[str, Sequence[Cell]]

    def of(self, python: str) -> "Matrix":
        """Return the part of one Python."""
        places = [n for n, each in enumerate(self.columns) if each.python == python]
        return Matrix(
            [self.columns[n] for n in places],
            {slug: [row[n] for n in places] for slug, row in self.cells.items()},
        )

    @property
    def ran(self) -> bool:
        """Say whether anything ran."""
        return any(each.version for each in self.columns)


def matrix(slugs: Sequence[str], results: Sequence[Result], tree: str) -> Matrix:
    """Return the matrix of the patches; only results of that ``tree`` count."""
    placed = columns(each for each in results if each.is_of(tree))

    def counts(result: Result | None, slug: str) -> Mapping[str, Any] | None:
        return None if result is None else result.data["patches"].get(slug)

    return Matrix(
        [column for column, _ in placed],
        {slug: [cell(counts(result, slug)) for _, result in placed] for slug in slugs},
    )
