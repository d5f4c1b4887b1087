"""The stores of the operations: made, filled, restored to their entries."""

from collections.abc import Callable
from contextlib import nullcontext
from itertools import batched
from typing import Any

from lab.bench import orm
from lab.bench.operations import DAY
from lab.bench.peers import DATABASE_CACHE, DISKCACHE
from lab.bench.supply import Supply
from lab.bench.values import VALUES

FILL_BATCH = 1_000
WRITE_BATCH = 100  # entries in one set_many() or delete_many()

# Brings statistics up to date, and leaves nothing to write back in a measurement.
SETTLE = {
    "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)",
    "postgresql": "VACUUM ANALYZE {}",
    "mysql": "ANALYZE TABLE {}",
}


class Store:
    """A store with an entry for each of the keys of ``data``.

    ``create`` makes it empty; ``remove`` deletes the entries of keys.
    """

    data: Supply
    create: Callable[[], object]
    insert: Callable[[list[str]], None]
    remove: Callable[[list[str]], object]

    def make(self) -> None:
        """Make the store and fill it."""
        self.create()
        self.insert(self.data.keys)
        # Else a "hit" would measure a miss.
        if not self.finds(self.data.keys[0]):
            raise RuntimeError("the cache does not find an entry that is there")

    def finds(self, key: str) -> bool:
        return bool(self.data.store.get(key) == self.data.ready[0])

    def restore(self) -> None:
        """Delete the entries that were added."""
        for keys in batched(self.data.added, WRITE_BATCH):
            self.remove(list(keys))
        self.data.added.clear()


class Table(Store):
    """A table of a database; ``name`` is the database's name for it.

    ``write`` writes an entry as Django does, ``stored`` returns a key as it stands
    in the key column, ``clear`` deletes all entries.
    """

    name: str
    key_column: str
    given_column = ""  # whose value the database gives
    write: Callable[[str, int], object]
    stored: Callable[[str], str]
    clear: Callable[[], object]

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._columns: list[str] = []  # in lower case
        self._samples: list[list[object]] = []

    def insert(self, keys: list[str]) -> None:
        """Write rows for new keys, and leave the table as a long-lived one is.

        Django writes a few rows itself, and they are copied under the keys in
        seconds, with all columns and encodings that this Django has.
        """
        from django.db import transaction

        if not self._samples:
            self._sample()
        connection = self._connection
        place = self._columns.index(self.key_column)
        insert = "INSERT INTO {} ({}) VALUES ({})".format(
            connection.ops.quote_name(self.name),
            ", ".join(map(connection.ops.quote_name, self._columns)),
            ", ".join(["%s"] * len(self._columns)),
        )
        for batch in batched(keys, FILL_BATCH):
            rows = [
                self._samples[number % VALUES].copy() for number in range(len(batch))
            ]
            for row, key in zip(rows, batch, strict=True):
                row[place] = self.stored(key)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.executemany(insert, rows)
        settle(connection, self.name)

    def restore(self) -> None:
        """Delete new entries and write lost ones again."""
        super().restore()
        if entries(self._connection, self.name) != self.data.rows:
            self.clear()
            self.insert(self.data.keys)

    def _sample(self) -> None:
        """Keep a row for each value: the columns to copy."""
        name = self._connection.ops.quote_name(self.name)
        for number in range(VALUES):
            self.write("sample", number)
            with self._connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {name}")
                columns = [column[0].lower() for column in cursor.description]
                row = dict(zip(columns, cursor.fetchone(), strict=True))
            self.remove(["sample"])
            row.pop(self.given_column, None)
            self._columns = list(row)
            self._samples.append(list(row.values()))


class CacheTable(Table):
    """The table of a cache. ``values`` is the kind of its values."""

    name = "bench_cache"
    key_column = "cache_key"

    def __init__(
        self,
        connection: Any,
        rows: int,
        seed: int,
        max_entries: int,
        values: str,
        backend: str = DATABASE_CACHE,
    ) -> None:
        super().__init__(connection)
        options = {"MAX_ENTRIES": max_entries}
        self._cache = cache_of(backend, self.name, options)
        self.data = Supply(self._cache, rows, seed, self.insert, values)
        self.remove = self._cache.delete_many
        self.clear = self._cache.clear
        self.stored = self._cache.make_key

    def create(self) -> None:
        from django.core.management import call_command

        drop(self._connection, self.name)
        # The statement that django-mysql's docs put into a migration.
        if sql := getattr(self._cache, "create_table_sql", None):
            with self._connection.cursor() as cursor:
                cursor.execute(sql.format(table_name=self.name))
            return
        call_command("createcachetable", self.name, verbosity=0)

    def write(self, key: str, number: int) -> None:
        self._cache.set(key, self.data.ready[number], DAY)


class CacheElsewhere(Store):
    """A cache without a table; its entries come and go through its methods.

    ``location`` is its own folder or server.
    """

    def __init__(
        self,
        backend: str,
        location: str,
        rows: int,
        seed: int,
        values: str,
    ) -> None:
        # A limit that is never reached: Django's caches here have none either.
        options = {"size_limit": 2**50} if backend == DISKCACHE else {}
        self._cache = cache_of(backend, location, options)
        self.data = Supply(self._cache, rows, seed, self.insert, values)
        self.create = self._cache.clear
        self.remove = self._cache.delete_many

    def insert(self, keys: list[str]) -> None:
        transact = getattr(self._cache._cache, "transact", nullcontext)
        with transact():
            write_many(self.data, keys)


class ItemTable(Table):
    """The table of the model."""

    name = orm.TABLE
    key_column = "name"
    given_column = "id"

    def __init__(self, connection: Any, rows: int, seed: int) -> None:
        super().__init__(connection)
        self._model = orm.item_model()
        self.data = Supply(self._model, rows, seed, self.insert)
        self.clear = self._model.objects.all().delete
        self.stored = str

    def create(self) -> None:
        drop(self._connection, self.name)
        with self._connection.schema_editor() as editor:
            editor.create_model(self._model)

    def finds(self, key: str) -> bool:
        return bool(self._model.objects.filter(name=key).exists())

    def write(self, key: str, number: int) -> None:
        self._model.objects.create(name=key, v=number)

    def remove(self, keys: list[str]) -> None:
        self._model.objects.filter(name__in=keys).delete()


NAMES = (CacheTable.name, ItemTable.name)


def cache_of(backend: str, location: str, options: dict[str, Any]) -> Any:
    """Return a cache of this class, with a timeout that no run reaches."""
    from django.utils.module_loading import import_string

    return import_string(backend)(location, {"TIMEOUT": DAY, "OPTIONS": options})


def write_many(data: Supply, keys: list[str]) -> None:
    """Let a cache write entries for keys."""
    values = data.values()
    for batch in batched(keys, WRITE_BATCH):
        data.store.set_many(dict(zip(batch, values, strict=False)), DAY)


def entries(connection: Any, name: str) -> int:
    """Return the number of rows of a table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(name)}")
        return int(cursor.fetchone()[0])


def settle(connection: Any, name: str) -> None:
    """Leave a table as a long-lived one is."""
    if statement := SETTLE.get(connection.vendor):
        with connection.cursor() as cursor:
            cursor.execute(statement.format(connection.ops.quote_name(name)))


def drop(connection: Any, name: str) -> None:
    """Drop a table if it is there."""
    with connection.cursor() as cursor:
        if name in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)}")
