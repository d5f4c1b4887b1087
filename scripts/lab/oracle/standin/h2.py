"""H2 in Oracle mode, in this process, by way of JPype and JDBC."""

import datetime
import decimal
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from databases.standins import h2_jar
from lab.oracle.standin import dictionary
from lab.oracle.standin.connection import Lob, Result
from lab.oracle.standin.engine import EngineSession
from lab.oracle.standin.errors import NUMBERS, oracle_error
from lab.oracle.standin.literals import Forms
from lab.oracle.standin.translation import (
    BOTH,
    NOTHING_TO_DO,
    RESET,
    Dialect,
    conversions,
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
        ("SET CONSTRAINTS ALL ",),
        # H2 has no PL/SQL.
        (
            RESET,
            r"ALTER TABLE \g<table> ALTER COLUMN \g<column>"
            r" RESTART WITH (SELECT NVL(MAX(\g<column>), 0) + 1 FROM \g<table>)",
        ),
        # H2 truncates no table that a foreign key refers to.
        (
            r"TRUNCATE TABLE (?P<table>\S+)$",
            r"ALTER TABLE \g<table> SET REFERENTIAL_INTEGRITY FALSE",
            r"TRUNCATE TABLE \g<table>",
            r"ALTER TABLE \g<table> SET REFERENTIAL_INTEGRITY TRUE",
        ),
    ),
    rules=(
        *conversions(
            TO_NUMBER="DECFLOAT(38)",
            TO_NCLOB="NCLOB",
            TO_BLOB="BLOB",
            TO_TIMESTAMP="TIMESTAMP",
            TO_DATE="DATE",
        ),
        *BOTH,
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

INDEXES = {
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
                jpype.startJVM(*JVM_OPTIONS, classpath=[str(h2_jar())])
        self.failure = jpype.JClass("java.sql.SQLException")
        self.connection = jpype.JClass("java.sql.DriverManager").getConnection(url)
        self.connection.setAutoCommit(False)

    def returning(self, statement: str, columns: str) -> str:
        # Only a column's own name is known outside of FINAL TABLE.
        names = re.sub(r"[^,]*\.", "", columns)
        return f"SELECT {names} FROM FINAL TABLE ({statement})"

    def run(self, sql: str) -> Result:
        if len(sql) <= LONG:
            return self.call(lambda: self._run(sql))
        with ThreadPoolExecutor(1) as pool, PROCESS:
            before = threading.stack_size(DEEP)
            try:
                done = pool.submit(self.call, lambda: self._run(sql))
            finally:
                threading.stack_size(before)
        return done.result()

    def _run(self, sql: str) -> Result:
        statement = self.connection.createStatement()
        try:
            if statement.execute(sql):
                return fetched(statement.getResultSet())
            return Result(count=int(statement.getUpdateCount()))
        finally:
            statement.close()

    def failed(self, error: Any) -> Exception:
        # The statement follows what is said.
        said = str(error.getMessage()).partition("; SQL statement:")[0]
        state, code = str(error.getSQLState()), str(error.getErrorCode())
        number = NUMBERS.get(state) or NUMBERS.get(code, 0)
        return oracle_error(number, f"H2: {said} [{code}]")


def fetched(rows: Any) -> Result:
    """Return all of a java.sql.ResultSet, as values of oracledb."""
    described = rows.getMetaData()
    columns = [
        (
            place,
            str(described.getColumnTypeName(place)),
            # A computed number has no decimal places, a table's has.
            int(described.getScale(place)) if described.getTableName(place) else 0,
        )
        for place in range(1, described.getColumnCount() + 1)
    ]
    found = []
    while rows.next():
        found.append(tuple(oracle_value(rows, *column) for column in columns))
    labels = (str(described.getColumnLabel(place)) for place, *_ in columns)
    return Result(tuple(labels), tuple(found))


def oracle_value(rows: Any, place: int, kind: str, digits: int) -> Any:
    """Return a column's value as oracledb and Django's handler of outputs do."""
    binary = kind.startswith("BINARY")
    value = rows.getBytes(place) if binary else rows.getString(place)
    if value is None:
        return None
    if binary:
        return Lob(bytes(value)) if kind == "BINARY LARGE OBJECT" else bytes(value)
    text = str(value)
    match kind:
        case "CHARACTER LARGE OBJECT":
            return Lob(text)
        case "NUMERIC" if digits:
            unit = decimal.Decimal(1).scaleb(-digits)
            return decimal.Decimal(text).quantize(unit, context=WIDE)
        case "NUMERIC" | "DECFLOAT" | "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT":
            number = format(decimal.Decimal(text), "f")
            return decimal.Decimal(number) if "." in number else int(number)
        case "REAL" | "DOUBLE PRECISION":
            return float(text)
        case "BOOLEAN":
            return text == "TRUE"
        case "DATE" | "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE":
            return datetime.datetime.fromisoformat(text).replace(tzinfo=None)
        case "INTERVAL DAY TO SECOND":
            return interval(text)
    return text


def interval(text: str) -> datetime.timedelta:
    """Return the length of time of H2's literal for it.

    >>> interval("INTERVAL '-1 02:03:04.5' DAY TO SECOND")
    datetime.timedelta(days=-2, seconds=79015, microseconds=500000)
    """
    sign, time = re.findall(r"'(-?)(.*)'", text)[0]
    days, hours, minutes, seconds = map(float, re.split("[ :]", time))
    length = datetime.timedelta(days, seconds, 0, 0, minutes, hours)
    return -length if sign else length
