"""How scenarios are drawn.

About half are plain enough for the patched Django's own path. The others leave it
in one or two places, each of which a condition of the patch has to see.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from lab.fuzz.catalogue import CATALOGUE, RELATED
from lab.fuzz.pools import (
    ANYWHERE,
    AROUND,
    FRESH,
    GOOD,
    NOWHERE,
    ODD,
    QUERYSET_METHODS,
    TARGETS,
    Named,
)
from lab.fuzz.scenario import Scenario

type Draw = st.DrawFn
type Strategy = st.SearchStrategy[Any]

TAME = [name for name, entry in CATALOGUE.items() if entry.tame]
REST = [name for name, entry in CATALOGUE.items() if not entry.tame]


def weighted(**weights: int) -> Strategy:
    return st.sampled_from(
        [name for name, many in weights.items() for _ in range(many)]
    )


plain_or_wild = weighted(plain=6, one=5, two=1)
# As many as there are things to try in each place.
places = weighted(steps=4, around=3, model=3, defaults=3, lookup=2, create=1, before=1)
tame_models = st.sampled_from(["Plain", "Natural", "Stamps", "Item", *TAME])
other_models = st.sampled_from(REST)
methods = weighted(update_or_create=8, get_or_create=3, aupdate_or_create=1)
odd_lookups = st.sampled_from(
    [
        *("odd", "odd", "odd", "other", "exact", "iexact", "in", "generator"),
        *("more", "unknown", "joined", "property", "only", "empty", "null", "null"),
    ]
)
odd_defaults = weighted(odd=8, alone=3, unknown=1, lookup=1, pk=1, empty=2, both=1)
relation_forms = weighted(instance=3, attname=2, value=1)
transactions = weighted(
    none=6, atomic=4, nested=2, escape=2, off=1, rollback=1, broken=1
)
chance = {one_in: st.integers(1, one_in).map(lambda n: n == 2) for one_in in (2, 4, 8)}
numbers = st.integers(0, 2)
counts = st.sampled_from((1, 1, 2, 3))
around = st.sampled_from(AROUND)
nowhere = st.sampled_from(NOWHERE)
keys = {name: st.sampled_from(entry.keys) for name, entry in CATALOGUE.items()}
names = {name: st.sampled_from([*entry.kinds]) for name, entry in CATALOGUE.items()}
fresh = {kind: st.sampled_from(values) for kind, values in FRESH.items()}
good = {kind: st.sampled_from(values) for kind, values in GOOD.items()}
odd = {kind: st.sampled_from((*ODD[kind], *ANYWHERE)) for kind in ODD}
targets = {kind: st.sampled_from(rows) for kind, rows in TARGETS.items()}


@st.composite
def scenarios(draw: Draw) -> Scenario:
    """Draw a scenario of any kind."""
    how = draw(plain_or_wild)
    wild = set() if how == "plain" else {draw(places)}
    if how == "two":
        wild.add(draw(places))
    model = draw(other_models if "model" in wild else tame_models)
    method = draw(methods)
    key = draw(keys[model])
    lookup = _lookup(draw, model, key)
    if "lookup" in wild:
        lookup = _odd_lookup(draw, model, lookup)
    defaults = _defaults(draw, model, key, "defaults" in wild)
    create = None
    if method != "get_or_create" and ("create" in wild or draw(chance[2])):
        create = _defaults(draw, model, (), False)
        if "create" in wild:
            create = _odd_create(draw, model, lookup, create)
    return Scenario(
        model=model,
        method=method,
        source=_source(draw, model),
        steps=_steps(draw, model, "steps" in wild),
        lookup=lookup,
        defaults=defaults,
        create_defaults=create,
        transaction=draw(transactions),
        around=[draw(around)] if "around" in wild else [],
        before=_before(draw, model) if "before" in wild else [],
    )


def row_value(model: str, number: int, name: str) -> Any:
    """Return what a row has at the start; None where the model's default rules."""
    rows = CATALOGUE[model].rows or CATALOGUE["Plain"].rows
    number %= len(rows)
    row = rows[number]
    if name == "pk" and model == "Composite":
        return [row["tenant"], row["number"]]
    if name == "pk":
        name = {"Natural": "code", "Badge": "owner_id"}.get(model, "id")
    return row.get("id", number + 1) if name == "id" else row.get(name)


def forms(kind: str, value: Any) -> list[Any]:
    """Return the value, and what means it or nearly means it."""
    if isinstance(value, dict) and value["$"] == "decimal":
        of = value["of"]
        return [value, of, float(of), {"$": "decimal", "of": f"{of}4"}, f"{of}0"]
    if isinstance(value, dict) and value["$"] == "uuid":
        return [value, f"{value['of']:032x}"]
    if kind in ("int", "big") and isinstance(value, int):
        return [value, str(value), float(value), f" {value} ", value + 0.5]
    if kind == "char" and isinstance(value, str):
        safe, lazy = {"$": "safe", "of": value}, {"$": "lazy", "of": value}
        return [value, value.upper(), f"{value} ", safe, lazy]
    return [value]


def _lookup(draw: Draw, model: str, key: Sequence[str]) -> Named:
    """Return keyword arguments that find a row, or would if it were there."""
    entry, number, hit = CATALOGUE[model], draw(numbers), not draw(chance[4])
    found: Named = {}
    for name in key:
        kind = entry.kinds.get(name, "int")
        if kind in TARGETS:
            raw = row_value(model, number, f"{name}_id") if hit else None
            found |= _relation(draw, name, kind, raw)
        elif hit:
            known = forms(kind, row_value(model, number, name))
            found[name] = draw(st.sampled_from(known)) if draw(chance[4]) else known[0]
        elif name == "pk" and model == "Composite":
            found[name] = draw(st.sampled_from(([7, 8], {"$": "tuple", "of": [1, 3]})))
        else:
            found[name] = draw(fresh[kind])
    if draw(chance[8]):
        # More than the key; the row has it, or has not.
        found["n"] = row_value(model, number, "n") if draw(chance[2]) else 77
    return found


def _relation(draw: Draw, name: str, kind: str, raw: Any) -> Named:
    """Return a foreign key as an instance, as its value or under its other name."""
    pk, value = draw(targets[kind])
    for each in TARGETS[kind]:
        if each[1] == raw:
            pk, value = each
    form = draw(relation_forms)
    if form == "instance":
        return {name: {"$": "row", "of": kind.removeprefix("fk:"), "at": pk}}
    return {name if form == "value" else f"{name}_id": value}


def _odd_lookup(draw: Draw, model: str, lookup: Named) -> Named:
    name = draw(names[model])
    first = next(iter(lookup))
    how = draw(odd_lookups)
    value = lookup[first]
    rest = {each: lookup[each] for each in lookup if each != first}
    return {
        "odd": lookup | {first: draw(nowhere)},
        "other": lookup | {name: draw(nowhere)},
        "exact": rest | {f"{first}__exact": value},
        "iexact": rest | {f"{first}__iexact": value},
        "in": rest | {f"{first}__in": [value]},
        "generator": rest | {f"{first}__in": {"$": "generator", "of": [value]}},
        "more": lookup | {"n__gte": draw(st.sampled_from((0, 2, 99)))},
        "unknown": lookup | {"nothing": 1},
        "joined": lookup | {"owner__n": 1},
        "property": lookup | {"level": 1},
        "only": {"n": draw(st.sampled_from((1, 4, 77)))},
        "empty": {},
        "null": lookup | {first: None},
    }[how]


def _defaults(draw: Draw, model: str, key: Sequence[str], wild: bool) -> Named:
    """Return values of fields; good ones, but for one of them if ``wild``."""
    kinds = CATALOGUE[model].kinds
    found: Named = {}
    for _ in range(draw(counts)):
        name = draw(names[model])
        if (name in key or name in ("id", "pk")) and not draw(chance[8]):
            name = "n"
        if kinds[name] not in TARGETS:
            found[name] = draw(good[kinds[name]])
        else:
            # A value under the field's own name is an error.
            given = _relation(draw, name, kinds[name], None)
            found |= {name: None} if draw(chance[8]) else given
    if not wild:
        return found
    name = draw(names[model])
    how = draw(odd_defaults)
    kind = kinds[name] if kinds[name] not in TARGETS else "int"
    if kinds[name] in TARGETS and draw(chance[2]):
        name = f"{name}_id"
    value = draw(odd[kind])
    if how == "both":
        for each in kinds:
            if kinds[each] in TARGETS:
                row = {"$": "row", "of": kinds[each].removeprefix("fk:"), "at": 2}
                return found | {each: row, f"{each}_id": draw(targets[kinds[each]])[1]}
    return {
        "odd": found | {name: value},
        "alone": {name: value},
        "unknown": found | {"nothing": 1},
        "lookup": found | {"n__gte": 1},
        "pk": found | {"pk": draw(fresh["int"])},
        "empty": {},
        "both": {},
    }[how]


def _odd_create(draw: Draw, model: str, lookup: Named, create: Named) -> Named:
    """Return values for a new row with one that is odd, or that makes the row."""
    if draw(chance[4]):
        race = {"$": "call", "name": "race", "do": "insert", "with": lookup, "of": 5}
        return create | {"n": race}
    return create | _defaults(draw, model, (), True)


def _source(draw: Draw, model: str) -> list[Any]:
    related = [where for where, found in RELATED.items() if found == model]
    if draw(chance[4]) and related:
        owner, accessor = draw(st.sampled_from(related))
        return ["related", owner, draw(numbers) + 1, accessor]
    manager: str = draw(st.sampled_from(CATALOGUE[model].managers))
    return ["manager", manager]


TAME_STEPS = st.sampled_from(
    [
        ["filter", {"n__gte": 0}],
        ["filter", {"n__lt": 5}],
        ["filter", {"n": 4}],
        ["exclude", {"n": 1}],
        ["order_by", "-n"],
        ["using", "default"],
        ["using", "other"],
        ["reverse"],
        ["select_for_update", {}],
        ["fetch_mode", "FETCH_PEERS"],
        ["fetch_mode", "RAISE"],
        ["either", {"n": 1}, {"n": 4}],
        ["evaluated"],
        ["filter", {"pk": 1}],
        ["none"],
    ]
)
WILD_STEPS = st.sampled_from(
    [
        ["only", "n"],
        ["only", "pk"],
        ["defer", "n"],
        ["select_related"],
        ["select_related", "owner"],
        ["prefetch_related", "notes"],
        ["annotate", {"more": {"$": "f", "of": "n", "plus": 1}}],
        ["annotate", {"many": {"$": "count", "of": "pk"}}],
        ["alias", {"more": {"$": "f", "of": "n", "plus": 1}}],
        ["slice", 0, 1],
        ["slice", 1, 2],
        ["distinct"],
        ["distinct", "n"],
        ["select_for_update", {"nowait": True}],
        ["select_for_update", {"skip_locked": True}],
        ["select_for_update", {"of": ["self"]}],
        ["values"],
        ["values", "n"],
        ["values_list", "n"],
        ["union"],
        ["intersection"],
        ["extra", {"select": {"more": "n + 1"}}],
        ["extra", {"where": ["n >= 4"]}],
        ["extra", {"where": ["n >= 4 OR n = 1"]}],
        ["extra", {"tables": ["fuzz_owner"]}],
        ["filter", {"owner__n": 1}],
        ["filter", {"slug": "a"}],
        ["exclude", {"slug": "a"}],
        ["exclude", {"tag": "x"}],
        ["filter", {"tag": "a"}],
        ["filter", {"nothing": 1}],
        ["either", {"pk": 1}, {"pk": 2}],
        ["either", {"tag": "a"}, {"n__gte": 0}],
        ["either", {"slug": "a"}, {"n__gte": 0}],
        ["large"],
        ["explained"],
        ["uncloned"],
        ["own query"],
        ["own iterable"],
        *(["override", name] for name in QUERYSET_METHODS),
    ]
)


def _steps(draw: Draw, model: str, wild: bool) -> list[Any]:
    steps = [draw(TAME_STEPS)] if draw(chance[4]) else []
    if wild:
        steps.append(draw(WILD_STEPS))
    return steps


def _before(draw: Draw, model: str) -> list[Any]:
    where, at = draw(st.sampled_from((model, model, "Owner"))), draw(numbers) + 1
    if draw(chance[2]):
        return [["delete", where, at]]
    # One of the columns that are unique at once has to be another in a copy.
    names = [
        name
        for name in ("slug", "name", "lower", "amount")
        if name in CATALOGUE[where].kinds
    ]
    return [["copy", where, at, dict.fromkeys(names, "5")]]
