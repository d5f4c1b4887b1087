"""The differential test: that it runs, what it lets pass, and that it is not blind."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from common.errors import USAGE, StackError
from lab.fuzz.allowed import normalised
from lab.fuzz.check import (
    CORPUS,
    Answer,
    Pair,
    Report,
    apart,
    check,
    check_known,
    check_random,
    corpus,
    difference,
    opened,
    pair,
    path,
)
from lab.fuzz.plants import PLANTS, UPSERT, Plant, planted
from lab.fuzz.scenario import Scenario, text
from lab.fuzz.scenarios import scenarios
from patchstack import trees
from verbs import fuzz as verb

SQLITE = "sqlite:///:memory:"
KNOWN = json.loads(CORPUS.read_text("utf-8"))
HIT = Scenario("Plain", lookup={"slug": "a"}, defaults={"n": 9})
# A few of all kinds; ./scripts/stack fuzz --plant all tries every one.
SOME = (
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
def both(stock: Path, patched: Path) -> Iterator[Pair]:
    with pair(stock, patched, SQLITE) as found:
        yield found


@pytest.fixture(scope="module")
def alike(stock: Path) -> Iterator[Pair]:
    """Stock Django, twice."""
    with pair(stock, stock, SQLITE) as found:
        yield found


@pytest.fixture(scope="module")
def copy(patched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees.copied(patched, tmp_path_factory.mktemp("copy"))


def found_by(report: Report) -> str:
    return "" if report.difference is None else str(report.difference)


def test_no_difference(both: Pair) -> None:
    report = Report()
    check_known(both, corpus(), report)
    assert not report.difference, found_by(report)
    check_random(both, 150, 1, report)
    assert not report.difference, found_by(report)
    assert report.paths["native hit"]
    assert report.paths["native miss"]
    assert report.paths["fallback"]


def test_stock_is_as_stock(alike: Pair) -> None:
    # Nothing else than Django may make a difference: no time, chance or address.
    report = Report()
    check_random(alike, 100, 2, report)
    assert not report.difference, found_by(report)
    assert report.scenarios == 100
    assert not report.paths["native hit"]


def test_scenarios_do_not_reach_each_other(alike: Pair) -> None:
    asked = [HIT, replace(HIT, lookup={"slug": "new"}), *corpus()[:40]]
    forward = alike.compare(asked)
    backward = alike.compare(asked[::-1])
    assert forward == backward[::-1]


@pytest.mark.parametrize("name", SOME)
def test_a_planted_bug_is_found(name: str, stock: Path, copy: Path) -> None:
    [plant] = [each for each in PLANTS if each.name == name]
    known = [
        Scenario.from_json(each["scenario"])
        for each in KNOWN
        if name in each.get("finds", ())
    ]
    with planted(copy, plant):
        report = check(stock, copy, SQLITE, known=known, examples=0, seed=1)
    assert report.difference


def test_a_difference_is_shrunk(stock: Path, copy: Path) -> None:
    [plant] = [each for each in PLANTS if each.name == "has_receivers"]
    with planted(copy, plant):
        report = check(stock, copy, SQLITE, known=(), examples=2_000, seed=1)
    assert report.difference
    shrunk = report.difference.scenario
    assert [kind for kind, *_ in shrunk.around] == ["receiver"]
    assert not shrunk.steps
    assert shrunk.transaction == "none"
    assert "events" in " ".join(report.difference.lines())


def test_every_plant_is_in_date(patched: Path) -> None:
    names = [plant.name for plant in PLANTS]
    assert len({*names}) == len(names)
    stale = [
        plant.name
        for plant in PLANTS
        if (patched / plant.file).read_text("utf-8").count(plant.old) != 1
    ]
    assert not stale


def test_every_plant_has_a_call_that_finds_it() -> None:
    found = {name for each in KNOWN for name in each.get("finds", ())}
    assert found == {plant.name for plant in PLANTS if not plant.harmless}


def test_a_plant_out_of_date(tmp_path: Path) -> None:
    plant = Plant("gone", "django/x.py", "old", "new")
    with (
        pytest.raises(StackError, match=r'"gone" is out of date: django/x\.py has'),
        planted(tmp_path, plant),
    ):
        pass


def test_a_plant_is_taken_out_again(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("old\n")
    with planted(tmp_path, Plant("it", "x.py", "old", "new")):
        assert (tmp_path / "x.py").read_text() == "new\n"
    assert (tmp_path / "x.py").read_text() == "old\n"


def test_an_outcome(stock: Path, tmp_path: Path) -> None:
    with opened("stock", stock, SQLITE, tmp_path) as worker:
        asked = [
            HIT,
            replace(HIT, method="aupdate_or_create", lookup={"slug": "new"}),
            Scenario("Loaded", lookup={"slug": "a"}, defaults={"n": "4"}),
            Scenario(
                "Plain",
                lookup={"slug": "new"},
                defaults={"n": {"$": "call", "name": "x", "do": "commit", "of": 7}},
            ),
            replace(HIT, lookup={"nothing": 1}, transaction="atomic"),
        ]
        answers = worker.ask("run", scenarios=[each.to_json() for each in asked])
    hit, miss, loaded, called, failed = (each["outcome"] for each in answers["answers"])
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
        "call x in a transaction",
        "committed x 4 rows on its own",
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
        ("update_or_create", ["UPDATE alone"], "native hit"),
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
    old = {"a": {"b": [1, 2], "c": 1}, "d": [1]}
    new = {"a": {"b": [1, 3]}, "d": [1, 2]}
    assert [*apart(old, new)] == [
        ("a.b[1]", 2, 3),
        ("a.c", 1, None),
        ("d", [1], [1, 2]),
    ]
    assert [*apart({"a": 1, "b": 2}, {"b": 2, "a": 1})] == [
        ("order", ["a", "b"], ["b", "a"])
    ]


def seen(**attributes: str) -> dict[str, Any]:
    return {"class": "X", "attributes": attributes}


def test_what_a_trigger_wrote_may_be_seen() -> None:
    one = answer(events=[], instance=seen(n="int 1", stamp="int 0"))
    other = answer(events=[], instance=seen(n="int 1", stamp="int 1"))
    triggered = Scenario("Triggered")
    assert not difference(triggered, one, other)
    assert difference(Scenario("Plain"), one, other)
    another = answer(events=[], instance=seen(n="int 2", stamp="int 1"))
    assert difference(triggered, one, another)


def ignored(name: str, *events: str, **tables: list[str]) -> Answer:
    return answer(
        events=[*events],
        raised=[name, "message"],
        **{"tables of default": tables, "tables of other": {}},
    )


def test_an_ignored_update_may_take_a_number() -> None:
    scenario = Scenario("Ignored", lookup={"slug": "b"}, defaults={"n": 9})
    name = "lab.fuzz.models.Ignored.NotUpdated"
    took = {"sequence of fuzz_ignored": ["4"]}
    assert not difference(scenario, ignored(name), ignored(name, "default", **took))
    other = ignored("django.db.utils.IntegrityError")
    assert difference(scenario, ignored(name), other)
    # A row may not be written.
    wrote = ignored(name, **{"fuzz_ignored": ["1 'a' 1"]})
    assert difference(scenario, ignored(name), wrote)
    # What only the INSERT needs may fail.
    create = replace(scenario, create_defaults={"n": "bad"})
    assert not difference(create, ignored(name), other)


def test_only_stock_may_let_empty_result_sets_escape() -> None:
    escaped = answer(events=[], raised=["django.core.exceptions.EmptyResultSet", ""])
    good = answer(events=[], created=False)
    assert not difference(HIT, escaped, good)
    assert difference(HIT, good, escaped)


def test_what_could_not_be_saved_has_no_key() -> None:
    def failed(kind: str, key: str) -> Answer:
        cache = {"profile": [f"Profile <Profile: Profile object ({key})>", "default"]}
        argument = {"class": "Owner", "state": {"fields cache": cache}}
        return answer(events=[], raised=[kind, "no"], arguments=[argument])

    error = "django.db.utils.IntegrityError"
    assert not difference(HIT, failed(error, "3"), failed(error, "None"))
    error = "builtins.ValueError"
    assert difference(HIT, failed(error, "3"), failed(error, "None"))


def test_nothing_else_is_taken_out() -> None:
    outcome = {"events": ["called"], "created": True, "tables of default": {"a": ["1"]}}
    assert normalised(HIT, outcome, outcome) == (outcome, outcome)


def test_a_scenario_is_json_and_readable() -> None:
    @settings(
        max_examples=200,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(scenarios())
    def there_and_back(scenario: Scenario) -> None:
        written = json.loads(json.dumps(scenario.to_json()))
        assert Scenario.from_json(written) == scenario
        assert f".{scenario.method}(" in str(scenario)

    there_and_back()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"$": "f", "of": "n"}, "F('n')"),
        ({"$": "f", "of": "n", "plus": 1}, "F('n') + 1"),
        ({"$": "row", "of": "Owner", "at": 1}, "row(Owner, at=1)"),
        ({"$": "value", "of": "bad"}, "value('bad')"),
        ({"$": "call", "name": "x", "do": "", "of": 5}, "call(name='x', returns=5)"),
        ([1, {"$": "decimal", "of": "1.5"}], "[1, decimal('1.5')]"),
        ({"a": None}, "{'a': None}"),
    ],
)
def test_a_value_as_text(value: Any, shown: str) -> None:
    assert text(value) == shown


def test_a_scenario_as_text() -> None:
    scenario = Scenario(
        "Item",
        source=["related", "Owner", 1, "items"],
        steps=[["filter", {"n": 1}]],
        lookup={"slug": "a"},
        defaults={"n": 2},
        around=[["router"]],
    )
    assert str(scenario).splitlines() == [
        "Owner.objects.get(pk=1).items.filter({'n': 1})"
        ".update_or_create(slug='a', defaults={'n': 2})",
        "  around: ['router']",
        "  transaction: none",
    ]


@pytest.mark.parametrize("data", [[], {"model": "Nobody"}, {"model": "Plain", "x": 1}])
def test_what_is_no_scenario(data: Any) -> None:
    with pytest.raises(StackError, match="not a scenario"):
        Scenario.from_json(data)


def test_replay_of_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be read") as caught:
        verb.read(tmp_path / "none.json")
    assert caught.value.code == USAGE
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(StackError, match="is not JSON"):
        verb.read(tmp_path / "bad.json")


def test_plants_by_name() -> None:
    assert all(not plant.harmless for plant in verb.chosen("all"))
    with pytest.raises(StackError, match="there is no plant"):
        verb.chosen("weeds")
    harmless = next(plant for plant in PLANTS if plant.harmless)
    with pytest.raises(StackError, match="cannot be found"):
        verb.chosen(harmless.name)
