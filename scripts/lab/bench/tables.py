"""What operations work on, tables mostly: made, filled, brought back to its rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import batched
from typing import Any

from lab.bench import orm
from lab.bench.operations import DAY, Data
from lab.bench.peers import DATABASE_CACHE, DISKCACHE, MEMCACHED, REDIS
from lab.bench.registry import Supply
from lab.bench.values import VALUES

FILL_BATCH = 1_000
REMOVE_BATCH = 100
WRITE_BATCH = 100  # entries in one set_many()

# Statistics are there, and nothing is left to write back in the middle of a
# measurement.
SETTLE = {
    "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)",
    "postgresql": "VACUUM ANALYZE {}",
    "mysql": "ANALYZE TABLE {}",
}


class Store(ABC):
    """What holds an entry for each of the keys of ``data``."""

    data: Supply

    @abstractmethod
    def make(self) -> None:
        """Make it, in the place of one that is there, and fill it."""

    @abstractmethod
    def insert(self, keys: list[str]) -> None:
        """Write an entry for each of these new keys."""

    @abstractmethod
    def remove(self, keys: list[str]) -> None:
        """Delete those entries."""

    @abstractmethod
    def clear(self) -> None:
        """Delete all entries."""

    @abstractmethod
    def entries(self) -> int:
        """Return how many entries there are."""

    def fill(self) -> None:
        """Write every key of ``data`` where there is none."""
        self.insert(self.data.keys)

    def restore(self) -> None:
        """Bring it back to its entries: new ones go, lost ones come back."""
        added = self.data.added
        for start in range(0, len(added), REMOVE_BATCH):
            self.remove(added[start : start + REMOVE_BATCH])
        added.clear()
        if self.entries() != self.data.rows:
            self.clear()
            self.fill()


class Table(Store):
    """A table with the rows of ``data``; ``name`` is the database's."""

    name: str
    key_column: str
    given_column = ""  # whose value the database gives

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._columns: list[str] = []  # in lower case
        self._samples: list[list[object]] = []

    @abstractmethod
    def create(self) -> None:
        """Create the empty table."""

    @abstractmethod
    def stored(self, key: str) -> str:
        """Return the key as it stands in the key column."""

    @abstractmethod
    def write(self, key: str, number: int) -> None:
        """Write a new entry as Django does."""

    def make(self) -> None:
        drop(self._connection, self.name)
        self.create()
        self.fill()
        self.data.insert = self.insert

    def fill(self) -> None:
        if not self._samples:
            self._samples = self._sampled()
        super().fill()

    def insert(self, keys: list[str]) -> None:
        """Write rows for new keys, and leave the table as a long-lived one is.

        Django writes a few rows itself and they are copied under the keys:
        whatever columns and encodings it has, in seconds.
        """
        from django.db import transaction

        connection = self._connection
        columns = self._columns
        place = columns.index(self.key_column)
        insert = "INSERT INTO {} ({}) VALUES ({})".format(
            connection.ops.quote_name(self.name),
            ", ".join(map(connection.ops.quote_name, columns)),
            ", ".join(["%s"] * len(columns)),
        )
        for batch in batched(keys, FILL_BATCH):
            rows = []
            for number, key in enumerate(batch):
                row = self._samples[number % VALUES].copy()
                row[place] = self.stored(key)
                rows.append(row)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.executemany(insert, rows)
        settle(connection, self.name)

    def entries(self) -> int:
        with self._connection.cursor() as cursor:
            name = self._connection.ops.quote_name(self.name)
            cursor.execute(f"SELECT COUNT(*) FROM {name}")
            return int(cursor.fetchone()[0])

    def _sampled(self) -> list[list[object]]:
        """Return a row for each value, that of the columns to copy."""
        rows = []
        for number in range(VALUES):
            self.write("sample", number)
            with self._connection.cursor() as cursor:
                name = self._connection.ops.quote_name(self.name)
                cursor.execute(f"SELECT * FROM {name}")
                columns = [column[0].lower() for column in cursor.description]
                row = dict(zip(columns, cursor.fetchone(), strict=True))
            self.remove(["sample"])
            row.pop(self.given_column, None)
            rows.append(row)
        self._columns = list(rows[0])
        return [list(row.values()) for row in rows]


class CacheTable(Table):
    """The table of a cache; ``timeout`` in seconds, None for ever.

    ``values`` is the kind of its values, ``backend`` the class of the cache.
    """

    name = "bench_cache"
    key_column = "cache_key"
    data: Data

    def __init__(
        self,
        connection: Any,
        rows: int,
        seed: int,
        max_entries: int,
        timeout: int | None,
        values: str,
        backend: str = DATABASE_CACHE,
    ) -> None:
        from django.utils.module_loading import import_string

        super().__init__(connection)
        options = {"MAX_ENTRIES": max_entries}
        cache = import_string(backend)
        self._cache = cache(self.name, {"TIMEOUT": timeout, "OPTIONS": options})
        self.data = Data(self._cache, rows, seed, kind=values)

    def make(self) -> None:
        super().make()
        check_hit(self._cache, self.data)

    def create(self) -> None:
        from django.core.management import call_command

        # What django-mysql puts into the migration that its docs ask for.
        if sql := getattr(self._cache, "create_table_sql", None):
            with self._connection.cursor() as cursor:
                cursor.execute(sql.format(table_name=self.name))
            return
        call_command("createcachetable", self.name, verbosity=0)

    def stored(self, key: str) -> str:
        return str(self._cache.make_key(key))

    def write(self, key: str, number: int) -> None:
        self._cache.set(key, self.data.value(number), DAY)

    def write_all(self) -> None:
        """Make the table and let the cache itself write every key, none by copy."""
        drop(self._connection, self.name)
        self.create()
        values = self.data.values()
        for keys in batched(self.data.keys, WRITE_BATCH):
            self._cache.set_many(dict(zip(keys, values, strict=False)), DAY)

    def remove(self, keys: list[str]) -> None:
        self._cache.delete_many(keys)

    def clear(self) -> None:
        self._cache.clear()


class CacheElsewhere(Store):
    """A cache that has no table; what is in it comes and goes through its methods.

    ``location`` is the folder or the server of it, used by nobody else; ``backend``,
    ``timeout`` and ``values`` are as those of a CacheTable.
    """

    data: Data

    def __init__(
        self,
        backend: str,
        location: str,
        rows: int,
        seed: int,
        timeout: int | None,
        values: str,
    ) -> None:
        from django.utils.module_loading import import_string

        options = OPTIONS.get(backend, {})
        cache = import_string(backend)
        self._cache = cache(location, {"TIMEOUT": timeout, "OPTIONS": options})
        self._entries = ENTRIES[backend]
        self.data = Data(self._cache, rows, seed, kind=values, insert=self.insert)

    def make(self) -> None:
        self.clear()
        self.fill()
        if self.entries() != self.data.rows:
            raise RuntimeError("the cache does not keep what is written to it")
        check_hit(self._cache, self.data)

    def insert(self, keys: list[str]) -> None:
        values = self.data.values()
        for batch in batched(keys, FILL_BATCH):
            with together(self._cache):
                self._cache.set_many(dict(zip(batch, values, strict=False)), DAY)

    def remove(self, keys: list[str]) -> None:
        with together(self._cache):
            self._cache.delete_many(keys)

    def clear(self) -> None:
        self._cache.clear()

    def entries(self) -> int:
        return self._entries(self._cache)


# A limit that is never reached: Django's caches here have none either.
OPTIONS = {DISKCACHE: {"size_limit": 2**50}}


def redis_entries(cache: Any) -> int:
    return int(cache._cache.get_client().dbsize())


def memcached_entries(cache: Any) -> int:
    clients = cache._cache.clients.values()
    return sum(int(client.stats()[b"curr_items"]) for client in clients)


# Class of a cache → how many entries it holds.
ENTRIES: dict[str, Callable[[Any], int]] = {
    DISKCACHE: lambda cache: len(cache._cache),
    REDIS: redis_entries,
    MEMCACHED: memcached_entries,
}


def together(cache: Any) -> AbstractContextManager[object]:
    """Return the transaction of a cache that has one, for many writes in a row."""
    transact = getattr(cache._cache, "transact", nullcontext)
    found: AbstractContextManager[object] = transact()
    return found


def check_hit(cache: Any, data: Data) -> None:
    """RuntimeError if an entry is not found: a hit would be measured that is none."""
    for key in data.keys[:1]:
        if cache.get(key) != data.value(0):
            raise RuntimeError("the cache does not find an entry that is there")


class ItemTable(Table):
    """The table of the model."""

    name = orm.TABLE
    key_column = "name"
    given_column = "id"

    def __init__(self, connection: Any, rows: int, seed: int) -> None:
        super().__init__(connection)
        self._model = orm.item_model()
        self.data = orm.Items(self._model, rows, seed)

    def create(self) -> None:
        with self._connection.schema_editor() as editor:
            editor.create_model(self._model)

    def stored(self, key: str) -> str:
        return key

    def write(self, key: str, number: int) -> None:
        self._model.objects.create(name=key, v=number)

    def remove(self, keys: list[str]) -> None:
        self._model.objects.filter(name__in=keys).delete()

    def clear(self) -> None:
        self._model.objects.all().delete()


NAMES = (CacheTable.name, ItemTable.name)


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
