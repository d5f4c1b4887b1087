"""The calls of a web site on its cache, by one of its processes."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, cycle, islice
from typing import Any

from lab.bench.histogram import Histogram
from lab.calls import KEY, start_of

# What --mix names, and how often each is called by default.
MIX: Mapping[str, float] = {
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
ALL = "all"  # the latency of whole requests
SECOND = 1_000_000_000  # ns

MISS = object()


@dataclass
class Window:
    """What a process did in one second.

    ``calls`` returned, ``errors`` raised. ``gets`` are the keys that get() and
    get_many() asked for, ``hits`` those that they found.
    """

    calls: int = 0
    gets: int = 0
    hits: int = 0
    errors: int = 0

    def add(self, other: "Window") -> None:
        self.calls += other.calls
        self.gets += other.gets
        self.hits += other.hits
        self.errors += other.errors


@dataclass
class Tally:
    """What a process saw: seconds → window, exceptions, name → latencies in ns."""

    windows: dict[int, Window] = field(default_factory=lambda: defaultdict(Window))
    errors: Counter[str] = field(default_factory=Counter)
    latency: dict[str, Histogram] = field(
        default_factory=lambda: defaultdict(Histogram)
    )


def named(error: Exception) -> str:
    """Return the class of an exception and how its message starts.

    >>> named(ValueError("database is locked"))
    'ValueError: database is locked'
    """
    return f"{type(error).__name__}: {start_of(error)}"


def endless[T](
    chance: random.Random, choices: Sequence[T], cumulated: Sequence[float]
) -> Iterator[T]:
    """Yield random choices for ever, with weights as random.choices() takes them."""
    while True:
        yield from chance.choices(choices, cum_weights=cumulated, k=BATCH)


def key_names(count: int, seed: int) -> list[str]:
    """Return the keys by popularity, which says nothing about their order."""
    names = [f"{KEY}{number}" for number in range(count)]
    random.Random(seed).shuffle(names)
    return names


class Visitor:
    """One process: ``visit`` makes calls of a mix at random for some time.

    ``names`` are the keys by popularity, ``cumulated`` their weights as
    random.choices() takes them. There is a counter for each KEYS_PER_COUNTER of
    them, under other keys. ``values`` are written in turn.
    """

    def __init__(
        self,
        cache: Any,
        chance: random.Random,
        names: Sequence[str],
        cumulated: Sequence[float],
        mix: Mapping[str, float],
        values: Sequence[object],
    ) -> None:
        known: dict[str, Callable[[], None]] = {
            "get": self._get,
            "set": self._set,
            "get_many": self._get_many,
            "set_many": self._set_many,
            "add": self._add,
            "touch": self._touch,
            "incr": self._incr,
            "delete": self._delete,
        }
        self._cache = cache
        self._keys = endless(chance, names, cumulated)
        counters = max(1, len(names) // KEYS_PER_COUNTER)
        self._counters = endless(
            chance,
            [f"counter-{number}" for number in range(counters)],
            cumulated[:counters],
        )
        self._calls = endless(
            chance, [known[name] for name in mix], list(accumulate(mix.values()))
        )
        self._values = cycle(values)
        self._tally = Tally()
        self._window = Window()

    def visit(self, until: int, offset: int) -> Tally:
        """Call until a time.perf_counter_ns(); return what happened.

        ``offset`` is how long, in ns, the side was active before: the windows go on
        from there. A call counts in that in which it began.
        """
        self._tally = tally = Tally()
        clock = time.perf_counter_ns
        whole = tally.latency[ALL]
        began = clock()
        shift = offset - began
        while began < until:
            self._window = tally.windows[(began + shift) // SECOND]
            call = next(self._calls)
            try:
                call()
            except Exception as error:
                tally.errors[named(error)] += 1
                self._window.errors += 1
            else:
                self._window.calls += 1
            ended = clock()
            whole.add(ended - began)
            began = ended
        return tally

    def _timed[**P, T](
        self, name: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        began = time.perf_counter_ns()
        try:
            return call(*args, **kwargs)
        finally:
            self._tally.latency[name].add(time.perf_counter_ns() - began)

    def _some(self) -> list[str]:
        return list(islice(self._keys, MANY))

    def _get(self) -> None:
        key = next(self._keys)
        self._window.gets += 1
        if self._timed("get", self._cache.get, key, MISS) is MISS:
            self._timed("set", self._cache.set, key, next(self._values))
        else:
            self._window.hits += 1

    def _get_many(self) -> None:
        keys = set(self._some())
        self._window.gets += len(keys)
        found = self._timed("get_many", self._cache.get_many, keys)
        self._window.hits += len(found)
        if missed := keys - found.keys():
            self._write(missed)

    def _set(self) -> None:
        self._timed("set", self._cache.set, next(self._keys), next(self._values))

    def _set_many(self) -> None:
        self._write(self._some())

    def _write(self, keys: Iterable[str]) -> None:
        data = dict(zip(keys, self._values, strict=False))
        self._timed("set_many", self._cache.set_many, data)

    def _add(self) -> None:
        self._timed("add", self._cache.add, next(self._keys), next(self._values))

    def _touch(self) -> None:
        self._timed("touch", self._cache.touch, next(self._keys))

    def _incr(self) -> None:
        key = next(self._counters)
        try:
            self._timed("incr", self._cache.incr, key)
        except ValueError:
            # It is not there, or was culled.
            self._timed("add", self._cache.add, key, 1)

    def _delete(self) -> None:
        self._timed("delete", self._cache.delete, next(self._keys))
