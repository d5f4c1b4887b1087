"""The names of databases, and what stands behind each on this machine."""

import os
import re
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

_DATABASES = (SQLite(), PostgreSQL(), MariaDB(), MySQL(), Oracle())
_CACHES = (Redis(), Memcached())
_STANDINS = (double.StandinH2(), double.StandinPostgreSQL())
FAMILIES: dict[str, Family] = {
    family.name: family for family in (*_DATABASES, *_CACHES, *_STANDINS)
}
CACHES = tuple(family.name for family in _CACHES)
STANDINS = tuple(family.name for family in _STANDINS)


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
        return f"TEST_{self.name.upper()}_{'DSN' if self.name == 'oracle' else 'URL'}"

    @property
    def dsn(self) -> str:
        """The URL in the user's environment; a stand-in has none."""
        return "" if self.family in STANDINS else os.environ.get(self.variable, "")

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
        if self.program and (reason := family.too_old(self.program.version)):
            raise Unavailable(reason, family.install_command)
        if self.program:
            return self.program
        label, command = family.label, family.install_command
        if self.major:
            label = f"{label} {self.major}"
            command = f"install {label}, or set {self.variable}"
        raise Unavailable(f"no {label} server is installed", command)


def targets() -> list[Target]:
    """Return everything to test on, in that order, whether it is here or not.

    ``postgres`` is the oldest PostgreSQL that Django takes; where a newer major
    version is here too, the newest follows under its own name.
    """
    postgres = _oldest("postgres", "postgresql")
    newest = FAMILIES["postgresql"].programs()[-1:]
    return [
        Target("sqlite", "sqlite"),
        postgres,
        *(
            Target(f"postgres{each.version[0]}", "postgresql", each)
            for each in newest
            if each != postgres.program
        ),
        _oldest("mariadb", "mariadb"),
        _oldest("mysql", "mysql"),
        Target("oracle", "oracle"),
        _oldest("redis", "redis"),
        _oldest("memcached", "memcached"),
    ]


def standins() -> list[Target]:
    """Return the engines that stand in for Oracle: to be named, not part of all."""
    return [
        Target("standin-h2", "standin_h2", reported=double.VERSION),
        Target("standin-h2-23", "standin_h2", reported=double.VERSION_23),
        _oldest("standin-postgres", "standin_postgres"),
    ]


def resolve(name: str) -> Target:
    """Return the target of that name; StackError naming the known ones.

    Any ``postgresNN`` is known; whether it is here shows when it is to run.
    """
    known = {target.name: target for target in (*targets(), *standins())}
    if name in known:
        return known[name]
    asked = Target(name, "postgresql")
    if asked.major is None:
        raise StackError(
            f'there is no database "{name}"',
            f"choose from {', '.join(known)}, or postgresNN",
        )
    installed = FAMILIES["postgresql"].programs()
    found = [each for each in installed if each.version[0] == asked.major]
    return Target(name, "postgresql", next(iter(found), None))


def _oldest(name: str, family: str) -> Target:
    """Return a target with the oldest program that Django takes, or the newest."""
    each = [Target(name, family, found) for found in FAMILIES[family].programs()]
    usable = [target for target in each if target.is_usable]
    return next(iter(usable or each[-1:]), Target(name, family))
