"""The cache among processes, killed writers and damaged rows."""

import argparse
import json
import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from common.errors import FINDINGS
from common.project import Project
from lab.stress import damage, shared, values
from lab.stress.mix import Mixer
from lab.stress.phases import (
    CULL_ENTRIES,
    PHASES,
    STRATEGIES,
    Outcome,
    Plan,
    add_findings,
    kill_findings,
    left_findings,
    mix_findings,
    raised,
    sum_findings,
    without_deadlocks,
)
from lab.stress.stored import FORMATS, Format, Payload, Rows
from lab.stress.values import Broken, Origin
from lab.stress.worker import Report
from lab.variants import PATCHED, STOCK
from patchstack import trees
from stack import VERBS
from tests.conftest import assert_refused
from verbs import stress as verb
from verbs.stress import Run, show, stress

SQLITE = "sqlite:///:memory:"
SHORT = Plan(processes=3, seconds=0.3, calls=600, kills=2, rows=210)
CACHE = Path("django/core/cache/backends/db.py")


# Nothing is what it should be, wherever this Django is asked.
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
GROWS = """

def _cull(self, *args):
    pass

DatabaseCache._cull = _cull
"""
FAILS = """

def _cull(self, *args):
    raise DatabaseError("deadlock detected")

DatabaseCache._cull = _cull
"""


def changed(tree: Path, folder: Path, code: str) -> Path:
    """Return a copy of a tree in which the database cache has more code."""
    trees.copied(tree, folder)
    with (folder / CACHE).open("a", encoding="utf-8") as file:
        file.write(code)
    return folder


@pytest.fixture(scope="module")
def broken(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed(stock, tmp_path_factory.mktemp("broken"), BROKEN)


@pytest.fixture(scope="module")
def on_patched(patched: Path) -> Run:
    return stress(patched, SQLITE, "sqlite", PATCHED, list(PHASES), SHORT)


@pytest.fixture(scope="module")
def on_broken(broken: Path) -> Run:
    return stress(broken, SQLITE, "sqlite", STOCK, list(PHASES), SHORT)


def outcome(run: Run, phase: str) -> Outcome:
    return {each.phase: each for each in run.outcomes}[phase]


# On a real Django


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_found_on_patched(on_patched: Run, phase: str) -> None:
    done = outcome(on_patched, phase)
    assert done.findings == ()
    # A writer may be killed in its first call.
    assert done.calls > 0 or phase == "kill"


def test_what_was_done_on_patched(on_patched: Run) -> None:
    made = {each.phase: each.figures for each in on_patched.outcomes}
    assert made["add"]["rounds"] >= 200
    assert made["mix"]["read"] > 0
    assert made["kill"]["kills"] == 2
    assert made["corrupt"]["column"] in {each.column for each in FORMATS}
    ways = made["corrupt"]["outcomes"]
    assert list(ways) == list(damage.WAYS)
    assert [sum(each.values()) for each in ways.values()] == [30] * len(damage.WAYS)
    assert not any(each.get("raised") for each in ways.values())


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("incr", "calls returned, but the sum of the values is 0"),
        ("add", "before: add() returned True to 0, 1, 2"),
        ("mix", "its checksum is wrong"),
        ("kill", "kill 2: key-0: its checksum is wrong"),
        ("corrupt", "raised"),
    ],
)
def test_each_phase_finds_what_is_broken(on_broken: Run, phase: str, said: str) -> None:
    assert any(said in line for line in outcome(on_broken, phase).findings)


def culling(tree: Path) -> Outcome:
    plan = replace(SHORT, seconds=3.6)  # of all strategies
    (done,) = stress(tree, SQLITE, "sqlite", PATCHED, ["cull"], plan).outcomes
    return done


def test_each_strategy_culls(patched: Path) -> None:
    done = culling(patched)
    assert done.findings == ()
    assert list(done.figures) == list(STRATEGIES)
    for each in done.figures.values():
        assert each["culled"] > 0
        assert each["rows"] > 0
        assert 0 < each["left"] <= CULL_ENTRIES + 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (BROKEN, "its checksum is wrong"),
        (GROWS, "rows are left, but MAX_ENTRIES is 12"),
        (FAILS, "DatabaseError: deadlock detected"),
    ],
    ids=["broken", "grows", "fails"],
)
def test_culling_that_is_broken(
    patched: Path, tmp_path: Path, code: str, said: str
) -> None:
    found = culling(changed(patched, tmp_path, code)).findings
    for strategy in STRATEGIES:
        assert any(line.startswith(f"{strategy}: ") and said in line for line in found)


def test_stock_has_no_strategies(on_broken: Run) -> None:
    done = outcome(on_broken, "cull")
    assert (done.calls, done.rate, done.findings) == (0, 0, ())
    assert "has no CULL_STRATEGY" in done.notes[0]


def test_stock_raises(stock: Path) -> None:
    # Its incr() loses updates as well, but not for certain in so short a time.
    found = stress(stock, SQLITE, "sqlite", STOCK, ["corrupt"], SHORT)
    (lines,) = [each.findings for each in found.outcomes]
    assert any("get_many() raised" in line for line in lines)
    for way in damage.WAYS:
        assert any(line.startswith(f"{way}: get() raised") for line in lines)


# Values


def test_a_record_says_where_it_comes_from() -> None:
    made = values.record("key-7", Origin(3, 21), 1_000)
    assert values.origin("key-7", made) == Origin(3, 21)
    assert made == values.record("key-7", Origin(3, 21), 1_000)
    assert 1_000 < len(pickle.dumps(made)) < 1_300


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (values.record("key-8", Origin(3, 21), 100), "a value of key-8"),
        (values.record("key-7", Origin(3, 21), 100) | {"count": 22}, "checksum"),
        (values.record("key-7", Origin(3, 21), 100) | {"body": b""}, "checksum"),
        ({"key": "key-7"}, "no record"),
        (12, "no record"),
    ],
)
def test_a_record_that_nobody_wrote(value: object, said: str) -> None:
    with pytest.raises(Broken, match=f"key-7: .*{said}"):
        values.origin("key-7", value)


def test_numbers_belong_to_their_key() -> None:
    assert values.added("key-7", values.base("key-7") + 12) == 12
    for wrong in (values.base("key-6"), values.base("key-8"), 0, True, "12"):
        with pytest.raises(Broken, match="key-7"):
            values.added("key-7", wrong)


def test_records_that_were_read_but_not_written() -> None:
    seen = [Origin(0, 3), Origin(0, 4), Origin(1, 0), Origin(2, 0)]
    assert values.unwritten(seen, {0: 4, 1: 0, 2: 0}, [Origin(0, 2)]) == []
    assert values.unwritten(seen, {0: 3, 1: 0}, [Origin(1, 0)], [Origin(0, 3)]) == [
        "read: record 4 of writer 0, which nobody made",
        "read: record 0 of writer 2, which nobody made",
        "read: record 0 of writer 1, whose add() returned False",
        "read: record 3 of writer 0, whose transaction was rolled back",
    ]


class Memory:
    """A cache of one process; ``torn`` lets it return what it was not given.

    ``begun`` counts the transactions.
    """

    def __init__(self, torn: bool = False) -> None:
        self._data: dict[str, object] = {}
        self._torn = torn
        self.begun = 0

    @contextmanager
    def atomic(self) -> Iterator[None]:
        self.begun += 1
        before = self._data.copy()
        try:
            yield
        except Exception:
            self._data = before
            raise

    @contextmanager
    def lasting(self) -> Iterator[None]:
        """Be a transaction that cannot be rolled back."""
        yield

    def get(self, key: str) -> object:
        value = self._data.get(key)
        if self._torn and isinstance(value, dict):
            return value | {"body": b"torn"}
        return value

    def get_many(self, keys: Sequence[str]) -> dict[str, object]:
        return {key: self.get(key) for key in keys if key in self._data}

    def set(self, key: str, value: object, timeout: int | None) -> None:
        self._data[key] = value

    def set_many(self, data: dict[str, object], timeout: int | None) -> list[str]:
        self._data |= data
        return []

    def add(self, key: str, value: object, timeout: int | None) -> bool:
        return self._data.setdefault(key, value) is value

    def touch(self, key: str, timeout: int | None) -> bool:
        return key in self._data

    def delete(self, key: str) -> bool:
        return self._data.pop(key, None) is not None

    def incr(self, key: str) -> int:
        if key not in self._data:
            raise ValueError(f"Key '{key}' not found")
        value = self._data[key]
        assert isinstance(value, int)
        self._data[key] = value + 1
        return value + 1


def mixed(
    cache: object, atomic: Callable[[], AbstractContextManager[None]] | None = None
) -> Mixer:
    keys = values.names(6)
    mixer = Mixer(cache, 2, keys[:4], keys[4:], random.Random(1), atomic)
    for _ in range(500):
        mixer.step()
    return mixer


def test_the_mix_of_a_cache_that_is_right() -> None:
    mixer = mixed(Memory())
    assert (mixer.calls, mixer.failed, mixer.broken) == (500, 0, [])
    assert mixer.missing > 0
    assert mixer.refused
    refused = [Origin(2, count) for count in mixer.refused]
    assert values.unwritten(mixer.seen, {2: mixer.made}, refused) == []


def lines(mixer: Mixer) -> list[str]:
    """Return what is found of a mixer that is process 2 of 3."""
    idle = {"made": -1, "refused": [], "undone": [], "seen": []}
    answer = {name: getattr(mixer, name) for name in ("made", "refused", "undone")}
    answer["seen"] = [[each.writer, each.count] for each in mixer.seen]
    return mix_findings(
        [each | {"errors": [], "broken": []} for each in (idle, idle, answer)]
    )


def test_the_mix_in_transactions() -> None:
    cache = Memory()
    mixer = mixed(cache, cache.atomic)
    assert mixer.calls == 500
    assert 200 < cache.begun < 300
    assert mixer.undone
    assert lines(mixer) == []


def test_the_mix_in_transactions_that_last() -> None:
    cache = Memory()
    found = lines(mixed(cache, cache.lasting))
    assert found
    assert all(
        "of writer 2, whose transaction was rolled back" in each for each in found
    )


def test_an_exception_says_that_there_was_a_transaction() -> None:
    @contextmanager
    def failing() -> Iterator[None]:
        yield
        raise ConnectionError("lost")

    with pytest.raises(ConnectionError, match="lost") as caught:
        mixed(Memory(), failing)
    call, where = caught.value.__notes__
    assert hasattr(Memory, call)
    assert where == "in a transaction"


def test_the_mix_of_a_cache_that_tears() -> None:
    mixer = mixed(Memory(torn=True))
    assert len(mixer.broken) == 5
    assert "its checksum is wrong" in mixer.broken[0]


# What is found


def test_exceptions_of_all_processes_are_counted_together() -> None:
    locked = {"kind": "OperationalError", "message": "locked", "count": 2}
    assert raised([{"errors": []}, {"errors": []}]) == []
    assert raised([{"errors": [locked]}, {"errors": [locked]}]) == [
        "raised: 4 OperationalError: locked"
    ]


def test_the_sum_of_the_numbers() -> None:
    keys = ["a", "b"]
    assert sum_findings(keys, [3, 4], 7) == []
    assert sum_findings(keys, [3, 4], 8) == [
        "8 calls returned, but the sum of the values is 7"
    ]
    assert sum_findings(keys, [7, None], 7) == ["b holds None"]


def test_deadlocks_in_transactions() -> None:
    deadlock = {"message": "(1213, 'Deadlock found')", "count": 2}
    errors = [
        {"kind": "get in a transaction OperationalError"} | deadlock,
        {"kind": "set OperationalError"} | deadlock,
        {"kind": "get in a transaction Error", "message": "locked", "count": 3},
    ]
    answers = [{"errors": errors, "made": 1}, {"errors": errors[:1], "made": 2}]
    assert without_deadlocks(answers) == (
        [{"errors": errors[1:], "made": 1}, {"errors": [], "made": 2}],
        4,
    )


def test_rows_that_a_cull_leaves() -> None:
    assert left_findings(13, 12) == []
    assert left_findings(14, 12) == ["14 rows are left, but MAX_ENTRIES is 12"]


def test_who_added() -> None:
    holder = {"writer": 1, "count": 0}
    assert add_findings({"a": [1]}, {"a": holder}, []) == []
    found = add_findings(
        {"a": [0, 1], "b": [], "c": [0], "d": [0]},
        {"a": holder, "b": holder, "c": holder, "d": "d: get() misses"},
        ["a"],
    )
    assert found == [
        "a, an expired row before: add() returned True to 0, 1",
        "b, no row before: add() returned True to no process",
        "c, no row before: process 0 added it, but it holds the value of 1",
        "d: get() misses",
    ]


def test_what_a_kill_leaves() -> None:
    before = {key: Origin(1, 5) for key in "abcde"}
    held: dict[str, dict[str, int] | str] = {
        "a": {"writer": 1, "count": 5},
        "b": {"writer": 2, "count": 3},
        "c": {"writer": 1, "count": 4},
        "d": {"writer": 2, "count": 4},
        "e": "e: its checksum is wrong",
    }
    found, now = kill_findings(held, before, {1: 6, 2: 3})
    assert found == [
        "c: 5 of writer 1 has become 4 of writer 1, an older one",
        "d: 4 of writer 2, which nobody wrote",
        "e: its checksum is wrong",
    ]
    assert now["b"] == Origin(2, 3)
    assert now["e"] == before["e"]


def test_what_damaged_rows_give() -> None:
    keys = values.names(7)
    way = dict.fromkeys(keys[:6], "empty") | {keys[6]: "truncated"}
    report = Report(way, dict.fromkeys(keys, 1))

    def fails() -> dict[str, object]:
        raise EOFError("Ran out of input")

    report.read("get()", keys[:1], lambda: {keys[0]: 1})
    report.read("get_many()", keys[1:5], lambda: {keys[1]: 2})
    report.read("get()", keys[5:6], fails)
    report.read("get()", keys[6:], dict)
    assert report.outcomes == {
        "empty": {"right": 1, "other": 1, "miss": 3, "raised": 1},
        "truncated": {"miss": 1},
    }
    logged = Counter({"": 1, keys[1]: 1, keys[2]: 1, keys[3]: 2, keys[6]: 1})
    assert report.findings(logged, {keys[0]: 1, keys[1]: 2, keys[6]: ""}) == [
        "empty: get() raised EOFError; 1 times, first key-5, Ran out of input",
        "empty: a miss that was logged 2 times; 1 times, first key-3",
        "empty: a miss that was logged 0 times; 1 times, first key-4",
        "truncated: a miss whose row is still there; 1 times, first key-6",
        "empty: a value, logged as discarded 1 times; 1 times, first key-1",
        "logged without a key: 1 times",
    ]


# Rows and damage

TEXT = Format("value", binary=False)
BINARY = Format("data", binary=True)


@pytest.mark.parametrize("form", [TEXT, BINARY], ids=lambda form: str(form.column))
@pytest.mark.parametrize("way", damage.WAYS)
def test_damage(form: Format, way: str) -> None:
    value = values.record("key-1", Origin(0, 0), 200)
    stored = form.of_bytes(pickle.dumps(value))
    with damage.passing() as objects:
        gone, changed = (form.of_bytes(pickle.dumps(each)) for each in objects)
    victim = damage.Victim(
        "key-1", value, stored, gone, changed, form, random.Random(1)
    )
    made = damage.WAYS[way](victim)
    assert type(made) is type(stored) is (bytes if form.binary else str)
    assert made != stored
    special: dict[str, type[Exception]] = {
        "module gone": ImportError,
        "attribute gone": AttributeError,
    }
    with pytest.raises(special.get(way, Exception)):
        pickle.loads(form.bytes_of(made))


def test_damage_of_a_value_that_has_no_bytes() -> None:
    victim = damage.Victim("key-0", 1, b"", b"", b"", BINARY, random.Random(1))
    for way in damage.WAYS.values():
        assert isinstance(way(victim), bytes)


class Connection:
    """A connection to a table with those columns and rows."""

    def __init__(self, columns: Sequence[str], rows: Sequence[tuple[str, object]]):
        self.ops = SimpleNamespace(quote_name=lambda name: f"[{name}]")
        self.introspection = SimpleNamespace(
            get_table_description=lambda cursor, table: [
                SimpleNamespace(name=column) for column in columns
            ]
        )
        self.executed: list[str] = []
        self._rows = rows

    @contextmanager
    def cursor(self) -> Iterator["Connection"]:
        yield self

    def execute(self, sql: str, params: Sequence[str]) -> None:
        self.executed.append(sql)

    def fetchall(self) -> Sequence[tuple[str, object]]:
        return self._rows


@pytest.mark.parametrize(
    ("columns", "rows", "read"),
    [
        (["cache_key", "VALUE", "expires"], [(":a", "gA==")], {"a": "gA=="}),
        (
            ["cache_key", "data", "number", "expires"],
            [(":a", memoryview(b"x")), (":b", None)],
            {"a": b"x", "b": b""},
        ),
    ],
)
def test_both_formats_are_read(
    columns: list[str], rows: list[tuple[str, object]], read: dict[str, Payload]
) -> None:
    connection = Connection(columns, rows)
    cache = SimpleNamespace(make_key=lambda key: f":{key}")
    assert Rows(connection, cache, "t").read(["a", "b"]) == read
    (sql,) = connection.executed
    assert sql.startswith(
        f"SELECT cache_key, [{'value' if len(columns) == 3 else 'data'}]"
    )


def test_a_table_of_another_format() -> None:
    with pytest.raises(RuntimeError, match="t: no column of values among"):
        Rows(Connection(["cache_key", "blob"], []), None, "t")


# Numbers that processes share


def test_a_barrier_opens_when_all_are_there(tmp_path: Path) -> None:
    path = shared.create(tmp_path / "barrier", 2)
    others = shared.Numbers(path)
    mine = shared.Barrier(path, 0)
    others[1] = 2
    mine.wait()
    mine.wait()
    assert (others[0], others.least()) == (2, 2)
    mine.close()
    others.close()


def test_a_barrier_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "PATIENCE", 0)
    barrier = shared.Barrier(shared.create(tmp_path / "barrier", 2), 0)
    with pytest.raises(RuntimeError, match="a process did not come for 0 s"):
        barrier.wait()
    barrier.close()


# The verb


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verb.configure(parser)
    return parser.parse_args(words)


def made_up(*findings: str) -> Run:
    one = Outcome("incr", "10 of 10 calls", 10, 2.0, findings, ("a note",))
    return Run("sqlite", "3.45", PATCHED, (one, Outcome("kill", "0 kills", 0, 0.0)))


def test_help_fits_a_screen() -> None:
    assert VERBS["stress"] == "stress.verb"
    help_screen = (verb.__doc__ or "").splitlines()
    assert max(map(len, help_screen)) <= 80
    assert set(PHASES) <= {line.split()[0] for line in help_screen if line}


def test_options_make_the_plan() -> None:
    assert verb.plan(arguments()) == Plan()
    words = "--processes=2 --seconds=.5 --calls=1_000 --kills=3 --rows=4 --seed=0"
    assert verb.plan(arguments(*words.split())) == Plan(2, 0.5, 1_000, 3, 4, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes", "0"], "--processes: 0 is less than 1"),
        (["--seconds", "0"], "--seconds: 0 is not greater than zero"),
        (["--calls", "x"], "--calls: 'x' is not a whole number"),
        (["--db", "oracle"], "--db: oracle is none of sqlite, postgresql, mariadb"),
        (["--db", "redis"], "--db: redis is not a database"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(
        lambda project: verb.run(arguments(*words), project), tmp_path, message
    )


def test_the_table() -> None:
    lines = show(made_up(*(f"fact {number}" for number in range(7)))).splitlines()
    assert lines[0] == "sqlite 3.45, patched"
    assert lines[3].split("  ")[0] == "incr"
    assert lines[3].split()[-2:] == ["7", "5"]
    assert lines[4].split()[-2:] == ["0", "0"]
    assert lines[5:] == [
        *(f"incr: fact {number}" for number in range(5)),
        "incr: and 2 more",
        "incr: a note",
    ]
    assert made_up("x").summary() == "sqlite 3.45, patched: 1 findings in incr, kill"


def test_json_holds_every_finding() -> None:
    runs = [made_up(*"abcdefg")]
    data = json.loads(json.dumps(verb.data(runs, {"mysql": "none"}, Plan(), "abc")))
    assert data["not_run"] == {"mysql": "none"}
    assert data["options"]["processes"] == 8
    (one,) = data["runs"]
    assert (one["variant"], one["findings"]) == (PATCHED, 7)
    assert one["outcomes"][0]["findings"] == list("abcdefg")


def test_the_verb(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "stress.json"
    words = ["--stock", "--phase", "corrupt", "--rows", "14", "--processes", "1"]
    assert verb.run(arguments(*words, "--json", str(file)), real) == FINDINGS
    shown, progress = capsys.readouterr()
    assert shown.startswith("sqlite ")
    assert "stock: " in shown.splitlines()[-1]
    assert "sqlite, stock, corrupt" in progress
    (one,) = json.loads(file.read_text("utf-8"))["runs"]
    assert one["findings"] > 0
