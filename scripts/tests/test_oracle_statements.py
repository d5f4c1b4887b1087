"""Rung 0: static checks of MERGE, planted mistakes, golden files, recorded binds."""

import doctest
import importlib
import json
from pathlib import Path

import pytest

from common.errors import StackError
from lab.oracle import checks, golden, mutants

# A row of a table with a key of two columns, one of them nullable.
GOOD = (
    'MERGE INTO "T" USING ('
    "SELECT TO_NUMBER(:arg0) col_0, :arg1 col_1, CAST(:arg2 as INTERVAL DAY(9) TO"
    ' SECOND(6)) col_2 FROM DUAL) "excluded"'
    ' ON ("T"."A" = "excluded".col_0 AND ("T"."B, C" = "excluded".col_1 OR ("T"."B, C"'
    ' IS NULL AND "excluded".col_1 IS NULL)))'
    ' WHEN MATCHED THEN UPDATE SET "D" = "excluded".col_2, "E;" = DEFAULT'
    ' WHEN NOT MATCHED THEN INSERT ("A", "B, C", "D") VALUES ("excluded".col_0,'
    ' "excluded".col_1, "excluded".col_2)'
)
BINDS = {"arg0": "int 1", "arg1": "str 'a'", "arg2": "timedelta 1", "arg3": "int 2"}
ARRAY = {"sql": GOOD, "rows": 2, "binds": [BINDS, BINDS]}


@pytest.mark.parametrize(
    "name",
    [
        *("checks", "sql", "standin", "standin.connection"),
        *("standin.dictionary", "standin.h2", "standin.translation"),
    ],
)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"lab.oracle.{name}")
    assert doctest.testmod(module).failed == 0


def test_good_merges() -> None:
    start, end = GOOD.index("WHEN MATCHED"), GOOD.index("WHEN NOT MATCHED")
    condition = ' WHERE "T"."D" < :arg5 WHEN NOT'
    assert checks.problems(GOOD) == []
    assert checks.problems(GOOD[:start] + GOOD[end:]) == []
    assert checks.problems(GOOD.replace(" WHEN NOT", condition)) == []


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        ("no_as", ') "excluded"', ') AS "excluded"'),
        ("no_as", 'INTO "T"', 'INTO "T" as "T"'),
        ("on_in_parentheses", "NULL))) WHEN", "NULL)) AND (1 = 1)) OR (1 = 1) WHEN"),
        ("on_in_parentheses", "NULL))) WHEN", "NULL))) AND 1 = 1 WHEN"),
        ("set_unqualified", 'SET "D"', 'SET "T"."D"'),
        ("set_unqualified", '"E;" = DEFAULT', '"T"."E;" = DEFAULT'),
        ("set_not_compared", 'SET "D"', 'SET "B, C"'),
        ("set_not_compared", '"E;" = DEFAULT', '"A" = DEFAULT'),
        ("something_to_set", 'SET "D" = "excluded".col_2, "E;" = DEFAULT', "SET"),
        ("something_to_set", '"D" = "excluded".col_2, ', ", "),
        ("from_dual", " FROM DUAL)", ")"),
        ("one_row", " FROM DUAL)", " FROM DUAL UNION ALL SELECT 1, 2, 3 FROM DUAL)"),
        ("source_selected", "(SELECT TO_NUMBER(:arg0)", "(VALUES (:arg0)"),
        ("source_named", ') "excluded" ON', ") ON"),
        ("source_named", ') "excluded" ON', ') "excluded" (col_0) ON'),
        ("no_semicolon", "col_2)", "col_2);"),
        ("few_binds", ":arg1", ", ".join([":arg1"] * (checks.MAX_BINDS - 1))),
    ],
)
def test_what_is_wrong_is_found(check: str, old: str, new: str) -> None:
    assert old in GOOD
    assert check in checks.problems(new.join(GOOD.rsplit(old, 1)))


def test_a_set_column_is_compared_under_an_alias() -> None:
    sql = GOOD.replace('INTO "T"', 'INTO "X" "T"').replace('"D" =', '"A" =')
    assert "set_not_compared" in checks.problems(sql)


def test_each_mutant_is_another_statement_and_caught_as_it_says() -> None:
    assert mutants.findings(ARRAY) == []
    assert len(set(mutants.planted(GOOD).values())) == len(mutants.MUTANTS) == 15
    known = {*checks.CHECKS, *mutants.GRAMMARS, mutants.POSTGRESQL}
    assert len(mutants.BOUND) == 5
    for *_, caught_by in mutants.MUTANTS.values():
        assert caught_by
        assert known.issuperset(caught_by)
    with pytest.raises(ValueError, match="there is no place for it"):
        mutants.planted("INSERT INTO t VALUES (1)")


def test_a_check_that_sleeps_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checks.CHECKS, "no_as", lambda merge: True)
    found = mutants.findings(ARRAY)
    assert [line.partition(": MERGE")[0] for line in found] == [
        "no_as lets a mutant pass: AS before the alias of the source",
        "no_as lets a mutant pass: AS before an alias of the target",
    ]


def test_a_check_of_binds_that_sleeps_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(checks.BOUND, "no_lob_in_on", lambda sent: True)
    [found] = mutants.findings(ARRAY)
    assert found.startswith("no_lob_in_on lets a mutant pass: a LOB in ON: [{")


PLAIN = 'INSERT INTO "T" ("A", "B") VALUES (:arg0, :arg1)'
UNION = (
    'INSERT INTO "T" ("A", "B") SELECT * FROM (SELECT {0} col_0, :arg1 col_1'
    " FROM DUAL UNION ALL SELECT :arg2, :arg3 FROM DUAL)"
)


@pytest.mark.parametrize(
    ("sql", "binds", "problem"),
    [
        (PLAIN, "bytes of 40,000: b'x'...; NULL", ""),
        (PLAIN, "DB_TYPE_BLOB of 40,000: b'x'...; OUT int", ""),
        (PLAIN, "Oracle_blob of 2,001: b'x'...; NULL", "known_types"),
        (PLAIN, "memory b'x'; NULL", "known_types"),
        (UNION.format(":arg0"), "int 1; str 'a'; Decimal 1; NULL", ""),
        (UNION.format(":arg0"), "int 1; str 'a'; str 'b'; NULL", "one_type_in_a_union"),
        (
            UNION.format("TO_NCLOB(:arg0)"),
            "str 'a'; str 'a'; DB_TYPE_CLOB of 4,001: 'x'...; NULL",
            "",
        ),
        (
            UNION.format("TO_NCLOB(:arg0)"),
            "str 'a'; str 'a'; str 'a'; NULL",
            "one_type_in_a_union",
        ),
        (UNION.format(":arg0"), "bytes of 2,000: b'x'...; NULL; NULL; NULL", ""),
        (
            UNION.format(":arg0"),
            "bytes of 2,001: b'x'...; NULL; NULL; NULL",
            "short_values",
        ),
        (
            UNION.format(":arg0"),
            "str of 4,001: 'x'...; NULL; NULL; NULL",
            "short_values",
        ),
        (GOOD, "int 1; DB_TYPE_CLOB of 4,001: 'x'...; timedelta 1", "no_lob_in_on"),
        (GOOD.replace(":arg1", "TO_NCLOB(:arg1)"), "int 1; str 'x'", "no_lob_in_on"),
    ],
)
def test_checks_of_binds(sql: str, binds: str, problem: str) -> None:
    named = {f"arg{place}": bind for place, bind in enumerate(binds.split("; "))}
    found = checks.bound_problems({"sql": sql, "binds": named})
    assert found == ([problem] if problem else [])


def test_checks_of_arrays() -> None:
    def problems(rows: int, *binds: str) -> list[str]:
        rows_of_one = [{"arg0": bind} for bind in binds]
        return checks.bound_problems({"sql": "x", "rows": rows, "binds": rows_of_one})

    assert problems(1_000, "int 1", "NULL", "float 1.5") == []
    assert problems(1_001, "int 1") == ["few_rows"]
    for other in ("str 'b'", "bytes b'b'", "DB_TYPE_CLOB 'b'"):
        assert problems(2, "DB_TYPE_BLOB b'a'", other) == ["one_type_in_an_array"]


def test_one_shape_has_one_text() -> None:
    other = ARRAY | {"sql": GOOD.replace(' AND ("T"', ' AND  ("T"')}
    lobs = [BINDS | {"arg1": "DB_TYPE_CLOB of 4,001: 'x'..."}]
    assert [*golden.static({"a": [ARRAY, ARRAY, other | {"binds": lobs}]})][1:] == []
    found = [*golden.static({"a": [ARRAY, other, {"sql": PLAIN, "binds": {}}]})]
    assert [line.partition(": MERGE")[0] for line in found] == [
        "a: 2 texts of one shape"
    ]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden file of trees that compile the same on every target."""
    merge = ARRAY
    monkeypatch.setattr(golden, "FILE", tmp_path / "golden.jsonl")

    def compiled(tree: Path, targets: list[str]) -> golden.Targets:
        others = [{"error": "no"}, {"sql": tree.name}]
        return {target: {mutants.GOOD: [merge], "b": others} for target in targets}

    monkeypatch.setattr(golden, "compile_on", compiled)
    golden.update(tmp_path)
    assert len(golden.FILE.read_text().splitlines()) == 3
    assert golden.findings(tmp_path, tmp_path) == (2, 2, [])
    return golden.FILE


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("= DEFAULT", "= NULL", f"{mutants.GOOD}: statement 1 differs at"),
        ("int 1", "int 3", '"int 3", "arg1"'),
        ('"error": "no"', '"error": "yes"', "b: statement 1 differs at character 11"),
        ('"case": "b"', '"case": "c"', "c: statement 1 differs at character 1"),
    ],
)
def test_a_changed_statement_is_a_finding_of_each_version(
    file: Path, old: str, new: str, finding: str
) -> None:
    file.write_text(file.read_text().replace(old, new))
    *_, found = golden.findings(file.parent, file.parent)
    assert [line[:9] for line in found if finding in line] == [*golden.ORACLE]


def test_an_insert_unlike_stocks_is_a_finding_of_each_database(file: Path) -> None:
    *_, found = golden.findings(Path("stock"), file.parent)
    assert [line.partition(":")[0] for line in found] == [*golden.OTHERS]
    assert 'b: statement 2 differs at character 9: «{"sql": "stock' in found[0]


def test_a_golden_file_that_is_not_there(file: Path) -> None:
    file.unlink()
    with pytest.raises(StackError, match=r"golden\.jsonl cannot be read") as caught:
        golden.findings(file, file)
    assert caught.value.then == golden.COMMAND


def test_static_checks_of_what_is_compiled() -> None:
    bad = GOOD.replace(') "excluded"', ') AS "excluded"')
    cases: golden.Cases = {
        "bad": [{"sql": bad, "binds": {}}],
        "insert": [{"sql": "INSERT INTO x AS y", "binds": {}}],
        "long": [{"sql": "MERGE...", "characters": 9, "binds by occurrence": 65_536}],
    }
    assert [*golden.static(cases)] == [
        f"bad: statement 1: no_as does not hold: {bad}",
        f"bad: statement 1: source_named does not hold: {bad}",
        "long: 65,536 binds",
    ]


def test_the_file_holds_good_statements() -> None:
    for cases in golden.read().values():
        assert len(cases) == 119
        assert [*golden.static(cases)] == []
    assert mutants.findings(golden.good()) == []


def test_a_tree_without_django(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="compiled nothing: ModuleNotFoundError"):
        golden.compile_on(tmp_path, ["sqlite"])


@pytest.mark.slow
def test_statements_are_what_the_driver_gets(stock: Path) -> None:
    compiled = golden.compile_on(stock, ["oracle-19", "oracle-23", "sqlite"])
    old, new = compiled["oracle-19"], compiled["oracle-23"]
    assert (len(old), len(compiled["sqlite"])) == (119, 111)
    [ending] = old["Code: two rows, ignore"]
    assert ending["error"].startswith("NotSupportedError: This database backend does")
    [before], [after] = old["Code: two rows"], new["Code: two rows"]
    assert before["sql"].replace(" FROM DUAL", "") == after["sql"] != before["sql"]
    assert before["binds"] == after["binds"]
    [sent] = old["Everything: save a long value"]
    binds = sent["binds"]
    assert binds["arg6"] == "int 1"  # True, which Oracle 19c does not know.
    assert binds["arg13"].startswith("DB_TYPE_CLOB of 40,000: ")
    assert binds["arg15"].startswith("Oracle_datetime as DB_TYPE_TIMESTAMP 2026-")
    assert binds["arg22"].startswith("bytes of 40,000: ")
    assert binds["arg26"] == "OUT int"
    [sent] = old["Everything: NULLs"]
    assert sent["binds"] == {"arg0": "NULL", "arg1": "str ''"}
    refused, ending = old["Code: refused"]
    assert refused["answer"] == "ORA-00001: unique constraint violated"
    assert ending["error"] == f"IntegrityError: {refused['answer']}"
    long, rest = old["Composite: 21,846 rows"]
    assert 65_000 < long["binds by occurrence"] <= checks.MAX_BINDS
    assert "binds" in rest
    assert len(json.dumps(long)) < 400
