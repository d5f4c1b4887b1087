"""Which of the lines that the patches add ran in tests, as rows to show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.evidence.results import Result


@dataclass(frozen=True)
class Share:
    """How many of how many statements and branches ran."""

    done: int
    total: int

    def __str__(self) -> str:
        # Never rounded up to all of them.
        return f"{int(1000 * self.done / self.total) / 10:g} %" if self.total else "-"


@dataclass(frozen=True)
class Place:
    """A line, or with ``to`` a branch from it, that no database ran.

    ``standin``: one that stands in for Oracle ran it.
    """

    patch: str
    file: str
    line: int
    text: str
    to: int | None
    standin: bool


@dataclass(frozen=True)
class Covered:
    """The lines of one patch; ``by``: database → what ran there."""

    patch: str
    statements: int
    branches: int
    by: Mapping[str, Share]
    united: Share
    with_standins: Share


def share(counts: Mapping[str, int], total: int) -> Share:
    return Share(counts["statements"] + counts["branches"], total)


def covered(result: Result, slugs: Sequence[str]) -> list[Covered]:
    """Return a row for each patch that adds code."""
    found = []
    for slug in slugs:
        data = result.data["patches"].get(slug)
        if data is None or not data["statements"]:
            continue
        total = data["statements"] + data["branches"]
        found.append(
            Covered(
                patch=slug,
                statements=data["statements"],
                branches=data["branches"],
                by={name: share(each, total) for name, each in data["covered"].items()},
                united=share(data["united"], total),
                with_standins=share(data["with_standins"], total),
            )
        )
    return found


def places(result: Result, slugs: Sequence[str]) -> list[Place]:
    """Return the lines and branches that no database ran."""

    def one(slug: str, data: Mapping[str, Any]) -> Place:
        return Place(
            patch=slug,
            file=data["file"],
            line=data["line"],
            text=data["text"].strip(),
            to=data.get("to"),
            standin=data["only_standin"],
        )

    return [
        one(slug, each)
        for slug in slugs
        if slug in result.data["patches"]
        for kind in ("missing", "partial")
        for each in result.data["patches"][slug][kind]
    ]
