"""What takes the place of drivers: it records statements and sends nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

import oracledb

type Statement = dict[str, Any]

SHOWN = 60  # characters of a value
LONGEST = 20_000  # characters of a statement
HEAD = 200  # characters of a longer one


@dataclass(frozen=True)
class Lob:
    """A temporary LOB: what createlob() was given."""

    kind: str
    value: str | bytes


@dataclass(frozen=True)
class Out:
    """A variable for RETURNING ... INTO; an insert returns 1, whatever the column."""

    kind: str

    def getvalue(self) -> list[int]:
        return [1]


def type_name(kind: Any) -> str:
    """Return the name of a Python type or of one of the driver's."""
    return kind.__name__ if isinstance(kind, type) else kind.name


def shown(value: object, size: Any = None) -> str:
    """Return a bind as text: its type, the type it is declared as, its value.

    >>> shown(1)
    'int 1'
    >>> shown("x" * 70)
    "str of 70: 'xxxxxxxxxxxxxxxxxxxx'..."
    >>> shown(Lob("DB_TYPE_BLOB", b"abc"))
    "DB_TYPE_BLOB b'abc'"
    """
    if value is None:
        return "NULL"
    if isinstance(value, Out):
        return f"OUT {value.kind}"
    kind = type(value).__name__
    if isinstance(value, Lob):
        kind, value = value.kind, value.value
    if size is not None:
        kind = f"{kind} as {type_name(size)}"
    if isinstance(value, str | bytes):
        if len(value) > SHOWN:
            return f"{kind} of {len(value):,}: {value[:20]!r}..."
        return f"{kind} {value!r}"
    return f"{kind} {value}"


class Cursor:
    """A cursor as python-oracledb has it, as far as an INSERT needs it."""

    arraysize = 100
    rowcount = 1

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self._sizes: Mapping[str, Any] = {}

    def setinputsizes(self, **sizes: Any) -> None:
        self._sizes = sizes

    def var(self, kind: Any, **_: object) -> Out:
        return Out(type_name(kind))

    def execute(self, sql: str, binds: Mapping[str, Any] | Sequence[Any] = ()) -> None:
        # No list: Django names the binds of execute(), if there are any.
        named = dict(binds)
        statement: Statement = {"sql": sql}
        if len(sql) > LONGEST:
            statement = {
                "sql": f"{sql[:HEAD]}...",
                "characters": len(sql),
                "binds by occurrence": sql.count(":arg"),
            }
        else:
            statement["binds"] = {
                name.removeprefix(":"): shown(value, self._sizes.get(name))
                for name, value in named.items()
            }
        self._sizes = {}
        self.connection.take(statement)

    def close(self) -> None:
        pass


class Connection:
    """A connection as python-oracledb has it, to a server of any version.

    ``statements`` are those that were executed; the next ``refused`` ones end with
    ORA-00001.
    """

    stmtcachesize = 20
    autocommit = False

    def __init__(self, version: str) -> None:
        self.version = version
        self.statements: list[Statement] = []
        self.refused = 0

    def take(self, statement: Statement) -> None:
        self.statements.append(statement)
        if self.refused:
            self.refused -= 1
            message = "ORA-00001: unique constraint violated"
            statement["answer"] = message
            raise oracledb.IntegrityError(SimpleNamespace(code=1, message=message))

    def cursor(self) -> Cursor:
        return Cursor(self)

    def createlob(self, kind: Any, value: str | bytes) -> Lob:
        return Lob(type_name(kind), value)

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass


def connect(*, version: str, **_: object) -> Connection:
    """Stand for oracledb.connect(); Django passes the ``version`` of its OPTIONS."""
    return Connection(version)


class Recorder:
    """A cursor as Django has it; any statement returns the given rows."""

    lastrowid = 1
    rowcount = 1

    def __init__(self, rows: Sequence[tuple[object, ...]]) -> None:
        self.statements: list[Statement] = []
        self._rows = rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, sql: str, params: object = None) -> None:
        self.statements.append({"sql": sql})

    def fetchall(self) -> Sequence[tuple[object, ...]]:
        return self._rows
