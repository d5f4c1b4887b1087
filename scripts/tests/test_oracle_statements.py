"""Rung 0: static checks of MERGE, planted mistakes, golden files, driver doubles."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oracledb
import pytest

from common.errors import StackError
from lab.oracle import checks, drivers, golden, mutants

# The two rows of a table with a key of two columns, one of them nullable.
GOOD = (
    'MERGE INTO "T" USING ('
    "SELECT TO_NUMBER(:arg0) col_0, :arg1 col_1, CAST(:arg2 as INTERVAL DAY(9) TO"
    " SECOND(6)) col_2 FROM DUAL UNION ALL SELECT TO_NUMBER(:arg3), :arg1,"
    " CAST(:arg4 as INTERVAL DAY(9) TO SECOND(6)) FROM DUAL) excluded"
    ' ON ("T"."A" = excluded.col_0 AND ("T"."B, C" = excluded.col_1 OR ("T"."B, C"'
    " IS NULL AND excluded.col_1 IS NULL)))"
    ' WHEN MATCHED THEN UPDATE SET "D" = excluded.col_2, "E;" = DEFAULT'
    ' WHEN NOT MATCHED THEN INSERT ("A", "B, C", "D") VALUES (excluded.col_0,'
    " excluded.col_1, excluded.col_2)"
)


def test_a_good_merge() -> None:
    assert checks.problems(GOOD) == {}


def test_a_merge_that_only_inserts() -> None:
    start, end = GOOD.index("WHEN MATCHED"), GOOD.index("WHEN NOT MATCHED")
    assert checks.problems(GOOD[:start] + GOOD[end:]) == {}


def test_a_condition_of_the_update() -> None:
    where = ' WHERE "T"."D" < :arg5 WHEN NOT'
    assert checks.problems(GOOD.replace(" WHEN NOT", where)) == {}


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (checks.no_as, ") excluded", ") AS excluded"),
        (checks.no_as, 'INTO "T"', 'INTO "T" as "T"'),
        (
            checks.on_in_parentheses,
            "NULL))) WHEN",
            "NULL)) AND (1 = 1)) OR (1 = 1) WHEN",
        ),
        (checks.on_in_parentheses, "NULL))) WHEN", "NULL))) AND 1 = 1 WHEN"),
        (checks.set_unqualified, 'SET "D"', 'SET "T"."D"'),
        (checks.set_unqualified, '"E;" = DEFAULT', '"T"."E;" = DEFAULT'),
        (checks.set_not_compared, 'SET "D"', 'SET "B, C"'),
        (checks.set_not_compared, '"E;" = DEFAULT', '"A" = DEFAULT'),
        (checks.something_to_set, 'SET "D" = excluded.col_2, "E;" = DEFAULT', "SET"),
        (checks.something_to_set, '"D" = excluded.col_2, ', ", "),
        (checks.from_dual, " FROM DUAL UNION", " UNION"),
        (checks.from_dual, " FROM DUAL)", ")"),
        (checks.source_selected, "(SELECT TO_NUMBER(:arg0)", "(VALUES (:arg0)"),
        (checks.source_named, ") excluded ON", ") ON"),
        (checks.source_named, ") excluded ON", ") excluded (col_0) ON"),
        (checks.no_semicolon, "col_2)", "col_2);"),
    ],
)
def test_what_is_wrong_is_found(check: checks.Check, old: str, new: str) -> None:
    assert check(GOOD) is None
    assert old in GOOD
    assert check(new.join(GOOD.rsplit(old, 1))) is not None


def test_a_set_column_is_compared_under_an_alias() -> None:
    sql = GOOD.replace('INTO "T"', 'INTO "X" "T"').replace('"D" =', '"A" =')
    assert checks.set_not_compared(sql) == '"A" in ON and in SET'


def test_binds_count_each_time() -> None:
    def merge(number: int) -> str:
        return (
            f'MERGE INTO "T" USING (SELECT {", ".join([":arg0"] * number)} FROM DUAL)'
        )

    assert checks.few_binds(merge(checks.MAX_BINDS)) is None
    assert checks.few_binds(merge(checks.MAX_BINDS + 1)) == "65,536 binds"


def test_mutants_are_caught_by_what_they_say() -> None:
    assert mutants.findings(GOOD) == []


def test_each_mutant_is_another_statement_and_caught_by_something() -> None:
    planted = mutants.planted(GOOD)
    assert len(set(planted.values())) == len(mutants.MUTANTS)
    known = {check.__name__ for check in checks.CHECKS}
    known |= {*mutants.GRAMMARS, mutants.POSTGRESQL}
    for mutant in mutants.MUTANTS:
        assert mutant.caught_by
        assert known.issuperset(mutant.caught_by)


def test_a_check_that_sleeps_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_as(sql: str) -> None:
        return None

    monkeypatch.setattr(checks, "CHECKS", [no_as])
    found = mutants.findings(GOOD)
    assert [line.partition(": MERGE")[0] for line in found] == [
        "no_as lets a mutant pass: AS before the alias of the source",
        "no_as lets a mutant pass: AS before an alias of the target",
    ]


def test_a_mutant_without_a_place() -> None:
    with pytest.raises(ValueError, match="there is no place for it"):
        mutants.planted("INSERT INTO t VALUES (1)")


BEFORE: golden.Cases = {
    "a": [{"sql": "INSERT 1", "binds": {"arg0": "int 1"}}],
    "b": [{"error": "NotSupportedError: no"}],
    "c": [{"sql": "INSERT 1", "binds": {}}, {"sql": "INSERT 2", "binds": {}}],
}


def test_no_changes() -> None:
    assert [*golden.changes(BEFORE, json.loads(json.dumps(BEFORE)))] == []


def test_changes() -> None:
    after: golden.Cases = {
        "a": [{"sql": "INSERT 1", "binds": {"arg0": "int 2"}}],
        "b": [{"sql": "MERGE", "binds": {}}],
        "c": [{"sql": "INSERT 1 ", "binds": {}}],
    }
    assert [*golden.changes(BEFORE, after)] == [
        'a: statement 1: binds differs at character 14: «{"arg0": "int 1"}» on file,'
        ' «{"arg0": "int 2"}» now',
        "b: statement 1: error differs at character 0: «NotSupportedError: no» on file,"
        " «» now",
        "c: statement 1: sql differs at character 8: «INSERT 1» on file,"
        " «INSERT 1 » now",
        "c: statement 2: sql differs at character 0: «INSERT 2» on file, «» now",
    ]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the trees compile, every target the same; written to golden files."""
    made = {
        target: {mutants.GOOD: [{"sql": GOOD, "binds": {}}]}
        for targets in golden.FILES.values()
        for target in targets
    }
    monkeypatch.setattr(golden, "FOLDER", tmp_path / "golden")
    monkeypatch.setattr(golden, "compile_on", lambda tree, targets: made)
    paths = golden.update(tmp_path, tmp_path)
    assert [path.stem for path in paths] == [*golden.FILES]
    yield json.loads(json.dumps(made))
    assert golden.findings(tmp_path) == []


def test_a_changed_golden_file_is_a_finding(
    files: dict[str, Any], tmp_path: Path
) -> None:
    path = golden.file("oracle-21")
    text = path.read_text()
    path.write_text(text.replace("UPDATE SET", "UPDATE  SET"))
    [line] = golden.findings(tmp_path)
    assert line.startswith(f"oracle-21: {mutants.GOOD}: statement 1: sql differs at")
    path.write_text(text)


def test_an_insert_of_another_database_is_compared_for_each_version(
    files: dict[str, Any], tmp_path: Path
) -> None:
    path = golden.file("insert-postgresql")
    text = path.read_text()
    path.write_text(text.replace("FROM DUAL", "FROM dual"))
    found = golden.findings(tmp_path)
    assert [line.partition(":")[0] for line in found] == [
        "postgresql-15",
        "postgresql-18",
    ]
    path.write_text(text)


def test_a_golden_file_that_is_not_there(files: dict[str, Any], tmp_path: Path) -> None:
    path = golden.file("insert-sqlite")
    text = path.read_text()
    path.unlink()
    assert golden.findings(tmp_path) == [
        f"golden/insert-sqlite.json is not there: {golden.COMMAND}"
    ]
    path.write_text(text)


def test_static_checks_of_what_is_compiled() -> None:
    bad = GOOD.replace(") excluded", ") AS excluded")
    cases: golden.Cases = {
        "bad": [{"sql": bad, "binds": {}}],
        "insert": [{"sql": "INSERT INTO x AS y", "binds": {}}],
        "long": [{"sql": "MERGE...", "characters": 9, "binds by occurrence": 65_536}],
    }
    assert [*golden.static(cases)] == [
        "bad: statement 1: AS before an alias (no_as)",
        "bad: statement 1: no alias behind the source (source_named)",
        "long: 65,536 binds",
    ]


def test_the_files_hold_good_statements() -> None:
    for name in golden.ORACLE:
        assert [*golden.static(golden.read(name))] == []
    assert mutants.findings(golden.good()) == []


def test_a_tree_without_django(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="compiled nothing: ModuleNotFoundError"):
        golden.compile_on(tmp_path, ["sqlite"])


@pytest.fixture(scope="module")
def compiled(stock: Path) -> dict[str, golden.Cases]:
    """What stock Django compiles."""
    others = [target for targets in golden.OTHERS.values() for target in targets]
    return golden.compile_on(stock, ["oracle-19", "oracle-23", *others])


def test_the_inserts_on_file_are_those_of_stock_django(
    compiled: dict[str, golden.Cases],
) -> None:
    found = [
        line for name in golden.OTHERS for line in golden.differences(name, compiled)
    ]
    assert found == []


def test_stock_django_has_no_merge(compiled: dict[str, golden.Cases]) -> None:
    [ending] = compiled["oracle-19"]["Code: two rows, ignore"]
    assert ending == {
        "error": "NotSupportedError: This database backend does not support ignoring"
        " conflicts."
    }


def test_versions_of_oracle(compiled: dict[str, golden.Cases]) -> None:
    [old] = compiled["oracle-19"]["Code: two rows"]
    [new] = compiled["oracle-23"]["Code: two rows"]
    assert old["sql"].replace(" FROM DUAL", "") == new["sql"] != old["sql"]
    assert old["binds"] == new["binds"]


def test_binds_are_what_the_driver_gets(compiled: dict[str, golden.Cases]) -> None:
    [sent] = compiled["oracle-19"]["Everything: save a long value"]
    binds = sent["binds"]
    assert binds["arg6"] == "int 1"  # True, which Oracle 19c does not know.
    assert binds["arg13"].startswith("DB_TYPE_CLOB of 40,000: ")
    assert binds["arg15"].startswith("Oracle_datetime as DB_TYPE_TIMESTAMP 2026-")
    assert binds["arg22"].startswith("bytes of 40,000: ")
    assert binds["arg26"] == "OUT int"
    [sent] = compiled["oracle-19"]["Everything: NULLs"]
    assert sent["binds"] == {"arg0": "NULL", "arg1": "str ''"}


def test_a_refused_statement(compiled: dict[str, golden.Cases]) -> None:
    sent, ending = compiled["oracle-19"]["Code: refused"]
    assert sent["answer"].startswith("ORA-00001")
    assert ending["error"].startswith("IntegrityError")


def test_a_connection_refuses_as_often_as_it_is_told() -> None:
    connection = drivers.connect(version="19.0.0.0.0", user="x")
    connection.refused = 1
    cursor = connection.cursor()
    with pytest.raises(oracledb.IntegrityError) as caught:
        cursor.execute("INSERT", {":arg0": 1})
    assert caught.value.args[0].code == 1
    cursor.execute("INSERT", {":arg0": 2})
    assert [each["binds"] for each in connection.statements] == [
        {"arg0": "int 1"},
        {"arg0": "int 2"},
    ]


def test_a_long_statement_is_counted_and_not_kept() -> None:
    connection = drivers.connect(version="19.0.0.0.0")
    sql = "INSERT " + ":arg0, " * 10_000
    connection.cursor().execute(sql, {":arg0": 1})
    [kept] = connection.statements
    assert kept["characters"] == len(sql)
    assert kept["binds by occurrence"] == 10_000
    assert len(kept["sql"]) < 300
