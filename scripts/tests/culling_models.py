"""What each culling strategy is, written from its definition: lists, no cleverness."""

from collections.abc import Callable, Collection
from typing import NamedTuple


class Call(NamedTuple):
    """A call of a cache; ``number`` is a timeout, seconds to wait, or a delta."""

    do: str
    name: str = ""
    version: int = 1
    number: int | None = None

    @property
    def key(self) -> str:
        """The key as it is stored."""
        return f":{self.version}:{self.name}"

    def expires(self, now: float) -> float | None:
        """When the entry of a call with a timeout expires; 0 is at once."""
        if self.number is None:
            return None
        return now + self.number if self.number else now - 1


class Policy:
    """Which entry goes next. Here that which was set the longest time ago: FIFO."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.order: list[str] = []

    def added(self, key: str, expires: float | None) -> None:
        self.order.append(key)

    def replaced(self, key: str, expires: float | None) -> None:
        self.order.remove(key)
        self.order.append(key)

    def touched(self, key: str, expires: float | None) -> None: ...

    def used(self, key: str) -> None: ...

    def removed(self, key: str) -> None:
        self.order.remove(key)

    def evicted(self, gone: Collection[str]) -> str:
        """Return the entry to evict, and forget it.

        Where the definition leaves a choice, it is one of those that are ``gone``
        from the real cache.
        """
        return self.order.pop(0)


class LRU(Policy):
    """That which was set or used the longest time ago."""

    def used(self, key: str) -> None:
        self.replaced(key, None)


class Anything(Policy):
    """Any."""

    def evicted(self, gone: Collection[str]) -> str:
        found = next((key for key in self.order if key in gone), self.order[0])
        self.order.remove(found)
        return found


class TTL(Policy):
    """One of those that expire the soonest."""

    def __init__(self, room: int) -> None:
        self.expires: dict[str, float] = {}

    def added(self, key: str, expires: float | None) -> None:
        self.expires[key] = float("inf") if expires is None else expires

    replaced = touched = added

    def removed(self, key: str) -> None:
        del self.expires[key]

    def evicted(self, gone: Collection[str]) -> str:
        soonest = min(self.expires.values())
        able = [key for key, expires in self.expires.items() if expires == soonest]
        found = next((key for key in able if key in gone), able[0])
        self.removed(found)
        return found


class LFU(Policy):
    """The lowest priority, the least recently used of them.

    One more for each use, at most three above the age; new ones begin one above it.
    The age is the priority of the last that was evicted.
    """

    def __init__(self, room: int) -> None:
        super().__init__(room)  # order: by the last use
        self.age = 0
        self.priority: dict[str, int] = {}

    def added(self, key: str, expires: float | None) -> None:
        self.order.append(key)
        self.priority[key] = self.age + 1

    def replaced(self, key: str, expires: float | None) -> None: ...

    def used(self, key: str) -> None:
        self.order.remove(key)
        self.order.append(key)
        self.priority[key] = min(self.priority[key] + 1, self.age + 3)

    def evicted(self, gone: Collection[str]) -> str:
        found = min(self.order, key=self.priority.__getitem__)
        self.order.remove(found)
        self.age = self.priority[found]
        return found


class SIEVE(Policy):
    """A hand goes from the oldest to the newest and round again. It takes their mark
    from those that were used, and evicts the first that has none.
    """

    def __init__(self, room: int) -> None:
        super().__init__(room)
        self.marked: set[str] = set()
        self.hand: str | None = None  # None: at the oldest

    def replaced(self, key: str, expires: float | None) -> None: ...

    def used(self, key: str) -> None:
        self.marked.add(key)

    def removed(self, key: str) -> None:
        if self.hand == key:
            newer = self.order[self.order.index(key) + 1 :]
            self.hand = newer[0] if newer else None
        self.order.remove(key)
        self.marked.discard(key)

    def evicted(self, gone: Collection[str]) -> str:
        at = self.order.index(self.hand) if self.hand else 0
        while self.order[at] in self.marked:
            self.marked.remove(self.order[at])
            at = (at + 1) % len(self.order)
        self.hand = found = self.order[at]
        self.removed(found)
        return found


class S3FIFO(Policy):
    """New entries go to a small queue, a tenth of the room, and from its front to the
    main one if they were used twice. Else they are evicted, and remembered: as many
    of them as the main queue is long. What is remembered goes to the main queue, from
    whose front it goes back to the end as often as it was used, at most three times.
    """

    def __init__(self, room: int) -> None:
        self.few = room // 10
        self.many = room - self.few
        self.small: list[str] = []
        self.main: list[str] = []
        self.ghosts: list[str] = []
        self.uses: dict[str, int] = {}

    def added(self, key: str, expires: float | None) -> None:
        (self.main if key in self.ghosts else self.small).append(key)
        self.ghosts = [ghost for ghost in self.ghosts if ghost != key][-self.many :]
        self.uses[key] = 0

    def replaced(self, key: str, expires: float | None) -> None: ...

    def used(self, key: str) -> None:
        self.uses[key] = min(self.uses[key] + 1, 3)

    def removed(self, key: str) -> None:
        (self.small if key in self.small else self.main).remove(key)

    def evicted(self, gone: Collection[str]) -> str:
        if len(self.small) >= self.few:
            while self.small:
                key = self.small.pop(0)
                if self.uses[key] < 2:
                    self.ghosts.append(key)
                    return key
                self.main.append(key)
                self.uses[key] = 0
        while self.uses[self.main[0]]:
            self.uses[self.main[0]] -= 1
            self.main.append(self.main.pop(0))
        return self.main.pop(0)


# What CULL_STRATEGY calls them.
POLICIES: dict[str, Callable[[int], Policy]] = {
    "fifo": Policy,
    "lfu": LFU,
    "lru": LRU,
    "random": Anything,
    "s3-fifo": S3FIFO,
    "sieve": SIEVE,
    "ttl": TTL,
}


class Entry(NamedTuple):
    value: int
    expires: float | None
    set_at: float
    used_at: float

    def is_over(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now


class Cache:
    """A cache without a limit. Times are in seconds; nothing expires by itself."""

    # The calls that delete an entry if they find that it has expired.
    purging: tuple[str, ...] = ("get", "has_key", "incr")
    # Whether incr() is a get() and a set() without a timeout.
    incr_sets = False

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def step(self, call: Call, value: int, now: float) -> int | bool | None:
        """Do a call and return what it returns."""
        key = call.key
        found = self.entries.get(key)
        live = found if found and not found.is_over(now) else None
        if found and not live and call.do in self.purging:
            self.delete(key)
        match call.do:
            case "clear":
                self.clear()
            case "set":
                self.set(key, value, call.expires(now), now)
            case "add":
                if not live:
                    self.set(key, value, call.expires(now), now)
                return not live
            case "delete":
                if found:
                    self.delete(key)
                return bool(found)
            case "has_key":
                return bool(live)
            case "touch":
                if live:
                    self.touch(key, call.expires(now))
                return bool(live)
            case "get" if live:
                self.use(key, now)
                return live.value
            case "incr" if live and call.number:
                if self.incr_sets:
                    self.set(key, live.value + call.number, None, now)
                else:
                    changed = live._replace(value=live.value + call.number)
                    self.entries[key] = changed
                    self.use(key, now)
                return live.value + call.number
        return None

    def set(self, key: str, value: int, expires: float | None, now: float) -> None:
        self.entries[key] = Entry(value, expires, now, now)

    def touch(self, key: str, expires: float | None) -> None:
        self.entries[key] = self.entries[key]._replace(expires=expires)

    def use(self, key: str, now: float) -> None:
        self.entries[key] = self.entries[key]._replace(used_at=now)

    def delete(self, key: str) -> None:
        del self.entries[key]

    def clear(self) -> None:
        self.entries.clear()


class Database(Cache):
    purging = ("get",)


class Files(Cache):
    purging = ("get", "has_key", "incr", "touch", "add")
    incr_sets = True


class LocalMemory(Cache):
    """One that is full evicts. ``left`` are the keys that the real one then has."""

    def __init__(self, strategy: str, room: int, frequency: int) -> None:
        super().__init__()
        self.make = POLICIES[strategy]
        self.policy = self.make(room)
        # Django's own culls before each set(), also if the key is there.
        self.in_batches = strategy == "lru"
        self.room = room
        self.frequency = frequency
        self.left: Collection[str] = ()

    def set(self, key: str, value: int, expires: float | None, now: float) -> None:
        full = len(self.entries) >= self.room
        if full and (self.in_batches or key not in self.entries):
            self.cull()
        tell = self.policy.replaced if key in self.entries else self.policy.added
        tell(key, expires)
        super().set(key, value, expires, now)

    def cull(self) -> None:
        if not self.frequency:
            self.clear()
            return
        count = len(self.entries) // self.frequency if self.in_batches else 1
        for _ in range(count):
            del self.entries[self.policy.evicted(self.entries.keys() - self.left)]

    def touch(self, key: str, expires: float | None) -> None:
        super().touch(key, expires)
        self.policy.touched(key, expires)

    def use(self, key: str, now: float) -> None:
        super().use(key, now)
        self.policy.used(key)

    def delete(self, key: str) -> None:
        super().delete(key)
        self.policy.removed(key)

    def clear(self) -> None:
        super().clear()
        self.policy = self.make(self.room)
