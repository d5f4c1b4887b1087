"""What hit ratios are measured against: exact LRU, and the best that there can be."""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Sequence


def lru_hits(keys: Sequence[int], limit: int) -> int:
    """Return the hits in a cache that evicts the one least recently used."""
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


def next_uses(keys: Sequence[int]) -> list[int]:
    """Return for each request when its key is next asked for; past the end if never.

    >>> next_uses([7, 8, 7])
    [2, 3, 3]
    """
    never = len(keys)
    found = [never] * never
    last: dict[int, int] = {}
    for at in range(never - 1, -1, -1):
        found[at] = last.get(keys[at], never)
        last[keys[at]] = at
    return found


def belady_hits(keys: Sequence[int], limit: int) -> int:
    """Return the hits of Belady's algorithm, which knows the future.

    It evicts the key whose next use is the farthest away. No cache that sets what
    it misses has more hits.
    """
    held: dict[int, int] = {}  # key → its next use
    farthest: list[tuple[int, int]] = []  # negative, and out of date after a hit
    hits = 0
    for key, following in zip(keys, next_uses(keys), strict=True):
        if key in held:
            hits += 1
        elif len(held) >= limit:
            while True:
                use, victim = heapq.heappop(farthest)
                if held.get(victim) == -use:
                    break
            del held[victim]
        held[key] = following
        heapq.heappush(farthest, (-following, key))
    return hits


# Name in the tables → hits among the requests, with room for so many keys.
MODELS: dict[str, Callable[[Sequence[int], int], int]] = {
    "(exact LRU)": lru_hits,
    "(Belady)": belady_hits,
}
