"""The table of patches, for the README files and for the terminal."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common import tables
from common.errors import StackError
from common.project import Project
from patchstack import series

NOT_COUNTED = "\N{EN DASH}"
HEAD = ("Patch", "What it does", "Tests", "Statements per call (SQLite)")


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
    """Return the last counts of ``report --count`` by slug; empty without any."""
    path = project.drafts / "results" / "statements.json"
    if not path.exists():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    return {slug: [Effect(**row) for row in rows] for slug, rows in data.items()}


def _tests(patch: series.Patch) -> Iterable[str]:
    """Yield the areas of a patch, and which tests are red without it."""
    yield ", ".join(patch.tests)
    if patch.red:
        yield f"{len(patch.red)} red without it"
    for module in patch.red_modules:
        by_import = ", by import" if module in patch.red_by_import else ""
        yield f"all of {module} red without it{by_import}"


def rows(
    patches: Sequence[series.Patch], effects: Effects
) -> list[tuple[str, str, str, str]]:
    """Return (patch, what it does, tests, statements) for each patch."""
    return [
        (
            patch.slug,
            patch.effect,
            "; ".join(_tests(patch)),
            "; ".join(map(str, effects.get(patch.slug, ()))) or NOT_COUNTED,
        )
        for patch in patches
    ]


def markdown(
    patches: Sequence[series.Patch], effects: Effects, folder: str = ""
) -> str:
    linked = [
        (f"[{slug}]({folder}{patch.filename})", *rest)
        for patch, (slug, *rest) in zip(patches, rows(patches, effects), strict=True)
    ]
    return tables.markdown(HEAD, linked)


def patches_readme(patches: Sequence[series.Patch], effects: Effects) -> str:
    """Return the text of patches/README.md."""
    return (
        "# The series\n\n"
        "Written by `./scripts/stack report` and `export` from `series.toml` and the"
        " counted\nstatements. On a checkout of the pinned Django:"
        " `git am patches/*.patch`.\n\n" + markdown(patches, effects)
    )


def between(text: str, name: str, new: str) -> str:
    """Return ``text`` with the part between the two markers of that name replaced.

    StackError if they are not there.
    """
    begin = f"<!-- {name}:begin, written by ./scripts/stack report -->\n"
    end = f"<!-- {name}:end -->"
    head, found, rest = text.partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise StackError(f"README.md has no place for {name}: {begin.strip()} … {end}")
    return f"{head}{begin}{new}{end}{tail}"
