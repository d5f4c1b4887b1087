"""The double of oracledb.connect: pure parts, and both engines behind it."""

import datetime
import decimal
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oracledb
import pytest

from databases import urls
from databases.servers import Database, running
from databases.standins import VERSION_23
from databases.targets import Unavailable, resolve, targets
from lab.client import environment
from lab.oracle import standin
from lab.oracle.standin.connection import Lob, Variable, named
from lab.oracle.standin.engine import check_lengths
from lab.oracle.standin.errors import commit_error, driver_error, oracle_error
from lab.oracle.standin.h2 import H2Session
from lab.oracle.standin.literals import literal
from lab.oracle.standin.postgresql import PostgreSQLSession
from lab.oracle.standin.translation import split_returning, translate
from suite.cells import run_cell
from tests.conftest import here

SCRIPTS = Path(__file__).parents[1]
BACK = -datetime.timedelta(days=1, seconds=3723, microseconds=4)


@pytest.mark.parametrize(
    ("value", "for_h2", "for_postgresql"),
    [
        (None, "NULL", None),
        ("", "NULL", None),
        (b"", "NULL", None),
        ("it's :arg0", "'it''s :arg0'", None),
        (True, "TRUE", None),
        (-7, "(-7)", None),
        (-0.5, "(-0.5)", None),
        (decimal.Decimal("1E+3"), "1000", None),
        (datetime.date(2026, 1, 2), "DATE '2026-01-02'", None),
        (
            datetime.datetime(999, 2, 3, 4, 5, 6, 7),
            "TIMESTAMP '0999-02-03 04:05:06.000007'",
            None,
        ),
        (
            BACK,
            "INTERVAL '-1 01:02:03.000004' DAY(9) TO SECOND(6)",
            "INTERVAL '-1 -01:02:03.000004' DAY TO SECOND",
        ),
        (b"\x00\xff", "X'00ff'", r"CAST('\x00ff' AS BYTEA)"),
        (Lob(b"\xff"), "CAST(X'ff' AS BLOB)", r"CAST('\xff' AS BYTEA)"),
        (Lob("it's"), "CAST('it''s' AS NCLOB)", "CAST('it''s' AS TEXT)"),
    ],
)
def test_literals(value: object, for_h2: str, for_postgresql: str | None) -> None:
    assert literal(value, H2Session.forms) == for_h2
    assert literal(value, PostgreSQLSession.forms) == (for_postgresql or for_h2)


@pytest.mark.parametrize("value", [datetime.time(1, 2), Variable(int), object()])
def test_a_value_that_the_driver_would_not_take(value: object) -> None:
    with pytest.raises(oracledb.NotSupportedError, match=type(value).__name__):
        literal(value, H2Session.forms)


def test_binds_are_those_that_the_driver_would_take() -> None:
    assert named("SELECT :arg0 FROM T", {":arg0": 1}) == {"arg0": 1}
    with pytest.raises(oracledb.DatabaseError, match=r'DPY-4010.*":b"'):
        named("SELECT :a, :b FROM T", {"a": 1})
    with pytest.raises(oracledb.DatabaseError, match=r"DPY-4009: 2 .* 1 "):
        named("SELECT :a, :b FROM T", [1])


MERGE = (
    'MERGE INTO "T" USING (SELECT TO_NUMBER(:arg0) col_0, :arg1 col_1 FROM DUAL'
    " UNION ALL SELECT TO_NUMBER(:arg2), :arg3 FROM DUAL) excluded"
    ' ON ("T"."ID" = excluded.col_0) WHEN MATCHED THEN UPDATE SET'
    ' "NAME" = excluded.col_1{} WHEN NOT MATCHED THEN INSERT ("ID", "NAME")'
    " VALUES (excluded.col_0, excluded.col_1)"
)


def test_a_merge_is_changed_no_more_than_has_to_be() -> None:
    sql = MERGE.format(' WHERE "T"."N" < :arg4')
    [for_h2] = translate(sql, H2Session.dialect)
    expected = sql.replace("TO_NUMBER(:arg0)", "CAST(:arg0 AS DECFLOAT(38))")
    assert for_h2 == expected.replace("TO_NUMBER(:arg2)", "CAST(:arg2 AS DECFLOAT(38))")
    [for_postgresql] = translate(sql, PostgreSQLSession.dialect)
    assert (
        'WHEN MATCHED AND "t"."n" < :arg4 THEN UPDATE SET "name" = excluded.col_1'
        ' WHEN NOT MATCHED THEN INSERT ("id",' in for_postgresql
    )
    assert for_postgresql.count("CAST(:arg0 AS NUMERIC) col_0") == 1


@pytest.mark.parametrize(
    "update",
    [
        # No condition, and one in brackets or in a text, which is not the update's.
        "",
        ', "N" = (SELECT 1 FROM DUAL WHERE 1 = 1)',
        ", \"S\" = ' WHERE '",
    ],
)
def test_what_is_no_condition_of_an_update_stays(update: str) -> None:
    # Nor is the table before a column hidden, which PostgreSQL refuses.
    merge = MERGE.format(update).replace('SET "NAME"', 'SET "T"."NAME"')
    [sql] = translate(merge, PostgreSQLSession.dialect)
    assert 'WHEN MATCHED THEN UPDATE SET "t"."name" = excluded.col_1' in sql
    assert sql.count("WHERE") == update.count("WHERE")


@pytest.mark.parametrize(
    ("sql", "for_h2", "for_postgresql"),
    [
        (
            "SELECT 'TO_DATE(x) NCLOB', TO_DATE(f(:a, 1)) FROM DUAL",
            ["SELECT 'TO_DATE(x) NCLOB', CAST(f(:a, 1) AS DATE) FROM DUAL"],
            ["SELECT 'TO_DATE(x) NCLOB', CAST(f(:a, 1) AS TIMESTAMP(0)) FROM DUAL"],
        ),
        (
            "SELECT TO_TIMESTAMP(:a, 'YYYY') FROM DUAL",
            *[["SELECT TO_TIMESTAMP(:a, 'YYYY') FROM DUAL"]] * 2,
        ),
        (
            "SELECT LISTAGG(LOWER(a), ',')\n    WITHIN GROUP (ORDER BY b), ' = ANY(x)'"
            " FROM t WHERE c = ANY('P', 'U') AND e = ANY(SELECT 1 FROM DUAL)",
            [
                "SELECT LISTAGG(LOWER(a), ',')\n    WITHIN GROUP (ORDER BY b),"
                " ' = ANY(x)' FROM t WHERE c IN ('P', 'U')"
                " AND e = ANY(SELECT 1 FROM DUAL)"
            ],
            [
                "SELECT string_agg(LOWER(a), ',' ORDER BY b), ' = ANY(x)'"
                " FROM t WHERE c IN ('P', 'U') AND e = ANY(SELECT 1 FROM DUAL)"
            ],
        ),
        (
            'SELECT 1 FROM "A" FOR UPDATE OF "A"."X", "B"."Y" NOWAIT',
            ['SELECT 1 FROM "A" FOR UPDATE NOWAIT'],
            ['SELECT 1 FROM "a" FOR UPDATE OF "a", "b" NOWAIT'],
        ),
        ("SET CONSTRAINTS ALL IMMEDIATE", [], ["SET CONSTRAINTS ALL IMMEDIATE"]),
        ("ALTER SESSION SET NLS_TERRITORY = 'AMERICA'", [], []),
    ],
)
def test_statements(sql: str, for_h2: list[str], for_postgresql: list[str]) -> None:
    assert [*translate(sql, H2Session.dialect)] == for_h2
    assert [*translate(sql, PostgreSQLSession.dialect)] == for_postgresql


def test_returning_in_a_text_is_no_clause() -> None:
    sql = "INSERT INTO T VALUES (' RETURNING A INTO :b')"
    assert split_returning(sql) == (sql, "", [])
    found = split_returning(f'{sql} RETURNING "T"."A", "T"."B" INTO :c, :d')
    assert found == (sql, '"T"."A", "T"."B"', ["c", "d"])


def test_errors_are_those_of_the_driver() -> None:
    for code in (1, 1400, 2290, 2291, 2292):
        assert type(oracle_error(code)) is oracledb.IntegrityError
    for code, full_code in ((942, "ORA-00942"), (0, "")):
        raised = oracle_error(code, "its own words")
        assert type(raised) is oracledb.DatabaseError
        [error] = raised.args
        assert (error.code, error.full_code) == (code, full_code)
        assert "its own words" in error.message
    [error] = commit_error(oracle_error(2291, "no parent")).args
    assert error.code == 2091
    assert "ORA-02291" in error.message
    assert commit_error(oracle_error(60)).args[0].code == 60
    closed = driver_error("DPY-1006: cursor is not open")
    assert type(closed) is oracledb.InterfaceError


def test_types_that_are_too_long_for_oracle() -> None:
    check_lengths('CREATE TABLE "T" ("A" VARCHAR2(4000), "B" NVARCHAR2(2000))')
    for kind in ("VARCHAR2(4001)", "NVARCHAR2(2001)"):
        with pytest.raises(oracledb.DatabaseError, match="ORA-00910"):
            check_lengths(f"SELECT CAST('a' AS {kind}) FROM DUAL")


def test_stand_ins_are_named_only_and_have_users_of_their_own() -> None:
    for name in ("standin-h2", "standin-h2-23", "standin-postgres"):
        assert resolve(name) not in targets()
    entries = urls.databases("oracle+h2:///?version=19.0.0.0.0", "run1")
    assert [entry["USER"] for entry in entries.values()] == ["run1", "run1_other"]
    tests: list[Any] = [entry["TEST"] for entry in entries.values()]
    assert [test["USER"] for test in tests] == ["test_run1", "test_run1_other"]
    assert not any(test["CREATE_DB"] or test["CREATE_USER"] for test in tests)
    with pytest.raises(ValueError, match="oracle is no stand-in"):
        standin.engine_of("oracle://u:p@host/service")


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_without_h2_or_java(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jpype = pytest.importorskip("jpype")
    if content is not None:
        (tmp_path / "h2.jar").write_bytes(content)
    monkeypatch.setenv("TEST_H2_JAR", str(tmp_path / "h2.jar"))
    monkeypatch.setattr(jpype, "getDefaultJVMPath", lambda: "somewhere")
    with pytest.raises(Unavailable) as caught, running(resolve("standin-h2")):
        pass
    assert "h2.jar" in caught.value.reason
    assert "libh2-java" in caught.value.command

    def nothing() -> str:
        raise jpype.JVMNotFoundException("none")

    monkeypatch.setattr(jpype, "getDefaultJVMPath", nothing)
    with pytest.raises(Unavailable, match="no Java"), running(resolve("standin-h2")):
        pass


@pytest.fixture(scope="module", params=["standin-h2", "standin-postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    with here(request.param) as found:
        yield found


PROGRAM = """
import json, sys, oracledb
from lab.oracle import standin

standin.install(sys.argv[1])
connection = oracledb.connect(user=sys.argv[2], password="", dsn="")
cursor = connection.cursor()
told = [connection.version]
for sql, *values in json.load(sys.stdin):
    try:
        if sql == "COMMIT":
            told.append(connection.commit())
            continue
        if sql == "MANY":
            sql, rows, goes_on = values
            cursor.executemany(sql, rows, batcherrors=goes_on)
            errors = [(each.offset, each.code) for each in cursor.getbatcherrors()]
            told.append([cursor.rowcount, errors])
            continue
        cursor.execute(sql, values)
        told.append(cursor.fetchall() if cursor.description else cursor.rowcount)
    except oracledb.Error as error:
        told.append([type(error).__name__, error.args[0].code, str(error)])
json.dump(told, sys.stdout, default=lambda value:
    value.read() if isinstance(value, oracledb.LOB) else str(value))
"""


def output(env: dict[str, str], *command: str, statements: object = None) -> Any:
    """Run Python in a process of its own; return the JSON that it prints.

    The Java machine is not to be in the process that runs all the tests.
    """
    done = subprocess.run(
        [sys.executable, *command],
        input=json.dumps(statements),
        env=env,
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(database: Database, *statements: tuple[object, ...]) -> list[Any]:
    """Run statements; return the version, then what each gave."""
    env = database.environment()
    user = env["STACK_DATABASE_NAME"]
    found = output(env, "-c", PROGRAM, database.url, user, statements=statements)
    return [*found]


KEYED = (
    'CREATE TABLE "T" ("ID" NUMBER(11) GENERATED BY DEFAULT ON NULL AS IDENTITY'
    ' PRIMARY KEY, "NAME" NVARCHAR2(20) NOT NULL UNIQUE, "N" NUMBER(11) NULL'
    ' CHECK ("N" >= 0), "TEXT" NCLOB NULL)'
)
CHILD = (
    'CREATE TABLE "C" ("T" NUMBER(11) REFERENCES "T" ("ID")'
    " DEFERRABLE INITIALLY DEFERRED)"
)
INSERT = 'INSERT INTO "T" ("NAME", "N") VALUES (:a, :b)'
UNION = (
    'INSERT INTO "T" ("NAME") SELECT * FROM (SELECT :a col_0 FROM DUAL'
    " UNION ALL SELECT :b FROM DUAL)"
)


@pytest.mark.slow
def test_the_version_says_what_it_is(database: Database) -> None:
    engine, _, reported = database.version.partition(" as ")
    assert engine.startswith(("H2 ", "PostgreSQL "))
    assert told(database) == [reported]
    assert database.alive()
    with here("standin-h2-23") as newer:
        assert told(newer, ("SELECT 1",)) == [VERSION_23, [[1]]]


@pytest.mark.slow
def test_errors_and_what_a_failed_statement_leaves(database: Database) -> None:
    errors = [
        (("SELEC 1 FROM DUAL",), "DatabaseError", 900),
        (('SELECT "X" FROM "T"',), "DatabaseError", 904),
        (('SELECT 1 FROM "X"',), "DatabaseError", 942),
        ((INSERT, "", 1), "IntegrityError", 1400),
        ((INSERT, "a", -1), "IntegrityError", 2290),
        ((INSERT, "first", 1), "IntegrityError", 1),
        ((UNION, "second", "first"), "IntegrityError", 1),
        ((INSERT, "n" * 21, 1), "DatabaseError", 12899),
    ]
    found = told(
        database,
        (KEYED,),
        (INSERT, "first", 1),
        *(statement for statement, *_ in errors),
        (INSERT, "third", 3),
        ('SELECT "NAME" FROM "T" ORDER BY 1',),
    )
    assert [tuple(error[:2]) for error in found[3:-2]] == [
        (kind, code) for _, kind, code in errors
    ]
    # No row of the statements that failed, and the one before them is still there.
    assert found[-1] == [["first"], ["third"]]


@pytest.mark.slow
def test_foreign_keys(database: Database) -> None:
    found = told(
        database,
        *((KEYED,), (CHILD,), ('INSERT INTO "C" VALUES (7)',), ("COMMIT",)),
        *(('SELECT COUNT(*) FROM "C"',), (INSERT, "parent", 1)),
        *(('INSERT INTO "C" VALUES (1)',), ("COMMIT",)),
        *(('DELETE FROM "T"',), ("COMMIT",)),
    )
    _, _, _, child, commit, count, _, _, _, parent, last = found
    assert count == [[0]]
    if "H2" in database.version:
        assert (child[1], commit) == (2291, None)
        assert (parent[1], last) == (2292, None)
    else:
        assert (child, commit[:2]) == (1, ["DatabaseError", 2091])
        assert "ORA-02291" in commit[2]
        assert (parent, last[1]) == (1, 2091)
        assert "ORA-02292" in last[2]


@pytest.mark.slow
def test_arrays(database: Database) -> None:
    merge = (
        'MERGE INTO "T" USING (SELECT :a col_0, TO_NUMBER(:b) col_1 FROM DUAL)'
        ' "excluded" ON ("T"."NAME" = "excluded".col_0) WHEN MATCHED THEN UPDATE SET'
        ' "N" = "excluded".col_1 WHEN NOT MATCHED THEN INSERT ("NAME", "N")'
        ' VALUES ("excluded".col_0, "excluded".col_1)'
    )
    names = ('SELECT "NAME", "N" FROM "T" ORDER BY 1',)
    found = told(
        database,
        (KEYED,),
        # The second row of a key, and a row that the table refuses.
        ("MANY", INSERT, [["a", 1], ["a", 2], ["b", -1], ["c", 3]], True),
        ("MANY", merge, [["a", 4], ["d", 5], ["d", 6]], True),
        names,
        ("MANY", INSERT, [["e", 1], ["a", 2], ["f", 3]], False),
        names,
    )
    assert found[2:4] == [[2, [[1, 1], [2, 2290]]], [3, []]]
    assert found[4] == [["a", 4], ["c", 3], ["d", 6]]
    # It stops at the first error, and the row before it stays.
    assert found[5][1] == 1
    assert found[6] == [*found[4], ["e", 1]]


@pytest.mark.slow
def test_merges(database: Database) -> None:
    update = MERGE.format(' WHERE "T"."N" < :arg4')
    values = [1, "new 1", 2, "new 2"]
    names = ('SELECT "ID", "NAME" FROM "T" ORDER BY 1',)
    # More rows than H2 can take without a deep stack.
    numbers = range(1000)
    rows = " UNION ALL ".join(
        f"SELECT TO_NUMBER(:a{number}) col_0 FROM DUAL" for number in numbers
    )
    many = (
        f'MERGE INTO "T" USING ({rows}) excluded ON ("T"."N" = excluded.col_0)'
        ' WHEN NOT MATCHED THEN INSERT ("NAME") VALUES (excluded.col_0)'
    )
    found = told(
        database,
        *((KEYED,), (INSERT, "old", 5000), (update, *values, 5000), names),
        *((update, *values, 5001), names),
        *(('TRUNCATE TABLE "T"',), (many, *numbers)),
    )
    # They count the rows that they write.
    assert found[3:5] == [1, [[1, "old"], [2, "new 2"]]]
    assert found[5:7] == [1, [[1, "new 1"], [2, "new 2"]]]
    assert found[8] == 1000


@pytest.mark.slow
def test_the_second_merge_waits_and_gets_a_violation(
    database: Database, stock: Path
) -> None:
    env = environment(stock, database.url)
    found = output(env, "-m", "lab.oracle.merge_race", database.target.name)
    assert found["race"] == {"waited": True, "error": 1, "rows": [["key", 1]]}
    assert all(found["refused"].values())
    # H2 takes each mistake that the grammars find.
    assert bool(found["refused"]) == (database.target.name == "standin-postgres")


@pytest.mark.slow
def test_tests_of_django_run(database: Database, stock: Path, tmp_path: Path) -> None:
    # Threads, transactions and RETURNING INTO among them.
    labels = ["get_or_create", "basic.tests.ConcurrentSaveTests"]
    cell = run_cell(database, stock, "stock", labels, log=tmp_path / "log")
    assert cell.ok
    assert cell.passed > 20
