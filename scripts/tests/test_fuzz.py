"""The differential test: that it runs, what it lets pass, and that it is not blind."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from common.errors import StackError
from lab.fuzz.check import Answer, Pair, apart, corpus, difference, pair, path, read
from lab.fuzz.plants import PLANTS, Plant, chosen, planted, search
from lab.fuzz.scenarios import METHODS, TRANSACTIONS, Scenario, scenarios
from lab.fuzz.values import LISTS

SQLITE = "sqlite:///:memory:"
CORPUS = corpus()
KNOWN = [each["scenario"] for each in CORPUS]
HIT = Scenario("Plain", lookup={"slug": "'a'"}, defaults={"n": "9"})
MISS = replace(HIT, lookup={"slug": "'new'"})
NAIVE = {"seen": "datetime(2026, 2, 3, 4, 5, 6)"}
# A few of all kinds; ./scripts/stack fuzz --plant all tries every one.
SAMPLE = (
    "an exception of an UPDATE",
    "bad defaults fail on a miss",
    "constraints that are not created",
    "expressions of all kinds",
    "without auto_now",
    "without from_db()",
    "without query set's distinct",
    "without receivers",
)


@pytest.fixture(scope="module")
def alike(stock: Path) -> Iterator[Pair]:
    """Stock Django, twice."""
    with pair(stock, stock, SQLITE) as found:
        yield found


@pytest.mark.slow
def test_no_difference_but_that_of_a_plant(stock: Path, patched: Path) -> None:
    plants = [plant for plant in PLANTS if plant.name in SAMPLE]
    reports = dict(search(plants, stock, patched, SQLITE, KNOWN, 300, 1))
    assert {*reports} == {"", *SAMPLE}
    report = reports.pop("")
    assert not report.difference, str(report.difference)
    assert {"native hit", "native miss", "fallback"} < report.paths.keys()
    assert [name for name in reports if not reports[name].difference] == []


@pytest.mark.slow
def test_a_difference_is_shrunk(stock: Path, patched: Path) -> None:
    reports = search(chosen("without receivers"), stock, patched, SQLITE, (), 300, 1)
    found = dict(reports)["without receivers"].difference
    assert found
    assert "received" in str(found.places)
    [around] = found.scenario.around
    assert around.startswith("receiver(")
    assert found.scenario == Scenario(lookup={"slug": "1"}, around=[around])


@pytest.mark.slow
def test_stock_is_as_stock(alike: Pair) -> None:
    # Nothing else than Django may make a difference: no time, chance or address.
    report = alike.check((), 300, 2)
    assert not report.difference, str(report.difference)
    assert not report.paths["native hit"]


@pytest.mark.slow
def test_scenarios_do_not_reach_each_other(alike: Pair) -> None:
    forward = [*alike.compare(KNOWN)]
    assert forward == [*alike.compare(KNOWN[::-1])][::-1]
    assert not [each for each, stock, _ in forward if "not called" in stock.outcome]


@pytest.mark.slow
def test_random_scenarios_cover_every_kind(alike: Pair) -> None:
    drawn = [*islice(scenarios(alike.catalogue, 1), 20_000)]
    assert drawn[:100] == [*islice(scenarios(alike.catalogue, 1), 100)]
    assert {each.method for each in drawn} == {*METHODS}
    assert {each.transaction for each in drawn} == {*TRANSACTIONS}
    steps = {text for each in drawn for text in each.steps}
    assert steps == {*LISTS["tame"], *LISTS["wild"]}
    assert {text for each in drawn for text in each.around} == {*LISTS["around"]}
    given = {(each.model, name) for each in drawn for name in each.defaults or ()}
    for model, entry in alike.catalogue.items():
        assert {(model, name) for name in entry["kinds"]} <= given


def test_every_plant_is_in_date_and_found(patched: Path) -> None:
    names = [plant.name for plant in PLANTS]
    assert len({*names}) == len(names)
    assert {name for each in CORPUS for name in each.get("finds", ())} == {*names}
    for plant in PLANTS:
        assert (patched / plant.file).read_text("utf-8").count(plant.old) == 1, plant


def test_a_plant_is_taken_out_again(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("old\n")
    with planted(tmp_path, Plant("it", "x.py", "old", "new")):
        assert (tmp_path / "x.py").read_text() == "new\n"
    assert (tmp_path / "x.py").read_text() == "old\n"
    with (
        pytest.raises(StackError, match=r'"gone" is out of date: x\.py has'),
        planted(tmp_path, Plant("gone", "x.py", "older", "new")),
    ):
        pass
    with pytest.raises(StackError, match="there is no plant"):
        chosen("weeds")


@pytest.mark.slow
def test_an_outcome(alike: Pair) -> None:
    asked = [
        HIT,
        replace(MISS, method="aupdate_or_create"),
        Scenario("Loaded", lookup={"slug": "'a'"}, defaults={"n": "'4'"}),
        replace(MISS, defaults={"n": "call(7, 'commit')"}),
        replace(HIT, lookup={"nothing": "1"}, transaction="atomic"),
        replace(HIT, around=["raising(Stopped, 'written')", "watched_writes()"]),
        Scenario("Stamps", lookup={"id": "1"}, defaults=NAIVE, around=["aware()"]),
    ]
    outcomes = [stock.outcome for _, stock, _ in alike.compare(asked)]
    hit, miss, loaded, called, failed, stopped, warned = outcomes
    assert (hit["created"], miss["created"]) == (False, True)
    assert hit["instance"]["attributes"]["n"] == "int 9"
    rows = ["1 9 'a' 'old'", "2 4 'b' NULL", "3 6 'c' ''"]
    assert hit["tables of default"] == {"fuzz_plain": rows}
    assert miss["tables of default"]["sequence of fuzz_plain"] == ["4"]
    assert loaded["instance"]["attributes"]["n"] == "str '4'"
    assert loaded["events"][1] == "from_db int 1 int 1 str 'a'"
    call, commit = "call commit int 7 in a transaction", "committed 4 rows on its own"
    assert called["events"] == ["called", call, commit, "returned"]
    assert failed["raised"][0] == "django.core.exceptions.FieldError"
    assert failed["tables of default"] == {}
    assert stopped["raised"][0] == "lab.fuzz.words.Stopped"
    assert stopped["tables of default"] == {}
    assert stopped["execute_sql() saw"] == ["SQLUpdateCompiler fuzz_plain"]
    [warning] = warned["warnings"]
    assert "Stamps.seen received a naive datetime" in warning


@pytest.mark.parametrize(
    ("method", "statements", "way"),
    [
        ("update_or_create", ["SAVEPOINT", "UPDATE", "RELEASE"], "native hit"),
        ("update_or_create", ["UPDATE alone", "INSERT alone"], "native miss"),
        ("update_or_create", ["BEGIN alone", "SELECT", "UPDATE"], "fallback"),
        ("update_or_create", ["UPDATE", "INSERT", "UPDATE"], "native conflict"),
        ("get_or_create", ["SELECT alone", "INSERT alone"], "lone insert"),
    ],
)
def test_the_way_that_was_taken(method: str, statements: list[str], way: str) -> None:
    assert path(replace(HIT, method=method), Answer({}, statements)) == way


def test_the_places_that_differ() -> None:
    old, new = {"a": {"b": [1, 2], "c": 1}}, {"a": {"b": [1, 3]}}
    assert [*apart(old, new)] == [("a.b[1]", 2, 3), ("a.c", 1, None)]
    [order] = apart({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert order == ("order", ["a", "b"], ["b", "a"])


def good(**attributes: str) -> dict[str, Any]:
    return {"events": [], "instance": {"attributes": attributes}}


def bad(kind: str, key: str = "3", tables: Any = None) -> dict[str, Any]:
    arguments = [f"Profile <Profile: Profile object ({key})>"]
    tables_of = {"tables of default": tables or {}, "tables of other": {}}
    return {"raised": [kind, ""], "events": [], "arguments": arguments} | tables_of


def seen(*tables: str) -> dict[str, Any]:
    return good() | {"execute_sql() saw": [*tables]}


TRIGGERED, IGNORED = Scenario("Triggered"), replace(HIT, model="Ignored")
IGNORED_MISS = replace(IGNORED, create_defaults={"n": "'bad'"})
NOT_UPDATED, INTEGRITY = "lab.fuzz.models.Ignored.NotUpdated", "db.IntegrityError"
SIGNAL = replace(HIT, around=["raising(Stopped, 'written', 'signal')"])
REFUSING = replace(HIT, model="Refusing")
WRAPPED = replace(REFUSING, around=["raising(IntegrityError, 'after')"])
BROKEN = "django.db.transaction.TransactionManagementError"
REFUSED = bad(INTEGRITY) | {"raised": [INTEGRITY, "n"]}
STOPPED = bad("lab.fuzz.words.Stopped", "1")
COMMITTED = bad("lab.fuzz.words.Stopped", "1", {"fuzz_plain": ["1 9"]})
TOOK = {"sequence of fuzz_ignored": ["4"]}
EMPTY = bad("django.core.exceptions.EmptyResultSet")


@pytest.mark.parametrize(
    ("scenario", "stock", "patched", "same"),
    [
        # The value of a trigger may be seen, on the one model that has the trigger.
        (TRIGGERED, good(n="1", stamp="0"), good(n="1", stamp="1"), True),
        (HIT, good(n="1", stamp="0"), good(n="1", stamp="1"), False),
        (TRIGGERED, good(n="1", stamp="0"), good(n="2", stamp="1"), False),
        # An ignored UPDATE may take a number of the sequence, but write no row.
        (IGNORED, bad(NOT_UPDATED), bad(NOT_UPDATED, tables=TOOK), True),
        (IGNORED, bad(NOT_UPDATED), bad(NOT_UPDATED, tables={"a": ["1"]}), False),
        # A value that only the INSERT needs may fail.
        (IGNORED, bad(NOT_UPDATED), bad(INTEGRITY), False),
        (IGNORED_MISS, bad(NOT_UPDATED), bad(INTEGRITY), True),
        # Only stock may let EmptyResultSet escape.
        (HIT, EMPTY, good(), True),
        (HIT, good(), EMPTY, False),
        # An object that could not be saved has no key.
        (HIT, bad(INTEGRITY), bad(INTEGRITY, "None"), True),
        (HIT, bad("ValueError"), bad("ValueError", "None"), False),
        # The patches make more statements visible, never fewer.
        (HIT, seen(), seen("Update a"), True),
        (HIT, seen("Update a"), seen(), False),
        # A float is one, of the same value.
        (HIT, good(ratio="int 1"), good(ratio="float 1.0"), True),
        (HIT, good(ratio="int 1"), good(ratio="float 2.0"), False),
        # RAISE(ROLLBACK) has no transaction to break.
        (REFUSING, bad(BROKEN), REFUSED, True),
        (replace(REFUSING, transaction="atomic"), bad(BROKEN), REFUSED, False),
        (HIT, bad(BROKEN), REFUSED, False),
        # It comes before what a wrapper raises.
        (WRAPPED, STOPPED, REFUSED, True),
        (replace(WRAPPED, model="Plain"), STOPPED, REFUSED, False),
        # A signal may come after an UPDATE on its own, but only a signal.
        (SIGNAL, STOPPED, COMMITTED, True),
        (replace(SIGNAL, transaction="atomic"), STOPPED, COMMITTED, False),
        (SIGNAL, STOPPED, good(), False),
        (HIT, STOPPED, COMMITTED, False),
        # A lazy value may be evaluated; nothing else may happen.
        (HIT, good(), good() | {"events": ["evaluated"]}, True),
        (HIT, good(), good() | {"events": ["call"]}, False),
    ],
)
def test_what_may_differ(
    scenario: Scenario, stock: Any, patched: Any, same: bool
) -> None:
    found = difference(scenario, Answer(stock, ()), Answer(patched, ()))
    assert (found is None) == same


def test_a_scenario_as_json_and_as_text() -> None:
    items = replace(HIT, model="Item", source="row(Owner, 1).items")
    scenario = replace(items, steps=["qs.filter(n=1)"], around=["routed()"])
    assert Scenario.from_json(json.loads(json.dumps(asdict(scenario)))) == scenario
    assert str(scenario).splitlines() == [
        "with routed()",
        "transaction: none",
        "qs = row(Owner, 1).items",
        "qs = qs.filter(n=1)",
        "qs.update_or_create(slug='a', defaults={'n': 9})",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [("{", "is not JSON"), ("[]", "not a scenario"), ('{"x": 1}', "not a scenario")],
)
def test_a_file_that_holds_no_scenario(data: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(data)
    with pytest.raises(StackError, match=message):
        read(tmp_path / "x.json")
    with pytest.raises(StackError, match="cannot be read"):
        read(tmp_path / "none.json")
