"""The keys and values that operations work on."""

import hashlib
import random
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import Any

from lab.bench.values import KINDS, VALUES

COUNTERS = 10  # entries that one operation counts in


def key(number: int) -> str:
    """Return the key of entry ``number``.

    A digest, as in Django's own page and fragment caches: keys written one
    after another lie anywhere in the index.
    """
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False)
    return f"page.{digest.hexdigest()}"


class Supply:
    """A filled store and endless supplies of its keys, in one process.

    The calls go through ``store``: a cache, or the model. ``insert`` writes entries
    for new keys. ``kind`` is the kind of the values. ``calls`` are those of the
    coming block; ``added`` are the keys made since the store was last restored.
    ``existing`` are the keys of the store, shuffled, round and round, ``numbers``
    values that no row has had, so that an UPDATE changes something.
    """

    def __init__(
        self,
        store: Any,
        rows: int,
        seed: int,
        insert: Callable[[list[str]], None],
        kind: str = "dict",
    ) -> None:
        self.store = store
        self.rows = rows
        self.insert = insert
        self.calls = 0
        self.added: list[str] = []
        self.keys = [key(number) for number in range(rows)]
        random.Random(seed).shuffle(self.keys)
        self.existing = cycle(self.keys)
        self.numbers = count(1)
        self.ready = [KINDS[kind](number) for number in range(VALUES)]
        self._unused = count(rows)

    @property
    def cache(self) -> Any:
        return self.store

    def values(self) -> Iterator[object]:
        return cycle(self.ready)

    def fresh(self, number: int) -> list[str]:
        """Return keys that were never in the store; restoring deletes them."""
        keys = [key(next(self._unused)) for _ in range(number)]
        self.added += keys
        return keys

    def new(self) -> Iterator[str]:
        """Yield a key that was never in the store for each call of the block."""
        return iter(self.fresh(self.calls))

    def absent(self) -> Iterator[str]:
        """Yield keys that nothing ever writes."""
        return cycle([key(-number) for number in range(1, 1_001)])

    def batches(self, size: int) -> list[list[str]]:
        """Return ``size`` keys of the store for each call of the block."""
        return [[next(self.existing) for _ in range(size)] for _ in range(self.calls)]

    def consumed(self, size: int = 1) -> list[str]:
        """Return keys of entries made for the block, ``size`` for each call."""
        keys = self.fresh(self.calls * size)
        self.insert(keys)
        return keys
