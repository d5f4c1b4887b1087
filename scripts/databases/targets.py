"""The names of databases, and what stands behind each on this machine."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import StackError
from databases.family import Family, LocalFamily, Program, Unavailable
from databases.mariadb import MariaDB
from databases.memcached import Memcached
from databases.mysql import MySQL
from databases.oracle import Oracle
from databases.postgresql import PostgreSQL
from databases.redis import Redis
from databases.sqlite import SQLite
from databases.standins import StandinH2, StandinPostgreSQL
from lab.oracle import standin

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
        StandinH2(),
        StandinPostgreSQL(),
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
        """Whether a private server can be started from an installed program."""
        try:
            self.usable()
        except Unavailable:
            return False
        return True

    def usable(self) -> Program:
        """The program, if there is one that Django takes; else Unavailable."""
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
    """Everything to test on, in that order, whether it can be had here or not.

    ``postgres`` is the oldest PostgreSQL that Django takes; where a newer major
    version is here too, the newest follows under its own name.
    """
    family = FAMILIES["postgresql"]
    installed = _programs("postgresql")
    usable = [program for program in installed if not family.too_old(program.version)]
    oldest = next(iter(usable or installed), None)
    newest = usable[-1:] if len(usable) > 1 else []
    return [
        Target("sqlite", "sqlite"),
        Target("postgres", "postgresql", oldest),
        *(Target(f"postgres{new.version[0]}", "postgresql", new) for new in newest),
        _one("mariadb"),
        _one("mysql"),
        Target("oracle", "oracle"),
        _one("redis"),
        _one("memcached"),
    ]


def standins() -> list[Target]:
    """Engines that stand in for Oracle: to be named, not part of everything."""
    return [
        Target("standin-h2", "standin_h2", reported=standin.VERSION),
        Target("standin-h2-23", "standin_h2", reported=standin.VERSION_23),
        Target("standin-postgres", "standin_postgres", _best("standin_postgres")),
    ]


def resolve(name: str) -> Target:
    """The target of that name; StackError naming the known ones.

    Any ``postgresNN`` is known; whether it is here shows when it is to run.
    """
    known = [*targets(), *standins()]
    for target in known:
        if target.name == name:
            return target
    asked = Target(name, "postgresql")
    if asked.major is not None:
        for program in _programs("postgresql"):
            if program.version[0] == asked.major:
                return Target(name, "postgresql", program)
        return asked
    names = ", ".join(target.name for target in known)
    raise StackError(
        f'there is no database "{name}"', f"choose from {names}, or postgresNN"
    )


def _programs(family: str) -> list[Program]:
    local = FAMILIES[family]
    return local.programs() if isinstance(local, LocalFamily) else []


def _one(name: str) -> Target:
    return Target(name, name, _best(name))


def _best(family: str) -> Program | None:
    """The oldest program that Django takes, or the best of those it does not."""
    installed = _programs(family)
    too_old = FAMILIES[family].too_old
    usable = [program for program in installed if not too_old(program.version)]
    return next(iter(usable or installed[-1:]), None)
