"""The names that the expressions of a scenario may use: those of this module.

In addition: those of django.db.models, of the models, and Model, the scenario's one.
"""

# ruff: noqa: F401

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache, partialmethod
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import (
    IntegrityError,
    OperationalError,
    connection,
    connections,
    models,
    router,
    transaction,
)
from django.db.models import signals, sql
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import (
    Abs,
    Cast,
    Coalesce,
    Concat,
    ExtractYear,
    Length,
    Lower,
    Now,
    Repeat,
    TruncYear,
    Upper,
)
from django.db.models.sql import compiler
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe as safe

from lab.fuzz.events import note, shown
from lab.fuzz.models import in_transaction, noting, own_models, where
from lab.watch import executing

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


class Stopped(Exception):
    """What is no database's exception, as those of signal handlers."""


@contextmanager
def raising(error: type[Exception], when: str, by: str = "wrapper") -> Iterator[None]:
    """Have a statement end with the error: "before", "after", or if it has "written".

    Stopped and OperationalError are raised once, what Django may expect each time.
    ``by`` is an execute wrapper, or a "signal" that reaches the cursor.
    """
    raised, once = False, (Stopped, OperationalError)

    def execute(run: Callable[..., Any], statement: str, *others: Any) -> Any:
        nonlocal raised
        word = statement.split(None, 1)[0]
        if word not in ("SELECT", "INSERT", "UPDATE") or (raised and error in once):
            return run(statement, *others)
        made = error("raised around a statement")
        if when == "before":
            raised = True
            raise made
        before = _rows(statement)
        result = run(statement, *others)
        after = _rows(statement)
        wrote = others[-1]["cursor"].rowcount > 0 if after is None else after != before
        if when == "after" or (word != "SELECT" and wrote):
            raised = True
            raise made
        return result

    around = (
        connection.execute_wrapper(execute)
        if by == "wrapper"
        else executing(connections["default"], execute)
    )
    with around:
        yield


def _rows(statement: str) -> Any:
    """Return the rows of the table that a statement writes, if it is SQLite's.

    SQLite counts them only when those that the statement returns are fetched.
    """
    table = re.match(r'(?:UPDATE|INSERT INTO) "\w+"', statement)
    if connection.vendor != "sqlite" or not table:
        return None
    name = table[0].rpartition(" ")[2]
    return connection.connection.execute(f"SELECT * FROM {name}").fetchall()


@contextmanager
def without(feature: str) -> Iterator[None]:
    """Have a backend that derives from Django's and lacks a feature."""
    backend = connections["default"]
    features, base = backend.features, type(backend.features)
    with ExitStack() as stack:
        stack.callback(setattr, features, "__class__", base)
        features.__class__ = type("Features", (base,), {feature: False})
        stack.enter_context(mock.patch.dict(vars(features), {feature: False}))
        # What Django's own backends do without a look at the feature.
        if feature == "uses_savepoints":
            none = mock.patch.object(backend, "_savepoint_allowed", return_value=False)
            stack.enter_context(none)
        if backend.vendor == "postgresql":
            stack.enter_context(
                mock.patch.object(backend.ops, "last_insert_id", _last_value)
            )
        yield


def _last_value(cursor: Any, table: str, name: str) -> Any:
    """Return the primary key of a new row, without RETURNING."""
    cursor.execute("SELECT lastval()")
    return cursor.fetchone()[0]


def own_compilers() -> Any:
    """Have a backend with a module of its own that has the compilers of Django 6.1."""
    names = ("", "Insert", "Delete", "Update", "Aggregate")
    classes = [f"SQL{name}Compiler" for name in names]
    own = {name: getattr(compiler, name) for name in classes}
    return mock.patch.object(connection.ops, "_cache", SimpleNamespace(**own))


SEEN: set[str] = set()


@contextmanager
def watched_writes() -> Iterator[None]:
    """Look at writes as caches of queries do."""
    with ExitStack() as stack:
        for name in ("SQLInsertCompiler", "SQLUpdateCompiler"):
            base = getattr(compiler, name)
            watched = partialmethod(_watched, base.execute_sql)
            stack.enter_context(mock.patch.object(base, "execute_sql", watched))
        yield


def _watched(self: Any, original: Any, *args: Any, **kwargs: Any) -> Any:
    SEEN.add(f"{type(self).__name__} {self.query.get_meta().db_table}")
    return original(self, *args, **kwargs)


def aware() -> Any:
    """Have the naive datetimes of a project that uses time zones."""
    return mock.patch.object(settings, "USE_TZ", True)


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
