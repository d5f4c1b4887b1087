"""H2 in Oracle mode, in this process, by way of JPype and JDBC."""

import datetime
import decimal
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.oracle.standin import dictionary, jar
from lab.oracle.standin.connection import Lob, Result
from lab.oracle.standin.engine import EngineSession
from lab.oracle.standin.errors import oracle_error
from lab.oracle.standin.literals import Forms
from lab.oracle.standin.translation import (
    ANY_IN_LIST,
    NOTHING_TO_DO,
    RESET,
    Dialect,
    call,
)

# The database lives until the process ends. Milliseconds: Oracle waits for ever, but
# a test that fails shows more than one that hangs.
OPTIONS = ";MODE=Oracle;DB_CLOSE_DELAY=-1;LOCK_TIMEOUT=10000"
# Python's handlers of signals stay; the virtual machine lives for seconds.
JVM_OPTIONS = ("-Xrs", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# H2 goes one call deeper for each SELECT of a UNION ALL: thousands of rows in one
# statement need more stack than a thread has. Characters, bytes.
LONG = 20_000
DEEP = 1 << 30
# Over what a process has one of: the virtual machine, the stack of new threads.
PROCESS = threading.RLock()
# As many digits as a number of Oracle can have.
WIDE = decimal.Context(prec=40)

DIALECT = Dialect(
    wholes=(
        *NOTHING_TO_DO,
        # H2 checks each constraint at once.
        (r"SET CONSTRAINTS ALL ", ()),
        # H2 has no PL/SQL.
        (
            RESET,
            (
                r"ALTER TABLE \g<table> ALTER COLUMN \g<column>"
                r" RESTART WITH (SELECT NVL(MAX(\g<column>), 0) + 1 FROM \g<table>)",
            ),
        ),
        # H2 truncates no table that a foreign key refers to.
        (
            r"TRUNCATE TABLE (?P<table>\S+)$",
            (
                r"ALTER TABLE \g<table> SET REFERENTIAL_INTEGRITY FALSE",
                r"TRUNCATE TABLE \g<table>",
                r"ALTER TABLE \g<table> SET REFERENTIAL_INTEGRITY TRUE",
            ),
        ),
    ),
    rules=(
        # H2 lacks these functions, or its own of this name takes a text.
        call("TO_NUMBER", "CAST({} AS DECFLOAT(38))"),
        call("TO_NCLOB", "CAST({} AS NCLOB)"),
        call("TO_BLOB", "CAST({} AS BLOB)"),
        call("TO_TIMESTAMP", "CAST({} AS TIMESTAMP)"),
        call("TO_DATE", "CAST({} AS DATE)"),
        # H2 compares LOBs themselves.
        call("DBMS_LOB.SUBSTR", "({})"),
        ANY_IN_LIST,
        # H2 has no LIKEC; LIKE is by character.
        (r"\bLIKEC\b", "LIKE"),
        # H2 writes it in another order.
        (r"\bON NULL AS IDENTITY\b", "AS IDENTITY DEFAULT ON NULL"),
        # H2 computes them at each write.
        (r"\) (?:VIRTUAL|MATERIALIZED)\b", ")"),
        # H2 has no deferrable constraints.
        (r" DEFERRABLE INITIALLY (?:DEFERRED|IMMEDIATE)\b", ""),
        # H2 locks the rows of all tables.
        (r"( FOR UPDATE) OF [^ ,]+(?:, *[^ ,]+)*", r"\1"),
    ),
)

# SQLSTATE or, where that says too little, H2's own code; to Oracle's number.
CODES: Mapping[str, int] = {
    "23505": 1,
    "23502": 1400,
    "23503": 2292,
    "23506": 2291,
    "23513": 2290,
    "22001": 12899,
    "22003": 1438,
    "22007": 1861,
    "22012": 1476,
    "22018": 1722,
    "40001": 60,
    "HYT00": 54,
    "42000": 900,
    "42001": 900,
    "42S01": 955,
    "42S02": 942,
    "42S03": 942,
    "42S04": 942,
    "42S22": 904,
    "90059": 918,
}

INDEXES: Mapping[str, str] = {
    # Without those that H2 makes for foreign keys, which have none in Oracle.
    dictionary.INDEXES: """
        SELECT index_name, 'NORMAL',
            DECODE(index_type_name, 'INDEX', 'NONUNIQUE', 'UNIQUE')
        FROM information_schema.indexes WHERE index_schema = CURRENT_SCHEMA
            AND NOT (is_generated AND index_type_name = 'INDEX')""",
    dictionary.INDEX_COLUMNS: """
        SELECT index_name, table_name, column_name, ordinal_position,
            ordering_specification
        FROM information_schema.index_columns WHERE index_schema = CURRENT_SCHEMA
            AND index_name IN (SELECT index_name FROM DICTIONARY.user_indexes)""",
}


class H2:
    """A database in memory for each user, gone when the process ends."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def connect(self, user: str) -> "H2Session":
        session = H2Session(f"jdbc:h2:mem:{user}{OPTIONS}")
        with PROCESS:
            if user not in self._known:
                for view in dictionary.views(INDEXES, "remarks", "index_name"):
                    session.run(view)
                self._known.add(user)
        session.run(f"SET SCHEMA_SEARCH_PATH PUBLIC, {dictionary.SCHEMA}")
        return session


class H2Session(EngineSession):
    """A JDBC connection."""

    forms = Forms(
        raw="X'{}'",
        blob="CAST(X'{}' AS BLOB)",
        clob="CAST({} AS NCLOB)",
        interval="INTERVAL '{sign}{days} {time}' DAY(9) TO SECOND(6)",
    )
    dialect = DIALECT

    def __init__(self, url: str) -> None:
        import jpype

        with PROCESS:
            if not jpype.isJVMStarted():
                jpype.startJVM(*JVM_OPTIONS, classpath=[str(jar.path())])
        self._failure = jpype.JClass("java.sql.SQLException")
        self._jdbc = jpype.JClass("java.sql.DriverManager").getConnection(url)
        self._jdbc.setAutoCommit(False)

    def returning(self, statement: str, columns: str) -> str:
        # Only a column's own name is known outside of FINAL TABLE.
        names = re.sub(r"[^,]*\.", "", columns)
        return f"SELECT {names} FROM FINAL TABLE ({statement})"

    def run(self, sql: str) -> Result:
        if len(sql) <= LONG:
            return self._call(lambda: self._run(sql))
        with ThreadPoolExecutor(1) as pool, PROCESS:
            before = threading.stack_size(DEEP)
            try:
                done = pool.submit(self._call, lambda: self._run(sql))
            finally:
                threading.stack_size(before)
        return done.result()

    def _run(self, sql: str) -> Result:
        statement = self._jdbc.createStatement()
        try:
            if statement.execute(sql):
                return fetched(statement.getResultSet())
            return Result(count=int(statement.getUpdateCount()))
        finally:
            statement.close()

    def commit(self) -> None:
        self._call(self._jdbc.commit)

    def rollback(self) -> None:
        self._call(self._jdbc.rollback)

    def close(self) -> None:
        self._call(self._jdbc.close)

    def _call[T](self, function: Callable[[], T]) -> T:
        try:
            return function()
        except self._failure as error:
            # What is said without the statement, which follows.
            said = str(error.getMessage()).partition("; SQL statement:")[0]
            state, code = str(error.getSQLState()), str(error.getErrorCode())
            number = CODES.get(state) or CODES.get(code, 0)
            raise oracle_error(number, f"H2: {said} [{code}]") from None


def fetched(rows: Any) -> Result:
    """Return all of a java.sql.ResultSet."""
    described = rows.getMetaData()
    places = range(1, described.getColumnCount() + 1)
    readers = [(place, *reader(described, place)) for place in places]
    found = []
    while rows.next():
        values = [(getattr(rows, get)(at), convert) for at, get, convert in readers]
        found.append(
            tuple(None if value is None else convert(value) for value, convert in values)
        )
    return Result(
        tuple(str(described.getColumnLabel(place)) for place in places), tuple(found)
    )


def reader(described: Any, place: int) -> tuple[str, Callable[[Any], Any]]:
    """Return the getter of a column, and what makes a value of oracledb of it."""
    kind = str(described.getColumnTypeName(place))
    if kind == "BINARY LARGE OBJECT":
        return "getBytes", lambda value: Lob(bytes(value))
    if kind.startswith("BINARY"):
        return "getBytes", bytes
    convert = CONVERTERS.get(kind, str)
    digits = int(described.getScale(place))
    # A number of a table's column has its decimal places, a computed one has not.
    if kind == "NUMERIC" and digits and str(described.getTableName(place)):
        unit = decimal.Decimal(1).scaleb(-digits)
        return "getString", lambda value: decimal.Decimal(str(value)).quantize(
            unit, context=WIDE
        )
    return "getString", lambda value: convert(str(value))


def number(text: str) -> int | decimal.Decimal:
    """Return an int if there is no point, as Django's handler of outputs does.

    >>> number("2"), number("2.50"), number("1E+3")
    (2, Decimal('2.50'), 1000)
    """
    value = decimal.Decimal(text)
    return value if "." in format(value, "f") else int(value)


def interval(text: str) -> datetime.timedelta:
    """Return the length of time of H2's literal for it.

    >>> interval("INTERVAL '-1 02:03:04.5' DAY TO SECOND")
    datetime.timedelta(days=-2, seconds=79015, microseconds=500000)
    """
    found = re.search(r"'(-?)(\d+) (\d+):(\d+):(\d+)(?:\.(\d+))?'", text)
    if found is None:
        raise ValueError(f"{text} is no interval from days to seconds")
    sign, *parts, fraction = found.groups(default="0")
    days, hours, minutes, seconds = map(int, parts)
    length = datetime.timedelta(
        days, seconds, int(fraction.ljust(6, "0")[:6]), 0, minutes, hours
    )
    return -length if sign == "-" else length


def moment(text: str) -> datetime.datetime:
    """Return a date and time without its zone, as oracledb gives it."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)


CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "NUMERIC": number,
    "DECFLOAT": number,
    "TINYINT": int,
    "SMALLINT": int,
    "INTEGER": int,
    "BIGINT": int,
    "REAL": float,
    "DOUBLE PRECISION": float,
    "BOOLEAN": lambda text: text == "TRUE",
    "CHARACTER LARGE OBJECT": Lob,
    "DATE": moment,
    "TIMESTAMP": moment,
    "TIMESTAMP WITH TIME ZONE": moment,
    "INTERVAL DAY TO SECOND": interval,
}
