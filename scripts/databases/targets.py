"""The names of databases, and what stands behind each on this machine."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import StackError
from databases import standins as double
from databases.family import Family, Program, Unavailable
from databases.memcached import Memcached
from databases.mysql import MariaDB, MySQL
from databases.oracle import Oracle
from databases.postgresql import PostgreSQL
from databases.redis import Redis
from databases.sqlite import SQLite

__all__ = ["FAMILIES", "Target", "Unavailable", "resolve", "standins", "targets"]

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        SQLite(),
        PostgreSQL(),
        MariaDB(),
        MySQL(),
        Oracle(),
        Redis(),
        Memcached(),
        double.StandinH2(),
        double.StandinPostgreSQL(),
    )
}
CACHES = ("redis", "memcached")
STANDINS = ("standin_h2", "standin_postgres")


@dataclass(frozen=True)
class Target:
    """A database or cache server by its name; ``program`` is None if none is here.

    ``reported`` is the version of Oracle that a stand-in is to report.
    """

    name: str
    family: str
    program: Program | None = None
    reported: str = ""

    @property
    def is_cache(self) -> bool:
        return self.family in CACHES

    @property
    def variable(self) -> str:
        """The environment variable in which a user may name a server for this."""
        last = "DSN" if self.name == "oracle" else "URL"
        return f"TEST_{self.name.upper()}_{last}"

    @property
    def dsn(self) -> str | None:
        """What the user's environment names; no server of a user's is a stand-in."""
        if self.family in STANDINS:
            return None
        return os.environ.get(self.variable) or None

    @property
    def major(self) -> int | None:
        """The major version that the name asks for: 18 of postgres18."""
        asked = re.fullmatch(r"postgres(\d+)", self.name)
        return int(asked[1]) if asked else None

    @property
    def is_usable(self) -> bool:
        """Whether an installed program can start a private server."""
        too_old = FAMILIES[self.family].too_old
        return self.program is not None and not too_old(self.program.version)

    def usable(self) -> Program:
        """Return the program, if there is one that Django takes; else Unavailable."""
        family = FAMILIES[self.family]
        if self.program is None:
            label, command = family.label, family.install_command
            if self.major:
                label = f"{label} {self.major}"
                command = f"install {label}, or set {self.variable}"
            raise Unavailable(f"no {label} server is installed", command)
        if reason := family.too_old(self.program.version):
            raise Unavailable(reason, family.install_command)
        return self.program


def targets() -> list[Target]:
    """Return everything to test on, in that order, whether it is here or not.

    ``postgres`` is the oldest PostgreSQL that Django takes; where a newer major
    version is here too, the newest follows under its own name.
    """
    installed = FAMILIES["postgresql"].programs()
    usable = [each for each in installed if Target("", "postgresql", each).is_usable]
    newest = usable[-1:] if len(usable) > 1 else []
    return [
        Target("sqlite", "sqlite"),
        Target("postgres", "postgresql", next(iter(usable or installed), None)),
        *(Target(f"postgres{new.version[0]}", "postgresql", new) for new in newest),
        _one("mariadb"),
        _one("mysql"),
        Target("oracle", "oracle"),
        _one("redis"),
        _one("memcached"),
    ]


def standins() -> list[Target]:
    """Return the engines that stand in for Oracle: to be named, not part of all."""
    return [
        Target("standin-h2", "standin_h2", reported=double.VERSION),
        Target("standin-h2-23", "standin_h2", reported=double.VERSION_23),
        _one("standin_postgres"),
    ]


def resolve(name: str) -> Target:
    """Return the target of that name; StackError naming the known ones.

    Any ``postgresNN`` is known; whether it is here shows when it is to run.
    """
    known = [*targets(), *standins()]
    asked = Target(name, "postgresql")
    for target in known:
        if target.name == name:
            return target
    if asked.major is not None:
        installed = FAMILIES["postgresql"].programs()
        found = [each for each in installed if each.version[0] == asked.major]
        return Target(name, "postgresql", next(iter(found), None))
    names = ", ".join(target.name for target in known)
    raise StackError(
        f'there is no database "{name}"', f"choose from {names}, or postgresNN"
    )


def _one(family: str) -> Target:
    """Return a target with the oldest program that Django takes, or the newest."""
    name = family.replace("_", "-")
    each = [Target(name, family, found) for found in FAMILIES[family].programs()]
    usable = [target for target in each if target.is_usable]
    return next(iter(usable or each[-1:]), Target(name, family))
