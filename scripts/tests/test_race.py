"""Races of real threads on a real Django, and what is made of what they saw."""

import argparse
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from common.errors import FINDINGS, OK
from common.project import Project
from databases.servers import running
from databases.targets import Unavailable, resolve
from lab.race.worker import hammer, keys_of, start_of
from lab.variants import PATCHED, STOCK
from patchstack import trees
from stack import VERBS
from tests.conftest import assert_refused
from verbs import race as verb
from verbs.race import MODES, Errors, Mode, Plan, Race, Side, chosen, race, show

SQLITE = "sqlite:///:memory:"
QUERY = Path("django/db/models/query.py")
SHORT = Plan(threads=8, keys=10, seconds=1, timeout=1)


@pytest.fixture(scope="module")
def broken(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same Django, but update_or_create() updates nothing.

    It says that it created the row, or raises for every second row. And it has
    an upsert() that is stock's update_or_create().
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


def side(
    *,
    calls: int = 40,
    total: int = 40,
    twice: Sequence[str] = (),
    never: Sequence[str] = (),
    errors: Sequence[Errors] = (),
) -> Side:
    return Side(
        calls=calls,
        seconds=2,
        total=total,
        rows=4,
        max_id=7,
        created_twice=tuple(twice),
        created_never=tuple(never),
        errors=tuple(errors),
    )


def made_up(stock: Side, patched: Side) -> Race:
    return Race("sqlite", "3.45", "wal", {STOCK: stock, PATCHED: patched})


def held(found: Race) -> None:
    """Assert what must hold on any Django that is not broken."""
    for variant in (STOCK, PATCHED):
        seen = found.sides[variant]
        assert seen.findings() == []
        assert seen.calls > 0
        assert 0 < seen.rows <= min(SHORT.keys, seen.max_id)
        assert seen.total == seen.calls


# What the threads saw


def test_every_thread_begins_with_every_key_in_order() -> None:
    names = ["a", "b", "c"]
    one, two = (list(islice(keys_of(names, seed), 30)) for seed in ("1-0", "1-1"))
    assert one[:3] == two[:3] == names
    assert one != two
    assert set(one[3:]) == set(names)
    assert one == list(islice(keys_of(names, "1-0"), 30))


def test_hammer_counts_calls_creations_and_errors() -> None:
    def act(key: str) -> bool:
        if key == "bad":
            raise ValueError("it is bad")
        return key == "new"

    calls = iter([False] * 5 + [True])
    keys = iter(["new", "old", "bad", "new", "bad", "never called"])
    tally = hammer(act, keys, lambda: next(calls))
    assert tally.calls == 3
    assert tally.created == {"new": 2, "old": 0}
    assert tally.errors == {("ValueError", "it is bad"): 2}


def test_messages_that_differ_by_the_key_are_one() -> None:
    assert start_of(ValueError("Duplicate entry 'key-12'\nDETAIL: x")) == (
        "Duplicate entry 'key-…'"
    )
    assert len(start_of(ValueError("long " * 50))) == 80
    assert start_of(ValueError()) == ""


# What is found


def test_nothing_is_found_where_all_is_well() -> None:
    locked = Errors("OperationalError", "database is locked", 3)
    assert made_up(side(), side()).findings() == []
    assert made_up(side(errors=[locked]), side(errors=[locked])).findings() == []
    # Better than stock is no finding.
    assert made_up(side(errors=[locked]), side()).findings() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"total": 39}, "40 calls succeeded, but the sum of v is 39"),
        ({"total": 41}, "40 calls succeeded, but the sum of v is 41"),
        ({"twice": ["a", "b"]}, "more than one call created: a, b"),
        ({"never": ["a"]}, "no call was told that it created: a"),
    ],
)
def test_what_must_not_be_on_either(wrong: dict[str, object], said: str) -> None:
    bad = side(**wrong)  # type: ignore[arg-type]
    assert made_up(bad, side()).findings() == [f"sqlite, wal, stock: {said}"]
    assert made_up(side(), bad).findings() == [f"sqlite, wal, patched: {said}"]


def test_a_class_of_exceptions_that_stock_did_not_raise() -> None:
    locked = Errors("OperationalError", "database is locked", 1_200)
    double = Errors("IntegrityError", "UNIQUE constraint failed", 1)
    found = made_up(side(errors=[locked]), side(errors=[locked, double]))
    assert found.findings() == [
        "sqlite, wal, patched: 1 IntegrityError: UNIQUE constraint failed,"
        " which stock did not raise"
    ]
    shown = show([found])
    cells = [cell.strip() for cell in shown.splitlines()[2].split("  ") if cell.strip()]
    assert cells == [
        "sqlite, wal",
        "20",
        "20",
        "1,200 → 1,201",
        "0 → 0",
        "0 → 0",
        "7 of 4",
        "7 of 4",
    ]
    assert "sqlite, wal, stock: 1,200 OperationalError: database is locked" in shown
    assert "sqlite, wal, patched: 1 IntegrityError: UNIQUE" in shown


def test_json_holds_everything() -> None:
    double = Errors("IntegrityError", "UNIQUE constraint failed", 1)
    found = made_up(side(), side(total=39, errors=[double]))
    data = json.loads(json.dumps(verb.data([found], SHORT, {STOCK: "abc"})))
    assert data["options"]["seconds"] == 1
    assert data["ids"] == {STOCK: "abc"}
    (one,) = data["races"]
    assert (one["database"], one["mode"]) == ("sqlite", "wal")
    assert one["sides"][PATCHED]["errors"] == [
        {"kind": "IntegrityError", "message": "UNIQUE constraint failed", "count": 1}
    ]
    assert len(one["findings"]) == 2
    assert Side.of(one["sides"][PATCHED]) == found.sides[PATCHED]


# The verb


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verb.configure(parser)
    return parser.parse_args(words)


def test_help_fits_a_screen() -> None:
    assert VERBS["race"] == "bench.race"
    help_screen = (verb.__doc__ or "").splitlines()
    assert max(map(len, help_screen)) < 80
    known = {mode.name for modes in MODES.values() for mode in modes}
    words = {word.strip(",") for line in help_screen for word in line.split()}
    assert known <= words


def test_options_make_the_plan() -> None:
    assert verb.plan(arguments()) == Plan()
    made = verb.plan(
        arguments("--threads=2", "--keys=5", "--seconds=.5", "--timeout=2", "--upsert")
    )
    assert made == Plan(threads=2, keys=5, seconds=0.5, timeout=2, upsert=True)


def test_modes_of_each_database() -> None:
    both = [resolve("sqlite"), resolve("mysql")]
    names = [[mode.name for mode in modes] for _, modes in chosen(both, ["*atomic"])]
    assert names == [["wal-atomic", "rollback-atomic"], ["atomic"]]
    assert [len(modes) for _, modes in chosen(both, ())] == [4, 2]
    assert [len(modes) for _, modes in chosen(both, ["wal"])] == [1, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threads", "0"], "--threads: 0 is less than 1"),
        (["--keys", "x"], "--keys: 'x' is not a whole number"),
        (["--seconds", "0"], "--seconds: 0 is not greater than zero"),
        (["--seconds", "nan"], "--seconds: nan is not greater than zero"),
        (["--timeout", "long"], "--timeout: 'long' is not a number"),
        (["--db", "sqlit"], 'there is no database "sqlit"'),
        (["--db", "redis"], "--db: redis is not a database"),
        (["--mode", "atomic"], "no mode is called 'atomic'; there are: wal, wal-at"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(
        lambda project: verb.run(arguments(*words), project), tmp_path, message
    )


# Threads


# Each journal and each way to call once.
@pytest.mark.parametrize("mode", MODES["sqlite"][1:3], ids=lambda mode: mode.name)
def test_sqlite(stock: Path, mode: Mode) -> None:
    found = race(
        stock=stock, patched=stock, url=SQLITE, database="sqlite", mode=mode, plan=SHORT
    )
    held(found)
    assert found.sides[PATCHED].kinds <= {"OperationalError"}


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_server(stock: Path, name: str) -> None:
    target = resolve(name)
    modes = {mode.name: mode for mode in MODES[target.family]}
    try:
        with running(target) as server:

            def raced(mode: str, plan: Plan = SHORT) -> Race:
                return race(
                    stock=stock,
                    patched=stock,
                    url=server.url,
                    database=name,
                    mode=modes[mode],
                    plan=plan,
                )

            found = raced("autocommit")
            held(found)
            if name == "postgres":
                assert not found.sides[STOCK].errors
                # With the isolation level, those who come later fail.
                plan = Plan(keys=1, seconds=0.5)
                found = raced("repeatable-read-atomic", plan)
                assert "OperationalError" in found.sides[STOCK].kinds
                assert found.sides[STOCK].findings() == []
    except Unavailable as error:
        pytest.skip(f"{error.reason}; {error.command}")


def test_a_broken_django_is_found(stock: Path, broken: Path) -> None:
    found = race(
        stock=stock,
        patched=broken,
        url=SQLITE,
        database="sqlite",
        mode=MODES["sqlite"][0],
        plan=SHORT,
    )
    held_by_stock, lost = found.sides[STOCK], found.sides[PATCHED]
    assert held_by_stock.findings() == []
    assert lost.lost > 0
    assert lost.created_twice
    assert {"LookupError"} <= lost.kinds
    said = "\n".join(found.findings())
    assert "calls succeeded, but the sum of v is" in said
    assert "more than one call created: key-" in said
    assert "LookupError: made up for key-…, which stock did not raise" in said


def test_upsert_is_raced_where_it_is(stock: Path, broken: Path) -> None:
    plan = Plan(threads=2, keys=10, seconds=0.5, upsert=True)
    mode = MODES["sqlite"][0]

    def raced(patched: Path) -> Race:
        return race(
            stock=stock,
            patched=patched,
            url=SQLITE,
            database="sqlite",
            mode=mode,
            plan=plan,
        )

    # That of the broken Django is whole; its update_or_create() is not called.
    assert raced(broken).sides[PATCHED].findings() == []
    with pytest.raises(Unavailable, match=r"no QuerySet.upsert\(\)"):
        raced(stock)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (Project.here().base).exists():
        pytest.skip("no base of Django; ./scripts/stack fetch")
    file = tmp_path / "race.json"
    words = ["--mode", "wal", "--seconds", "0.5", "--keys", "10", "--json", str(file)]
    code = verb.run(arguments(*words), Project.here())
    (one,) = json.loads(file.read_text("utf-8"))["races"]
    assert code == (FINDINGS if one["findings"] else OK)
    assert one["sides"][PATCHED]["calls"] == one["sides"][PATCHED]["total"] > 0
    shown, progress = capsys.readouterr()
    assert shown.startswith("database, mode")
    assert all(finding in shown for finding in one["findings"])
    assert "sqlite, wal, patched: 0.5 s" in progress
