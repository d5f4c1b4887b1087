"""The statement that a call of the cache sends, executed by itself.

What it takes is what the call cannot go below: there is no pickling, no check of
the key, no routing, and nothing is done with the row.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from lab.bench.registry import Call
from lab.watch import watching

TRIES = 50  # for one that does not count the entries, which is by chance


class NotBareError(Exception):
    """There is no single statement to execute in the place of a call."""


@dataclass(frozen=True)
class Sent:
    """A statement as it was sent, with the key in it as the database has it.

    ``gives_rows`` tells whether there is anything to fetch.
    """

    sql: str
    params: tuple[object, ...]
    gives_rows: bool
    key: str
    make_key: Callable[[str], str]

    def with_key(self, key: str) -> list[object]:
        """Return the parameters for another key."""
        made = self.make_key(key)
        return [made if each == self.key else each for each in self.params]


def captured(cache: Any, call: Callable[[str], object], key: str) -> Sent:
    """Return the one statement that a call for a key sends.

    NotBareError if it sends more, or if the key is none of the parameters.
    """
    from django.db import connection

    found: list[Sent] = []

    def note(sql: str, params: Any, cursor: Any) -> None:
        gives_rows = cursor.description is not None
        made = cache.make_key(key)
        found.append(Sent(sql, tuple(params or ()), gives_rows, made, cache.make_key))

    for _ in range(TRIES):
        found.clear()
        with watching(connection, note):
            call(key)
        if len(found) == 1:
            break
    else:
        raise NotBareError(f"the call sends {len(found)} statements, not one")
    (sent,) = found
    if sent.key not in sent.params:
        raise NotBareError(f"the key is no parameter of {sent.sql}")
    return sent


def call(sent: Sequence[Sent], keys: Iterator[str], calls: int) -> Call:
    """Return the call that executes those statements in turn, each for a new key."""
    from django.db import connection

    # Made before, so that nothing but the statement is timed.
    turns = iter(
        [
            (each.sql, each.with_key(key))
            for each, key in zip(cycle(sent), islice(keys, calls), strict=False)
        ]
    )
    gives_rows = sent[0].gives_rows

    def execute() -> None:
        with connection.cursor() as cursor:
            cursor.execute(*next(turns))
            if gives_rows:
                cursor.fetchone()

    return execute
