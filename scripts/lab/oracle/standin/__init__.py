"""A small double of ``oracledb.connect``, so that Django's Oracle backend runs.

Django's backend is not changed. Its SQL is translated by rules (rules of an engine
are data, each with its reason), its binds are written into it as typed literals,
and an engine executes it: H2 in Oracle mode in this process, or PostgreSQL.

It hides what only Oracle itself can show: how binds are typed and how long they may
be, NLS, locks in detail, and every rule of Oracle that the engine does not have.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from databases.standins import reported

if TYPE_CHECKING:
    from lab.oracle.standin.connection import Connection, Engine


def engine_of(url: str) -> "Engine":
    """Return the engine that a URL names; ValueError if it names none."""
    scheme = urlsplit(url).scheme
    if scheme == "oracle+h2":
        from lab.oracle.standin.h2 import H2

        return H2()
    if scheme == "oracle+postgres":
        from lab.oracle.standin.postgresql import PostgreSQL

        return PostgreSQL(url)
    raise ValueError(f"{scheme} is no stand-in")


def install(url: str) -> None:
    """Let ``oracledb.connect`` of this process connect to the engine of a URL.

    As a user of Oracle has a schema, each user has a database or schema of its own.
    """
    import oracledb

    from lab.oracle.standin.connection import Connection

    engine, version = engine_of(url), reported(url)

    def connect(user: str, **ignored: Any) -> "Connection":
        return Connection(engine, user, version)

    oracledb.connect = connect  # type: ignore[assignment]
