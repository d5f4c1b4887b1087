"""The table of patches, for the README files and for the terminal."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import StackError
from common.project import Project
from patchstack import series


@dataclass(frozen=True)
class Effect:
    """Mean statements per call of an operation, without and with a patch."""

    operation: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.operation} {self.before:.4g} → {self.after:.4g}"


Effects = dict[str, list[Effect]]


def load_effects(project: Project) -> Effects:
    """Return what ``report`` measured last, by slug; empty if it never did."""
    path = project.drafts / "results" / "statements.json"
    if not path.exists():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    return {slug: [Effect(**row) for row in rows] for slug, rows in data.items()}


def rows(
    patches: Sequence[series.Patch], effects: Effects
) -> list[tuple[str, str, str, str]]:
    """Return (patch, what it does, tests, statements) for each patch."""
    return [
        (
            patch.slug,
            patch.effect,
            "; ".join([", ".join(patch.tests), *_own(patch)]),
            "; ".join(map(str, effects.get(patch.slug, ()))) or "unchanged",
        )
        for patch in patches
    ]


def _own(patch: series.Patch) -> list[str]:
    """Say which tests a patch brings that fail without it."""
    own = [f"{len(patch.red)} of its own"] if patch.red else []
    return own + [f"all of {module}" for module in patch.red_modules]


HEAD = ("Patch", "What it does", "Tests", "Statements per call (SQLite)")


def markdown(
    patches: Sequence[series.Patch], effects: Effects, folder: str = ""
) -> str:
    lines = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    for patch, (slug, *rest) in zip(patches, rows(patches, effects), strict=True):
        link = f"[{slug}]({folder}{patch.filename})"
        lines.append(f"| {' | '.join((link, *rest))} |")
    return "\n".join(lines) + "\n"


def patches_readme(patches: Sequence[series.Patch], effects: Effects) -> str:
    """Return the text of patches/README.md."""
    table = markdown(patches, effects)
    return (
        "# The series\n\n"
        "Written by `./scripts/stack report` and `export` from `series.toml` and the"
        " measured\nstatement counts. On a checkout of the pinned Django:"
        " `git am patches/*.patch`.\n\n" + table
    )


def between(text: str, name: str, new: str) -> str:
    """Return ``text`` with what stands between the two markers of that name replaced.

    StackError if they are not there.
    """
    begin = f"<!-- {name}:begin, written by ./scripts/stack report -->\n"
    end = f"<!-- {name}:end -->"
    head, found, rest = text.partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise StackError(f"README.md has no place for {name}: {begin.strip()} … {end}")
    return f"{head}{begin}{new}{end}{tail}"
