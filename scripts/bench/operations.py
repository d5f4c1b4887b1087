"""What is measured: one operation is one small function.

The function prepares what it needs, untimed, and returns the call that is timed.
A new operation needs nothing but a function with the decorator::

    @operation("delete")
    def delete(data: Data) -> Call:
        cache, keys = data.cache, data.existing()
        return lambda: cache.delete(next(keys))

The table is back at its rows before the next block, whatever the call did to it.
"""

import hashlib
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count, cycle
from typing import Any

from patchstack.errors import StackError

type Call = Callable[[], object]

VALUES = 16  # different values, so that an UPDATE never writes what is there
COUNTERS = 10
DAY = 86_400  # seconds


def key(number: int) -> str:
    """Return the key of entry ``number``.

    A digest, as in Django's own page and fragment caches: keys written one
    after another lie anywhere in the index.
    """
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False)
    return f"page.{digest.hexdigest()}"


def value(number: int) -> dict[str, object]:
    """Return a small dictionary of 144 bytes when pickled."""
    return {
        "id": number % VALUES,
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "groups": [1, 2, 3],
        "active": True,
        "score": 0.5,
        "city": "London",
        "lang": "e",
    }


@dataclass
class Data:
    """A filled cache table and endless supplies of its keys; part of one process."""

    cache: Any
    rows: int
    seed: int
    calls: int = 0  # in the coming block
    added: list[str] = field(default_factory=list)
    keys: list[str] = field(init=False)
    _existing: Iterator[str] = field(init=False)
    _unused: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = [key(number) for number in range(self.rows)]
        random.Random(self.seed).shuffle(self.keys)
        self._existing = cycle(self.keys)
        self._unused = count(self.rows)

    def existing(self) -> Iterator[str]:
        """Yield the keys of the table, shuffled, round and round."""
        return self._existing

    def new(self) -> Iterator[str]:
        """Yield one key that was never in the table for each call of the block."""
        keys = [key(next(self._unused)) for _ in range(self.calls)]
        self.added += keys
        return iter(keys)

    def absent(self) -> Iterator[str]:
        """Yield keys that nothing ever writes."""
        return cycle([key(-number) for number in range(1, 1_001)])

    def values(self) -> Iterator[dict[str, object]]:
        return cycle([value(number) for number in range(VALUES)])

    def batches(self, size: int) -> Iterator[list[str]]:
        """Yield ``size`` keys of the table for each call of the block."""
        return iter(
            [[next(self._existing) for _ in range(size)] for _ in range(self.calls)]
        )

    def counters(self) -> Iterator[str]:
        """Yield the keys of a few entries that hold integers, round and round."""
        keys = [key(next(self._unused)) for _ in range(COUNTERS)]
        self.added += keys
        for name in keys:
            self.cache.set(name, 0)
        return cycle(keys)


type Prepare = Callable[[Data], Call]


@dataclass(frozen=True)
class Operation:
    """``per`` is the number of entries that one call handles."""

    name: str
    per: int
    prepare: Prepare


OPERATIONS: dict[str, Operation] = {}


def operation(name: str, per: int = 1) -> Callable[[Prepare], Prepare]:
    def register(prepare: Prepare) -> Prepare:
        OPERATIONS[name] = Operation(name, per, prepare)
        return prepare

    return register


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


def pickled_size() -> int:
    """Return the bytes of one value as the cache pickles it."""
    return len(pickle.dumps(value(0), pickle.HIGHEST_PROTOCOL))


@operation("get hit")
def get_hit(data: Data) -> Call:
    cache, keys = data.cache, data.existing()
    return lambda: cache.get(next(keys))


@operation("get miss")
def get_miss(data: Data) -> Call:
    cache, keys = data.cache, data.absent()
    return lambda: cache.get(next(keys))


@operation("set existing key")
def set_existing_key(data: Data) -> Call:
    cache, keys, values = data.cache, data.existing(), data.values()
    return lambda: cache.set(next(keys), next(values))


@operation("set new key")
def set_new_key(data: Data) -> Call:
    cache, keys, values = data.cache, data.new(), data.values()
    return lambda: cache.set(next(keys), next(values))


@operation("add existing key")
def add_existing_key(data: Data) -> Call:
    cache, keys, values = data.cache, data.existing(), data.values()
    return lambda: cache.add(next(keys), next(values))


@operation("touch")
def touch(data: Data) -> Call:
    # Changing times: MySQL skips an UPDATE that changes nothing.
    cache, keys, timeouts = data.cache, data.existing(), cycle(range(DAY, 2 * DAY))
    return lambda: cache.touch(next(keys), next(timeouts))


@operation("incr")
def incr(data: Data) -> Call:
    cache, keys = data.cache, data.counters()
    return lambda: cache.incr(next(keys))


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
