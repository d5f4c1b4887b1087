"""The rows of a cache table as they are stored, whichever format the table has."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

BATCH = 500  # rows of a transaction, keys of a statement

type Payload = bytes | str


@dataclass(frozen=True)
class Format:
    """A format of the table: the column of the values, and whether it is binary.

    A column of text holds base64.
    """

    column: str
    binary: bool

    def bytes_of(self, stored: Payload) -> bytes:
        """Return the bytes that what is stored stands for."""
        return stored if isinstance(stored, bytes) else base64.b64decode(stored)

    def of_bytes(self, value: bytes) -> Payload:
        """Return what is stored to stand for the bytes."""
        return value if self.binary else base64.b64encode(value).decode()


# That of a table is the first whose column the table has.
FORMATS = (Format("data", binary=True), Format("value", binary=False))


class Rows:
    """The rows of a table, by the keys of its cache, read and written by SQL."""

    def __init__(self, connection: Any, cache: Any, table: str) -> None:
        self._connection = connection
        self._cache = cache
        self._quote = connection.ops.quote_name
        self._table = self._quote(table)
        with connection.cursor() as cursor:
            description = connection.introspection.get_table_description(cursor, table)
        columns = {column.name.lower() for column in description}
        found = [each for each in FORMATS if each.column in columns]
        if not found:
            raise RuntimeError(f"{table}: no column of values among {sorted(columns)}")
        self.format = found[0]

    def read(self, keys: Sequence[str]) -> dict[str, Payload]:
        """Return what is stored for each key that has a row."""
        column = self._quote(self.format.column)
        whose = {self._cache.make_key(key): key for key in keys}
        found: dict[str, Payload] = {}
        stored = list(whose)
        with self._connection.cursor() as cursor:
            for start in range(0, len(stored), BATCH):
                some = stored[start : start + BATCH]
                places = ", ".join(["%s"] * len(some))
                cursor.execute(
                    f"SELECT cache_key, {column} FROM {self._table}"
                    f" WHERE cache_key IN ({places})",
                    some,
                )
                for key, value in cursor.fetchall():
                    found[whose[key]] = self._payload(value)
        return found

    def write(self, payloads: Iterable[tuple[str, Payload]]) -> None:
        """Put other values into rows; nothing else of the rows changes."""
        from django.db import transaction

        column = self._quote(self.format.column)
        update = f"UPDATE {self._table} SET {column} = %s WHERE cache_key = %s"
        pairs = [
            (self._parameter(value), self._cache.make_key(key))
            for key, value in payloads
        ]
        for start in range(0, len(pairs), BATCH):
            with transaction.atomic(), self._connection.cursor() as cursor:
                cursor.executemany(update, pairs[start : start + BATCH])

    def _payload(self, value: Any) -> Payload:
        """Return the column's value in the type of the format.

        A number of its own column may leave that of the values NULL.
        """
        if self.format.binary:
            return bytes(value or b"")
        return str(value)

    def _parameter(self, value: Payload) -> object:
        if isinstance(value, bytes):
            return self._connection.Database.Binary(value)
        return value
