"""The names that the expressions of a scenario may use: those of this module.

In addition: those of django.db.models, of the models, and Model, the scenario's one.
"""

# ruff: noqa: F401

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any
from unittest import mock
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import IntegrityError, models, router, transaction
from django.db.models import signals, sql
from django.db.models.functions import Upper
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe as safe

from lab.fuzz.events import note, shown
from lab.fuzz.models import in_transaction, noting, own_models

type_of = ContentType.objects.get_for_model


@cache
def _compiled(text: str) -> Any:
    return compile(text, "scenario", "eval")


class Words:
    """The names of one scenario; ``instances`` are those that it made, in order."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.instances: list[Any] = []
        own = ("row", "new", "call", "patch", "receiver")
        self._names = NAMES | {name: getattr(self, name) for name in own}
        self._names["Model"] = model

    def value(self, text: str, **more: Any) -> Any:
        return eval(_compiled(text), self._names | more)

    def values(self, given: dict[str, str]) -> dict[str, Any]:
        return {name: self.value(text) for name, text in given.items()}

    def row(self, model: Any, at: Any, using: str = "default") -> Any:
        """Return a row as an instance, also one that is gone."""
        found = model._base_manager.using(using).filter(pk=at)
        made = found.first() or model(pk=at)
        made._state.adding = False
        made._state.db = using
        self.instances.append(made)
        return made

    def new(self, model: Any, **values: Any) -> Any:
        self.instances.append(model(**values))
        return self.instances[-1]

    def call(self, returns: Any, do: str = "", /, **values: Any) -> Any:
        """Return a callable that notes when it is called, and what it sees."""
        rows = self.model._base_manager

        def called() -> Any:
            note("call", do, shown(returns), in_transaction())
            if do == "raise":
                raise ValueError("raised by a callable")
            if do == "IntegrityError":
                raise IntegrityError("raised by a callable")
            if do == "commit":
                transaction.on_commit(
                    lambda: note("committed", rows.count(), "rows", in_transaction())
                )
            if do == "query":
                note("call sees", rows.count(), "rows")
            if do == "insert":
                rows.bulk_create([self.model(**values)])
            return returns

        return called

    def patch(self, name: str) -> Any:
        """Patch a method of the model, as a library does at run time."""
        noted = noting(name, getattr(self.model, name))
        return mock.patch.object(self.model, name, noted)

    @contextmanager
    def receiver(self, name: str, all: bool = False) -> Iterator[None]:
        def received(sender: Any, **kwargs: Any) -> None:
            instance = kwargs.get("instance")
            n = instance.__dict__.get("n") if instance is not None else None
            fields = sorted(kwargs.get("update_fields") or ())
            note("received", name, sender.__name__, n, fields, in_transaction())

        sender, signal = None if all else self.model, getattr(signals, name)
        signal.connect(received, sender=sender)
        try:
            yield
        finally:
            signal.disconnect(received, sender=sender)


class NotedRouter:
    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool | None:
        note("allow_relation", type(first).__name__, type(second).__name__)
        return None if first._meta.label.endswith("Owner") else False


def routed() -> Any:
    return mock.patch.object(router, "routers", [NotedRouter()])


def delete(model: Any, at: Any) -> None:
    model._base_manager.filter(pk=at)._raw_delete("default")


def copy(model: Any, at: Any, **changes: Any) -> None:
    """Insert a second row like that one, if it is there."""
    if (row := model._base_manager.filter(pk=at).first()) is not None:
        values = row.__dict__ | changes
        del values["_state"]
        values.pop("id", None)
        model._base_manager.bulk_create([model(**values)])


class NotedQuery(sql.Query):
    def get_compiler(self, *args: Any, **kwargs: Any) -> Any:
        note("get_compiler")
        return super().get_compiler(*args, **kwargs)


class NotedIterable(models.query.ModelIterable):
    def __iter__(self) -> Iterator[Any]:
        note("iterated", in_transaction())
        yield from super().__iter__()


def override(queryset: Any, name: str) -> Any:
    """Return it as of a class that overrides one method."""
    queryset = queryset.all()
    base = type(queryset)
    members = {name: noting(name, getattr(base, name))}
    queryset.__class__ = type("Override", (base,), members)
    return queryset


def altered(queryset: Any, **attributes: Any) -> Any:
    queryset = queryset.all()
    for name, value in attributes.items():
        setattr(queryset, name, value)
    return queryset


def explained(queryset: Any) -> Any:
    """Return it as inside explain()."""
    queryset = queryset.all()
    queryset.query.explain_info = sql.query.ExplainInfo(None, {})
    return queryset


def evaluated(queryset: Any) -> Any:
    queryset = queryset.all()
    len(queryset)
    return queryset


class Colour(models.TextChoices):
    A = "a"


def lazy(value: Any) -> Any:
    def evaluate() -> Any:
        note("evaluated")
        return value

    return SimpleLazyObject(evaluate)


NAMES = vars(models) | globals() | {model.__name__: model for model in own_models()}
