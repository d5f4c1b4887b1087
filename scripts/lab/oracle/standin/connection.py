"""The doubles of oracledb's connection and cursor."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import oracledb

from lab.oracle import sql as text
from lab.oracle.standin.errors import commit_error, driver_error

type Row = tuple[Any, ...]
type Binds = Mapping[str, Any] | Sequence[Any] | None


@dataclass(frozen=True)
class Result:
    """The result of a statement. ``columns`` is empty if it was no query; ``count``
    is the number of rows that it changed.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    count: int = 0


class Session(Protocol):
    """The engine's side of a connection. Its errors are oracledb's."""

    def execute(
        self, sql: str, values: Mapping[str, Any], sizes: Mapping[str, Any]
    ) -> Result:
        """Execute one statement of Oracle's; give its variables what they receive."""

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class Engine(Protocol):
    def connect(self, user: str) -> Session:
        """Return a session in the schema of a user, which is made if it is new."""


class Lob(oracledb.LOB):
    """A LOB that has its content with it. ``kind`` is the driver's type."""

    def __init__(self, content: str | bytes, kind: object = None) -> None:
        self.content = content
        self.kind = kind

    def __del__(self) -> None:
        """Do nothing: no server holds anything, as for oracledb's own LOBs."""

    def read(self, offset: int = 1, amount: int | None = None) -> str | bytes:
        begin = offset - 1
        return self.content[begin : None if amount is None else begin + amount]

    def size(self) -> int:
        return len(self.content)


class Variable:
    """A bind that receives the values of RETURNING ... INTO, one for each row."""

    def __init__(self, kind: object) -> None:
        self.kind = kind
        self._values: list[Any] = []

    def getvalue(self, position: int = 0) -> list[Any]:
        return self._values

    def receive(self, values: Sequence[Any]) -> None:
        self._values = [self._converted(value) for value in values]

    def _converted(self, value: Any) -> Any:
        if self.kind not in (int, str) or value is None:
            return value
        return self.kind(value.read() if isinstance(value, Lob) else value)


class Connection:
    """A session that looks like one of Oracle, of any version."""

    stmtcachesize = 20
    autocommit = False

    def __init__(self, engine: Engine, user: str, version: str) -> None:
        self.username = user
        self.version = version
        self.session = engine.connect(user)
        self._open = True

    def cursor(self) -> "Cursor":
        self.ping()
        return Cursor(self)

    def createlob(self, kind: object, content: str | bytes = "") -> Lob:
        return Lob(content, kind)

    def ping(self) -> None:
        if not self._open:
            raise driver_error("DPY-1001: not connected to database")

    def commit(self) -> None:
        self.ping()
        try:
            self.session.commit()
        except oracledb.Error as error:
            raise commit_error(error) from error

    def rollback(self) -> None:
        self.ping()
        self.session.rollback()

    def close(self) -> None:
        self.rollback()
        self._open = False
        self.session.close()


class Cursor:
    """Statements of Oracle's SQL, and the rows that they give."""

    arraysize = 100
    outputtypehandler: object = None  # Values come as Django's handler makes them.
    description: list[Row] | None = None
    statement: str | None = None
    rowcount = -1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._rows: Iterator[Row] = iter(())
        self._sizes: Mapping[str, Any] = {}
        self._open = True

    def var(self, typ: object, *ignored: Any, **options: Any) -> Variable:
        return Variable(typ)

    def setinputsizes(self, *sizes: Any, **named: Any) -> None:
        self._sizes = {name.removeprefix(":"): size for name, size in named.items()}

    def execute(self, sql: str, parameters: Binds = None) -> "Cursor":
        self.executemany(sql, [parameters])
        return self

    def executemany(self, sql: str, parameters: Sequence[Binds]) -> None:
        self._check_open()
        self.statement, self.description, self.rowcount = sql, None, 0
        sizes, self._sizes = self._sizes, {}
        for each in parameters:
            result = self.connection.session.execute(sql, named(sql, each), sizes)
            self.rowcount += result.count
            self._rows = iter(result.rows)
            if result.columns:
                self.description = [(name, *[None] * 6) for name in result.columns]
        if self.connection.autocommit:
            self.connection.commit()

    def fetchone(self) -> Row | None:
        return next(iter(self.fetchmany(1)), None)

    def fetchmany(self, size: int | None = None) -> list[Row]:
        self._check_open()
        if self.description is None:
            raise driver_error("DPY-1003: the executed statement does not return rows")
        rows = list(islice(self._rows, self.arraysize if size is None else size))
        self.rowcount += len(rows)
        return rows

    def fetchall(self) -> list[Row]:
        return [row for rows in iter(self.fetchmany, []) for row in rows]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.fetchone, None)

    def close(self) -> None:
        self._check_open()
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise driver_error("DPY-1006: cursor is not open")
        self.connection.ping()


def named(sql: str, parameters: Binds) -> dict[str, Any]:
    """Return the value of each bind by its name; oracledb's error if one has none.

    >>> named("SELECT :arg0, :arg1 FROM DUAL", [7, 8])
    {'arg0': 7, 'arg1': 8}
    """
    wanted = text.binds(sql)
    if isinstance(parameters, Mapping):
        given = {name.removeprefix(":"): value for name, value in parameters.items()}
        if missing := set(wanted) - given.keys():
            raise driver_error(
                "DPY-4010: a bind variable replacement value for placeholder"
                f' ":{min(missing)}" was not provided'
            )
        return given
    values = list(parameters or ())
    if len(values) != len(wanted):
        raise driver_error(
            f"DPY-4009: {len(wanted)} positional bind values are required but"
            f" {len(values)} were provided"
        )
    return dict(zip(wanted, values, strict=True))
