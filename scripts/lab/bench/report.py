"""What every report of a run says: when, on which database, machine and Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from common.project import Project
from lab import origin as facts


@dataclass(frozen=True)
class Report:
    """Where something was measured.

    ``django`` and ``ids``: variant name → the version, the id of the tree.
    ``commit`` is that of this repository. ``KIND`` and ``FORMAT`` tell a reader of
    the JSON file what is in it.
    """

    KIND: ClassVar[str]
    FORMAT: ClassVar[int]

    database: str
    database_version: str
    date: str
    commit: str
    machine: Mapping[str, object]
    django: Mapping[str, str]
    ids: Mapping[str, str]

    def head(self) -> dict[str, Any]:
        """Return the part of the JSON file that all reports have."""
        return {
            "kind": self.KIND,
            "format": self.FORMAT,
            "database": {"name": self.database, "version": self.database_version},
            "date": self.date,
            "commit": self.commit,
            "machine": dict(self.machine),
            "django": dict(self.django),
            "ids": dict(self.ids),
        }


def circumstances(
    opened: Mapping[str, Mapping[str, Any]], ids: Mapping[str, str] | None
) -> dict[str, Any]:
    """Return the fields of a Report; ``opened``: variant → a worker's answer."""
    one = next(iter(opened.values()))
    return {
        "database": one["database"],
        "database_version": one["database_version"],
        **facts.origin(Project.here().root),
        "django": {variant: each["django"] for variant, each in opened.items()},
        "ids": dict(ids or {}),
    }
