"""The doubles of oracledb's connection and cursor."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.oracle.standin import dictionary
from lab.oracle.standin.common import check_lengths
from lab.oracle.standin.engine import Engine, Result
from lab.oracle.standin.errors import (
    EngineError,
    commit_error,
    driver_error,
    oracle_error,
)
from lab.oracle.standin.literals import literal
from lab.oracle.standin.lob import Lob
from lab.oracle.standin.scan import binds, fill
from lab.oracle.standin.translation import Returning, split_returning, translate

type Binds = Mapping[str, Any] | Sequence[Any] | None


class Variable:
    """A bind that receives what RETURNING ... INTO gives."""

    def __init__(self, kind: object) -> None:
        self._kind = kind
        self._values: list[Any] = []

    def getvalue(self, position: int = 0) -> list[Any]:
        """The values of all rows."""
        return self._values

    def receive(self, values: Sequence[Any]) -> None:
        self._values = [self._converted(value) for value in values]

    def _converted(self, value: Any) -> Any:
        if value is None:
            return None
        if self._kind is str:
            return value.read() if isinstance(value, Lob) else str(value)
        return int(value) if self._kind is int else value


class Connection:
    """A session of an engine that looks like one of Oracle."""

    stmtcachesize = 20

    def __init__(self, engine: Engine, user: str, version: str) -> None:
        self.engine = engine
        self.version = version
        self.autocommit = False
        self.username = user
        with self._errors():
            self._session = engine.connect(user)
        self._open = True

    def cursor(self) -> "Cursor":
        self.ping()
        return Cursor(self)

    def createlob(self, kind: object, content: str | bytes = "") -> Lob:
        return Lob(content)

    def ping(self) -> None:
        if not self._open:
            raise driver_error(0, "DPY-1001: not connected to database")

    def commit(self) -> None:
        self.ping()
        try:
            self._session.commit()
        except EngineError as error:
            raise commit_error(error, self.engine.label) from error

    def rollback(self) -> None:
        self.ping()
        with self._errors():
            self._session.rollback()

    def close(self) -> None:
        self.ping()
        self._open = False
        with self._errors():
            self._session.rollback()
            self._session.close()

    def answer(self, sql: str, literals: Mapping[str, str]) -> Result | None:
        """What the data dictionary knows and no engine's SQL can tell."""
        self.ping()
        with self._errors():
            return dictionary.answer(self._session, sql, literals)

    def run(self, statements: Sequence[str]) -> Result:
        """Execute statements of the engine's; the result of the last."""
        self.ping()
        result = Result()
        with self._errors():
            for statement in statements:
                result = self._session.run(statement)
        return result

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except EngineError as error:
            raise oracle_error(error, self.engine.label) from error


class Cursor:
    """Statements of Oracle's SQL, and the rows that they give."""

    arraysize = 100
    outputtypehandler: object = None  # Values come as Django's handler makes them.

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.statement: str | None = None
        self.rowcount = -1
        self._result: Result | None = None
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self._open = True

    @property
    def description(self) -> list[tuple[Any, ...]] | None:
        if self._result is None or not self._result.columns:
            return None
        return [(name, *[None] * 6) for name in self._result.columns]

    def var(self, typ: object, *ignored: Any, **options: Any) -> Variable:
        return Variable(typ)

    def setinputsizes(self, *sizes: Any, **named: Any) -> None:
        """Values carry their types in their literals."""

    def execute(self, sql: str, parameters: Binds = None) -> "Cursor":
        self._execute(sql, parameters)
        self._commit_if_asked()
        return self

    def executemany(self, sql: str, parameters: Sequence[Binds]) -> None:
        count = 0
        for each in parameters:
            self._execute(sql, each)
            count += self.rowcount
        self.rowcount = count
        self._commit_if_asked()

    def fetchone(self) -> tuple[Any, ...] | None:
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        self._check_query()
        wanted = range(self.arraysize if size is None else size)
        rows = [row for _, row in zip(wanted, self._rows, strict=False)]
        self.rowcount += len(rows)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        self._check_query()
        rows = list(self._rows)
        self.rowcount += len(rows)
        return rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchone, None)

    def close(self) -> None:
        self._check_open()
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise driver_error(0, "DPY-1006: cursor is not open")
        self.connection.ping()

    def _check_query(self) -> None:
        self._check_open()
        if self.description is None:
            raise driver_error(
                0, "DPY-1003: the executed statement does not return rows"
            )

    def _commit_if_asked(self) -> None:
        if self.connection.autocommit:
            self.connection.commit()

    def _execute(self, sql: str, parameters: Binds) -> None:
        self._check_open()
        self.statement = sql
        self._result, self._rows, self.rowcount = None, iter(()), 0
        check_lengths(sql)
        values = named(sql, parameters)
        returning = split_returning(sql)
        received = returning.binds if returning else ()
        literals = {
            name: literal(value, self.connection.engine.forms)
            for name, value in values.items()
            if name not in received
        }
        result = self.connection.answer(sql, literals)
        if result is None:
            result = self.connection.run(self._statements(sql, returning, literals))
        if returning:
            columns = list(zip(*result.rows, strict=True)) or [()] * len(received)
            for name, column in zip(received, columns, strict=True):
                values[name].receive(column)
            result = Result(count=len(result.rows))
        self._result = result
        self._rows = iter(result.rows)
        if not result.columns:
            self.rowcount = result.count

    def _statements(
        self, sql: str, returning: Returning | None, literals: Mapping[str, str]
    ) -> list[str]:
        """The engine's statements, with literals in the place of binds."""
        engine = self.connection.engine
        if returning is None:
            templates = list(translate(sql, engine.dialect))
        else:
            *before, last = translate(returning.statement, engine.dialect)
            templates = [*before, engine.returning(last, returning.columns)]
        return [fill(template, literals.__getitem__) for template in templates]


def named(sql: str, parameters: Binds) -> dict[str, Any]:
    """The value of each bind by its name; oracledb's error if one has none.

    >>> named("SELECT :arg0, :arg1 FROM DUAL", [7, 8])
    {'arg0': 7, 'arg1': 8}
    """
    wanted = binds(sql)
    if isinstance(parameters, Mapping):
        given = {name.removeprefix(":"): value for name, value in parameters.items()}
        if missing := set(wanted) - given.keys():
            raise driver_error(
                0,
                "DPY-4010: a bind variable replacement value for placeholder"
                f' ":{min(missing)}" was not provided',
            )
        return given
    values = list(parameters or ())
    if len(values) != len(wanted):
        raise driver_error(
            0,
            f"DPY-4009: {len(wanted)} positional bind values are required but"
            f" {len(values)} were provided",
        )
    return dict(zip(wanted, values, strict=True))
