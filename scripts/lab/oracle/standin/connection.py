"""The doubles of oracledb's connection and cursor."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import oracledb

from lab.oracle import sql as text
from lab.oracle.standin import driver
from lab.oracle.standin.errors import STATEMENTS, commit_error, driver_error

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
        self,
        sql: str,
        values: Mapping[str, Any],
        sizes: Mapping[str, Any],
        row: int | None = None,
    ) -> Result:
        """Execute one statement of Oracle's; give its variables what they receive.

        ``row`` is the place of its values in an array, None if there is no array.
        """

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


class Engine(Protocol):
    def connect(self, user: str) -> Session:
        """Return a session in the schema of a user, which is made if it is new."""


class Lob(oracledb.LOB):
    """A LOB that has its content with it. ``kind`` is the driver's type."""

    def __init__(self, content: str | bytes, kind: Any = None) -> None:
        self.content = content
        self.kind = kind or (
            oracledb.DB_TYPE_BLOB
            if isinstance(content, bytes)
            else oracledb.DB_TYPE_NCLOB
        )

    @property
    def type(self) -> Any:
        return self.kind

    def __del__(self) -> None:
        """Do nothing: no server holds anything, as for oracledb's own LOBs."""

    def read(self, offset: int = 1, amount: int | None = None) -> str | bytes:
        begin = offset - 1
        return self.content[begin : None if amount is None else begin + amount]

    def size(self) -> int:
        return len(self.content)


class Variable:
    """A bind that receives the values of RETURNING ... INTO, one for each row, or what
    the handler of outputs chose for a column.
    """

    def __init__(self, kind: Any, arraysize: int = 1) -> None:
        driver.declared(kind)
        self.kind = kind
        self.arraysize = arraysize
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

    def createlob(self, kind: Any, content: Any = None) -> Lob:
        driver.check_lob(kind, content)
        return Lob(content or (b"" if kind is oracledb.DB_TYPE_BLOB else ""), kind)

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
    # Numbers come as Django's handler makes them; it is asked about LOBs alone.
    outputtypehandler: Any = None
    description: list[Row] | None = None
    statement: str | None = None
    rowcount = -1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._rows: Iterator[Row] = iter(())
        self._sizes: Mapping[str, Any] | Sequence[Any] = {}
        self._errors: list[Any] = []
        self._open = True

    def var(
        self, typ: Any, size: int = 0, arraysize: int = 1, *_: Any, **options: Any
    ) -> Variable:
        return Variable(typ, arraysize)

    def setinputsizes(self, *sizes: Any, **named: Any) -> None:
        if sizes and named:
            raise driver_error(
                "DPY-2005: expecting positional arguments or keyword arguments, not"
                " both"
            )
        for size in (*sizes, *named.values()):
            if size is not None:
                driver.declared(size)
        self._sizes = named or sizes

    def execute(self, sql: str, parameters: Binds = None) -> "Cursor":
        if parameters is not None and not isinstance(parameters, list | tuple | dict):
            raise driver_error("DPY-2003: expecting a dictionary, list or tuple")
        self._execute(sql, [parameters], None)
        return self

    # The options are for keywords alone since 26.1.0.
    def executemany(
        self, sql: str, parameters: list[Any], *, batcherrors: bool = False
    ) -> None:
        """Execute a statement for each row.

        It stops at the first row with an error. The rows before it stay, and are not
        committed. With ``batcherrors`` it goes on, and commits nothing by itself if
        a row has an error.
        """
        if not isinstance(parameters, list):
            raise driver_error(
                'DPY-2004: "parameters" argument should be a list of sequences or'
                " dictionaries"
            )
        if batcherrors and not text.is_dml(sql):
            raise driver_error(
                'DPY-2040: parameters "batcherrors" and "arraydmlrowcounts" may only be'
                " true when used with insert, update, delete and merge statements"
            )
        self._execute(sql, parameters, [] if batcherrors else None, array=True)

    def getbatcherrors(self) -> list[Any]:
        return self._errors

    def _execute(
        self,
        sql: str,
        parameters: Sequence[Binds],
        errors: list[Any] | None,
        *,
        array: bool = False,
    ) -> None:
        self._check_open()
        self.statement, self.description, self.rowcount = sql, None, 0
        sizes, self._sizes = self._sizes, {}
        sized = sizes_by_name(sql, sizes, parameters)
        rows = [named(sql, each) for each in parameters]
        driver.check_rows(rows, sized)
        self._errors = [] if errors is None else errors
        for number, values in enumerate(rows):
            place = number if array else None
            try:
                result = self.connection.session.execute(sql, values, sized, place)
            except oracledb.DatabaseError as error:
                [found] = error.args
                if errors is None or found.code in STATEMENTS:
                    raise
                found.offset = number
                errors.append(found)
                continue
            self.rowcount += result.count
            self._rows = iter(result.rows)
            if result.columns:
                self.description = [(name, *[None] * 6) for name in result.columns]
                self._rows = self._handled(result)
        if self.connection.autocommit and not errors:
            self.connection.commit()

    def _handled(self, result: Result) -> Iterator[Row]:
        """Return rows with the LOBs of a column read, if the handler of outputs has
        chosen a type of values in rows for it.
        """
        inline = set()
        for place, name in enumerate(result.columns):
            values = (row[place] for row in result.rows)
            lob = next((each for each in values if isinstance(each, Lob)), None)
            if lob is None or self.outputtypehandler is None:
                continue
            variable = self.outputtypehandler(self, name, lob.kind, None, None, None)
            if variable is None:
                continue
            if not isinstance(variable, Variable):
                raise driver_error(
                    "DPY-2015: type handler should return None or the value returned"
                    " by a call to cursor.var()"
                )
            if self.arraysize > variable.arraysize:
                raise driver_error(
                    f"DPY-2016: variable array size of {variable.arraysize} is too"
                    f" small (should be at least {self.arraysize})"
                )
            if driver.declared(variable.kind) in (*driver.RAWS, *driver.TEXTS):
                inline.add(place)
        for row in result.rows:
            yield tuple(
                value.read() if place in inline and isinstance(value, Lob) else value
                for place, value in enumerate(row)
            )

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


def sizes_by_name(
    sql: str, sizes: Mapping[str, Any] | Sequence[Any], parameters: Sequence[Binds]
) -> dict[str, Any]:
    """Return the size of each bind by its name; oracledb's error if sizes are
    positions and binds are names, or the other way round.
    """
    by_name = isinstance(sizes, Mapping)
    for each in parameters if sizes else ():
        if isinstance(each, Mapping) != by_name:
            raise driver_error(
                "DPY-2006: positional and named binds cannot be intermixed"
            )
    if isinstance(sizes, Mapping):
        return {name.removeprefix(":"): size for name, size in sizes.items()}
    return dict(zip(text.binds(sql), sizes, strict=False))


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
