"""Scenarios: one call each, drawn at random, made smaller, and shown to a person."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from common.errors import StackError
from lab.fuzz.values import KINDS, LISTS, RELATED

type Texts = dict[str, str]
type Catalogue = Mapping[str, Mapping[str, Any]]

DML = ("SELECT", "EXPLAIN", "INSERT", "UPDATE", "DELETE")
SIMPLE = ("None", "1", "'a'", "'x'")  # values to try when a scenario is made smaller


@dataclass(frozen=True)
class Scenario:
    """One call; all values are expressions with the names of words.py.

    Each of ``steps`` makes a query set of ``qs``, the one before; ``around`` is what
    other code did to the project, ``before`` are changes of rows and ``transaction`` is
    one that calls.within() knows. None as defaults: the argument is not given.
    """

    model: str = "Plain"
    method: str = "update_or_create"
    source: str = "Model.objects"
    steps: list[str] = field(default_factory=list)
    lookup: Texts = field(default_factory=dict)
    defaults: Texts | None = None
    create_defaults: Texts | None = None
    transaction: str = "none"
    around: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, data: Any) -> "Scenario":
        """Return a scenario; StackError if the data are not one."""
        try:
            return cls(**data)
        except TypeError:
            raise StackError(f"not a scenario: {json.dumps(data)[:200]}") from None

    def __str__(self) -> str:
        given = [f"{name}={text}" for name, text in self.lookup.items()]
        for name in ("defaults", "create_defaults"):
            if (values := getattr(self, name)) is not None:
                inside = (f"{key!r}: {text}" for key, text in values.items())
                given.append(f"{name}={{{', '.join(inside)}}}")
        lines = [
            *self.before,
            *(f"with {text}" for text in self.around),
            f"transaction: {self.transaction}",
            f"qs = {self.source.replace('Model', self.model, 1)}",
            *(f"qs = {text}" for text in self.steps),
            f"qs.{self.method}({', '.join(given)})",
        ]
        return "\n".join(lines)


def smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield scenarios that are one step simpler, the largest steps first."""
    blank, parts = asdict(Scenario()), asdict(scenario)
    for name, given in parts.items():
        if given != blank[name]:
            yield Scenario(**parts | {name: blank[name]})
    for name, given in parts.items():
        less: list[Any] = []
        if isinstance(given, list):
            less = [given[:at] + given[at + 1 :] for at in range(len(given))]
        elif isinstance(given, dict):
            less = [{key: given[key] for key in given if key != out} for out in given]
            for key, text in given.items():
                simpler = SIMPLE[: SIMPLE.index(text) if text in SIMPLE else None]
                less += [given | {key: each} for each in simpler]
        for each in less:
            yield Scenario(**parts | {name: each})


# How often each is drawn, next to the others.
WILD_PLACES = [0] * 6 + [1] * 5 + [2]
# As many as there are things to try in each place.
PLACES = ["steps"] * 4 + ["around", "model", "defaults"] * 3
PLACES += ["lookup", "lookup", "create", "before"]
METHODS = ["update_or_create"] * 8 + ["get_or_create"] * 3 + ["aupdate_or_create"]
TRANSACTIONS = ["none"] * 6 + ["atomic"] * 4 + ["nested", "escape"] * 2
TRANSACTIONS += ["off", "rollback", "broken"]
FAVOURITES = ["Plain", "Natural", "Stamps", "Item"]


def scenarios(catalogue: Catalogue, seed: int) -> Iterator[Scenario]:
    """Yield scenarios without end, the same ones for the same seed.

    About half are plain enough for the patched Django's own path. The others leave it
    in one or two places, and a condition of the patch has to see each place.
    """
    random = Random(seed)
    tame = [name for name, model in catalogue.items() if model["tame"]]
    wild = [name for name, model in catalogue.items() if not model["tame"]]
    while True:
        places = {*random.choices(PLACES, k=random.choice(WILD_PLACES))}
        model = random.choice(wild if "model" in places else FAVOURITES + tame)
        yield Draw(random, catalogue, model).scenario(places)


class Draw:
    """Draws the parts of one scenario."""

    def __init__(self, random: Random, catalogue: Catalogue, model: str) -> None:
        self._random = random
        self._catalogue = catalogue
        self._model = model
        self._entry = catalogue[model]
        self._kinds: Texts = self._entry["kinds"]

    def scenario(self, places: set[str]) -> Scenario:
        method = self._one(METHODS)
        key = self._one(self._entry["keys"])
        lookup = self._lookup(key)
        if "lookup" in places:
            lookup = self._odd_lookup(lookup)
        create = None
        if method != "get_or_create" and ("create" in places or self._chance(2)):
            create = self._defaults(())
            if "create" in places:
                create |= self._odd_create(lookup)
        steps = [self._one(LISTS["tame"])] if self._chance(4) else []
        return Scenario(
            model=self._model,
            method=method,
            source=self._source(),
            steps=steps + ([self._one(LISTS["wild"])] if "steps" in places else []),
            lookup=lookup,
            defaults=self._defaults(key, odd="defaults" in places),
            create_defaults=create,
            transaction=self._one(TRANSACTIONS),
            around=[self._one(LISTS["around"])] if "around" in places else [],
            before=[self._before()] if "before" in places else [],
        )

    def _one[T](self, given: Sequence[T]) -> T:
        return self._random.choice(given)

    def _chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def _lookup(self, key: Sequence[str]) -> Texts:
        """Return keyword arguments that find a row, or would if it were there."""
        row, hit = self._one(self._entry["rows"]), not self._chance(4)
        found: Texts = {}
        for name in key:
            kind = self._entry["pk"] if name == "pk" else self._kinds[name]
            if kind.startswith("fk:"):
                found |= self._relation(name, row.get(f"{name}_id") if hit else None)
            elif hit:
                found[name], forms = row[name], KINDS[kind].get("forms")
                if forms and row[name] != "None" and self._chance(4):
                    found[name] = self._one(forms).replace("VALUE", row[name])
            else:
                found[name] = self._one(KINDS[kind]["fresh"])
        if self._chance(8):
            # More than the key; the row has it, or has not.
            found["n"] = row["n"] if self._chance(2) else "77"
        return found

    def _targets(self, name: str) -> tuple[str, list[tuple[str, str]]]:
        """Return the model that a foreign key points to; key and value of its rows."""
        model, column = self._kinds[name].removeprefix("fk:").split(".")
        return model, [
            (row["pk"], row[column]) for row in self._catalogue[model]["rows"]
        ]

    def _relation(self, name: str, value: str | None = None) -> Texts:
        """Return a foreign key as an instance, as its value or under its other name."""
        model, rows = self._targets(name)
        pk, value = self._one([row for row in rows if row[1] == value] or rows)
        instance, attname = {name: f"row({model}, {pk})"}, {f"{name}_id": value}
        return self._one([*[instance] * 3, attname, attname, {name: value}])

    def _odd_lookup(self, lookup: Texts) -> Texts:
        first, value = next(iter(lookup.items()))
        rest = {name: lookup[name] for name in lookup if name != first}
        odd = self._one(LISTS["lookup"])
        return self._one(
            [
                *[lookup | {first: odd}] * 3,
                lookup | {self._one([*self._kinds]): odd},
                rest | {f"{first}__exact": value},
                rest | {f"{first}__iexact": value},
                rest | {f"{first}__in": f"[{value}]"},
                rest | {f"{first}__in": f"(each for each in [{value}])"},
                lookup | {"n__gte": self._one(("0", "2", "99"))},
                lookup | {"nothing": "1"},
                lookup | {"owner__n": "1"},
                lookup | {"level": "1"},
                {"n": self._one(("1", "4", "77"))},
                {},
                *[lookup | {first: "None"}] * 2,
            ]
        )

    def _defaults(self, key: Sequence[str], odd: bool = False) -> Texts:
        """Return values of fields; good ones, but for one of them if ``odd``."""
        found: Texts = {}
        for _ in range(self._one((1, 1, 2, 3))):
            name = self._one([*self._kinds])
            if (name in key or name in ("id", "pk")) and not self._chance(8):
                name = "n"
            if not self._kinds[name].startswith("fk:"):
                values = KINDS[self._kinds[name]]
                computed = "computed" if self._chance(4) else "good"
                found[name] = self._one(values.get(computed) or values["good"])
            else:
                # A value under the field's own name is an error.
                found |= {name: "None"} if self._chance(8) else self._relation(name)
        return self._odd_defaults(found) if odd else found

    def _odd_defaults(self, found: Texts) -> Texts:
        both: Texts = {}
        for name, kind in self._kinds.items():
            if kind.startswith("fk:"):
                model, rows = self._targets(name)
                both = {name: f"row({model}, 2)", f"{name}_id": self._one(rows)[1]}
        name = self._one([*self._kinds])
        kind = self._kinds[name]
        if kind.startswith("fk:"):
            name, kind = self._one((name, f"{name}_id")), "IntegerField"
        value = self._one(self._one((KINDS[kind]["odd"], LISTS["default"])))
        return self._one(
            [
                *[found | {name: value}] * 8,
                *[{name: value}] * 3,
                found | {"nothing": "1"},
                found | {"n__gte": "1"},
                found | {"pk": self._one(KINDS["IntegerField"]["fresh"])},
                *[{}] * 2,
                found | both,
            ]
        )

    def _odd_create(self, lookup: Texts) -> Texts:
        """Return values for a new row with one that is odd, or that makes the row."""
        if self._chance(4):
            given = [f"{name}={text}" for name, text in lookup.items()]
            return {"n": f"call({', '.join(['5', repr('insert'), *given])})"}
        return self._defaults((), odd=True)

    def _source(self) -> str:
        related = RELATED.get(self._model)
        if related and self._chance(4):
            return self._one(related).format(self._random.randint(1, 3))
        return f"Model.{self._one(self._entry['managers'])}"

    def _before(self) -> str:
        where = self._one((self._model, self._model, "Owner"))
        at = self._one(self._catalogue[where]["rows"])["pk"]
        if self._chance(2):
            return f"delete({where}, {at})"
        # One of the columns that are unique at once has to be another in a copy.
        unique = {"slug", "name", "lower", "amount"} & {
            *self._catalogue[where]["kinds"]
        }
        changes = "".join(f", {name}='5'" for name in sorted(unique))
        return f"copy({where}, {at}{changes})"
