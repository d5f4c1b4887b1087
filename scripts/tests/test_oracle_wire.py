"""What the driver takes: the rules of the doubles, and the driver itself."""

import datetime
import decimal
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import oracledb
import pytest

from databases.family import Unavailable
from lab.oracle import child, ladder, wire
from lab.oracle.standin import driver
from lab.oracle.standin.connection import Connection, Cursor, Lob, Result
from lab.oracle.standin.errors import oracle_error
from tests.oracle_answers import Answers

BLOB, CLOB, NCLOB = oracledb.DB_TYPE_BLOB, oracledb.DB_TYPE_CLOB, oracledb.DB_TYPE_NCLOB
DAY = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)


class Text(str):
    __slots__ = ()


class Moment(datetime.datetime):
    pass


# The rows of an array of one column, sizes, and whether thin mode takes them.
ARRAYS: Sequence[tuple[list[Any], Any, bool]] = [
    ([b"a", None, b""], None, True),
    ([wire.Bytes(b"a")], None, False),
    ([b"a", wire.Bytes(b"a")], None, False),
    ([bytearray(b"a")], None, False),
    ([memoryview(b"a")], None, False),
    (["a", None, Text("b")], None, True),
    ([None, None], None, True),
    ([None, 1, 2.5, decimal.Decimal("1.5"), True], None, True),
    ([1, "a"], None, False),
    (["a", 1], None, False),
    ([DAY, DAY.date(), Moment(2026, 1, 2)], None, True),
    ([DAY, None], oracledb.DB_TYPE_TIMESTAMP, True),
    (["2026-01-02", DAY], oracledb.DB_TYPE_TIMESTAMP, False),
    ([datetime.time(1, 2)], None, False),
    ([datetime.timedelta(1), None], None, True),
    ([datetime.timedelta(1), 1], None, False),
    ([object()], None, False),
    ([Lob(b"a", BLOB), None, Lob(b"b", BLOB)], None, True),
    ([Lob(b"a", BLOB), b"b"], None, False),
    ([Lob(b"a", BLOB), "b"], None, False),
    ([b"a", Lob(b"b", BLOB)], None, False),
    ([Lob("a", CLOB), Lob("a", NCLOB)], None, False),
    ([Lob("a", CLOB), Lob(b"a", BLOB)], None, False),
    ([Lob("a", CLOB)], CLOB, True),
]
# The driver would send something else.
STRICTER: Sequence[tuple[list[Any], Any]] = [
    (["a", b"b"], None),
    ([b"a", "b"], None),
    # Here 26.1.0 even forgets the first value.
    ([DAY, "2026-01-02"], oracledb.DB_TYPE_TIMESTAMP),
    ([Lob(b"a", BLOB)], CLOB),
]
INSERT = "INSERT INTO T VALUES (:a)"


class Session:
    """It executes nothing. The rows with these numbers have an error of this code."""

    def __init__(self, rows: Sequence[int] = (), code: int = 0) -> None:
        self.rows, self.code, self.commits = rows, code, 0
        self.executed: list[int | None] = []

    def connect(self, user: str) -> Self:
        return self

    def execute(
        self, sql: str, values: Any, sizes: Any, row: int | None = None
    ) -> Result:
        self.executed.append(row)
        if row in self.rows:
            raise oracle_error(self.code)
        return Result(count=1)

    def commit(self) -> None:
        self.commits += 1

    def rollback(self) -> None:
        """There is nothing to end, here and below."""

    close = rollback


def double() -> Connection:
    return Connection(Session(), "", "19.3.0.0.0")


def said(rows: list[Any], size: Any) -> str | None:
    """Return what the double says of an array, None if it takes it."""
    cursor = double().cursor()
    cursor.setinputsizes(size)
    try:
        cursor.executemany(INSERT, [[value] for value in rows])
    except (oracledb.Error, TypeError) as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def real() -> wire.Wire:
    found = wire.Wire()
    try:
        found.sends(INSERT, [1])
    except wire.Unlike as error:
        pytest.skip(str(error))
    return found


@pytest.mark.parametrize(("rows", "size", "taken"), ARRAYS)
def test_the_double_takes_what_the_driver_takes(
    rows: list[Any], size: Any, taken: bool, real: wire.Wire
) -> None:
    assert (said(rows, size) is None) == taken
    sizes = [size] if size else []
    sent = real.sends(INSERT, [[value] for value in rows], sizes, batcherrors=False)
    assert (sent is None) == taken, sent


@pytest.mark.parametrize(("rows", "size"), STRICTER)
def test_the_double_is_stricter_where_the_driver_converts(
    rows: list[Any], size: Any, real: wire.Wire
) -> None:
    assert said(rows, size)
    sizes = [size] if size else []
    every = [[value] for value in rows]
    assert real.sends(INSERT, every, sizes, batcherrors=False) is None


@pytest.mark.parametrize(
    ("kind", "content", "taken"),
    [
        *((BLOB, b"a", True), (BLOB, None, True), (CLOB, "", True), (NCLOB, "a", True)),
        *((BLOB, wire.Bytes(b"a"), False), (BLOB, 1, False), (CLOB, 1, False)),
        (oracledb.DB_TYPE_RAW, b"a", False),
    ],
)
def test_lobs(kind: Any, content: Any, taken: bool, real: wire.Wire) -> None:
    try:
        double().createlob(kind, content)
        found = True
    except TypeError:
        found = False
    assert found == taken
    # Without a content the driver sends nothing after it has made the LOB.
    expected = "the driver sent nothing" if taken and not content else None
    sent = real.refusal(lambda session: session.createlob(kind, content))
    assert (sent == expected) == taken


def mixed(cursor: Any) -> None:
    cursor.setinputsizes(int)
    cursor.execute(INSERT, {"a": 1})


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda cursor: cursor.executemany(INSERT, ([1],)), "DPY-2004"),
        (lambda cursor: cursor.execute(INSERT, "a"), "DPY-2003"),
        (
            lambda cursor: cursor.executemany(
                "SELECT :a FROM DUAL", [[1]], batcherrors=True
            ),
            "DPY-2040",
        ),
        (lambda cursor: cursor.setinputsizes(1, a=1), "DPY-2005"),
        (lambda cursor: cursor.setinputsizes("a"), "DPY-2007"),
        (lambda cursor: cursor.var(dict), "DPY-3003"),
        (
            lambda cursor: (
                cursor.setinputsizes(int),
                cursor.execute(INSERT, {"a": 1}),
            ),
            "DPY-2006",
        ),
    ],
)
def test_arguments(call: Any, code: str, real: wire.Wire) -> None:
    with pytest.raises(oracledb.Error, match=code):
        call(double().cursor())
    assert code in (real.refusal(lambda session: call(session.cursor())) or "")


def failing(rows: Sequence[int], code: int) -> tuple[Session, Cursor]:
    session = Session(rows, code)
    connection = Connection(session, "", "19.3.0.0.0")
    connection.autocommit = True
    return session, connection.cursor()


ROWS = [[number] for number in range(4)]


def test_an_array_stops_at_the_first_error_and_commits_nothing() -> None:
    session, cursor = failing([2], 1)
    with pytest.raises(oracledb.IntegrityError):
        cursor.executemany(INSERT, ROWS)
    assert (cursor.rowcount, session.commits) == (2, 0)
    assert session.executed == [0, 1, 2]


def test_batch_errors_have_their_rows() -> None:
    session, cursor = failing([1, 3], 1)
    cursor.executemany(INSERT, ROWS, batcherrors=True)
    errors = cursor.getbatcherrors()
    assert [(error.offset, error.code) for error in errors] == [(1, 1), (3, 1)]
    assert errors[0].full_code == "ORA-00001"
    assert (cursor.rowcount, session.commits) == (2, 0)
    session, cursor = failing([], 1)
    cursor.executemany(INSERT, ROWS, batcherrors=True)
    assert (cursor.getbatcherrors(), session.commits) == ([], 1)


def test_an_error_of_the_statement_is_none_of_a_row() -> None:
    _, cursor = failing([0], 942)
    with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
        cursor.executemany(INSERT, ROWS, batcherrors=True)


def test_an_array_that_is_too_large_for_thick_mode() -> None:
    rows = [{"a": b"a" * (1 << 20)}] * (1 << 11)
    with pytest.raises(oracledb.Error, match="DPI-1015"):
        driver.check_rows(rows, {})
    driver.check_rows(rows[:1000], {})


def test_planted_mistakes_are_refused(real: wire.Wire) -> None:
    for name, mistake in wire.MISTAKES.items():
        assert mistake(real), name


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    ("kind", "read_as", "first", "again"),
    [
        ("BLOB", "LONG_RAW", ["execute", "define", "fetch"], ["execute", "fetch"]),
        ("BLOB", "RAW", ["execute", "define", "fetch"], ["execute", "fetch"]),
        ("RAW", "RAW", ["execute"], ["execute"]),
    ],
)
def test_round_trips_of_a_query(
    kind: str, read_as: str, first: list[str], again: list[str]
) -> None:
    """No handler of outputs saves the second one where a column is a LOB."""
    server = Answers([("K", "VARCHAR"), ("V", kind)])
    connection = wire.Session(server.port)
    connection.stmtcachesize, connection.call_timeout = 20, 10_000

    def handler(cursor: Any, name: str, found: Any, *_: object) -> Any:
        if found is BLOB:
            wanted = getattr(oracledb, f"DB_TYPE_{read_as}")
            return cursor.var(wanted, arraysize=cursor.arraysize)
        return None

    for expected in (first, again, again):
        server.calls.clear()
        with connection.cursor() as cursor:
            cursor.outputtypehandler = handler
            cursor.execute("SELECT K, V FROM T WHERE K = :a", ["x"])
            assert cursor.fetchall() == [("x", b"x")]
        assert server.calls == expected


def test_a_driver_with_other_internals_is_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = import_module("oracledb.thin_impl")
    monkeypatch.setattr(module, "ThinConnImpl", object)
    with pytest.raises(wire.Unlike, match="connects in another way"):
        wire.Wire().sends(INSERT, [1])
    monkeypatch.setattr(child, "told", lambda *_, **__: {"unlike": "other"})
    with pytest.raises(Unavailable, match="other"):
        ladder.encoded(Path())


def test_what_the_driver_refuses_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"version": "1", "calls": 2, "bytes": 3, "refused": ["x"], "missed": ["y"]}
    monkeypatch.setattr(child, "told", lambda *_, **__: told)
    [line], findings, _ = ladder.encoded(Path())
    assert line == "oracledb 1 encodes 2 calls in 3 bytes, 2 findings"
    assert findings == ["the driver refuses: x", "the driver lets a mistake pass: y"]
