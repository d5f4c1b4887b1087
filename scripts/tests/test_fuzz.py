"""The differential test: that it runs, what it lets pass, and that it is not blind."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from common.errors import USAGE, StackError
from lab.fuzz import values
from lab.fuzz.check import Answer, Pair, apart, corpus, difference, pair, path, read
from lab.fuzz.plants import PLANTS, UPSERT, Plant, chosen, planted, search
from lab.fuzz.scenarios import METHODS, TRANSACTIONS, Scenario, scenarios, smaller

SQLITE = "sqlite:///:memory:"
CORPUS = corpus()
KNOWN = [each["scenario"] for each in CORPUS]
HIT = Scenario("Plain", lookup={"slug": "'a'"}, defaults={"n": "9"})
# A few of all kinds; ./scripts/stack fuzz --plant all tries every one.
SAMPLE = (
    "bad defaults fail on a miss",
    "what an UPDATE raises leaks",
    "from_db() sees the new row",
    "IntegrityError for NotUpdated",
    "has_receivers",
    "query_is_not_unique",
    "without auto_now",
    "without query set's distinct",
)


@pytest.fixture(scope="session")
def patched(patched: Path) -> Path:
    if not (patched / UPSERT).is_file():
        pytest.skip("the series has no update_or_create() of its own")
    return patched


@pytest.fixture(scope="module")
def alike(stock: Path) -> Iterator[Pair]:
    """Stock Django, twice."""
    with pair(stock, stock, SQLITE) as found:
        yield found


@pytest.mark.slow
def test_no_difference(stock: Path, patched: Path) -> None:
    with pair(stock, patched, SQLITE) as both:
        report = both.check(KNOWN, 300, 1)
    assert not report.difference, str(report.difference)
    assert {"native hit", "native miss", "fallback"} < report.paths.keys()


@pytest.mark.slow
def test_stock_is_as_stock(alike: Pair) -> None:
    # Nothing else than Django may make a difference: no time, chance or address.
    report = alike.check((), 300, 2)
    assert not report.difference, str(report.difference)
    assert report.paths.total() == 300
    assert not report.paths["native hit"]


@pytest.mark.slow
def test_scenarios_do_not_reach_each_other(alike: Pair) -> None:
    asked = [HIT, replace(HIT, lookup={"slug": "'new'"}), *KNOWN[:40]]
    forward = [*alike.compare(asked)]
    assert forward == [*alike.compare(asked[::-1])][::-1]


@pytest.mark.slow
def test_planted_bugs_are_found(stock: Path, patched: Path) -> None:
    plants = [plant for plant in PLANTS if plant.name in SAMPLE]
    known = [
        each["scenario"] for each in CORPUS if {*each.get("finds", ())} & {*SAMPLE}
    ]
    reports = dict(search(plants, stock, patched, SQLITE, known, 0, 1))
    assert {*reports} == {"", *SAMPLE}
    assert [name for name, report in reports.items() if not report.difference] == [""]


@pytest.mark.slow
def test_a_difference_is_shrunk(stock: Path, patched: Path) -> None:
    reports = search(chosen("has_receivers"), stock, patched, SQLITE, (), 300, 1)
    found = dict(reports)["has_receivers"].difference
    assert found
    shrunk = found.scenario
    assert [text.split("(")[0] for text in shrunk.around] == ["receiver"]
    assert not shrunk.steps
    assert shrunk.transaction == "none"
    assert "events" in str(found.places)


def test_every_plant_is_in_date_and_found(patched: Path) -> None:
    names = [plant.name for plant in PLANTS]
    assert len({*names}) == len(names)
    stale = [
        plant.name
        for plant in PLANTS
        if (patched / plant.file).read_text("utf-8").count(plant.old) != 1
    ]
    assert not stale
    assert {name for each in CORPUS for name in each.get("finds", ())} == {*names}


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


@pytest.mark.slow
def test_random_scenarios_cover_every_kind(alike: Pair) -> None:
    catalogue = alike.catalogue
    drawn = [*islice(scenarios(catalogue, 1), 20_000)]
    assert drawn[:100] == [*islice(scenarios(catalogue, 1), 100)]
    assert {each.model for each in drawn} == catalogue.keys()
    assert {each.method for each in drawn} == {*METHODS}
    assert {each.transaction for each in drawn} == {*TRANSACTIONS}
    steps = {text for each in drawn for text in each.steps}
    overridden = {f"override(qs, {name!r})" for name in values.OVERRIDDEN.split()}
    tables = values.texts(values.TAME_STEPS) + values.texts(values.WILD_STEPS)
    assert steps == {*tables} | overridden
    patches = {f"patch({name!r})" for name in values.PATCHED.split()}
    around = {text for each in drawn for text in each.around}
    assert around == {*values.texts(values.AROUND)} | patches
    named = {(each.model, name) for each in drawn for name in each.defaults or ()}
    fields = {
        (name, kind) for name, model in catalogue.items() for kind in model["kinds"]
    }
    assert fields <= named


@pytest.mark.slow
def test_an_outcome(alike: Pair) -> None:
    asked = [
        HIT,
        replace(HIT, method="aupdate_or_create", lookup={"slug": "'new'"}),
        Scenario("Loaded", lookup={"slug": "'a'"}, defaults={"n": "'4'"}),
        replace(HIT, lookup={"slug": "'new'"}, defaults={"n": "call(7, 'commit')"}),
        replace(HIT, lookup={"nothing": "1"}, transaction="atomic"),
    ]
    hit, miss, loaded, called, failed = (
        stock.outcome for _, stock, _ in alike.compare(asked)
    )
    assert (hit["created"], miss["created"]) == (False, True)
    assert hit["instance"]["attributes"]["n"] == "int 9"
    assert hit["tables of default"] == {
        "fuzz_plain": ["1 'a' 9 'old'", "2 'b' 4 NULL", "3 'c' 6 ''"]
    }
    assert miss["tables of default"]["sequence of fuzz_plain"] == ["4"]
    assert loaded["instance"]["attributes"]["n"] == "str '4'"
    assert loaded["events"][1] == "from_db int 1 str 'a' int 1"
    assert called["events"] == [
        "called",
        "call commit int 7 in a transaction",
        "committed 4 rows on its own",
        "returned",
    ]
    kind, message = failed["raised"]
    assert kind == "django.core.exceptions.FieldError"
    assert message.startswith("Cannot resolve keyword 'nothing' into field.")
    assert failed["tables of default"] == {}


def answer(*statements: str, **outcome: Any) -> Answer:
    return Answer(outcome, statements)


@pytest.mark.parametrize(
    ("method", "statements", "way"),
    [
        ("update_or_create", ["SAVEPOINT", "UPDATE", "RELEASE"], "native hit"),
        ("update_or_create", ["UPDATE alone", "INSERT alone"], "native miss"),
        ("update_or_create", ["BEGIN alone", "SELECT", "UPDATE"], "fallback"),
        ("update_or_create", ["UPDATE", "SELECT", "INSERT"], "native, then stock's"),
        ("update_or_create", ["UPDATE", "INSERT", "UPDATE"], "native conflict"),
        ("update_or_create", ["SAVEPOINT", "ROLLBACK"], "no statement"),
        ("get_or_create", ["SELECT alone", "INSERT alone"], "lone insert"),
        ("get_or_create", ["SELECT alone", "BEGIN alone", "INSERT"], "get_or_create"),
    ],
)
def test_the_way_that_was_taken(method: str, statements: list[str], way: str) -> None:
    assert path(replace(HIT, method=method), answer(*statements)) == way


def test_the_places_that_differ() -> None:
    old, new = {"a": {"b": [1, 2], "c": 1}}, {"a": {"b": [1, 3]}}
    assert [*apart(old, new)] == [("a.b[1]", 2, 3), ("a.c", 1, None)]
    assert [*apart({"a": 1, "b": 2}, {"b": 2, "a": 1})] == [
        ("order", ["a", "b"], ["b", "a"])
    ]


def instance(**attributes: str) -> dict[str, Any]:
    return {"events": [], "instance": {"class": "X", "attributes": attributes}}


def raised(
    kind: str, *events: str, key: str = "3", **tables: list[str]
) -> dict[str, Any]:
    cache = {"profile": [f"Profile <Profile: Profile object ({key})>", "default"]}
    return {
        "raised": [kind, "message"],
        "events": [*events],
        "arguments": [{"state": {"fields cache": cache}}],
        "tables of default": tables,
        "tables of other": {},
    }


IGNORED = Scenario("Ignored", lookup={"slug": "'b'"}, defaults={"n": "9"})
NOT_UPDATED = raised("lab.fuzz.models.Ignored.NotUpdated")
INTEGRITY = "django.db.utils.IntegrityError"
EMPTY = raised("django.core.exceptions.EmptyResultSet")
STAMPED = instance(n="1", stamp="0"), instance(n="1", stamp="1")


@pytest.mark.parametrize(
    ("scenario", "stock", "patched", "same"),
    [
        # What a trigger wrote may be seen, on the one model that has the trigger.
        (Scenario("Triggered"), *STAMPED, True),
        (HIT, *STAMPED, False),
        (Scenario("Triggered"), STAMPED[0], instance(n="2", stamp="1"), False),
        # An ignored UPDATE may take a number of the sequence, but write no row.
        (IGNORED, NOT_UPDATED, raised(NOT_UPDATED["raised"][0], "default"), True),
        (IGNORED, NOT_UPDATED, NOT_UPDATED | {"tables of other": {"t": ["1"]}}, False),
        (
            IGNORED,
            NOT_UPDATED,
            NOT_UPDATED | {"tables of default": {"sequence of fuzz_ignored": ["4"]}},
            True,
        ),
        # What only the INSERT needs may fail.
        (IGNORED, NOT_UPDATED, raised(INTEGRITY), False),
        (
            replace(IGNORED, create_defaults={"n": "1"}),
            NOT_UPDATED,
            raised(INTEGRITY),
            True,
        ),
        # Only stock may let EmptyResultSet escape.
        (HIT, EMPTY, instance(), True),
        (HIT, instance(), EMPTY, False),
        # What could not be saved has no key.
        (HIT, raised(INTEGRITY), raised(INTEGRITY, key="None"), True),
        (
            HIT,
            raised("builtins.ValueError"),
            raised("builtins.ValueError", key="4"),
            False,
        ),
        # Nothing else.
        (HIT, instance(n="1"), instance(n="1") | {"created": True}, False),
    ],
)
def test_what_may_differ(
    scenario: Scenario, stock: Any, patched: Any, same: bool
) -> None:
    found = difference(scenario, Answer(stock, ()), Answer(patched, ()))
    assert (found is None) == same


def test_smaller_scenarios() -> None:
    scenario = replace(HIT, model="Item", steps=["qs.all()", "qs.none()"])
    found = [*smaller(scenario)]
    assert replace(scenario, model="Plain") in found
    assert replace(scenario, steps=["qs.none()"]) in found
    assert replace(scenario, defaults={"n": "None"}) in found
    assert scenario not in found


def test_a_scenario_as_json_and_as_text() -> None:
    scenario = Scenario(
        "Item",
        source="row(Owner, 1).items",
        steps=["qs.filter(n=1)"],
        lookup={"slug": "'a'"},
        defaults={"n": "2"},
        around=["routed()"],
    )
    assert Scenario.from_json(json.loads(json.dumps(asdict(scenario)))) == scenario
    assert str(scenario).splitlines() == [
        "with routed()",
        "transaction: none",
        "qs = row(Owner, 1).items",
        "qs = qs.filter(n=1)",
        "qs.update_or_create(slug='a', defaults={'n': 2})",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "not a scenario"),
        ('{"model": "Plain", "x": 1}', "not a scenario"),
    ],
)
def test_a_file_that_holds_no_scenario(
    data: str | None, message: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / "x.json").write_text(data)
    with pytest.raises(StackError, match=message) as caught:
        read(tmp_path / "x.json")
    assert caught.value.code == USAGE


@pytest.mark.slow
def test_names_of_nothing(alike: Pair) -> None:
    with pytest.raises(StackError, match="there is no plant"):
        chosen("weeds")
    with pytest.raises(StackError, match="there is no model Nobody"):
        alike.check([Scenario("Nobody")], 0, 1)
