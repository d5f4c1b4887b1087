"""The model and the operations of the ORM.

Django is imported where it is used: the driver, which has none, reads the names.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from itertools import count, cycle
from typing import Any

from lab.bench.registry import COUNTERS, Call, Operations, Supply

TABLE = "bench_item"
# The placeholder of the drivers whose cursor gives the rows of a RETURNING.
RAW = {"sqlite": "?", "postgresql": "%s"}


@cache
def item_model() -> Any:
    """Return the model ``Item``, which belongs to no installed application."""
    from django.db import models

    class Item(models.Model):  # type: ignore[misc,unused-ignore]
        name = models.CharField(max_length=100, unique=True)
        v = models.IntegerField()
        updated = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "bench"
            db_table = TABLE

    return Item


class Items(Supply):
    """The table of the model; the keys are the names."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._numbers = count(1)

    @property
    def objects(self) -> Any:
        return self.store.objects

    def numbers(self) -> Iterator[int]:
        """Yield a value that no row has had, so that an UPDATE changes something."""
        return self._numbers

    def numbered(self) -> Iterator[tuple[str, int]]:
        """Yield name and value of a few rows with a value of their own, for ever."""
        rows = list(zip(self._fresh(COUNTERS), count(-1, -1), strict=False))
        for name, v in rows:
            self.objects.create(name=name, v=v)
        return cycle(rows)

    def new_objects(self, size: int) -> Iterator[list[Any]]:
        """Yield ``size`` objects that no row is for, for each call of the block."""
        return iter([self._objects(self._fresh(size)) for _ in range(self.calls)])

    def existing_objects(self, size: int) -> Iterator[list[Any]]:
        """Yield objects with the names of ``size`` rows for each call of the block.

        Fewer if the table has fewer: PostgreSQL takes a row only once.
        """
        batches = self.batches(size)
        return iter([self._objects(dict.fromkeys(names)) for names in batches])

    def _objects(self, names: Iterable[str]) -> list[Any]:
        return [self.store(name=name, v=next(self._numbers)) for name in names]


def lacks_returning(connection: Any) -> str:
    if connection.vendor in RAW:
        return ""
    return f"{connection.display_name} has no UPDATE … RETURNING that gives rows"


def lacks_upsert(connection: Any) -> str:
    from django.db.models import QuerySet

    if hasattr(QuerySet, "upsert"):
        return ""
    return "this Django has no QuerySet.upsert()"


def lacks_ignore_conflicts(connection: Any) -> str:
    if connection.features.supports_ignore_conflicts:
        return ""
    return f"bulk_create() does not ignore conflicts on {connection.display_name}"


def lacks_update_conflicts(connection: Any) -> str:
    if connection.features.supports_update_conflicts:
        return ""
    return f"bulk_create() does not update conflicts on {connection.display_name}"


OPERATIONS = Operations("orm")
operation = OPERATIONS.operation


@operation("update_or_create hit")
def update_or_create_hit(data: Items) -> Call:
    objects, names, numbers = data.objects, data.existing(), data.numbers()
    return lambda: objects.update_or_create(
        name=next(names), defaults={"v": next(numbers)}
    )


@operation("update_or_create miss")
def update_or_create_miss(data: Items) -> Call:
    objects, names, numbers = data.objects, data.new(), data.numbers()
    return lambda: objects.update_or_create(
        name=next(names), defaults={"v": next(numbers)}
    )


@operation("update_or_create F() hit")
def update_or_create_f_hit(data: Items) -> Call:
    from django.db.models import F

    objects, names = data.objects, data.existing()
    return lambda: objects.update_or_create(
        name=next(names), defaults={"v": F("v") + 1}, create_defaults={"v": 1}
    )


# One transaction per call, whose BEGIN and COMMIT are part of the call.
@operation("update_or_create in atomic hit")
def update_or_create_in_atomic_hit(data: Items) -> Call:
    return _in_atomic(update_or_create_hit(data))


@operation("update_or_create in atomic miss")
def update_or_create_in_atomic_miss(data: Items) -> Call:
    return _in_atomic(update_or_create_miss(data))


def _in_atomic(call: Call) -> Call:
    from django.db import transaction

    def within() -> None:
        with transaction.atomic():
            call()

    return within


@operation("update_or_create fallback")
def update_or_create_fallback(data: Items) -> Call:
    objects, names, numbers = data.objects, data.existing(), data.numbers()
    return lambda: objects.update_or_create(
        name__exact=next(names), defaults={"v": next(numbers)}
    )


@operation("update_or_create fallback, no unique key")
def update_or_create_no_unique_key(data: Items) -> Call:
    objects, rows = data.objects, data.numbered()

    def call() -> None:
        name, v = next(rows)
        # The filter finds the row by an index, and unlike an exact lookup it does
        # not say that there is one row only. What changes is "updated".
        objects.filter(name__in=[name]).update_or_create(v=v, defaults={"v": v})

    return call


@operation("get_or_create hit")
def get_or_create_hit(data: Items) -> Call:
    objects, names = data.objects, data.existing()
    return lambda: objects.get_or_create(name=next(names), defaults={"v": 1})


@operation("get_or_create miss")
def get_or_create_miss(data: Items) -> Call:
    objects, names = data.objects, data.new()
    return lambda: objects.get_or_create(name=next(names), defaults={"v": 1})


# A Django without upsert() does the same with update_or_create(), so that the
# ratio says what one gains who replaces the one call by the other.
@operation("upsert hit", lacks=lacks_upsert, instead="update_or_create hit")
def upsert_hit(data: Items) -> Call:
    objects, names, numbers = data.objects, data.existing(), data.numbers()
    return lambda: objects.upsert(name=next(names), defaults={"v": next(numbers)})


@operation("upsert miss", lacks=lacks_upsert, instead="update_or_create miss")
def upsert_miss(data: Items) -> Call:
    objects, names, numbers = data.objects, data.new(), data.numbers()
    return lambda: objects.upsert(name=next(names), defaults={"v": next(numbers)})


@operation("bulk_create(100)", per=100, bounded=True)
def bulk_create(data: Items) -> Call:
    objects, batches = data.objects, data.new_objects(100)
    return lambda: objects.bulk_create(next(batches))


# All of the rows are there already.
@operation(
    "bulk_create(100) ignore_conflicts",
    per=100,
    lacks=lacks_ignore_conflicts,
    bounded=True,
)
def bulk_create_ignore_conflicts(data: Items) -> Call:
    objects, batches = data.objects, data.existing_objects(100)
    return lambda: objects.bulk_create(next(batches), ignore_conflicts=True)


@operation(
    "bulk_create(100) update_conflicts",
    per=100,
    lacks=lacks_update_conflicts,
    bounded=True,
)
def bulk_create_update_conflicts(data: Items) -> Call:
    from django.db import connection

    objects, batches = data.objects, data.existing_objects(100)
    fields: dict[str, Any] = {"update_fields": ["v", "updated"]}
    # Elsewhere any unique key counts, and none may be named.
    if connection.features.supports_update_conflicts_with_target:
        fields["unique_fields"] = ["name"]
    return lambda: objects.bulk_create(next(batches), update_conflicts=True, **fields)


# The driver alone, which no ORM can beat.
@operation(
    "raw UPDATE RETURNING",
    lacks=lacks_returning,
    unlogged=1,
    limit_of="update_or_create hit",
)
def raw_update_returning(data: Items) -> Call:
    from django.db import connection

    names, numbers = data.existing(), data.numbers()
    mark = RAW[connection.vendor]
    statement = (
        f"UPDATE {TABLE} SET v = {mark}, updated = {mark} WHERE name = {mark}"
        " RETURNING id, name, v, updated"
    )
    connection.ensure_connection()
    driver = connection.connection

    def call() -> None:
        cursor = driver.cursor()
        cursor.execute(statement, (next(numbers), datetime.now(), next(names)))
        cursor.fetchall()
        cursor.close()

    return call
