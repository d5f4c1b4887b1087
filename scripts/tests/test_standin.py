"""The double of oracledb.connect: pure parts, and both engines behind it."""

import datetime
import decimal
import doctest
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import oracledb
import pytest

from databases import urls
from databases.servers import Database, running
from databases.targets import Unavailable, resolve, targets
from lab.client import environment
from lab.oracle import standin
from lab.oracle.standin import h2, postgresql
from lab.oracle.standin.common import check_lengths
from lab.oracle.standin.connection import Variable, named
from lab.oracle.standin.dictionary import dependents
from lab.oracle.standin.errors import (
    EngineError,
    commit_error,
    driver_error,
    oracle_error,
)
from lab.oracle.standin.literals import literal
from lab.oracle.standin.lob import Lob
from lab.oracle.standin.translation import Dialect, Rule, split_returning, translate
from suite.matrix import run_cell

SCRIPTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name",
    [
        *("__init__", "connection", "dictionary", "h2"),
        *("literals", "postgresql", "scan", "translation"),
    ],
)
def test_examples(name: str) -> None:
    path = f"lab.oracle.standin.{name}".removesuffix(".__init__")
    module = importlib.import_module(path)
    assert doctest.testmod(module).failed == 0


MOMENT = datetime.datetime(999, 2, 3, 4, 5, 6, 7)
BACK = -datetime.timedelta(days=1, seconds=3723, microseconds=4)


@pytest.mark.parametrize(
    ("value", "for_h2", "for_postgresql"),
    [
        (None, "NULL", "NULL"),
        ("", "NULL", "NULL"),
        (b"", "NULL", "NULL"),
        ("it's :arg0", "'it''s :arg0'", "'it''s :arg0'"),
        (True, "TRUE", "TRUE"),
        (7, "7", "7"),
        (-7, "(-7)", "(-7)"),
        (-0.5, "(-0.5)", "(-0.5)"),
        (decimal.Decimal("1E+3"), "1000", "1000"),
        (datetime.date(2026, 1, 2), "DATE '2026-01-02'", "DATE '2026-01-02'"),
        (MOMENT, *["TIMESTAMP '0999-02-03 04:05:06.000007'"] * 2),
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
def test_literals(value: object, for_h2: str, for_postgresql: str) -> None:
    assert literal(value, h2.H2.forms) == for_h2
    assert literal(value, postgresql.PostgreSQL.forms) == for_postgresql


@pytest.mark.parametrize("value", [datetime.time(1, 2), Variable(int), object()])
def test_a_value_that_the_driver_would_not_take(value: object) -> None:
    with pytest.raises(oracledb.NotSupportedError, match=type(value).__name__):
        literal(value, h2.H2.forms)


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
    [for_h2] = translate(sql, h2.DIALECT)
    expected = sql.replace("TO_NUMBER(:arg0)", "CAST(:arg0 AS DECFLOAT(38))")
    assert for_h2 == expected.replace("TO_NUMBER(:arg2)", "CAST(:arg2 AS DECFLOAT(38))")
    [for_postgresql] = translate(sql, postgresql.DIALECT)
    assert 'WHEN MATCHED AND "t"."n" < :arg4 THEN UPDATE SET' in for_postgresql
    assert for_postgresql.count("WHERE") == 0
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
    [sql] = translate(MERGE.format(update), postgresql.DIALECT)
    assert "WHEN MATCHED THEN UPDATE SET" in sql
    assert sql.count("WHERE") == update.count("WHERE")


def test_what_postgresql_refuses_is_not_hidden() -> None:
    sql = MERGE.format("").replace('SET "NAME"', 'SET "T"."NAME"')
    [translated] = translate(sql, postgresql.DIALECT)
    assert 'SET "t"."name" = excluded.col_1' in translated


@pytest.mark.parametrize(
    ("sql", "for_h2", "for_postgresql"),
    [
        (
            "SELECT 'TO_DATE(x) NCLOB', TO_DATE(:a) FROM DUAL",
            ["SELECT 'TO_DATE(x) NCLOB', CAST(:a AS DATE) FROM DUAL"],
            ["SELECT 'TO_DATE(x) NCLOB', CAST(:a AS TIMESTAMP(0)) FROM DUAL"],
        ),
        (
            "SELECT TO_TIMESTAMP(:a, 'YYYY') FROM DUAL",
            *[["SELECT TO_TIMESTAMP(:a, 'YYYY') FROM DUAL"]] * 2,
        ),
        (
            'INSERT INTO "T" ("A") SELECT * FROM (SELECT :a col_0 FROM DUAL)',
            ['INSERT INTO "T" ("A") SELECT * FROM (SELECT :a col_0 FROM DUAL)'],
            [
                'INSERT INTO "t" ("a") SELECT * FROM (SELECT :a col_0 FROM DUAL)'
                " inserted"
            ],
        ),
        (
            "SELECT LISTAGG(LOWER(a), ',')\n    WITHIN GROUP (ORDER BY b), ' = ANY(x)'"
            " FROM t WHERE c = ANY('P', 'U') AND d >= ANY(1, 2)"
            " AND e = ANY(SELECT 1 FROM DUAL)",
            [
                "SELECT LISTAGG(LOWER(a), ',')\n    WITHIN GROUP (ORDER BY b),"
                " ' = ANY(x)' FROM t WHERE c IN ('P', 'U') AND d >= ANY(1, 2)"
                " AND e = ANY(SELECT 1 FROM DUAL)"
            ],
            [
                "SELECT string_agg(LOWER(a), ',' ORDER BY b), ' = ANY(x)'"
                " FROM t WHERE c IN ('P', 'U') AND d >= ANY(1, 2)"
                " AND e = ANY(SELECT 1 FROM DUAL)"
            ],
        ),
        ("SET CONSTRAINTS ALL IMMEDIATE", [], ["SET CONSTRAINTS ALL IMMEDIATE"]),
        ("ALTER SESSION SET NLS_TERRITORY = 'AMERICA'", [], []),
        (
            'TRUNCATE TABLE "T"',
            [
                'ALTER TABLE "T" SET REFERENTIAL_INTEGRITY FALSE',
                'TRUNCATE TABLE "T"',
                'ALTER TABLE "T" SET REFERENTIAL_INTEGRITY TRUE',
            ],
            [
                "SET session_replication_role = replica",
                'DELETE FROM "t"',
                "SET session_replication_role = DEFAULT",
            ],
        ),
    ],
)
def test_statements(sql: str, for_h2: list[str], for_postgresql: list[str]) -> None:
    assert list(translate(sql, h2.DIALECT)) == for_h2
    assert list(translate(sql, postgresql.DIALECT)) == for_postgresql


@pytest.mark.parametrize("dialect", [h2.DIALECT, postgresql.DIALECT])
def test_each_rule_has_a_reason(dialect: Dialect) -> None:
    rules: list[Any] = [*dialect.wholes, *dialect.rules]
    assert all(len(rule.reason) > 10 for rule in rules)
    assert all(isinstance(rule, Rule) for rule in dialect.rules)


def test_returning_in_a_text_is_no_clause() -> None:
    sql = "INSERT INTO T VALUES (' RETURNING A INTO :b')"
    assert split_returning(sql) is None
    found = split_returning(f'{sql} RETURNING "T"."A", "T"."B" INTO :c, :d')
    assert found is not None
    assert found.statement == sql
    assert found.binds == ("c", "d")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, oracledb.IntegrityError),
        (1400, oracledb.IntegrityError),
        (2290, oracledb.IntegrityError),
        (2291, oracledb.IntegrityError),
        (2292, oracledb.IntegrityError),
        (942, oracledb.DatabaseError),
        (0, oracledb.DatabaseError),
    ],
)
def test_errors_are_those_of_the_driver(code: int, kind: type[Exception]) -> None:
    raised = oracle_error(EngineError(code, "its own words"), "H2")
    assert type(raised) is kind
    [error] = raised.args
    assert error.code == code
    assert "its own words" in error.message
    assert error.full_code == (f"ORA-{code:05}" if code else "H2")


def test_violations_at_commit() -> None:
    [error] = commit_error(EngineError(2291, "no parent"), "PostgreSQL").args
    assert error.code == 2091
    assert "ORA-02291" in error.message
    [error] = commit_error(EngineError(60, "deadlock"), "PostgreSQL").args
    assert error.code == 60
    assert type(driver_error(0, "DPY-1006: cursor is not open")) is (
        oracledb.InterfaceError
    )


def test_types_that_are_too_long_for_oracle() -> None:
    check_lengths('CREATE TABLE "T" ("A" VARCHAR2(4000), "B" NVARCHAR2(2000))')
    for kind in ("VARCHAR2(4001)", "NVARCHAR2(2001)"):
        with pytest.raises(oracledb.DatabaseError) as caught:
            check_lengths(f"SELECT CAST('a' AS {kind}) FROM DUAL")
        assert caught.value.args[0].code == 910


def test_dependents_of_tables_in_a_circle() -> None:
    keys = (("A", "A_B", "B"), ("B", "B_A", "A"), ("B", "B_B", "B"), ("C", "C_D", "D"))
    assert dependents(keys, "A") == (("B", "B_A"), ("B", "B_B"))


def test_a_lob_is_one_to_django() -> None:
    lob = Lob("text")
    assert isinstance(lob, oracledb.LOB)
    assert lob.read() == "text"
    assert lob.read(2, 2) == "ex"
    assert lob.size() == 4


def test_targets_are_named_only() -> None:
    names = {"standin-h2": "standin_h2", "standin-h2-23": "standin_h2"}
    names["standin-postgres"] = "standin_postgres"
    for name, family in names.items():
        assert resolve(name).family == family
        assert resolve(name) not in targets()


def test_each_alias_has_a_user_that_django_does_not_create() -> None:
    entries = urls.databases("oracle+h2:///?version=19.0.0.0.0", "run1")
    assert [entry["USER"] for entry in entries.values()] == ["run1", "run1_other"]
    tests: list[Any] = [entry["TEST"] for entry in entries.values()]
    assert [test["USER"] for test in tests] == ["test_run1", "test_run1_other"]
    assert not any(test["CREATE_DB"] or test["CREATE_USER"] for test in tests)


def test_an_engine_that_is_none() -> None:
    with pytest.raises(ValueError, match="oracle is no stand-in"):
        standin.engine_of("oracle://u:p@host/service")


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_without_h2(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("jpype")
    if content is not None:
        (tmp_path / "h2.jar").write_bytes(content)
    monkeypatch.setenv("TEST_H2_JAR", str(tmp_path / "h2.jar"))
    monkeypatch.setattr("jpype.getDefaultJVMPath", lambda: "somewhere")
    with pytest.raises(Unavailable) as caught, running(resolve("standin-h2")):
        pass
    assert "h2.jar" in caught.value.reason
    assert "libh2-java" in caught.value.command


def test_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    jpype = pytest.importorskip("jpype")

    def nothing() -> str:
        raise jpype.JVMNotFoundException("none")

    monkeypatch.setattr(jpype, "getDefaultJVMPath", nothing)
    with (
        pytest.raises(Unavailable, match="no Java"),
        running(resolve("standin-h2")),
    ):
        pass


@contextmanager
def here(name: str) -> Iterator[Database]:
    """The database, or a skip that says why it cannot be had."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(running(resolve(name)))
        except Unavailable as reason:
            pytest.skip(f"{reason.reason}: {reason.command}")
        yield found


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
        cursor.execute(sql, values)
        told.append(cursor.fetchall() if cursor.description else cursor.rowcount)
    except oracledb.Error as error:
        told.append([type(error).__name__, error.args[0].code, str(error)])
json.dump(told, sys.stdout, default=lambda value:
    value.read() if isinstance(value, oracledb.LOB) else str(value))
"""


def told(database: Database, *statements: tuple[object, ...]) -> list[Any]:
    """Run statements in a process of its own; the version, then what each gave.

    The Java machine is not to be in the process that runs all the tests.
    """
    user = database.environment()["STACK_DATABASE_NAME"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, database.url, user],
        input=json.dumps(statements),
        cwd=SCRIPTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def run_labels(database: Database, stock: Path, logs: Path, *labels: str) -> None:
    cell = run_cell(database, stock, "stock", labels, log=logs / "log")
    assert cell.ok
    assert cell.passed > 20


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


def test_the_version_says_what_it_is(database: Database) -> None:
    engine, _, reported = database.version.partition(" as ")
    assert engine.startswith(("H2 ", "PostgreSQL "))
    assert told(database) == [reported]
    assert database.alive()


def test_a_version_without_dual(stock: Path, tmp_path: Path) -> None:
    with here("standin-h2-23") as database:
        assert told(database, ("SELECT 1",)) == [standin.VERSION_23, [[1]]]
        run_labels(database, stock, tmp_path, "basic.tests.ModelTest")


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


def test_foreign_keys(database: Database) -> None:
    found = told(
        database,
        (KEYED,),
        (CHILD,),
        ('INSERT INTO "C" VALUES (7)',),
        ("COMMIT",),
        ('SELECT COUNT(*) FROM "C"',),
        (INSERT, "parent", 1),
        ('INSERT INTO "C" VALUES (1)',),
        ("COMMIT",),
        ('DELETE FROM "T"',),
        ("COMMIT",),
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


CONSTRAINTS = """
import json, sys, django
from django.db import connection

django.setup()
with connection.cursor() as cursor:
    for sql in json.load(sys.stdin):
        cursor.execute(sql)
    json.dump(connection.introspection.get_constraints(cursor, "C"), sys.stdout)
"""


def test_constraints(database: Database, stock: Path) -> None:
    statements = (
        KEYED,
        'CREATE TABLE "C" ("ID" NUMBER(11), "A" NUMBER(11), "B" NUMBER(11),'
        ' "OLD" NUMBER(11),'
        ' CONSTRAINT "C_ID" PRIMARY KEY ("ID"),'
        ' CONSTRAINT "C_UNIQUE" UNIQUE ("ID", "B"),'
        ' CONSTRAINT "C_CHECK" CHECK ("A" >= 0),'
        ' CONSTRAINT "C_A" FOREIGN KEY ("A") REFERENCES "T" ("ID"))',
        'CREATE INDEX "C_INDEX" ON "C" ("B", "OLD" DESC)',
        'ALTER TABLE "C" RENAME COLUMN "OLD" TO "NEW"',
        # H2 uses this index for the next key, and has made one for the other.
        'CREATE INDEX "C_OF_KEY" ON "C" ("B")',
        'ALTER TABLE "C" ADD CONSTRAINT "C_B" FOREIGN KEY ("B") REFERENCES "T" ("ID")',
    )
    done = subprocess.run(
        [sys.executable, "-c", CONSTRAINTS],
        input=json.dumps(statements),
        env=environment(stock, database.url) | database.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    neither = {"primary_key": 0, "unique": 0, "foreign_key": None, "check": 0}
    unique = neither | {"unique": 1, "index": 1}
    key = neither | {"foreign_key": ["t", "id"], "index": 0}
    index = neither | {"type": "idx", "index": 1}
    assert found == {
        "c_id": unique | {"columns": ["id"], "primary_key": 1},
        "c_unique": unique | {"columns": ["id", "b"]},
        "c_check": neither | {"columns": ["a"], "check": 1, "index": 0},
        "c_a": key | {"columns": ["a"]},
        "c_b": key | {"columns": ["b"]},
        "c_index": index | {"columns": ["b", "new"], "orders": ["ASC", "DESC"]},
        "c_of_key": index | {"columns": ["b"], "orders": ["ASC"]},
    }


def test_values(database: Database) -> None:
    found = told(
        database,
        (KEYED,),
        ('INSERT INTO "T" ("ID", "NAME", "TEXT") VALUES (NULL, :a, :b)', "it's", "x"),
        ('INSERT INTO "T" ("NAME", "TEXT") VALUES (:a, :b)', ":a", ""),
        ('SELECT "ID", "NAME", "TEXT" FROM "T" ORDER BY "ID"',),
        ('SELECT COUNT(*) FROM "T" WHERE "TEXT" IS NULL',),
        ("SELECT * FROM t WHERE name LIKEC :a ESCAPE '\\'", "it%"),
        ('TRUNCATE TABLE "T"',),
        ('SELECT COUNT(*) FROM "T"',),
        ("SELECT table_name FROM user_tables",),
        ('DROP TABLE "T" CASCADE CONSTRAINTS',),
    )
    assert found[4] == [[1, "it's", "x"], [2, ":a", None]]
    assert found[5] == [[1]]
    assert found[6] == [[1, "it's", None, "x"]]
    assert found[8] == [[0]]
    assert found[9] == [["T"]]


def test_merge_counts_the_rows_that_it_writes(database: Database) -> None:
    update = MERGE.format(' WHERE "T"."N" < :arg4')
    values = [1, "new 1", 2, "new 2"]
    found = told(
        database,
        (KEYED,),
        (INSERT, "old", 5),
        (update, *values, 5),
        ('SELECT "ID", "NAME" FROM "T" ORDER BY 1',),
        (update, *values, 6),
        ('SELECT "ID", "NAME" FROM "T" ORDER BY 1',),
    )
    assert found[3:] == [
        1,
        [[1, "old"], [2, "new 2"]],
        1,
        [[1, "new 1"], [2, "new 2"]],
    ]


def test_a_merge_of_very_many_rows(database: Database) -> None:
    numbers = range(1000)
    rows = " UNION ALL ".join(
        f"SELECT TO_NUMBER(:a{number}) col_0 FROM DUAL" for number in numbers
    )
    sql = (
        f'MERGE INTO "T" USING ({rows}) excluded ON ("T"."ID" = excluded.col_0)'
        ' WHEN NOT MATCHED THEN INSERT ("NAME") VALUES (excluded.col_0)'
    )
    found = told(database, (KEYED,), (sql, *numbers), ('SELECT COUNT(*) FROM "T"',))
    assert found[2:] == [1000, [[1000]]]


def test_the_second_merge_waits_and_gets_a_violation(
    database: Database, stock: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.oracle.races", database.target.name],
        env=environment(stock, database.url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["race"] == {"waited": True, "error": 1, "rows": [["key", 1]]}
    assert all(found["refused"].values())
    # H2 takes each mistake that the grammars find.
    assert bool(found["refused"]) == (database.target.name == "standin-postgres")


def test_tests_of_django_run(database: Database, stock: Path, tmp_path: Path) -> None:
    # Threads, transactions and RETURNING INTO among them.
    labels = "get_or_create", "basic.tests.ConcurrentSaveTests"
    run_labels(database, stock, tmp_path, *labels)
