"""What every report of a run says: when, on which database, machine and Django."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Report:
    """Where something was measured.

    ``django`` and ``ids``: variant name → the version, the id of the tree.
    """

    database: str
    database_version: str
    date: str
    machine: Mapping[str, object]
    django: Mapping[str, str]
    ids: Mapping[str, str]

    def head(self) -> dict[str, Any]:
        """Return the part of the JSON file that all reports have."""
        return {
            "database": {"name": self.database, "version": self.database_version},
            "date": self.date,
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
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "django": {variant: each["django"] for variant, each in opened.items()},
        "ids": dict(ids or {}),
    }
