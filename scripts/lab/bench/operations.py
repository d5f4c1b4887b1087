"""The operations that the bench and asv/ measure: one list.

An operation prepares what it needs, untimed, and returns an iterator: each of its
steps is one timed call. A new operation is one line, for example::

    Operation("has_key", lambda data: map(data.cache.has_key, data.existing))

The store has its entries again before the next block, whatever the calls did.
Django is imported where it is used: the driver has none, and reads the names.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from itertools import batched, cycle, starmap
from typing import Any

from common.errors import StackError
from lab.bench.bare import bare
from lab.bench.orm import TABLE
from lab.bench.supply import COUNTERS, Supply
from lab.bench.values import VALUES
from lab.variants import PATCHED, STOCK

DAY = 86_400  # seconds
START = 1_000_000  # of counters, so that decr() does not reach zero
# The placeholder of the drivers whose cursor returns the rows of a RETURNING.
RAW = {"sqlite": "?", "postgresql": "%s"}

type Steps = Iterator[object]


@dataclass(frozen=True)
class Operation:
    """One thing that is measured.

    One call handles ``per`` entries of a ``table``: "cache" or "orm". ``runs`` tells
    whether this Django can do it on the database of a connection; ``instead`` is the
    operation that a stock Django without it runs. ``unlogged``
    is the number of statements of a call that Django's query log does not see.
    ``only`` is the one variant that runs it. The operation ``limit_of`` cannot be
    faster than this one. If it is ``bounded``, rows are made for its calls: a
    block handles no more entries than the longest block has calls, as more would
    make another table.
    """

    name: str
    prepare: Callable[[Supply], Steps]
    table: str = "cache"
    per: int = 1
    runs: Callable[[Any], bool] = lambda connection: True
    instead: str = ""
    unlogged: int = 0
    only: str = ""
    limit_of: str = ""
    bounded: bool = False

    def runs_on(self, variant: str) -> bool:
        """Tell whether stock, patched or another cache runs it."""
        if self.only:
            return variant == self.only
        return variant in (STOCK, PATCHED) or self.table == "cache"

    def meant(self, lacking: dict[str, str]) -> str:
        """Return the operation to run on a Django that lacks some, or nothing.

        ``lacking``: operation → reason.
        """
        return next((n for n in (self.name, self.instead) if n not in lacking), "")


# Of the cache


def bare_set(data: Supply) -> Steps:
    values = data.values()
    return bare(data, lambda key: data.cache.set(key, next(values)), VALUES)


def counters(data: Supply) -> Iterator[str]:
    """Yield the keys of a few entries that hold integers, round and round."""
    keys = data.fresh(COUNTERS)
    for name in keys:
        data.cache.set(name, START)
    return cycle(keys)


def set_many(data: Supply) -> Steps:
    values, batches = data.values(), data.batches(100)
    given = [dict(zip(keys, values, strict=False)) for keys in batches]
    return map(data.cache.set_many, given)


def delete_many(data: Supply) -> Steps:
    return map(data.cache.delete_many, [*batched(data.consumed(100), 100)])


def touch(data: Supply) -> Steps:
    # Changing times: MySQL skips an UPDATE that changes nothing.
    return map(data.cache.touch, data.existing, cycle(range(DAY, 2 * DAY)))


def write(method: Callable[..., Any], data: Supply, keys: Iterator[str]) -> Steps:
    return map(method, keys, data.values())


CACHE = (
    Operation("get hit", lambda d: map(d.cache.get, d.existing)),
    Operation(
        "bare get", lambda d: bare(d, d.cache.get), only=PATCHED, limit_of="get hit"
    ),
    Operation("get miss", lambda d: map(d.cache.get, d.absent())),
    Operation("has_key", lambda d: map(d.cache.has_key, d.existing)),
    Operation("set existing key", lambda d: write(d.cache.set, d, d.existing)),
    Operation("bare set", bare_set, only=PATCHED, limit_of="set existing key"),
    Operation("set new key", lambda d: write(d.cache.set, d, d.new())),
    Operation("add existing key", lambda d: write(d.cache.add, d, d.existing)),
    Operation("add new key", lambda d: write(d.cache.add, d, d.new())),
    Operation("get_or_set hit", lambda d: write(d.cache.get_or_set, d, d.existing)),
    Operation("get_or_set miss", lambda d: write(d.cache.get_or_set, d, d.new())),
    Operation("touch", touch),
    Operation("incr", lambda d: map(d.cache.incr, counters(d))),
    Operation("decr", lambda d: map(d.cache.decr, counters(d))),
    Operation(
        "delete existing key", lambda d: map(d.cache.delete, d.consumed()), bounded=True
    ),
    Operation(
        "get_many(100)", lambda d: map(d.cache.get_many, d.batches(100)), per=100
    ),
    Operation("set_many(100)", set_many, per=100),
    Operation("delete_many(100)", delete_many, per=100, bounded=True),
)

# Of the ORM


def has_upsert(connection: Any) -> bool:
    from django.db.models import QuerySet

    return hasattr(QuerySet, "upsert")


def save(
    data: Supply, method: str, lookup: str = "name"
) -> Callable[[str, int], object]:
    """Return a function of name and number that calls a method of the manager."""
    call = getattr(data.store.objects, method)
    return lambda name, v: call(**{lookup: name}, defaults={"v": v})


def hit(method: str, lookup: str = "name") -> Callable[[Supply], Steps]:
    return lambda d: map(save(d, method, lookup), d.existing, d.numbers)


def miss(method: str) -> Callable[[Supply], Steps]:
    return lambda d: map(save(d, method), d.new(), d.numbers)


def atomic(new: bool) -> Callable[[Supply], Steps]:
    """Return update_or_create() in a transaction of its own per call."""

    def steps(data: Supply) -> Steps:
        from django.db import transaction

        within = transaction.atomic(save(data, "update_or_create"))
        return map(within, data.new() if new else data.existing, data.numbers)

    return steps


def f_expression(data: Supply) -> Steps:
    from django.db.models import F

    update, more = data.store.objects.update_or_create, {"v": F("v") + 1}
    return (
        update(name=name, defaults=more, create_defaults={"v": 1})
        for name in data.existing
    )


def no_unique_key(data: Supply) -> Steps:
    objects = data.store.objects
    rows = [(name, -v) for v, name in enumerate(data.fresh(COUNTERS), 1)]
    for name, v in rows:
        objects.create(name=name, v=v)

    def call(name: str, v: int) -> None:
        # The filter finds the row by an index, but unlike an exact lookup it does
        # not tell that there is only one row. The column "updated" changes.
        objects.filter(name__in=[name]).update_or_create(v=v, defaults={"v": v})

    return starmap(call, cycle(rows))


def items(data: Supply, names: Sequence[str]) -> list[Any]:
    # Names once each: PostgreSQL takes a row only once in a statement.
    return [data.store(name=n, v=next(data.numbers)) for n in dict.fromkeys(names)]


def bulk(conflicts: str) -> Callable[[Supply], Steps]:
    """Return bulk_create() of 100 objects, all of which are there already."""

    def steps(data: Supply) -> Steps:
        from django.db import connection

        options: dict[str, Any] = {f"{conflicts}_conflicts": True}
        if conflicts == "update":
            options["update_fields"] = ["v", "updated"]
            # Elsewhere any unique key counts, and none may be named.
            if connection.features.supports_update_conflicts_with_target:
                options["unique_fields"] = ["name"]
        create = data.store.objects.bulk_create
        batches = [items(data, names) for names in data.batches(100)]
        return (create(batch, **options) for batch in batches)

    return steps


def bulk_new(data: Supply) -> Steps:
    batches = [items(data, data.fresh(100)) for _ in range(data.calls)]
    return map(data.store.objects.bulk_create, batches)


def raw_update(data: Supply) -> Steps:
    """Return what no ORM can beat: the driver alone."""
    from django.db import connection

    mark = RAW[connection.vendor]
    statement = (
        f"UPDATE {TABLE} SET v = {mark}, updated = {mark} WHERE name = {mark}"
        " RETURNING id, name, v, updated"
    )
    connection.ensure_connection()
    driver = connection.connection

    def call(name: str, v: int) -> None:
        cursor = driver.cursor()
        cursor.execute(statement, (v, datetime.now(), name))
        cursor.fetchall()
        cursor.close()

    return map(call, data.existing, data.numbers)


UPDATE, BULK = "update_or_create", "bulk_create(100)"
one = partial(Operation, table="orm")
many = partial(Operation, table="orm", per=100, bounded=True)
ORM = (
    one(f"{UPDATE} hit", hit(UPDATE)),
    one(f"{UPDATE} miss", miss(UPDATE)),
    one(f"{UPDATE} F() hit", f_expression),
    one(f"{UPDATE} in atomic hit", atomic(new=False)),
    one(f"{UPDATE} in atomic miss", atomic(new=True)),
    one(f"{UPDATE} fallback", hit(UPDATE, "name__exact")),
    one(f"{UPDATE} fallback, no unique key", no_unique_key),
    one("get_or_create hit", hit("get_or_create")),
    one("get_or_create miss", miss("get_or_create")),
    # A Django without upsert() does the same by update_or_create(): the ratio is
    # the gain of replacing one call by the other.
    one("upsert hit", hit("upsert"), runs=has_upsert, instead=f"{UPDATE} hit"),
    one("upsert miss", miss("upsert"), runs=has_upsert, instead=f"{UPDATE} miss"),
    many(BULK, bulk_new),
    many(
        f"{BULK} ignore_conflicts",
        bulk("ignore"),
        runs=lambda c: c.features.supports_ignore_conflicts,
    ),
    many(
        f"{BULK} update_conflicts",
        bulk("update"),
        runs=lambda c: c.features.supports_update_conflicts,
    ),
    one(
        "raw UPDATE RETURNING",
        raw_update,
        runs=lambda c: c.vendor in RAW,
        unlogged=1,
        limit_of=f"{UPDATE} hit",
    ),
)

OPERATIONS = {each.name: each for each in (*CACHE, *ORM)}


def select(patterns: Sequence[str]) -> list[Operation]:
    """Return the operations that names or shell patterns mean, in table order.

    No pattern means all. A pattern that means none is a StackError.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in OPERATIONS):
            raise StackError(
                f"no operation is called {pattern!r}; there are: "
                + ", ".join(OPERATIONS),
                then="./scripts/stack bench --help",
            )
    return [
        each
        for name, each in OPERATIONS.items()
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
