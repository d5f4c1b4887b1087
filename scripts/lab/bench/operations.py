"""What is measured: one operation is one small function.

The function prepares what it needs, untimed, and returns the call that is timed.
A new operation needs nothing but a function with the decorator::

    @operation("has_key")
    def has_key(data: Data) -> Call:
        cache, keys = data.cache, data.existing()
        return lambda: cache.has_key(next(keys))

The table is back at its rows before the next block, whatever the call did to it.
Here are the operations of the cache; those of the ORM are in ``bench.orm``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import batched, cycle
from typing import Any

from common.errors import StackError
from lab.bench import bare, orm
from lab.bench.peers import CACHES
from lab.bench.registry import COUNTERS, Call, Operation, Operations, Supply, key
from lab.bench.values import KINDS, VALUES
from lab.variants import PATCHED

__all__ = [
    "CACHE",
    "DAY",
    "OPERATIONS",
    "Data",
    "Operation",
    "key",
    "select",
]

DAY = 86_400  # seconds
START = 1_000_000  # of counters: decr() does not come to zero


@dataclass
class Data(Supply):
    """The cache table; ``kind`` is that of its values."""

    kind: str = "dict"

    @property
    def cache(self) -> Any:
        return self.store

    def value(self, number: int) -> object:
        return KINDS[self.kind](number)

    def values(self) -> Iterator[object]:
        return cycle([self.value(number) for number in range(VALUES)])

    def counters(self) -> Iterator[str]:
        """Yield the keys of a few entries that hold integers, round and round."""
        keys = self._fresh(COUNTERS)
        for name in keys:
            self.cache.set(name, START)
        return cycle(keys)


CACHE = Operations("cache", CACHES)
operation = CACHE.operation


@operation("get hit")
def get_hit(data: Data) -> Call:
    cache, keys = data.cache, data.existing()
    return lambda: cache.get(next(keys))


@operation("bare get", sides=(PATCHED,), limit_of="get hit")
def bare_get(data: Data) -> Call:
    cache, keys = data.cache, data.existing()
    sent = [bare.captured(cache, cache.get, next(keys))]
    return bare.call(sent, keys, data.calls)


@operation("get miss")
def get_miss(data: Data) -> Call:
    cache, keys = data.cache, data.absent()
    return lambda: cache.get(next(keys))


@operation("has_key")
def has_key(data: Data) -> Call:
    cache, keys = data.cache, data.existing()
    return lambda: cache.has_key(next(keys))


@operation("set existing key")
def set_existing_key(data: Data) -> Call:
    cache, keys, values = data.cache, data.existing(), data.values()
    return lambda: cache.set(next(keys), next(values))


@operation("bare set", sides=(PATCHED,), limit_of="set existing key")
def bare_set(data: Data) -> Call:
    cache, keys, values = data.cache, data.existing(), data.values()
    sent = [
        bare.captured(cache, lambda key: cache.set(key, next(values)), next(keys))
        for _ in range(VALUES)
    ]
    return bare.call(sent, keys, data.calls)


@operation("set new key")
def set_new_key(data: Data) -> Call:
    cache, keys, values = data.cache, data.new(), data.values()
    return lambda: cache.set(next(keys), next(values))


@operation("add existing key")
def add_existing_key(data: Data) -> Call:
    cache, keys, values = data.cache, data.existing(), data.values()
    return lambda: cache.add(next(keys), next(values))


@operation("add new key")
def add_new_key(data: Data) -> Call:
    cache, keys, values = data.cache, data.new(), data.values()
    return lambda: cache.add(next(keys), next(values))


@operation("get_or_set hit")
def get_or_set_hit(data: Data) -> Call:
    cache, keys, values = data.cache, data.existing(), data.values()
    return lambda: cache.get_or_set(next(keys), next(values))


@operation("get_or_set miss")
def get_or_set_miss(data: Data) -> Call:
    cache, keys, values = data.cache, data.new(), data.values()
    return lambda: cache.get_or_set(next(keys), next(values))


@operation("touch")
def touch(data: Data) -> Call:
    # Changing times: MySQL skips an UPDATE that changes nothing.
    cache, keys, timeouts = data.cache, data.existing(), cycle(range(DAY, 2 * DAY))
    return lambda: cache.touch(next(keys), next(timeouts))


@operation("incr")
def incr(data: Data) -> Call:
    cache, keys = data.cache, data.counters()
    return lambda: cache.incr(next(keys))


@operation("decr")
def decr(data: Data) -> Call:
    cache, keys = data.cache, data.counters()
    return lambda: cache.decr(next(keys))


@operation("delete existing key", bounded=True)
def delete_existing_key(data: Data) -> Call:
    cache, keys = data.cache, iter(data.consumed())
    return lambda: cache.delete(next(keys))


@operation("get_many(100)", per=100)
def get_many(data: Data) -> Call:
    cache, batches = data.cache, data.batches(100)
    return lambda: cache.get_many(next(batches))


@operation("set_many(100)", per=100)
def set_many(data: Data) -> Call:
    cache, values = data.cache, data.values()
    batches = iter(
        [dict(zip(keys, values, strict=False)) for keys in data.batches(100)]
    )
    return lambda: cache.set_many(next(batches))


@operation("delete_many(100)", per=100, bounded=True)
def delete_many(data: Data) -> Call:
    cache, batches = data.cache, iter([*batched(data.consumed(100), 100)])
    return lambda: cache.delete_many(next(batches))


OPERATIONS: dict[str, Operation] = {**CACHE, **orm.OPERATIONS}


def select(patterns: Sequence[str]) -> list[Operation]:
    """Return the operations that the names or shell patterns mean, in table order.

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
