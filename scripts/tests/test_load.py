"""Processes that share a cache, and what is made of what they saw."""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import OK, StackError
from common.project import Project
from lab.bench.histogram import Histogram, bucket, middle
from lab.bench.traces import cumulated
from lab.load.mix import ALL, BATCH, MANY, MIX, SECOND, Visitor, endless, key_names
from lab.load.worker import first_requests
from lab.variants import PATCHED, STOCK
from patchstack import trees
from stack import parser
from tests.conftest import assert_refused
from verbs import load as verb
from verbs.load import QUICK, Load, Plan, Side, load, show

SQLITE = "sqlite:///:memory:"
SHORT = Plan(
    processes=2, duration=1, warmup=0.2, turn=0.5, max_entries=100, keys=500, seed=3
)
CACHE = Path("django/core/cache/backends/db.py")
# What a database that is in trouble does to a cache, now and then.
RAISES = """

_whole_delete = DatabaseCache.delete

def _delete(self, key, version=None):
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT * FROM missing")
    return _whole_delete(self, key, version)

DatabaseCache.delete = _delete
"""
DIES = """
import os
DatabaseCache.touch = lambda *args: os._exit(3)
"""


def changed(tree: Path, folder: Path, code: str) -> Path:
    """Return a copy of a tree in which the database cache has more code."""
    trees.copied(tree, folder)
    with (folder / CACHE).open("a", encoding="utf-8") as file:
        file.write(code)
    return folder


def arguments(*words: str) -> argparse.Namespace:
    return parser("load").parse_args(words)


# The histogram


def test_a_bucket_knows_a_time_to_two_percent() -> None:
    chance = random.Random(1)
    times = [*range(5_000), *(int(10 ** chance.uniform(3, 11)) for _ in range(5_000))]
    for ns in times:
        assert abs(middle(bucket(ns)) - ns) <= 0.02 * ns
    numbers = [bucket(ns) for ns in sorted(times)]
    assert numbers == sorted(numbers)
    assert {bucket(ns) for ns in range(5_000)} == set(range(bucket(4_999) + 1))


def test_quantiles_are_those_of_the_sorted_times() -> None:
    chance = random.Random(2)
    times = sorted(int(chance.lognormvariate(11, 1.5)) for _ in range(5_000))
    found = Histogram()
    for ns in times:
        found.add(ns)
    assert len(found) == 5_000
    assert found.worst == times[-1]
    for share, which in ((0.5, 2_499), (0.99, 4_949), (0.999, 4_994), (1, 4_999)):
        assert found.quantile(share) == pytest.approx(times[which], rel=0.02)
    assert found.quantile(1) <= found.worst


def test_histograms_are_merged_and_sent() -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for number, ns in enumerate([50, 3_000, 70_000, 50, 1_000_000]):
        (one, other)[number % 2].add(ns)
        both.add(ns)
    one.merge(Histogram(**json.loads(json.dumps(other.to_json()))))
    assert one.to_json() == both.to_json()
    assert (len(one), one.worst) == (5, 1_000_000)
    with pytest.raises(ValueError, match="empty"):
        Histogram().quantile(0.5)


# The requests


class Recorder(dict[str, object]):
    """A cache that notes its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[str, ...]]] = []

    def _note(self, name: str, keys: Iterable[str]) -> None:
        self.calls.append((name, tuple(keys)))

    def get(self, key: str, default: Any = None) -> Any:
        self._note("get", [key])
        return super().get(key, default)

    def set(self, key: str, value: object) -> None:
        self._note("set", [key])
        self[key] = value

    def add(self, key: str, value: object) -> bool:
        self._note("add", [key])
        return self.setdefault(key, value) is value

    def get_many(self, keys: Iterable[str]) -> dict[str, object]:
        self._note("get_many", sorted(keys))
        return {key: self[key] for key in keys if key in self}

    def set_many(self, data: dict[str, object]) -> None:
        self._note("set_many", sorted(data))
        self.update(data)

    def touch(self, key: str) -> bool:
        self._note("touch", [key])
        return key in self

    def incr(self, key: str) -> None:
        self._note("incr", [key])
        if key not in self:
            raise ValueError(f"Key '{key}' not found")

    def delete(self, key: str) -> None:
        self._note("delete", [key])
        if self.pop(key, None) is None:
            raise LookupError(f"no {key}")


def visitor(mix: dict[str, float], number: int = 0) -> tuple[Recorder, Visitor]:
    cache = Recorder()
    made = Visitor(
        cache,
        random.Random(number),
        key_names(500, seed=1),
        cumulated(500, 1.0),
        mix,
        ["a", "b"],
    )
    return cache, made


def visit(made: Visitor, seconds: float = 0.1, offset: float = 0) -> Any:
    until = time.perf_counter_ns() + round(seconds * SECOND)
    return made.visit(until, round(offset * SECOND))


def test_a_visitor_counts_what_it_does() -> None:
    cache, made = visitor(dict(MIX))
    tally = visit(made, 0.3, offset=6.9)
    assert sorted(tally.windows) == [6, 7]
    windows = tally.windows.values()
    calls, errors = sum(w.calls for w in windows), sum(w.errors for w in windows)
    called = Counter(name for name, _ in cache.calls)
    assert len(tally.latency[ALL]) == calls + errors
    assert {name: len(tally.latency[name]) for name in MIX} == called
    asked = sum(len(keys) for name, keys in cache.calls if name in ("get", "get_many"))
    assert sum(w.gets for w in windows) == asked
    assert 0 < sum(w.hits for w in windows) < asked
    # The keys in the messages do not make a kind of each.
    assert list(tally.errors) == ["LookupError: no key-…"]
    assert tally.errors.total() == errors
    share = called["get"] / (calls + errors)
    assert share == pytest.approx(0.8, abs=0.1)


def test_a_miss_is_set_and_a_counter_is_made() -> None:
    cache, made = visitor({"get": 1, "get_many": 1, "incr": 1})
    visit(made, 0.02)
    missed: set[str] = set()
    for (name, keys), (then, written) in zip(
        cache.calls, cache.calls[1:], strict=False
    ):
        if name == "get" and keys[0] not in missed:
            assert (then, written) == ("set", keys)
        elif name == "get_many" and set(keys) - missed:
            assert (then, set(written)) == ("set_many", set(keys) - missed)
        elif name == "incr" and keys[0] not in missed:
            assert keys[0].startswith("counter-")
            assert (then, written) == ("add", keys)
        missed |= set(keys)
    # Five of 500 keys.
    assert len([key for key in missed if key.startswith("counter-")]) == 5


def test_streams_are_the_same_on_all_sides_and_differ_by_process() -> None:
    seen = []
    for number in (0, 0, 1):
        cache, made = visitor({"set": 3, "set_many": 1}, number)
        visit(made)
        seen.append(cache.calls)
    fewest = min(map(len, seen))
    one, same, other = (calls[:fewest] for calls in seen)
    assert one == same != other
    assert {len(keys) for name, keys in one if name == "set_many"} <= set(
        range(2, MANY + 1)
    )


def test_keys_are_drawn_by_popularity() -> None:
    names = key_names(100, seed=1)
    assert sorted(names) == sorted(f"key-{number}" for number in range(100))
    drawn = Counter(
        key
        for key, _ in zip(
            endless(random.Random(1), names, cumulated(100, 1.0)),
            range(100 * BATCH),
            strict=False,
        )
    )
    assert drawn[names[0]] / drawn[names[9]] == pytest.approx(10, rel=0.3)
    first = first_requests(endless(random.Random(1), names, cumulated(100, 1.0)), 40)
    assert len(set(first)) == len(first) == 40
    # Not all keys are ever asked for.
    assert first_requests(endless(random.Random(1), names, [1.0] * 100), 40) == [
        names[0]
    ]


# The verb


def test_help_fits_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = parser("load").format_help().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 60


def test_options_make_the_plan() -> None:
    assert verb.plan(arguments()) == Plan()
    assert verb.plan(arguments("--quick")) == QUICK
    made = verb.plan(arguments("--max-entries=7", "--strategy=stock,lru,stock"))
    assert made == Plan(max_entries=7, keys=35, strategies=(STOCK, "lru"))
    made = verb.plan(
        arguments("--quick", "--turn=4", "--mix=get=9, set=.5", "--zipf=1.2")
    )
    assert made == replace(QUICK, turn=4, mix={"get": 9, "set": 0.5}, zipf=1.2)
    # All turns are of one length, about what is asked for.
    assert [(each.turns, each.seconds) for each in (Plan(), made)] == [(12, 5), (2, 3)]
    assert Plan(duration=1).turns == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes", "0"], "--processes: 0 is less than 1"),
        (["--max-entries", "many"], "--max-entries: 'many' is not a whole number"),
        (["--keys", "10000"], "--keys: 10,000 are not more than MAX_ENTRIES, 10,000"),
        (["--duration", "0"], "--duration: 0 is not greater than zero"),
        (["--warmup", "x"], "--warmup: 'x' is not a number"),
        (["--turn", "-1"], "--turn: -1 is not greater than zero"),
        (["--zipf", "nan"], "--zipf: nan is not greater than zero"),
        (["--seed", "x"], "--seed: 'x' is not a whole number"),
        (["--strategy", ","], "--strategy: no name"),
        (["--mix", ","], "--mix: no request"),
        (["--mix", "get"], "--mix: 'get' is not NAME=WEIGHT"),
        (["--mix", "get=1,fly=2"], "--mix: no request is called 'fly'"),
        (["--mix", "get=1,get=2"], "--mix: get is there twice"),
        (["--mix", "get=0"], "--mix: get: 0 is not greater than zero"),
        (["--mix", "get=much"], "--mix: get: 'much' is not a number"),
        (["--db", "sqlit"], 'there is no database "sqlit"'),
        (["--db", "oracle"], "--db: oracle is none of sqlite, postgresql"),
        (["--db", "sqlite", "--db", "mysql", "--json", "x"], "goes with one --db"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(
        lambda project: verb.run(arguments(*words), project), tmp_path, message
    )


def made_up() -> Load:
    def turn(calls: int, ns: int, **more: Any) -> dict[str, Any]:
        times = Histogram()
        for _ in range(calls):
            times.add(ns)
        window = {"calls": calls, "gets": calls, "hits": calls // 2, "errors": 0}
        return {
            "cpu_seconds": 0.5,
            "errors": {},
            "failed": {},
            "windows": {"0": window},
            "latency": {ALL: times.to_json(), "get": times.to_json()},
        } | more

    sides = [Side("sieve"), Side(STOCK)]
    for second, (fast, slow) in enumerate([(400, 100), (300, 100), (600, 100)]):
        window = {"calls": fast, "gets": 0, "hits": 0, "errors": 3}
        more = {"errors": {"OperationalError: locked": 3}, "failed": {"x": 4}}
        windows = {"windows": {str(second): window}}
        sides[0].add_turn([turn(fast, 50_000, **more, **windows)], 2, 7)
        sides[1].add_turn([turn(slow // 2, 900_000)] * 2, 2, 9)
    return Load(
        *("SQLite", "3", "now", "c0ffee"), {}, {}, {}, replace(SHORT), tuple(sides)
    )


def test_sides_are_compared_turn_by_turn() -> None:
    found = made_up()
    data = json.loads(json.dumps(found.to_json()))
    assert (data["kind"], data["format"], data["base"]) == ("load", 1, STOCK)
    # Of 4, 3 and 6.
    assert data["ratios"] == {"sieve": 4, STOCK: 1}
    fast, slow = data["results"]
    assert fast["throughput"] == {
        "median": 200,
        "quartiles": [175, 250],
        "turns": [200, 150, 300],
    }
    assert (fast["calls"], fast["seconds"], fast["cpu_seconds"]) == (1_300, 6, 1.5)
    assert [window["second"] for window in fast["windows"]] == [0, 1, 2]
    assert fast["errors"] == {"OperationalError: locked": 9}
    assert fast["failed_statements"] == {"x": 12}
    assert fast["hit_ratio"] is None
    assert slow["hit_ratio"] == 0.5
    assert slow["windows"] == [
        {"second": 0, "calls": 300, "gets": 300, "hits": 150, "errors": 0}
    ]
    assert slow["entries"] == [9, 9, 9]
    assert slow["latency_us"]["get"]["calls"] == 300
    assert slow["latency_us"][ALL]["p999"] == pytest.approx(900, rel=0.02)
    shown = show(found)
    assert "sieve, error: 9 x OperationalError: locked" in shown
    assert "sieve, failed: 12 x x" in shown
    (row,) = [line for line in shown.splitlines() if line.startswith("sieve  ")]
    assert row.split()[5:7] == ["4.00", "x"]


# Real processes


def test_stock_against_patched(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "load.json"
    words = ["--processes=2", "--duration=1.6", "--warmup=.2", "--turn=.8"]
    size = ["--max-entries=100", "--strategy=stock,patched,lru", "--json", str(file)]
    assert verb.run(arguments(*words, *size), real) == OK
    data = json.loads(file.read_text())
    assert data["options"]["keys"] == 500
    assert [each["strategy"] for each in data["results"]] == [STOCK, PATCHED, "lru"]
    for each in data["results"]:
        assert each["errors"] == {}
        assert each["latency_us"][ALL]["calls"] == each["calls"]
        assert set(each["latency_us"]) == {ALL, *MIX}
        for found in each["latency_us"].values():
            assert 0 < found["p50"] <= found["p99"] <= found["p999"] <= found["worst"]
        assert len(each["throughput"]["turns"]) == len(each["entries"]) == 2
        assert 0.2 < each["hit_ratio"] < 1
        assert {window["second"] for window in each["windows"]} == {0, 1}
        assert sum(window["calls"] for window in each["windows"]) == each["calls"]
        assert each["cpu_seconds"] > 0
        # It culls.
        assert max(each["entries"]) < 150
    assert data["results"][1]["failed_statements"] == {}
    assert data["ratios"].keys() == {STOCK, PATCHED, "lru"}
    assert "2 processes, MAX_ENTRIES 100, 500 keys" in capsys.readouterr().out


def test_what_is_raised_is_counted(stock: Path, tmp_path: Path) -> None:
    broken = changed(stock, tmp_path, RAISES)
    plan = replace(SHORT, strategies=(PATCHED,), mix={"delete": 1, "get": 1})
    found = load(stock=stock, patched=broken, url=SQLITE, plan=plan)
    (side,) = found.sides
    kind = "OperationalError: no such table: missing"
    assert set(side.errors) == {kind}
    assert side.failed[kind] == side.errors[kind] == len(side.latency["delete"])
    total = side.total
    assert total.errors == side.errors[kind]
    assert total.calls == len(side.latency[ALL]) - total.errors > 0
    # It is the base if there is no stock.
    assert found.ratios == {PATCHED: 1}


def test_a_process_that_dies_and_a_strategy_that_is_none(
    stock: Path, patched: Path, tmp_path: Path
) -> None:
    deadly = changed(stock, tmp_path, DIES)
    with pytest.raises(StackError, match=r"process \d: .* died \(exit status 3\)"):
        load(stock=stock, patched=deadly, url=SQLITE, plan=SHORT)
    plan = replace(SHORT, strategies=("mru",))
    with pytest.raises(StackError, match=r"mru process 0: Improperly.*'lru'"):
        load(stock=stock, patched=patched, url=SQLITE, plan=plan)
