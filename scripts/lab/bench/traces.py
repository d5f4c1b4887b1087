"""Request streams, from files or synthetic, and models of the best hit ratios."""

import heapq
import lzma
import random
import sys
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from common.errors import StackError

# Traces of requests in files.
FILES = ("web07", "web12", "orm-night", "orm-busy")
SCAN = "scan"
# Name of a trace → objects, requests, and Zipf exponent of a synthetic stream, None
# for the objects in turn. It replaces a file that is absent. The others are as in the
# literature on eviction. The loop has 10 % more objects than a cache of 1,000 entries.
SYNTHETIC: dict[str, tuple[int, int, float | None]] = {
    **{
        name: (20_000, 100_000, exponent)
        for name, exponent in zip(FILES, (0.8, 0.9, 1.0, 1.1), strict=True)
    },
    **{f"zipf-{each}": (100_000, 1_000_000, each) for each in (0.9, 1.0, 1.1)},
    "loop": (1_100, 100_000, None),
    SCAN: (100_000, 1_000_000, 1.0),
}
NAMES = tuple(SYNTHETIC)


@dataclass(frozen=True)
class Trace:
    """``keys`` has a key for each request; ``label`` tells where they come from."""

    name: str
    label: str
    keys: array[int]

    @property
    def distinct(self) -> int:
        return len(set(self.keys))


def read(path: Path, limit: int | None = None) -> array[int]:
    """Return the first ``limit`` keys of an xz stream of big-endian 32-bit integers."""
    keys = array("i")
    try:
        with lzma.open(path) as stream:
            content = stream.read(-1 if limit is None else limit * keys.itemsize)
    except (lzma.LZMAError, EOFError) as error:
        raise StackError(f"{path.name} is not a whole xz file: {error}") from None
    except OSError as error:
        raise StackError(f"{path.name} cannot be read: {error.strerror}") from None
    if not content or len(content) % keys.itemsize:
        raise StackError(f"{path.name} is not a stream of 32-bit keys")
    keys.frombytes(content)
    if sys.byteorder == "little":
        keys.byteswap()
    return keys


def cumulated(objects: int, exponent: float) -> list[float]:
    """Return the sums of rank ** -exponent, as random.choices() takes weights."""
    return list(accumulate(rank**-exponent for rank in range(1, objects + 1)))


def zipf(objects: int, requests: int, exponent: float, seed: int) -> array[int]:
    """Return requests for objects whose popularity falls as rank ** -exponent.

    The ids are shuffled: the popular objects lie anywhere among them.
    """
    draw = random.Random(seed)
    ids = list(range(objects))
    draw.shuffle(ids)
    weights = cumulated(objects, exponent)
    return array("i", draw.choices(ids, cum_weights=weights, k=requests))


def add_scans(keys: array[int], objects: int) -> None:
    """Let each fifth thousand of the requests be for new keys, once each."""
    for start in range(4_000, len(keys), 5_000):
        new = range(objects + start, objects + min(start + 1_000, len(keys)))
        keys[start : start + 1_000] = array("i", new)


def load(name: str, folder: Path, limit: int | None, seed: int) -> Trace:
    """Return the trace of that name from ``folder``, or a synthetic one instead."""
    if name not in NAMES:
        raise StackError(
            f"no trace is called {name!r}; there are: {', '.join(NAMES)}",
            then="./scripts/stack bench --help",
        )
    path = folder / f"cache2k-{name}.trace.xz"
    if path.is_file():
        return Trace(name, name, read(path, limit))
    objects, requests, exponent = SYNTHETIC[name]
    label = name
    if name in FILES:
        label = f"synthetic Zipf {exponent} ({path.name} is absent)"
    requests = min(limit or requests, requests)
    if exponent is None:
        looped = array("i", (number % objects for number in range(requests)))
        return Trace(name, label, looped)
    keys = zipf(objects, requests, exponent, seed)
    if name == SCAN:
        add_scans(keys, objects)
    return Trace(name, label, keys)


def lru_hits(keys: Sequence[int], limit: int) -> int:
    """Return the hits in a cache that evicts the least recently used entry."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for key in keys:
        if key in held:
            hits += 1
            held.move_to_end(key)
            continue
        if len(held) >= limit:
            held.popitem(last=False)
        held[key] = None
    return hits


def belady_hits(keys: Sequence[int], limit: int) -> int:
    """Return the hits of Belady's algorithm, which knows the future.

    It evicts the key whose next use is the latest. No cache that sets what it
    misses has more hits.
    """
    # The number of the next request for the same key; past the end without one.
    following, last = [len(keys)] * len(keys), dict[int, int]()
    for at in reversed(range(len(keys))):
        following[at] = last.get(keys[at], len(keys))
        last[keys[at]] = at
    held: dict[int, int] = {}  # key → its next use
    latest: list[tuple[int, int]] = []  # negative; out of date after a hit
    hits = 0
    for key, use_again in zip(keys, following, strict=True):
        if key in held:
            hits += 1
        elif len(held) >= limit:
            while True:
                use, victim = heapq.heappop(latest)
                if held.get(victim) == -use:
                    break
            del held[victim]
        held[key] = use_again
        heapq.heappush(latest, (-use_again, key))
    return hits


# Name in the tables → hits among the requests, with room for so many keys.
MODELS: dict[str, Callable[[Sequence[int], int], int]] = {
    "(exact LRU)": lru_hits,
    "(Belady)": belady_hits,
}
