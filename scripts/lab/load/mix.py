"""The calls of a web site on its cache, by one of its processes."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, cycle, islice
from math import ceil
from typing import Any

from lab.calls import attempt, names

# How often each request is made.
MIX = {
    "get": 80,
    "set": 5,
    "get_many": 5,
    "set_many": 1,
    "add": 3,
    "touch": 2,
    "incr": 2,
    "delete": 2,
}
MANY = 10  # keys of get_many() and set_many()
# Random draws at once: as cheap as more, and so short that no request seems slow.
BATCH = 100
KEYS_PER_COUNTER = 100
MISS = object()


def quantile(counts: Counter[int], share: float) -> int:
    """Return the time that a share (0 to 1) of all did not exceed.

    >>> quantile(Counter({10: 98, 50: 1, 70: 1}), 0.99)
    50
    """
    left = ceil(share * counts.total())
    for us in sorted(counts):
        left -= counts[us]
        if left <= 0:
            break
    return us


def endless[T](
    chance: random.Random, choices: Sequence[T], cumulated: Sequence[float]
) -> Iterator[T]:
    """Yield random choices for ever, with weights as random.choices() takes them."""
    while True:
        yield from chance.choices(choices, cum_weights=cumulated, k=BATCH)


def key_names(count: int, seed: int) -> list[str]:
    """Return the keys by popularity; their order says nothing about it."""
    keys = names(count)
    random.Random(seed).shuffle(keys)
    return keys


class Visitor:
    """One process: ``visit`` makes random calls for some time.

    ``keys`` are sorted by popularity, ``cumulated`` are their weights as
    random.choices() takes them. There is a counter for each KEYS_PER_COUNTER of
    them, under other keys. ``values`` are written in turn.
    """

    def __init__(
        self,
        cache: Any,
        chance: random.Random,
        keys: Sequence[str],
        cumulated: Sequence[float],
        values: Sequence[object],
    ) -> None:
        self._cache = cache
        self._keys = endless(chance, keys, cumulated)
        counters = [
            f"counter-{n}" for n in range(max(1, len(keys) // KEYS_PER_COUNTER))
        ]
        self._counters = endless(chance, counters, cumulated[: len(counters)])
        known = [getattr(self, f"_{name}") for name in MIX]
        self._calls = endless(chance, known, list(accumulate(MIX.values())))
        self._values = cycle(values)

    def visit(self, until: float) -> dict[str, Any]:
        """Make calls until a time.perf_counter(); return what happened.

        ``calls`` returned. ``latency`` has pairs of a time in µs and how many
        requests took it. ``gets`` are the keys that get() and get_many() asked for,
        ``hits`` those that they found.
        """
        self._gets = self._hits = 0
        errors, latency = Counter[str](), Counter[int]()
        began = time.perf_counter()
        while began < until:
            attempt(errors, next(self._calls))
            ended = time.perf_counter()
            latency[int((ended - began) * 1e6)] += 1
            began = ended
        return {
            "calls": latency.total() - errors.total(),
            "gets": self._gets,
            "hits": self._hits,
            "errors": errors,
            "latency": list(latency.items()),
        }

    def _get(self) -> None:
        key = next(self._keys)
        self._gets += 1
        if self._cache.get(key, MISS) is MISS:
            self._cache.set(key, next(self._values))
        else:
            self._hits += 1

    def _get_many(self) -> None:
        keys = set(islice(self._keys, MANY))
        self._gets += len(keys)
        found = self._cache.get_many(keys)
        self._hits += len(found)
        if missed := keys - found.keys():
            self._write(missed)

    def _set(self) -> None:
        self._cache.set(next(self._keys), next(self._values))

    def _set_many(self) -> None:
        self._write(list(islice(self._keys, MANY)))

    def _write(self, keys: Iterable[str]) -> None:
        self._cache.set_many(dict(zip(keys, self._values, strict=False)))

    def _add(self) -> None:
        self._cache.add(next(self._keys), next(self._values))

    def _touch(self) -> None:
        self._cache.touch(next(self._keys))

    def _incr(self) -> None:
        key = next(self._counters)
        try:
            self._cache.incr(key)
        except ValueError:
            # The counter does not exist yet, or was culled.
            self._cache.add(key, 1)

    def _delete(self) -> None:
        self._cache.delete(next(self._keys))
