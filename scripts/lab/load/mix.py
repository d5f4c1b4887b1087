"""The calls of a web site on its cache, by one of its processes."""

import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, cycle, islice
from math import ceil
from typing import Any

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
SECOND = 1_000_000_000  # ns
BITS = 7  # of a latency that are kept: it is known to 1 / 2 ** (BITS - 1)
MESSAGE = 80  # characters of an exception
MISS = object()

# What a process did in one second: calls that returned, and that raised; the keys
# that get() and get_many() asked for, and that they found.
WINDOW = ("calls", "gets", "hits", "errors")


def rounded(ns: int) -> int:
    """Return a time with its highest bits only, so that few times differ.

    >>> rounded(127), rounded(129), rounded(1_000_001)
    (127, 128, 999424)
    """
    shift = max(0, ns.bit_length() - BITS)
    return ns >> shift << shift


def quantile(counts: Counter[int], share: float) -> int:
    """Return the time that a share (0 to 1) of all did not exceed.

    >>> quantile(Counter({10: 98, 50: 1, 70: 1}), 0.99)
    50
    """
    left = ceil(share * counts.total())
    for ns in sorted(counts):
        left -= counts[ns]
        if left <= 0:
            break
    return ns


def named(error: Exception) -> str:
    """Return the class of an exception and the start of its message, without keys.

    >>> named(ValueError("Duplicate entry 'key-7' for 'name'\\nDETAIL"))
    "ValueError: Duplicate entry 'key-…' for 'name'"
    """
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {re.sub(r'key-\d+', 'key-…', first)[:MESSAGE]}"


def endless[T](
    chance: random.Random, choices: Sequence[T], cumulated: Sequence[float]
) -> Iterator[T]:
    """Yield random choices for ever, with weights as random.choices() takes them."""
    while True:
        yield from chance.choices(choices, cum_weights=cumulated, k=BATCH)


def key_names(count: int, seed: int) -> list[str]:
    """Return the keys by popularity; their order says nothing about it."""
    names = [f"key-{number}" for number in range(count)]
    random.Random(seed).shuffle(names)
    return names


class Visitor:
    """One process: ``visit`` makes random calls for some time.

    ``names`` are the keys by popularity, ``cumulated`` their weights as
    random.choices() takes them. There is a counter for each KEYS_PER_COUNTER of
    them, under other keys. ``values`` are written in turn. ``latency`` has the
    times of requests in the last visit, ``windows`` what happened by seconds.
    """

    def __init__(
        self,
        cache: Any,
        chance: random.Random,
        names: Sequence[str],
        cumulated: Sequence[float],
        values: Sequence[object],
    ) -> None:
        self._cache = cache
        self._keys = endless(chance, names, cumulated)
        counters = max(1, len(names) // KEYS_PER_COUNTER)
        self._counters = endless(
            chance,
            [f"counter-{number}" for number in range(counters)],
            cumulated[:counters],
        )
        known = [getattr(self, f"_{name}") for name in MIX]
        self._calls = endless(chance, known, list(accumulate(MIX.values())))
        self._values = cycle(values)

    def visit(self, until: int, offset: int) -> None:
        """Call until a time.perf_counter_ns().

        The side was active for ``offset`` ns before: the windows go on from there.
        A call counts in the window in which it began.
        """
        self.windows: dict[int, Counter[str]] = defaultdict(Counter)
        self.errors: Counter[str] = Counter()
        self.latency: Counter[int] = Counter()
        clock = time.perf_counter_ns
        began = clock()
        shift = offset - began
        while began < until:
            self._window = self.windows[(began + shift) // SECOND]
            call = next(self._calls)
            try:
                call()
            except Exception as error:
                self.errors[named(error)] += 1
                self._window["errors"] += 1
            else:
                self._window["calls"] += 1
            ended = clock()
            self.latency[rounded(ended - began)] += 1
            began = ended

    def _get(self) -> None:
        key = next(self._keys)
        self._window["gets"] += 1
        if self._cache.get(key, MISS) is MISS:
            self._cache.set(key, next(self._values))
        else:
            self._window["hits"] += 1

    def _get_many(self) -> None:
        keys = set(islice(self._keys, MANY))
        self._window["gets"] += len(keys)
        found = self._cache.get_many(keys)
        self._window["hits"] += len(found)
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
