"""From the JSON of a scenario to the values that are given to Django.

What JSON has stands for itself; a dictionary {"$": name, …} for the rest.
"""

import datetime
import decimal
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import IntegrityError, models, transaction
from django.db.models import Case, Count, F, Subquery, Value, When
from django.db.models.functions import Upper
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe

from lab.fuzz.events import note
from lab.fuzz.models import Plain, in_transaction


class Colour(models.TextChoices):
    A = "a"
    RED = "red"


def model_named(name: str) -> Any:
    return apps.get_model("fuzz", name)


class Call:
    """A callable for defaults that notes when it is called, and what it sees."""

    def __init__(self, builder: "Builder", spec: Mapping[str, Any]) -> None:
        self._builder = builder
        self._spec = spec

    def __repr__(self) -> str:
        return f"<call {self._spec['name']}>"

    def __call__(self) -> Any:
        name, do = self._spec["name"], self._spec.get("do")
        note("call", name, in_transaction())
        if do == "raise":
            raise ValueError(f"raised by {name}")
        if do == "IntegrityError":
            raise IntegrityError(f"raised by {name}")
        rows = self._builder.model._base_manager
        if do == "commit":
            transaction.on_commit(
                lambda: note("committed", name, rows.count(), "rows", in_transaction())
            )
        if do == "query":
            note("call", name, "sees", rows.count(), "rows")
        if do == "insert":
            rows.bulk_create(
                [self._builder.model(**self._builder.named(self._spec["with"]))]
            )
        return self._builder.value(self._spec.get("of"))


class Builder:
    """Makes the values of one scenario; keeps the instances among them."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.instances: list[Any] = []

    def named(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.value(each) for name, each in given.items()}

    def value(self, given: Any) -> Any:
        if isinstance(given, list):
            return [self.value(each) for each in given]
        if isinstance(given, dict):
            return MAKERS[given["$"]](self, given)
        return given

    def instance(self, spec: Mapping[str, Any]) -> Any:
        """Return a row as instance, one that is not saved, or one that is gone."""
        model = model_named(spec["of"])
        if "at" in spec:
            found = model._base_manager.using(spec.get("using", "default"))
            made = found.filter(pk=spec["at"]).first() or model(pk=spec["at"])
            made._state.adding = False
            made._state.db = spec.get("using", "default")
        else:
            made = model(**self.named(spec.get("with", {})))
        self.instances.append(made)
        return made


def _expression(builder: Builder, spec: Mapping[str, Any]) -> Any:
    found = F(spec["of"])
    return found + builder.value(spec["plus"]) if "plus" in spec else found


def _lazy(builder: Builder, spec: Mapping[str, Any]) -> Any:
    def evaluate() -> Any:
        note("evaluated")
        return builder.value(spec["of"])

    return SimpleLazyObject(evaluate)


type Maker = Callable[[Builder, Mapping[str, Any]], Any]

MAKERS: Mapping[str, Maker] = {
    "uuid": lambda _, spec: uuid.UUID(int=spec["of"]),
    "decimal": lambda _, spec: decimal.Decimal(spec["of"]),
    "float": lambda _, spec: float(spec["of"]),
    "date": lambda _, spec: datetime.date.fromisoformat(spec["of"]),
    "time": lambda _, spec: datetime.time.fromisoformat(spec["of"]),
    "datetime": lambda _, spec: datetime.datetime.fromisoformat(spec["of"]),
    "duration": lambda _, spec: datetime.timedelta(seconds=spec["of"]),
    "bytes": lambda _, spec: spec["of"].encode(),
    "json": lambda _, spec: spec["of"],
    "tuple": lambda builder, spec: tuple(builder.value(spec["of"])),
    "generator": lambda builder, spec: (builder.value(each) for each in spec["of"]),
    "lazy": _lazy,
    "safe": lambda _, spec: mark_safe(spec["of"]),
    "choice": lambda _, spec: Colour(spec["of"]),
    "class": lambda _, spec: {"int": int, "str": str, "dict": dict}[spec["of"]],
    "file": lambda _, spec: ContentFile(b"content", spec["of"]),
    "call": Call,
    "row": lambda builder, spec: builder.instance(spec),
    "new": lambda builder, spec: builder.instance(spec),
    "type": lambda _, spec: ContentType.objects.get_for_model(model_named(spec["of"])),
    "queryset": lambda _, spec: model_named(spec["of"])._base_manager.filter(pk__lt=2),
    "f": _expression,
    "value": lambda builder, spec: Value(builder.value(spec["of"])),
    "upper": lambda _, spec: Upper(spec["of"]),
    "case": lambda _, spec: Case(When(n__gte=spec["of"], then=Value(1)), default=0),
    "count": lambda _, spec: Count(spec["of"]),
    "subquery": lambda _, spec: Subquery(
        Plain.objects.filter(slug="b").values(spec["of"])[:1]
    ),
}
