"""The series: series.toml (written by people) and series.lock (by export)."""

import hashlib
import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from common.errors import StackError
from common.progress import say
from common.project import Project
from suite.run import split_labels

KINDS = ("feature", "fix", "refactor", "docs", "test")
STATUSES = ("draft", "ready", "submitted", "accepted", "merged", "rejected", "local")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Altered:
    """An upstream test that a patch must alter, and why."""

    test: str
    reason: str


@dataclass(frozen=True)
class Patch:
    """One table of series.toml, with its place in the series (from 1)."""

    number: int
    slug: str
    set: str
    kind: str
    status: str
    effect: str
    ticket: int | None = None
    depends: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    red: tuple[str, ...] = ()
    red_modules: tuple[str, ...] = ()
    red_by_import: tuple[str, ...] = ()
    red_on: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    alters: tuple[Altered, ...] = ()

    def is_red_on(self, database: str) -> bool:
        """Say whether its own tests fail without it on the database of that name."""
        return not self.red_on or database in self.red_on

    @property
    def filename(self) -> str:
        return f"{self.number:04d}-{self.slug}.patch"


@dataclass(frozen=True)
class Locked:
    """The entry of one patch in series.lock."""

    slug: str
    sha256: str
    tree: str


@dataclass(frozen=True)
class Lock:
    """series.lock: upstream's sha256, the base tree, each patch's bytes and tree."""

    upstream: str
    base: str
    patches: tuple[Locked, ...] = ()

    def dumps(self) -> str:
        lines = [
            "# Written by ./scripts/stack export; compared by ./scripts/stack verify.",
            f'upstream = "{self.upstream}"',
            f'base = "{self.base}"',
        ]
        for patch in self.patches:
            lines += ["", "[[patch]]"]
            lines += [f'{key} = "{value}"' for key, value in vars(patch).items()]
        return "\n".join(lines) + "\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def load_toml(path: Path, project: Project) -> dict[str, Any]:
    """Return the parsed file. Raise StackError if it is missing or malformed."""
    shown = project.shown(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StackError(f"{shown} is missing", f"git checkout -- {shown}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StackError(
            f"{shown} is not valid TOML: {error}", f"edit {shown}"
        ) from error


# The type of each key of series.toml, from the fields of Patch.
TYPES = {
    field.name: (str if field.default is MISSING else list)
    for field in fields(Patch)
    if field.name != "number"
} | {"ticket": int}


def _patch(number: int, table: dict[str, Any], before: Collection[str]) -> Patch:
    """Return the table as a Patch. Raise ValueError with what is wrong in it.

    ``before`` are the slugs of the patches before it.
    """
    needed = {key for key, type_ in TYPES.items() if type_ is str} | {"tests"}
    if missing := needed - table.keys():
        raise ValueError(f"has no {', '.join(sorted(missing))}")
    if unknown := table.keys() - TYPES.keys():
        raise ValueError(f"has an unknown key {', '.join(sorted(unknown))}")
    values: dict[str, Any] = dict(table)
    for key, value in table.items():
        if not isinstance(value, TYPES[key]):
            names = {str: "a text", int: "a number", list: "a list of texts"}
            raise ValueError(f"{key} must be {names[TYPES[key]]}")
        if isinstance(value, list):
            items = [Altered(**each) if key == "alters" else each for each in value]
            values[key] = tuple(items)
            if key != "alters" and not all(isinstance(each, str) for each in items):
                raise ValueError(f"{key} must be a list of texts")
    patch = Patch(number=number, **values)
    later = ", ".join(sorted({*patch.depends} - {*before}))
    needs_red = patch.kind in ("feature", "fix")
    for holds, what in (
        (SLUG.fullmatch(patch.slug), "slug must be lower-case words with hyphens"),
        (patch.slug not in before, "is listed twice"),
        (patch.kind in KINDS, f"kind must be one of {', '.join(KINDS)}"),
        (patch.status in STATUSES, f"status must be one of {', '.join(STATUSES)}"),
        (
            not needs_red or patch.red or patch.red_modules,
            "must name in red the tests that fail without a feature or a fix",
        ),
        (
            {*patch.red_by_import} <= {*patch.red_modules},
            "red_by_import names a module that is not in red_modules",
        ),
        (not later, f"depends on {later}, not before it"),
    ):
        if not holds:
            raise ValueError(what)
    return patch


def load(project: Project) -> tuple[Patch, ...]:
    """Return the series in order. Raise StackError if series.toml is wrong."""
    path = project.patches / "series.toml"
    shown = project.shown(path)
    patches: list[Patch] = []
    tables = load_toml(path, project).get("patch", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise StackError(f"{shown}: a patch begins with [[patch]]", f"edit {shown}")
    for number, table in enumerate(tables, 1):
        try:
            patches.append(_patch(number, table, [patch.slug for patch in patches]))
        except (ValueError, TypeError) as error:
            name = table.get("slug", f"number {number}")
            raise StackError(
                f"{shown}: patch {name} {error}", f"edit {shown}"
            ) from error
    return tuple(patches)


def touched(patches: Sequence[Patch]) -> list[str]:
    """Return the labels of the areas that the patches touch, each once."""
    return list(dict.fromkeys(label for patch in patches for label in patch.tests))


def present(folder: Path, labels: Sequence[str], patches: Sequence[Patch]) -> list[str]:
    """Return the labels of tests that the Django in ``folder`` has.

    Leave out, and say, labels of tests that only patches bring; keep labels that
    are nowhere. StackError if none is left.
    """
    brought = {label.split(".")[0] for label in touched(patches)}
    missing = split_labels(folder, labels)[1]
    lacking = [label for label in missing if label.split(".")[0] in brought]
    if lacking and len(lacking) == len(labels):
        raise StackError(f"only the patches bring these tests: {', '.join(lacking)}")
    if lacking:
        say(f"left out, as only the patches bring these tests: {', '.join(lacking)}")
    return [label for label in labels if label not in lacking]


def closure(patches: Sequence[Patch], chosen: Sequence[Patch]) -> tuple[Patch, ...]:
    """Return the chosen patches and all that they depend on, in series order."""
    wanted = {patch.slug for patch in chosen}
    for patch in reversed(patches):
        if patch.slug in wanted:
            wanted.update(patch.depends)
    return tuple(patch for patch in patches if patch.slug in wanted)


def files(project: Project, patches: Sequence[Patch]) -> tuple[Path, ...]:
    """Return the patch files in order.

    Raise StackError if one is missing, misnamed or not listed.
    """
    wanted = [patch.filename for patch in patches]
    found = {path.name for path in project.patches.glob("*.patch")}
    problems = [f"{name} is missing" for name in wanted if name not in found]
    problems += [
        f"{name} is not in series.toml" for name in sorted(found - set(wanted))
    ]
    if problems:
        raise StackError(
            f"patches/ and series.toml disagree: {'; '.join(problems)}",
            "git status patches/ (then restore the files or the order in series.toml)",
        )
    return tuple(project.patches / name for name in wanted)


def found(project: Project) -> dict[str, Path]:
    """Return the patch files that exist, by slug, whatever their numbers."""
    paths = sorted(project.patches.glob("*.patch"))
    return {slug_of(path.name): path for path in paths}


def slug_of(name: str) -> str:
    """Return the slug in the name of a patch file; another name as it is."""
    return name.split("-", 1)[-1].removesuffix(".patch")


def load_lock(project: Project) -> Lock:
    """Return series.lock. Raise StackError if it is missing or malformed."""
    path = project.patches / "series.lock"
    table = load_toml(path, project)
    try:
        return Lock(
            upstream=table["upstream"],
            base=table["base"],
            patches=tuple(Locked(**entry) for entry in table.get("patch", ())),
        )
    except (KeyError, TypeError) as error:
        shown = project.shown(path)
        raise StackError(
            f"{shown} lacks {error}", f"git checkout -- {shown}"
        ) from error


def find(patches: Sequence[Patch], name: str) -> Patch:
    """Return the patch with this slug, number or file name."""
    wanted = Path(name).name
    for patch in patches:
        if wanted in (patch.slug, str(patch.number), patch.filename):
            return patch
    known = ", ".join(patch.slug for patch in patches) or "none"
    raise StackError(
        f"there is no patch {name}; known: {known}", "./scripts/stack status"
    )
