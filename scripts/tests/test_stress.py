"""The cache among processes, killed writers and damaged rows."""

import json
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from common.errors import FINDINGS
from common.project import Project
from lab.stress.damage import WAYS
from lab.stress.judge import Held, wrong_adds, wrong_kill, wrong_mix, wrong_reads
from lab.stress.mix import METHODS, Mixer
from lab.stress.phases import PHASES, ROOM, STRATEGIES, Outcome, Plan, Run, stress
from lab.stress.values import Origin, base, origin, record, unwritten, wrong_number
from lab.variants import PATCHED, STOCK
from patchstack import trees
from tests.conftest import assert_refused
from tests.conftest import verb as run
from verbs import stress as verb

CACHE = Path("django/core/cache/backends/db.py")

# Nothing is as it should be on this Django.
BROKEN = """

def _incr(self, key, delta=1, version=None):
    return 1

def _add(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
    self.set(key, value, timeout, version)
    return True

_whole_set = DatabaseCache.set

def _set(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
    if isinstance(value, dict) and "body" in value:
        value = value | {"body": value["body"][:-1]}
    _whole_set(self, key, value, timeout, version)

DatabaseCache.incr, DatabaseCache.add, DatabaseCache.set = _incr, _add, _set
"""
# For a Django whose database cache has CULL_STRATEGY.
NO_CULL = """

def _cull(self, *args):
    {}

DatabaseCache._cull = _cull
"""
# For one that converts tables.
NO_CONVERSION = """
from django.core.cache import conversion
conversion.get_steps = lambda *args: []
DatabaseCache.get_many = lambda *args: {}
"""


def stressed(tree: Path, variant: str, phases: Sequence[str], seconds: float) -> Run:
    plan = Plan(processes=3, seconds=seconds, calls=600, kills=2, rows=210)
    return stress(tree, "sqlite:///:memory:", "sqlite", variant, phases, plan)


def changed(tree: Path, folder: Path, code: str) -> Path:
    """Return a copy of a tree in which the database cache has more code."""
    trees.copied(tree, folder)
    with (folder / CACHE).open("a", encoding="utf-8") as file:
        file.write(code)
    return folder


# On a real Django


@pytest.mark.slow
def test_nothing_is_found_on_patched(patched: Path) -> None:
    done = stressed(patched, PATCHED, [*PHASES], 1.8)
    assert list(done.outcomes) == [*PHASES]
    assert {phase: each.findings for phase, each in done.outcomes.items()} == {
        phase: [] for phase in PHASES
    }
    assert done.outcomes["incr"].done == "600 of 600 calls"
    assert done.outcomes["kill"].done.startswith("2 kills")
    for phase in ("add", "mix", "convert"):
        assert not done.outcomes[phase].done.startswith("0 ")
        assert " 0 records" not in done.outcomes[phase].done
    assert ", 0 culled" not in done.outcomes["convert"].notes[0]
    strategies = done.outcomes["cull"].figures
    assert list(strategies) == [*STRATEGIES]
    for each in strategies.values():
        assert each["rows culled"] > 0
        assert 0 < each["rows left"] <= ROOM + 1
    damaged = done.outcomes["corrupt"].figures
    assert damaged["column"] == "data"
    assert list(damaged["outcomes"]) == [*WAYS]
    for way, outcomes in damaged["outcomes"].items():
        assert sum(outcomes.values()) == 30
        assert way == "random bytes" or outcomes.get("miss", 0) >= 25


@pytest.mark.slow
def test_each_phase_finds_what_is_broken(stock: Path, tmp_path: Path) -> None:
    broken = changed(stock, tmp_path, BROKEN)
    outcomes = stressed(broken, STOCK, [*PHASES], 0.3).outcomes
    for phase, said in {
        "incr": "calls returned, but the sum of the values is 0",
        "add": "before: add() returned True to 0, 1, 2",
        "mix": ": a torn record",
        "kill": "kill 2: key-0: a torn record",
        "corrupt": "get_many() raised",
    }.items():
        assert any(said in line for line in outcomes[phase].findings)
    assert outcomes["cull"].findings == ()
    assert "has no CULL_STRATEGY" in outcomes["cull"].done
    assert "has no createcachetable --downgrade" in outcomes["convert"].done


@pytest.mark.slow
def test_every_damage_raises_on_stock(stock: Path) -> None:
    # Its incr() loses updates as well, but not for certain in so short a time.
    done = stressed(stock, STOCK, ["corrupt"], 0.3).outcomes["corrupt"]
    assert done.figures["column"] == "value"
    for way in WAYS:
        assert any(line.startswith(f"{way}: get() raised") for line in done.findings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (BROKEN, ": a torn record"),
        (NO_CULL.format("pass"), f"rows are left, but MAX_ENTRIES is {ROOM}"),
        (
            # The cache logs it, as set() is done anyway.
            NO_CULL.format("raise DatabaseError('deadlock detected')"),
            f"rows are left, but MAX_ENTRIES is {ROOM}",
        ),
    ],
    ids=["broken", "grows", "fails"],
)
def test_culling_that_is_broken(
    patched: Path, tmp_path: Path, code: str, said: str
) -> None:
    tree = changed(patched, tmp_path, code)
    findings = stressed(tree, PATCHED, ["cull"], 6).outcomes["cull"].findings
    for strategy in STRATEGIES:
        assert any(f[: len(strategy)] == strategy and said in f for f in findings)


@pytest.mark.slow
def test_converting_that_is_broken(patched: Path, tmp_path: Path) -> None:
    tree = changed(patched, tmp_path, NO_CONVERSION)
    findings = stressed(tree, PATCHED, ["convert"], 1.8).outcomes["convert"].findings
    assert {"--upgrade: value", "key-0: get() misses"} <= {*findings}


# Values


def test_a_record_says_where_it_comes_from() -> None:
    made = record("key-7", Origin(3, 21), 1_000)
    assert origin("key-7", made) == Origin(3, 21)
    assert 1_000 < len(pickle.dumps(made)) < 1_300


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (record("key-8", Origin(3, 21), 100), "key-7: a value of key-8"),
        (record("key-7", Origin(3, 21), 100) | {"number": 22}, "key-7: a torn record"),
        (record("key-7", Origin(3, 21), 100) | {"body": b""}, "key-7: a torn record"),
        ({"key": "key-7"}, "key-7: no record but {'key': 'key-7'}"),
        (None, "key-7: get() misses"),
    ],
)
def test_a_record_that_nobody_wrote(value: object, said: str) -> None:
    assert origin("key-7", value) == said


def test_numbers_belong_to_their_key() -> None:
    assert not wrong_number("key-7", base("key-7") + 12)
    for wrong in (base("key-6"), base("key-8"), 0, True, "12"):
        assert wrong_number("key-7", wrong).startswith("key-7: not its number but ")


# The mix


class Memory(dict[str, object]):
    """A cache of one process; ``torn`` lets it return what it was not given."""

    torn: dict[str, object] | None = None

    @contextmanager
    def atomic(self) -> Iterator[None]:
        before = self.copy()
        try:
            yield
        except Exception:
            self.clear()
            self.update(before)
            raise

    def get(self, key: str) -> object:  # type: ignore[override]
        value = super().get(key)
        return value | self.torn if self.torn and isinstance(value, dict) else value

    def get_many(self, keys: Sequence[str]) -> dict[str, object]:
        return {key: self.get(key) for key in keys if key in self}

    def set(self, key: str, value: object, timeout: int | None) -> None:
        self[key] = value

    def set_many(self, data: dict[str, object], timeout: int | None) -> list[str]:
        self.update(data)
        return []

    def add(self, key: str, value: object, timeout: int | None) -> bool:
        return self.setdefault(key, value) is value

    def touch(self, key: str, timeout: int | None) -> bool:
        return key in self

    def delete(self, key: str) -> bool:
        return self.pop(key, None) is not None

    def incr(self, key: str) -> object:
        if key not in self:
            raise ValueError(f"Key '{key}' not found")
        value = self[key]
        assert isinstance(value, int)
        self[key] = value + 1
        return self[key]


def mixed(mixer: Mixer) -> list[str]:
    """Return what is found after 500 calls of a mixer that is process 0."""
    for _ in range(500):
        mixer.step()
    return wrong_mix([vars(mixer) | {"errors": {}}])


def test_the_mix_of_a_cache_that_is_right() -> None:
    plain = Mixer(Memory(), 0)
    assert mixed(plain) == []
    assert plain.calls == 500
    assert plain.refused
    assert not plain.undone
    cache = Memory()
    in_transactions = Mixer(cache, 0, cache.atomic)
    assert mixed(in_transactions) == []
    assert in_transactions.calls == 500
    assert in_transactions.undone


def test_the_mix_of_a_cache_that_is_not() -> None:
    torn = Memory()
    torn.torn = {"body": b"torn"}
    found = mixed(Mixer(torn, 0))
    assert len(found) == 5
    assert "a torn record" in found[0]
    found = mixed(Mixer(type("Keeper", (Memory,), {"delete": Memory.get})(), 0))
    assert found
    assert all(" of writer 0 is back" in f for f in found)
    # A transaction that cannot be rolled back.
    found = mixed(Mixer(Memory(), 0, nullcontext))
    assert found
    assert all("of writer 0, whose transaction was rolled back" in f for f in found)


@pytest.mark.parametrize(("message", "counted"), [("lost", 0), ("Deadlock found", 1)])
def test_exceptions_of_the_mix(message: str, counted: int) -> None:
    @contextmanager
    def failing() -> Iterator[None]:
        yield
        raise ConnectionError(message)

    mixer = Mixer(Memory(), 0, failing)
    try:
        while not mixer.deadlocks:
            mixer.step()
    except ConnectionError as error:
        (note,) = error.__notes__
        method, _, where = note.partition(" ")
        assert method in METHODS
        assert where == "in a transaction"
    assert mixer.deadlocks == counted


# Findings


def test_records_that_were_read_but_not_written() -> None:
    seen = [Origin(0, 3), Origin(0, 4), Origin(1, 0), Origin(2, 0)]
    assert unwritten(seen, {0: 4, 1: 0, 2: 0}, [Origin(0, 2)], []) == []
    assert unwritten(seen, {0: 3, 1: 0}, [Origin(1, 0)], [Origin(0, 3)]) == [
        "read: record 4 of writer 0, which nobody made",
        "read: record 0 of writer 2, which nobody made",
        "read: record 0 of writer 1, whose add() returned False",
        "read: record 3 of writer 0, whose transaction was rolled back",
    ]


def test_who_added() -> None:
    held: Held = {"a": [1, 0], "b": [1, 0], "c": [1, 0], "d": "d: get() misses"}
    assert wrong_adds([["b"], ["a"]], {"a": [1, 0], "b": [0, 0]}, []) == []
    assert wrong_adds([["a", "c", "d"], ["a"]], held, ["a"]) == [
        "a, an expired row before: add() returned True to 0, 1; then: record 0 of"
        " writer 1",
        "b, no row before: add() returned True to no process; then: record 0 of writer"
        " 1",
        "c, no row before: add() returned True to 0; then: record 0 of writer 1",
        "d, no row before: add() returned True to 0; then: d: get() misses",
    ]


def test_what_a_kill_leaves() -> None:
    before = {key: Origin(1, 5) for key in "abcde"}
    held: Held = {"a": [1, 5], "b": [2, 3], "c": [1, 4], "d": [2, 4], "e": "e: torn"}
    found, now = wrong_kill(held, before, {1: 6, 2: 3})
    assert found == [
        "c: record 5 of writer 1 has become record 4 of writer 1, an older one",
        "d: record 4 of writer 2, which nobody wrote",
        "e: torn",
    ]
    assert now["b"] == Origin(2, 3)
    assert now["e"] == before["e"]


def test_what_damaged_rows_give() -> None:
    outcome = {
        **{"a": "right", "b": "other", "c": "miss", "d": "miss", "e": "miss"},
        **{"f": "get() raised EOFError", "g": "get_many() raised EOFError"},
    }
    answer = {
        "outcome": outcome,
        "way": dict.fromkeys(outcome, "empty"),
        "logged": {"": 1, "b": 1, "c": 1, "d": 2},
        "left": ["a", "c"],
    }
    assert wrong_reads(answer) == [
        "empty: a value, logged as discarded 1 times; 1 keys, first b",
        "empty: a miss whose row is still there; 1 keys, first c",
        "empty: a miss that was logged 2 times; 1 keys, first d",
        "empty: a miss that was logged 0 times; 1 keys, first e",
        "empty: get() raised EOFError; 1 keys, first f",
        "get_many() raised EOFError; 1 keys, first g",
        "logged without a key: 1 times; 1 keys, first no key",
    ]


# The verb


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes", "0"], "--processes: 0 is less than 1"),
        (["--seconds", "0"], "--seconds: 0 is not greater than zero"),
        (["--calls", "x"], "--calls: 'x' is not a whole number"),
        (["--db", "oracle"], "--db: oracle is not one of sqlite, postgresql, mariadb"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(lambda project: run(verb, project, *words), tmp_path, message)


def test_the_table() -> None:
    facts = [f"fact {number}" for number in range(7)]
    outcomes = {"incr": Outcome("10 calls", facts, ["a note"]), "kill": Outcome("0")}
    lines = verb.show(Run("sqlite", "3.45", PATCHED, outcomes)).splitlines()
    assert lines[0] == "sqlite 3.45, patched: 7 findings"
    assert [line.split()[:2] for line in lines[2:4]] == [["incr", "7"], ["kill", "0"]]
    assert lines[4:] == [
        *(f"incr: fact {number}" for number in range(5)),
        "incr: and 2 more",
        "incr: a note",
    ]


@pytest.mark.slow
def test_the_verb(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stress.json"
    words = ["--stock", "--phase", "corrupt", "--rows", "14", "--processes", "1"]
    assert run(verb, real, *words, "--json", str(file)) == FINDINGS
    shown, progress = capsys.readouterr()
    assert shown.startswith("sqlite ")
    assert "sqlite, stock, corrupt" in progress
    written = json.loads(file.read_text("utf-8"))
    assert written["options"]["rows"] == 14
    (one,) = written["runs"]
    assert one["variant"] == STOCK
    assert len(one["outcomes"]["corrupt"]["findings"]) > 5
