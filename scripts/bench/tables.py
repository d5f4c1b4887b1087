"""The tables that operations work on: made, filled, brought back to their rows."""

from abc import ABC, abstractmethod
from itertools import batched
from typing import Any

from bench import orm
from bench.operations import DAY, Data
from bench.peers import DATABASE_CACHE
from bench.registry import Supply
from bench.values import VALUES

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


class Table(ABC):
    """A table with the rows of ``data``; ``name`` is the database's."""

    name: str
    key_column: str
    given_column = ""  # whose value the database gives
    data: Supply

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

    @abstractmethod
    def remove(self, keys: list[str]) -> None:
        """Delete those entries."""

    @abstractmethod
    def clear(self) -> None:
        """Delete all entries."""

    def make(self) -> None:
        """Create the table, in the place of one that is there, and fill it."""
        drop(self._connection, self.name)
        self.create()
        self.fill()
        self.data.insert = self.insert

    def fill(self) -> None:
        """Write every key of ``data`` into the empty table."""
        if not self._samples:
            self._samples = self._sampled()
        self.insert(self.data.keys)

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

    def restore(self) -> None:
        """Bring the table back to its rows: new ones go, lost ones come back."""
        added = self.data.added
        for start in range(0, len(added), REMOVE_BATCH):
            self.remove(added[start : start + REMOVE_BATCH])
        added.clear()
        with self._connection.cursor() as cursor:
            name = self._connection.ops.quote_name(self.name)
            cursor.execute(f"SELECT COUNT(*) FROM {name}")
            (rows,) = cursor.fetchone()
        if rows != self.data.rows:
            self.clear()
            self.fill()

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
        # Else a hit would be measured that is none.
        for key in self.data.keys[:1]:
            if self._cache.get(key) != self.data.value(0):
                raise RuntimeError("the cache does not find an entry that was copied")

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
