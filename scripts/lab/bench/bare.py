"""The statement that a call of the cache sends, executed by itself.

A call cannot be faster than its statement: there is no pickling, no check of the
key, no routing, and nothing is done with the row.
"""

from collections.abc import Callable, Iterator
from itertools import cycle, islice, starmap
from typing import Any

from lab.bench.supply import Supply
from lab.watch import watching

TRIES = 50  # to see a call that does not count the entries, which is by chance

# SQL, parameters.
type Sent = tuple[str, tuple[Any, ...]]


class NotBareError(Exception):
    """A call does not send one statement with its key as a parameter."""


def bare(
    data: Supply, call: Callable[[str], object], samples: int = 1
) -> Iterator[object]:
    """Iterate over the statements of a call, each executed for another key.

    ``samples`` is the number of calls whose statements take turns.
    """
    from django.db import connection

    make_key = data.store.make_key
    sent = [captured(call, next(data.existing), make_key) for _ in range(samples)]
    # Made before, so that nothing but the statement is timed.
    turns = [
        (sql, with_key(params, old, make_key(name)))
        for (sql, params, old), name in zip(
            cycle(sent), islice(data.existing, data.calls), strict=False
        )
    ]

    def execute(sql: str, params: list[Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            if cursor.description:
                cursor.fetchone()

    return starmap(execute, turns)


def captured(
    call: Callable[[str], object], key: str, make_key: Callable[[str], str]
) -> tuple[str, tuple[Any, ...], str]:
    """Return SQL, parameters and the stored key of the one statement of a call."""
    from django.db import connection

    found: list[Sent] = []
    for _ in range(TRIES):
        found.clear()
        with watching(connection, lambda sql, params, _: found.append((sql, params))):
            call(key)
        if len(found) == 1:
            break
    else:
        raise NotBareError(f"the call sends {len(found)} statements, not one")
    [(sql, params)] = found
    if make_key(key) not in params:
        raise NotBareError(f"the key is no parameter of {sql}")
    return sql, params, make_key(key)


def with_key(params: tuple[Any, ...], old: str, new: str) -> list[Any]:
    return [new if each == old else each for each in params]
