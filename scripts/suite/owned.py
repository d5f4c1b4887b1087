"""Which patch a line of Django is of, and which lines and branches ran."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.git import Git

# file → line → the slug of the patch that the line is of; upstream's are not there.
Owners = Mapping[str, Mapping[int, str]]

CHANGED = (
    "diff-tree",
    "-r",  # Files, not the folders that hold them.
    "-z",  # Names as they are, whatever is in them.
    "--name-only",
    "--diff-filter=d",  # Not what is gone at the tip.
    "--no-renames",  # A file under a new name is one to look at, too.
)
PYTHON = ":(glob)django/**/*.py"
BLAME = (
    "blame",
    "--porcelain",  # Made to be read by programs: whole ids, final line numbers.
    "--root",  # The base is a commit like others, without a mark.
    "--no-progress",
)
_BLAMED = re.compile(rb"([0-9a-f]{40}) \d+ (\d+)(?: \d+)?")


def changed(git: Git, base: str, tip: str) -> list[str]:
    """Return the Python files of django/ at the tip that are not as at the base."""
    names = git.run(*CHANGED, base, tip, "--", PYTHON)
    return [name.decode() for name in names.split(b"\0") if name]


def blamed(porcelain: bytes) -> dict[int, str]:
    """Return line → commit of what git blame says of a file."""
    # The text of a line is behind a tab: nothing in it is taken for a header.
    found = map(_BLAMED.fullmatch, porcelain.split(b"\n"))
    return {int(each[2]): each[1].decode() for each in found if each}


def owners(
    git: Git, tip: str, slugs: Mapping[str, str], files: Iterable[str]
) -> dict[str, dict[int, str]]:
    """Return the owners of the lines of files at the tip.

    ``slugs``: commit → patch. Lines of other commits are upstream's.
    """
    return {
        file: {
            line: slugs[commit]
            for line, commit in blamed(git.run(*BLAME, tip, "--", file)).items()
            if commit in slugs
        }
        for file in files
    }


Statement = tuple[str, int]
Branch = tuple[str, int, int]


@dataclass(frozen=True)
class Points:
    """Statements, as (file, line), and branches, as (file, line, line it goes to).

    A statement of several lines is at its first. A branch to a negative line
    leaves what begins in that line.
    """

    statements: frozenset[Statement] = frozenset()
    branches: frozenset[Branch] = frozenset()

    def of(self, slug: str, owners: Owners) -> "Points":
        """Return those whose line is of a patch."""

        def is_of(point: Statement | Branch) -> bool:
            return owners.get(point[0], {}).get(point[1]) == slug

        return Points(
            frozenset(filter(is_of, self.statements)),
            frozenset(filter(is_of, self.branches)),
        )

    @property
    def counts(self) -> dict[str, int]:
        return {"statements": len(self.statements), "branches": len(self.branches)}


def united(points: Iterable[Points]) -> Points:
    """Return what is in any of them."""
    every = list(points)
    return Points(
        frozenset().union(*(each.statements for each in every)),
        frozenset().union(*(each.branches for each in every)),
    )


def _points(file: str, found: Mapping[str, Any], which: str) -> Points:
    excluded = set(found["excluded_lines"])
    return Points(
        frozenset((file, n) for n in found[f"{which}_lines"] if n not in excluded),
        frozenset(
            (file, n, to) for n, to in found[f"{which}_branches"] if n not in excluded
        ),
    )


def read(files: Mapping[str, Mapping[str, Any]]) -> tuple[Points, Points]:
    """Return what there is and what ran, of "files" in coverage's JSON report.

    What ``# pragma: no cover`` excludes is in neither.
    """
    ran = united(_points(file, found, "executed") for file, found in files.items())
    other = united(_points(file, found, "missing") for file, found in files.items())
    return united([ran, other]), ran
