"""H2 in Oracle mode, in this process, by way of JPype and JDBC."""

import datetime
import decimal
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from databases.standins import h2_jar
from lab.oracle.standin import dictionary
from lab.oracle.standin.common import ANY_IN_LIST, NOTHING_TO_DO, RESET
from lab.oracle.standin.engine import Engine, Result, Session
from lab.oracle.standin.errors import EngineError
from lab.oracle.standin.literals import Forms
from lab.oracle.standin.lob import Lob
from lab.oracle.standin.translation import Call, Dialect, Replace, Whole

OPTIONS = {
    "MODE": "Oracle",
    # Until the process ends, not until the last connection is closed.
    "DB_CLOSE_DELAY": "-1",
    # Milliseconds. Oracle waits for ever; a test that hangs shows less than one
    # that fails.
    "LOCK_TIMEOUT": "10000",
}
JVM_OPTIONS = (
    # Python's handlers of SIGINT and SIGTERM stay.
    "-Xrs",
    # It lives for seconds.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
)
# H2 goes one call deeper for each SELECT of a UNION ALL: thousands of rows in one
# statement need more stack than a thread has. Characters, bytes.
LONG = 20_000
DEEP = 1 << 30
# Over what a process has one of: the virtual machine, the stack of new threads.
PROCESS = threading.Lock()
# As many digits as a number of Oracle can have.
WIDE = decimal.Context(prec=40)

DIALECT = Dialect(
    wholes=(
        *NOTHING_TO_DO,
        Whole(r"SET CONSTRAINTS ALL ", (), "H2 checks each constraint at once"),
        Whole(
            RESET,
            (
                r"ALTER TABLE \g<table> ALTER COLUMN \g<column>"
                r" RESTART WITH (SELECT NVL(MAX(\g<column>), 0) + 1 FROM \g<table>)",
            ),
            "H2 has no PL/SQL",
        ),
        Whole(
            r"TRUNCATE TABLE (?P<table>\S+)$",
            (
                r"ALTER TABLE \g<table> SET REFERENTIAL_INTEGRITY FALSE",
                r"TRUNCATE TABLE \g<table>",
                r"ALTER TABLE \g<table> SET REFERENTIAL_INTEGRITY TRUE",
            ),
            "H2 truncates no table that a foreign key refers to",
        ),
    ),
    rules=(
        Call("TO_NUMBER", "CAST({} AS DECFLOAT(38))", "H2 has no TO_NUMBER"),
        Call("TO_NCLOB", "CAST({} AS NCLOB)", "H2 has no TO_NCLOB"),
        Call("TO_BLOB", "CAST({} AS BLOB)", "H2 has no TO_BLOB"),
        Call("TO_TIMESTAMP", "CAST({} AS TIMESTAMP)", "H2's takes a text"),
        Call("TO_DATE", "CAST({} AS DATE)", "H2's takes a text"),
        Call("DBMS_LOB.SUBSTR", "({})", "H2 compares LOBs themselves"),
        ANY_IN_LIST,
        Replace(r"\bLIKEC\b", "LIKE", "H2 has no LIKEC; LIKE is by character"),
        Replace(
            r"\bON NULL AS IDENTITY\b",
            "AS IDENTITY DEFAULT ON NULL",
            "H2 writes it in another order",
        ),
        Replace(
            r"\) (?:VIRTUAL|MATERIALIZED)\b", ")", "H2 computes them at each write"
        ),
        Replace(
            r" DEFERRABLE INITIALLY (?:DEFERRED|IMMEDIATE)\b",
            "",
            "H2 has no deferrable constraints",
        ),
        Replace(
            r"( FOR UPDATE) OF [^ ,]+(?:, *[^ ,]+)*", r"\1", "H2 locks rows of all"
        ),
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

QUERIES: Mapping[str, str] = {
    "user_tables": """
        SELECT TABLE_NAME, NULL FROM INFORMATION_SCHEMA.TABLES
        WHERE TABLE_SCHEMA = 'PUBLIC' AND TABLE_TYPE = 'BASE TABLE'""",
    "user_tab_comments": """
        SELECT TABLE_NAME, REMARKS FROM INFORMATION_SCHEMA.TABLES
        WHERE TABLE_SCHEMA = 'PUBLIC'""",
    "user_views": """
        SELECT TABLE_NAME, NULL FROM INFORMATION_SCHEMA.VIEWS
        WHERE TABLE_SCHEMA = 'PUBLIC'""",
    "user_mviews": "SELECT NULL, NULL WHERE FALSE",
    "user_tab_cols": """
        SELECT TABLE_NAME, COLUMN_NAME, IS_IDENTITY FROM INFORMATION_SCHEMA.COLUMNS
        WHERE TABLE_SCHEMA = 'PUBLIC'""",
    "user_tab_identity_cols": """
        SELECT TABLE_NAME, COLUMN_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS
        WHERE TABLE_SCHEMA = 'PUBLIC' AND IS_IDENTITY = 'YES'""",
    "user_constraints": """
        SELECT c.CONSTRAINT_NAME, c.TABLE_NAME,
            DECODE(c.CONSTRAINT_TYPE,
                'PRIMARY KEY', 'P', 'UNIQUE', 'U', 'FOREIGN KEY', 'R', 'C'),
            r.UNIQUE_CONSTRAINT_NAME, r.DELETE_RULE,
            DECODE(c.CONSTRAINT_TYPE, 'FOREIGN KEY', NULL, c.INDEX_NAME)
        FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS c
        LEFT JOIN INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS r
            ON r.CONSTRAINT_NAME = c.CONSTRAINT_NAME
            AND r.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA
        WHERE c.CONSTRAINT_SCHEMA = 'PUBLIC'""",
    # In Oracle the columns of a check constraint have no position.
    "user_cons_columns": """
        SELECT CONSTRAINT_NAME, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION
        FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE
        WHERE CONSTRAINT_SCHEMA = 'PUBLIC'
        UNION ALL
        SELECT u.CONSTRAINT_NAME, u.TABLE_NAME, u.COLUMN_NAME, NULL
        FROM INFORMATION_SCHEMA.CONSTRAINT_COLUMN_USAGE u
        JOIN INFORMATION_SCHEMA.CHECK_CONSTRAINTS c
            ON c.CONSTRAINT_NAME = u.CONSTRAINT_NAME
            AND c.CONSTRAINT_SCHEMA = u.CONSTRAINT_SCHEMA
        WHERE u.CONSTRAINT_SCHEMA = 'PUBLIC'""",
    # Without those that H2 makes for foreign keys, which have none in Oracle.
    "user_indexes": """
        SELECT INDEX_NAME, 'NORMAL',
            DECODE(INDEX_TYPE_NAME, 'INDEX', 'NONUNIQUE', 'UNIQUE')
        FROM INFORMATION_SCHEMA.INDEXES
        WHERE INDEX_SCHEMA = 'PUBLIC'
            AND NOT (IS_GENERATED AND INDEX_TYPE_NAME = 'INDEX')""",
    "user_ind_columns": """
        SELECT INDEX_NAME, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION,
            ORDERING_SPECIFICATION
        FROM INFORMATION_SCHEMA.INDEX_COLUMNS
        WHERE INDEX_SCHEMA = 'PUBLIC'
            AND INDEX_NAME IN (SELECT index_name FROM DICTIONARY.user_indexes)""",
}
VIEW = f"CREATE VIEW {dictionary.SCHEMA}.{{view}} ({{columns}}) AS {{query}}"


class H2(Engine):
    """A database in memory for each user, gone when the process ends."""

    label = "H2"
    forms = Forms(
        raw="X'{}'",
        blob="CAST(X'{}' AS BLOB)",
        clob="CAST({} AS NCLOB)",
        interval="INTERVAL '{sign}{days} {time}' DAY(9) TO SECOND(6)",
    )
    dialect = DIALECT

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def connect(self, user: str) -> Session:
        options = "".join(f";{name}={value}" for name, value in OPTIONS.items())
        session = H2Session(f"jdbc:h2:mem:{user}{options}")
        with self._lock:
            if user not in self._known:
                session.run(f"CREATE SCHEMA {dictionary.SCHEMA}")
                for view in dictionary.views(QUERIES, VIEW):
                    session.run(view)
                self._known.add(user)
        session.run(f"SET SCHEMA_SEARCH_PATH PUBLIC, {dictionary.SCHEMA}")
        return session

    def returning(self, statement: str, columns: str) -> str:
        # Only a column's own name is known outside of FINAL TABLE.
        names = ", ".join(
            column.rpartition(".")[2].strip() for column in columns.split(",")
        )
        return f"SELECT {names} FROM FINAL TABLE ({statement})"


class H2Session(Session):
    """A JDBC connection."""

    def __init__(self, url: str) -> None:
        jpype = java_virtual_machine()
        self._failure: type[Exception] = jpype.JClass("java.sql.SQLException")
        self._jdbc = jpype.JClass("java.sql.DriverManager").getConnection(url)
        self._jdbc.setAutoCommit(False)

    def run(self, sql: str) -> Result:
        if len(sql) > LONG:
            return deeply(lambda: self._run(sql))
        return self._run(sql)

    def _run(self, sql: str) -> Result:
        try:
            statement = self._jdbc.createStatement()
            try:
                if statement.execute(sql):
                    return result(statement.getResultSet())
                return Result(count=int(statement.getUpdateCount()))
            finally:
                statement.close()
        except self._failure as error:
            raise engine_error(error) from None

    def commit(self) -> None:
        self._call("commit")

    def rollback(self) -> None:
        self._call("rollback")

    def close(self) -> None:
        self._call("close")

    def _call(self, method: str) -> None:
        try:
            getattr(self._jdbc, method)()
        except self._failure as error:
            raise engine_error(error) from None


def java_virtual_machine() -> Any:
    """JPype, with the virtual machine of this process running."""
    import jpype

    with PROCESS:
        if not jpype.isJVMStarted():
            jpype.startJVM(*JVM_OPTIONS, classpath=[str(h2_jar())])
    return jpype


def deeply[T](call: Callable[[], T]) -> T:
    """Call in a thread with a deep stack; what it raises is raised here."""
    returned: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            returned.append(call())
        except BaseException as error:
            raised.append(error)

    with PROCESS:
        before = threading.stack_size(DEEP)
        try:
            thread = threading.Thread(target=run)
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if raised:
        raise raised[0]
    return returned[0]


def engine_error(error: Any) -> EngineError:
    """What a java.sql.SQLException says, without the statement that follows."""
    text = str(error.getMessage()).partition("; SQL statement:")[0]
    state, code = str(error.getSQLState()), str(error.getErrorCode())
    return EngineError(CODES.get(state) or CODES.get(code, 0), f"{text} [{code}]")


def result(rows: Any) -> Result:
    """All of a java.sql.ResultSet."""
    described = rows.getMetaData()
    places = range(1, described.getColumnCount() + 1)
    readers = [
        reader(str(described.getColumnTypeName(place)), scale(described, place))
        for place in places
    ]
    found = []
    while rows.next():
        found.append(
            tuple(read(rows, place) for place, read in enumerate(readers, start=1))
        )
    return Result(
        tuple(str(described.getColumnLabel(place)) for place in places),
        tuple(found),
        len(found),
    )


type Reader = Callable[[Any, int], Any]


def scale(described: Any, place: int) -> int | None:
    """The decimal places of a table's column; None if it is computed."""
    if not str(described.getTableName(place)):
        return None
    return int(described.getScale(place))


def reader(kind: str, digits: int | None) -> Reader:
    """How to read a column of a type that H2 names; ``digits`` after the point."""
    if kind in ("BINARY LARGE OBJECT", "BINARY VARYING", "BINARY"):
        lob = kind == "BINARY LARGE OBJECT"

        def read_bytes(rows: Any, place: int) -> Any:
            value = rows.getBytes(place)
            if value is None:
                return None
            return Lob(bytes(value)) if lob else bytes(value)

        return read_bytes
    convert = CONVERTERS.get(kind, str)
    if kind == "NUMERIC" and digits:
        unit = decimal.Decimal(1).scaleb(-digits)

        def convert(text: str) -> Any:
            return decimal.Decimal(text).quantize(unit, context=WIDE)

    def read_text(rows: Any, place: int) -> Any:
        value = rows.getString(place)
        return None if value is None else convert(str(value))

    return read_text


def number(text: str) -> int | decimal.Decimal:
    """As Django's handler makes numbers: an int if there is no point.

    >>> number("2"), number("2.50"), number("1E+3")
    (2, Decimal('2.50'), 1000)
    """
    value = decimal.Decimal(text)
    exponent = value.as_tuple().exponent
    return value if isinstance(exponent, int) and exponent < 0 else int(value)


def interval(text: str) -> datetime.timedelta:
    """A length of time from H2's literal for it.

    >>> interval("INTERVAL '-1 02:03:04.5' DAY TO SECOND")
    datetime.timedelta(days=-2, seconds=79015, microseconds=500000)
    """
    found = re.search(r"'(-?)(\d+) (\d+):(\d+):(\d+)(?:\.(\d+))?'", text)
    if found is None:
        raise ValueError(f"{text} is no interval from days to seconds")
    sign, days, hours, minutes, seconds, fraction = found.groups(default="")
    length = datetime.timedelta(
        days=int(days),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int(fraction.ljust(6, "0")[:6]),
    )
    return -length if sign else length


def moment(text: str) -> datetime.datetime:
    """A date and time without its zone, as oracledb gives it."""
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
