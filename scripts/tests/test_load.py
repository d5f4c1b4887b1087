"""Processes that share a cache, and the result of what they saw."""

import argparse
import json
import random
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from common.errors import OK
from common.project import Project
from lab import runs
from lab.bench.traces import cumulated
from lab.load.crews import QUICK, Plan, compared, load, show, turn
from lab.load.mix import MIX, Visitor, endless, key_names
from lab.load.worker import first_requests
from lab.variants import PATCHED, STOCK
from patchstack import trees
from stack import parser
from tests.conftest import assert_refused
from verbs import load as verb

SQLITE = "sqlite:///:memory:"
SHORT = Plan(processes=2, duration=1, warmup=0.2, turn=0.5, max_entries=100, seed=3)
# What a database that is in trouble does to a cache, now and then.
RAISES = """

_whole_delete = DatabaseCache.delete

def _delete(self, key, version=None):
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT * FROM missing")
    return _whole_delete(self, key, version)

DatabaseCache.delete = _delete
"""


def arguments(*words: str) -> argparse.Namespace:
    return parser("load").parse_args(words)


# The requests


class Recorder:
    """A cache that notes its calls and the keys in them."""

    def __init__(self) -> None:
        self.held: dict[str, object] = {}
        self.calls: list[tuple[str, tuple[str, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(keys: Any, value: Any = None) -> Any:
            named = [keys] if isinstance(keys, str) else sorted(keys)
            self.calls.append((name, tuple(named)))
            found = {key: self.held[key] for key in named if key in self.held}
            if name in ("set", "set_many") or (name == "add" and not found):
                self.held |= keys if isinstance(keys, dict) else {keys: value}
            if name == "incr" and not found:
                raise ValueError(f"Key '{keys}' not found")
            if name == "delete" and not found:
                raise LookupError(f"no {keys}")
            if name == "delete":
                del self.held[keys]
            return found if "many" in name else found.get(keys, value)

        return call


def visit(number: int = 0) -> tuple[list[tuple[str, tuple[str, ...]]], dict[str, Any]]:
    """Let a process make calls; return them as the cache saw them, and the counts."""
    cache, chance = Recorder(), random.Random(number)
    weights, values = cumulated(500, 1.0), ["a", "b"]
    made = Visitor(cache, chance, key_names(500, seed=1), weights, values)
    return cache.calls, made.visit(time.perf_counter() + 0.1)


def test_a_visitor_counts_what_it_does() -> None:
    seen, made = visit()
    called = Counter(name for name, _ in seen)
    requests = made["calls"] + made["errors"].total()
    assert sum(dict(made["latency"]).values()) == requests
    assert called.keys() == MIX.keys()
    asked = sum(len(keys) for name, keys in seen if name in ("get", "get_many"))
    assert made["gets"] == asked > made["hits"] > 0
    # The keys in the messages do not make a kind of each.
    assert [*made["errors"]] == ["LookupError: no key-…"]
    assert called["get"] / requests == pytest.approx(0.8, abs=0.1)


def test_a_miss_is_set_and_a_counter_is_made() -> None:
    seen, _ = visit()
    known: set[str] = set()
    for (name, keys), (then, written) in pairwise(seen):
        if missed := set(keys) - known:
            if name == "get_many":
                assert (then, set(written)) == ("set_many", missed)
            elif name == "get":
                assert (then, written) == ("set", keys)
            elif name == "incr":
                assert keys[0].startswith("counter-")
                assert (then, written) == ("add", keys)
        if name in ("set", "set_many", "add"):
            known |= set(keys)
        elif name == "delete":
            known -= set(keys)


def test_streams_are_the_same_on_all_sides_and_differ_by_process() -> None:
    seen = [visit(number)[0] for number in (0, 0, 1)]
    fewest = min(map(len, seen))
    one, same, other = (calls[:fewest] for calls in seen)
    assert one == same != other


def test_keys_are_drawn_by_popularity() -> None:
    names, weights = key_names(100, seed=1), cumulated(100, 1.0)
    assert sorted(names) == sorted(f"key-{number}" for number in range(100))
    requests = endless(random.Random(1), names, weights)
    drawn = Counter(next(requests) for _ in range(10_000))
    assert drawn[names[0]] / drawn[names[9]] == pytest.approx(10, rel=0.3)
    first = first_requests(endless(random.Random(1), names, weights), 40)
    assert len(set(first)) == len(first) == 40
    # Not all keys are ever asked for.
    one = endless(random.Random(1), names, [1.0] * 100)
    assert first_requests(one, 40) == [names[0]]


# The verb


def test_options_make_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Plan] = []

    def on_each(targets: Any, measure: Any, *more: Any) -> None:
        made.append(measure.keywords["plan"])

    monkeypatch.setattr(runs, "on_each", on_each)
    monkeypatch.setattr(runs, "djangos", lambda project, src: {})
    for words in (
        [],
        ["--quick", "--turn=4"],
        ["--max-entries=7", "--strategy=lru,lru"],
    ):
        verb.run(arguments(*words), Project.here())
    assert made == [
        Plan(),
        replace(QUICK, turn=4),
        Plan(max_entries=7, strategies=("lru",)),
    ]
    # All turns are of one length, about what is asked for.
    assert [(each.turns, each.seconds) for each in made[:2]] == [(12, 5), (2, 3)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes", "0"], "--processes: 0 is less than 1"),
        (["--turn", "nan"], "--turn: nan is not greater than zero"),
        (["--db", "oracle"], "--db: oracle is not one of sqlite, postgresql"),
        (["--db", "sqlite", "--db", "mysql", "--json", "x"], "goes with one --db"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(
        lambda project: verb.run(arguments(*words), project), tmp_path, message
    )


def test_sides_are_compared_turn_by_turn() -> None:
    def answer(calls: int, errors: int = 0) -> dict[str, Any]:
        return {
            **{"calls": calls, "gets": 0 if errors else calls, "hits": calls // 2},
            "errors": {"OperationalError: locked": errors} if errors else {},
            "failed": {"x": 4} if errors else {},
            "latency": [[900, calls], [7_000, errors]],
        }

    turns = {
        "sieve": [turn([answer(n, errors=3)], 2, 7) for n in (400, 300, 600)],
        STOCK: [turn([answer(50)] * 2, 2, n) for n in (9, 8, 5)],
    }
    head = {"database": {"name": "SQLite", "version": "3"}, "options": vars(SHORT)}
    data = json.loads(json.dumps(head | compared(turns)))
    # Of 4, 3 and 6.
    assert data["ratios"] == {"sieve": 4, STOCK: 1}
    first, second = data["results"]
    assert first["throughput"] == {
        "median": 200,
        "quartiles": [175, 250],
        "turns": [200, 150, 300],
    }
    assert first["calls"] == 1_300
    assert first["errors"] == {"OperationalError: locked": 9}
    assert first["failed_statements"] == {"x": 12}
    assert (first["hit_ratio"], second["hit_ratio"]) == (None, 0.5)
    assert second["entries"] == [9, 8, 5]
    times = {"p50": 900, "p99": 900, "p999": 7_000, "worst": 7_000}
    assert first["latency_us"]["all"] == times
    shown = show(data)
    assert "sieve, error: 9 x OperationalError: locked" in shown
    assert "sieve, failed: 12 x x" in shown
    (row,) = [line for line in shown.splitlines() if line.startswith("sieve  ")]
    assert row.split()[5:7] == ["4.00", "x"]


# Real processes


@pytest.mark.slow
def test_stock_against_patched(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "load.json"
    words = ["--processes=2", "--duration=1.6", "--warmup=.2", "--turn=.8"]
    size = ["--max-entries=100", "--strategy=stock,patched,lru", "--json", str(file)]
    assert verb.run(arguments(*words, *size), real) == OK
    data = json.loads(file.read_text())
    assert (data["kind"], data["format"]) == ("load", 1)
    assert [each["strategy"] for each in data["results"]] == [STOCK, PATCHED, "lru"]
    for each in data["results"]:
        assert each["errors"] == {}
        found = each["latency_us"]["all"]
        assert 0 < found["p50"] <= found["p99"] <= found["p999"] <= found["worst"]
        assert len(each["throughput"]["turns"]) == len(each["entries"]) == 2
        assert 0.2 < each["hit_ratio"] < 1
        # It culls.
        assert max(each["entries"]) < 150
    assert data["results"][1]["failed_statements"] == {}
    assert data["ratios"].keys() == {STOCK, PATCHED, "lru"}
    assert "2 processes, MAX_ENTRIES 100, 500 keys" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_raised_is_counted(stock: Path, tmp_path: Path) -> None:
    broken = trees.copied(stock, tmp_path)
    with (broken / "django/core/cache/backends/db.py").open("a") as file:
        file.write(RAISES)
    plan = replace(SHORT, strategies=(PATCHED,))
    data = load(stock=stock, patched=broken, url=SQLITE, plan=plan)
    (side,) = data["results"]
    kind, count = "OperationalError: no such table: missing", side["errors"]
    assert count == {kind: side["failed_statements"][kind]}
    assert count[kind] > 0
    assert side["calls"] > 0
    # It is the base if there is no stock.
    assert data["ratios"] == {PATCHED: 1}
