"""Damage to stored values, whichever format the table of the cache has."""

import base64
import pickle
import random
import zlib
from collections.abc import Callable, Mapping
from typing import Any

# Bytes in a column "data", or base64 in a column "value".
type Payload = bytes | str


def decoded(stored: Payload) -> bytes:
    return stored if isinstance(stored, bytes) else base64.b64decode(stored)


def as_in(stored: Payload, data: bytes) -> Payload:
    """Return data in the format of what is stored."""
    return data if isinstance(stored, bytes) else base64.b64encode(data).decode()


def other_format(stored: Payload, value: object, chance: random.Random) -> Payload:
    """Return base64 instead of bytes, or text that is no base64."""
    if isinstance(stored, bytes):
        return base64.b64encode(pickle.dumps(value))
    return "no base64!"


# How to damage what is stored for a value.
WAYS: Mapping[str, Callable[[Payload, object, random.Random], Payload]] = {
    "truncated": lambda stored, _, chance: stored[: chance.randrange(len(stored) or 1)],
    "random bytes": lambda stored, _, chance: as_in(
        stored, chance.randbytes(len(decoded(stored)) or 1)
    ),
    "other format": other_format,
    "compressed twice": lambda stored, *_: as_in(
        stored, zlib.compress(zlib.compress(decoded(stored)))
    ),
    # Pickles of objects whose module is gone, or whose module lacks their class.
    "module gone": lambda stored, *_: as_in(stored, b"\x80\x02cstress_gone\nGone\n."),
    "attribute gone": lambda stored, *_: as_in(stored, b"\x80\x02cbase64\nGone\n."),
    "empty": lambda stored, *_: stored[:0],
}


class Table:
    """The stored keys and payloads of a cache table, read and written by SQL."""

    def __init__(self, connection: Any, name: str) -> None:
        with connection.cursor() as cursor:
            described = connection.introspection.get_table_description(cursor, name)
        columns = {column.name.lower() for column in described}
        self.column = "data" if "data" in columns else "value"
        self._connection = connection
        self._table, self._column = map(connection.ops.quote_name, (name, self.column))

    def read(self) -> dict[str, Payload]:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT cache_key, {self._column} FROM {self._table}")
            # The data of a number is NULL: it has a column of its own.
            return {
                key: value if isinstance(value, str) else bytes(value or b"")
                for key, value in cursor.fetchall()
            }

    def write(self, payloads: Mapping[str, Payload]) -> None:
        """Replace payloads; nothing else of the rows changes."""
        from django.db import transaction

        binary = self._connection.Database.Binary
        rows = [
            (value if isinstance(value, str) else binary(value), key)
            for key, value in payloads.items()
        ]
        update = f"UPDATE {self._table} SET {self._column} = %s WHERE cache_key = %s"
        with transaction.atomic(), self._connection.cursor() as cursor:
            cursor.executemany(update, rows)
