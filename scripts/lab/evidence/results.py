"""The results of runs, as their JSON files hold them, by what they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import StackError
from lab.variants import PATCHED

# What there is to show, and the formats of the files that are understood.
FORMATS: Mapping[str, int] = {
    "bench": 3,
    "size": 1,
    "replay": 1,
    "load": 1,
    "coverage": 1,
    "tests": 1,
    "proofs": 1,
}
# Statement counts, which belong to the table of patches, have a file of their own.
COUNTS = "statements.json"

# In the order in which they are shown.
DATABASES = ("SQLite", "PostgreSQL", "MariaDB", "MySQL", "Oracle")


@dataclass(frozen=True)
class Result:
    """One file; ``data`` is what stands in it."""

    name: str
    data: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.data.get("kind"))

    @property
    def database(self) -> str:
        """The name of the database, nothing where none took part."""
        return str(self.data.get("database", {}).get("name", ""))

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands among results of its kind."""
        known = self.database in DATABASES
        return DATABASES.index(self.database) if known else len(DATABASES), self.name

    @property
    def tree(self) -> str:
        """The id, or its beginning, of the tree of the patched Django."""
        return str(self.data.get("tree") or self.data["ids"].get(PATCHED, ""))

    def is_of(self, tree: str) -> bool:
        """Say whether it is about the patched Django whose tree has that id."""
        return bool(self.tree) and tree.startswith(self.tree)

    @property
    def where(self) -> str:
        """Name the database and its version."""
        found = self.data.get("database")
        return f"{found['name']} {found['version']}" if found else ""


type Results = Mapping[str, Sequence[Result]]


def load(folder: Path) -> Results:
    """Return the results in a folder: kind → files, in the order to show them.

    Files of no kind are other programs'. StackError if one cannot be read, or has
    another format than this program writes.
    """
    found: dict[str, list[Result]] = {kind: [] for kind in FORMATS}
    for path in sorted(folder.glob("*.json")):
        if path.name == COUNTS:
            continue
        result = Result(path.stem, read(path))
        if result.kind in FORMATS:
            check_format(result)
            found[result.kind].append(result)
    return {
        kind: sorted(each, key=lambda one: one.place) for kind, each in found.items()
    }


def one(path: Path, kind: str) -> Result:
    """Return the result in a file; StackError if it is of another kind or format."""
    result = Result(path.stem, read(path))
    if result.kind != kind:
        raise StackError(f"{path.name} is of kind {result.kind}, not {kind}")
    check_format(result)
    return result


def check_format(result: Result) -> None:
    """Raise StackError if a file has another format than this program writes."""
    written, wanted = result.data.get("format"), FORMATS[result.kind]
    if written != wanted:
        raise StackError(
            f"{result.name}.json has format {written} of {result.kind}, not {wanted}",
            "make it anew, or remove it",
        )


def read(path: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file; StackError if there is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StackError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StackError(f"{path.name} is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise StackError(f"{path.name} is no result")
    return data
