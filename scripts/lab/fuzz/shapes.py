"""The query set on which a scenario calls, step by step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import models, router
from django.db.models import Q, sql
from django.db.models.signals import post_init, post_save, pre_init, pre_save

from lab.fuzz.events import note
from lab.fuzz.models import in_transaction
from lab.fuzz.values import Builder, model_named

SIGNALS = {
    "pre_save": pre_save,
    "post_save": post_save,
    "pre_init": pre_init,
    "post_init": post_init,
}


def noting(kind: str, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that notes its call and then is the original."""

    def noted(*args: Any, **kwargs: Any) -> Any:
        note(kind, name, in_transaction())
        return original(*args, **kwargs)

    return noted


class NotedQuery(sql.Query):
    def get_compiler(self, *args: Any, **kwargs: Any) -> Any:
        note("get_compiler")
        return super().get_compiler(*args, **kwargs)


class NotedIterable(models.query.ModelIterable):
    def __iter__(self) -> Iterator[Any]:
        note("iterated", in_transaction())
        yield from super().__iter__()


def _override(queryset: Any, name: str) -> Any:
    """Return it as of a class that overrides one method."""
    queryset = queryset.all()
    base = type(queryset)
    queryset.__class__ = type(
        "Override", (base,), {name: noting("queryset", name, getattr(base, name))}
    )
    return queryset


def _own_query(queryset: Any) -> Any:
    queryset = queryset.all()
    queryset.query = queryset.query.chain(klass=NotedQuery)
    return queryset


def _own_iterable(queryset: Any) -> Any:
    queryset = queryset.all()
    queryset._iterable_class = NotedIterable
    return queryset


def _explained(queryset: Any) -> Any:
    """Return it as inside explain()."""
    queryset = queryset.all()
    queryset.query.explain_info = sql.query.ExplainInfo(None, {})
    return queryset


def _uncloned(queryset: Any) -> Any:
    return queryset.all()._disable_cloning()


def _evaluated(queryset: Any) -> Any:
    len(queryset)
    return queryset


def _either(builder: Builder, *given: Mapping[str, Any]) -> Any:
    first, *others = (Q(**builder.named(each)) for each in given)
    for other in others:
        first |= other
    return first


type Step = Callable[..., Any]

STEPS: Mapping[str, Step] = {
    "filter": lambda qs, build, given: qs.filter(**build.named(given)),
    "exclude": lambda qs, build, given: qs.exclude(**build.named(given)),
    "either": lambda qs, build, *given: qs.filter(_either(build, *given)),
    "only": lambda qs, _, *names: qs.only(*names),
    "defer": lambda qs, _, *names: qs.defer(*names),
    "select_related": lambda qs, _, *names: qs.select_related(*names),
    "prefetch_related": lambda qs, _, *names: qs.prefetch_related(*names),
    "annotate": lambda qs, build, given: qs.annotate(**build.named(given)),
    "alias": lambda qs, build, given: qs.alias(**build.named(given)),
    "order_by": lambda qs, _, *names: qs.order_by(*names),
    "reverse": lambda qs, _: qs.reverse(),
    "slice": lambda qs, _, start, stop: qs.all()[start:stop],
    "distinct": lambda qs, _, *names: qs.distinct(*names),
    "none": lambda qs, _: qs.none(),
    "using": lambda qs, _, alias: qs.using(alias),
    "select_for_update": lambda qs, _, given: qs.select_for_update(**given),
    "values": lambda qs, _, *names: qs.values(*names),
    "values_list": lambda qs, _, *names: qs.values_list(*names),
    "union": lambda qs, _: qs.union(qs.all()),
    "intersection": lambda qs, _: qs.intersection(qs.all()),
    "extra": lambda qs, _, given: qs.extra(**given),
    "fetch_mode": lambda qs, _, name: qs.fetch_mode(getattr(models, name)),
    "large": lambda qs, _: qs.large(),
    "evaluated": lambda qs, _: _evaluated(qs),
    "explained": lambda qs, _: _explained(qs),
    "uncloned": lambda qs, _: _uncloned(qs),
    "override": lambda qs, _, name: _override(qs, name),
    "own query": lambda qs, _: _own_query(qs),
    "own iterable": lambda qs, _: _own_iterable(qs),
}


def target(builder: Builder, source: Sequence[Any], steps: Sequence[Any]) -> Any:
    """Return the manager or query set that the method is called on."""
    kind, *where = source
    if kind == "related":
        name, at, accessor = where
        made = builder.instance({"of": name, "at": at})
        found = getattr(made, accessor)
    else:
        found = getattr(builder.model, where[0])
    for name, *given in steps:
        found = STEPS[name](found, builder, *given)
    return found


class NotedRouter:
    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool | None:
        note("allow_relation", type(first).__name__, type(second).__name__)
        return None if first._meta.label.endswith("Owner") else False


@contextmanager
def _patched(model: Any, name: str) -> Iterator[None]:
    """As a library that patches a method of somebody's model at run time."""
    own = model.__dict__.get(name)
    setattr(model, name, noting("model", name, getattr(model, name)))
    try:
        yield
    finally:
        delattr(model, name)
        if own is not None:
            setattr(model, name, own)


@contextmanager
def _received(model: Any, name: str, everybody: bool) -> Iterator[None]:
    def receiver(sender: Any, **kwargs: Any) -> None:
        given = kwargs.get("instance")
        n = given.__dict__.get("n") if given is not None else None
        note(
            "received",
            name,
            sender.__name__,
            n,
            sorted(kwargs.get("update_fields") or ()),
            in_transaction(),
        )

    sender = None if everybody else model
    SIGNALS[name].connect(receiver, sender=sender)
    try:
        yield
    finally:
        SIGNALS[name].disconnect(receiver, sender=sender)


@contextmanager
def _routed() -> Iterator[None]:
    before, router.routers = router.routers, [NotedRouter()]
    try:
        yield
    finally:
        router.routers = before


@contextmanager
def surroundings(model: Any, around: Sequence[Any]) -> Iterator[None]:
    """Have what other code did to the project, for the time of the call."""
    with ExitStack() as stack:
        for kind, *given in around:
            if kind == "patch":
                stack.enter_context(_patched(model, *given))
            elif kind == "receiver":
                stack.enter_context(_received(model, *given))
            elif kind == "router":
                stack.enter_context(_routed())
        yield


def prepare(builder: Builder, before: Sequence[Any]) -> None:
    """Change the table before the call, in its transaction if it has one."""
    for kind, name, at, *others in before:
        model = model_named(name)
        row = model._base_manager.filter(pk=at)
        if kind == "delete":
            row._raw_delete("default")
        elif (one := row.first()) is not None:
            values = {**one.__dict__, **dict(*others)}
            del values["_state"]
            values.pop("id", None)
            model._base_manager.bulk_create([model(**values)])
