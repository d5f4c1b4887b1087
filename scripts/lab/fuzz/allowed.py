"""The documented differences, and nothing else, are taken out of outcomes here.

Not in an outcome in the first place, so with no rule here:
  the moment of auto_now     computed before the row is locked instead of after;
                             the worker's clock stands still
  the statements             their number and shape is what the patches change;
                             the models have no triggers that fire per statement
  when a file is wrapped     stock reads the attribute on the way, which turns the
                             name in it into a FieldFile; the worker reads it too
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.fuzz.scenario import Scenario

KEY = re.compile(r" object \([^)]*\)>")

type Outcome = Mapping[str, Any]
type Rule = Callable[[Scenario, Outcome, Outcome], tuple[Outcome, Outcome]]


def trigger_changes_are_seen(
    scenario: Scenario, stock: Outcome, patched: Outcome
) -> tuple[Outcome, Outcome]:
    """RETURNING has what a BEFORE UPDATE trigger wrote; a SELECT before it, not.

    Only the attribute of the instance may differ: the row is the same.
    """

    def without(outcome: Outcome) -> Outcome:
        instance = outcome.get("instance")
        if scenario.model != "Triggered" or instance is None:
            return outcome
        attributes = {
            name: value
            for name, value in instance["attributes"].items()
            if name != "stamp"
        }
        return {**outcome, "instance": {**instance, "attributes": attributes}}

    return without(stock), without(patched)


def lazy_values_are_evaluated(
    scenario: Scenario, stock: Outcome, patched: Outcome
) -> tuple[Outcome, Outcome]:
    """A lazy object in ``defaults`` is evaluated for an UPDATE that finds no row."""

    def without(outcome: Outcome) -> Outcome:
        events = [event for event in outcome["events"] if event != "evaluated"]
        return {**outcome, "events": events}

    return without(stock), without(patched)


def empty_result_sets_are_caught(
    scenario: Scenario, stock: Outcome, patched: Outcome
) -> tuple[Outcome, Outcome]:
    """Stock's save() lets EmptyResultSet escape; a patch of the series mends it."""
    if stock.get("raised", [""])[0].endswith(".EmptyResultSet"):
        return {}, {}
    return stock, patched


def failed_rows_have_no_key(
    scenario: Scenario, stock: Outcome, patched: Outcome
) -> tuple[Outcome, Outcome]:
    """A lone INSERT fails at once where a foreign key fails the COMMIT after it.

    The instance that could not be saved then has no primary key; it can be seen
    as what a related instance, given as argument, remembers.
    """
    both = [each.get("raised", [""]) for each in (stock, patched)]
    if both[0] != both[1] or not both[0][0].endswith(".IntegrityError"):
        return stock, patched

    def without(outcome: Outcome) -> Outcome:
        text = KEY.sub(" object (…)>", json.dumps(outcome["arguments"]))
        return {**outcome, "arguments": json.loads(text)}

    return without(stock), without(patched)


def ignored_updates_reach_the_insert(
    scenario: Scenario, stock: Outcome, patched: Outcome
) -> tuple[Outcome, Outcome]:
    """A trigger that ignores an UPDATE makes it look as if there was no row.

    save() has the same, and Meta.select_on_save is made for it. What an INSERT
    needs is evaluated, may fail, and takes a number of the sequence; the table
    and the transaction stay as on stock, and so does the exception if the INSERT
    has nothing to fail on but the row that is there.
    """
    ignored = stock.get("raised", [""])[0].endswith("Ignored.NotUpdated")
    if scenario.model != "Ignored" or not ignored:
        return stock, patched
    values = {**(scenario.defaults or {}), **(scenario.create_defaults or {})}
    if values.keys() & {"slug", "id", "pk"}:
        # Under another key the INSERT succeeds.
        return {}, {}
    left = {"events", *(f"tables of {alias}" for alias in ("default", "other"))}
    given = (scenario.defaults or {}).values()
    if scenario.create_defaults is not None or not all(map(_is_plain, given)):
        left.add("raised")

    def without(outcome: Outcome) -> Outcome:
        kept = {name: each for name, each in outcome.items() if name not in left}
        for name in left:
            if name.startswith("tables"):
                kept[name] = {
                    table: rows
                    for table, rows in outcome[name].items()
                    if not table.startswith("sequence of ")
                }
        return kept

    return without(stock), without(patched)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


ALLOWED: Sequence[Rule] = (
    trigger_changes_are_seen,
    lazy_values_are_evaluated,
    empty_result_sets_are_caught,
    failed_rows_have_no_key,
    ignored_updates_reach_the_insert,
)


def normalised(
    scenario: Scenario, stock: Outcome, patched: Outcome
) -> tuple[Outcome, Outcome]:
    """Return both outcomes without what may differ."""
    for rule in ALLOWED:
        stock, patched = rule(scenario, stock, patched)
    return stock, patched
