"""Threads that race on a real Django, and the findings about what they saw."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.errors import FINDINGS, OK, StackError
from common.project import Project
from lab.calls import start_of
from lab.race.races import Plan, Race, Side, race, show
from lab.variants import PATCHED, STOCK
from patchstack import trees
from tests.conftest import assert_refused, here
from tests.conftest import verb as run
from verbs import race as verb

QUERY = Path("django/db/models/query.py")
SHORT = Plan(keys=10, seconds=1)
LOCKED = "OperationalError: database is locked"
DOUBLE = "IntegrityError: UNIQUE constraint failed"


def side(**differences: Any) -> Side:
    whole: dict[str, Any] = {
        **{"calls": 40, "seconds": 2, "total": 40, "rows": 4, "max_id": 7},
        **{"created_twice": [], "created_never": [], "errors": {}},
    }
    return Side(**whole | differences)


def made_up(stock: Side, patched: Side) -> Race:
    return Race("sqlite", "3.45", "wal", {STOCK: stock, PATCHED: patched})


def test_messages_that_differ_by_the_key_are_one() -> None:
    error = ValueError("Duplicate entry 'key-12'\nDETAIL: x")
    assert start_of(error) == "Duplicate entry 'key-…'"
    assert len(start_of(ValueError("long " * 50))) == 80
    assert start_of(ValueError()) == ""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"total": 39}, "40 calls succeeded, but the sum of v is 39"),
        ({"total": 41}, "40 calls succeeded, but the sum of v is 41"),
        ({"created_twice": ["a", "b"]}, "more than one call created: a, b"),
        ({"created_never": ["a"]}, "no call reported as created: a"),
    ],
)
def test_findings_of_either_side(wrong: dict[str, object], said: str) -> None:
    bad = side(**wrong)
    assert made_up(bad, side()).findings() == [f"sqlite, wal, stock: {said}"]
    assert made_up(side(), bad).findings() == [f"sqlite, wal, patched: {said}"]


def test_only_a_new_class_of_exceptions_is_a_finding() -> None:
    locked = side(errors={LOCKED: 1_200})
    for patched in (side(), locked, side(errors={"OperationalError: deadlock": 1})):
        assert made_up(locked, patched).findings() == []
    found = made_up(locked, side(errors={LOCKED: 1_200, DOUBLE: 1}))
    finding = f"sqlite, wal, patched: 1 {DOUBLE}, which stock did not raise"
    assert found.findings() == [finding]
    _, row, *raised = show([found]).splitlines()
    assert row.split("  ")[0] == "sqlite, wal"
    for cell in ("20", "1,200 → 1,201", "0 → 0", "7 of 4"):
        assert f"  {cell}  " in f"{row}  "
    assert raised == [
        f"sqlite, wal, stock: 1,200 {LOCKED}",
        f"sqlite, wal, patched: 1,200 {LOCKED}",
        f"sqlite, wal, patched: 1 {DOUBLE}",
        finding,
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threads", "0"], "--threads: 0 is less than 1"),
        (["--keys", "x"], "--keys: 'x' is not a whole number"),
        (["--seconds", "nan"], "--seconds: nan is not greater than zero"),
        (["--db", "redis"], "--db: redis is not a database"),
        (["--mode", "atomic"], "--mode: atomic is not one of wal, wal-atomic"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(lambda project: run(verb, project, *words), tmp_path, message)


# Threads


@pytest.fixture(scope="module")
def broken(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stock Django whose update_or_create() updates nothing.

    It says that it created the row, or raises for every second row. There is an
    upsert(), which is stock's update_or_create().
    """
    tree = trees.copied(stock, tmp_path_factory.mktemp("broken"))
    code = (tree / QUERY).read_text("utf-8")
    begin = "    def update_or_create("
    hit = "            if created:\n                return obj, created\n"
    end = "    update_or_create.alters_data = True\n"
    assert code.count(begin) == code.count(hit) == code.count(end) == 1
    method = code[code.index(begin) : code.index(end)]
    spoilt = method.replace(
        hit,
        f"{hit}            if obj.pk % 2:\n"
        "                raise LookupError(f'made up for {obj.name}')\n"
        "            return obj, True\n",
    )
    upsert = method.replace("update_or_create(", "upsert(", 1)
    (tree / QUERY).write_text(code.replace(method, upsert + spoilt), "utf-8")
    return tree


def raced(
    stock: Path, patched: Path, mode: str, plan: Plan = SHORT, db: str = "sqlite"
) -> Race:
    with here(db) as server:
        folders = {STOCK: stock, PATCHED: patched}
        return race(folders, server.url, server.target, mode, plan)


# Each journal and each way to call once.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("db", "mode"),
    [
        ("sqlite", "wal-atomic"),
        ("sqlite", "rollback"),
        ("postgres", "autocommit"),
        ("postgres", "repeatable-read-atomic"),
        ("mariadb", "autocommit"),
    ],
)
def test_whole(stock: Path, db: str, mode: str) -> None:
    plan = Plan(keys=1, seconds=0.5) if mode.startswith("repeatable") else SHORT
    found = raced(stock, stock, mode, plan, db)
    for seen in found.sides.values():
        assert seen.total == seen.calls > 0
        assert not seen.created_twice
        assert not seen.created_never
        assert 0 < seen.rows <= min(plan.keys, seen.max_id)
        kinds = {error.partition(":")[0] for error in seen.errors}
        if db == "sqlite":
            assert kinds <= {"OperationalError"}
        elif db == "postgres":
            # With the isolation level, those who come later fail.
            late = mode.startswith("repeatable")
            assert ("OperationalError" in kinds) if late else not kinds


@pytest.mark.slow
def test_a_broken_django_is_found(stock: Path, broken: Path) -> None:
    said = "\n".join(raced(stock, broken, "wal").findings())
    assert "stock: " not in said
    assert "calls succeeded, but the sum of v is" in said
    assert "more than one call created: key-" in said
    assert "LookupError: made up for key-…, which stock did not raise" in said


@pytest.mark.slow
def test_upsert_is_raced_on_patched_only(stock: Path, broken: Path) -> None:
    plan = Plan(threads=2, keys=10, seconds=0.5, upsert=True)
    # The upsert() of the broken Django is whole; its update_or_create() is not called.
    assert raced(stock, broken, "wal", plan).findings() == []
    with pytest.raises(StackError, match=r"race patched: .* no attribute 'upsert'"):
        raced(stock, stock, "wal", plan)


@pytest.mark.slow
def test_the_verb(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "race.json"
    words = ["--mode", "wal", "--seconds", "0.5", "--keys", "10", "--json", str(file)]
    code = run(verb, real, *words)
    (one,) = json.loads(file.read_text("utf-8"))["races"]
    assert code == (FINDINGS if one["findings"] else OK)
    assert one["sides"][PATCHED]["calls"] == one["sides"][PATCHED]["total"] > 0
    shown, progress = capsys.readouterr()
    assert shown.startswith("database, mode")
    assert all(finding in shown for finding in one["findings"])
    assert "sqlite, wal, patched: 0.5 s" in progress
