"""Caches and culling strategies written from their definitions, in plain lists."""

from collections.abc import Collection
from math import inf
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


class Entry(NamedTuple):
    """An entry; times are in seconds."""

    value: int
    expires: float
    set_at: float
    used_at: float


class Cache:
    """A cache without a limit. Nothing expires by itself."""

    # The calls that delete an entry if they find that it has expired.
    purging: tuple[str, ...] = ("get", "has_key", "incr")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def step(self, call: Call, value: int, now: float) -> int | bool | None:
        """Do a call and return what it returns."""
        key = call.key
        # A timeout of 0 is over at once.
        expires = inf if call.number is None else now + (call.number or -1)
        found = self.entries.get(key)
        live = found if found and found.expires > now else None
        if found and not live and call.do in self.purging:
            self.delete(key)
        match call.do:
            case "clear":
                self.clear()
            case "set":
                self.set(key, value, expires, now)
            case "add":
                if not live:
                    self.set(key, value, expires, now)
                return not live
            case "delete":
                if found:
                    self.delete(key)
                return bool(found)
            case "has_key":
                return bool(live)
            case "touch":
                if live:
                    self.entries[key] = live._replace(expires=expires)
                return bool(live)
            case "get" if live:
                self.use(key, now)
                return live.value
            case "incr" if live and call.number:
                total = live.value + call.number
                self.entries[key] = live._replace(value=total)
                self.use(key, now)
                return total
        return None

    def set(self, key: str, value: int, expires: float, now: float) -> None:
        self.entries[key] = Entry(value, expires, now, now)

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


class FIFO(Cache):
    """A cache in local memory, which evicts one entry if it is full.

    Here it is the entry that was set the longest time ago: the first of the entries.
    Other strategies are subclasses. ``gone`` are the keys that the real cache has
    evicted: where the definition leaves a choice, it is one of them.
    """

    # These move an entry to the end.
    moving: tuple[str, ...] = ("set",)
    # Django's own culls several before each set(), also if the key is there.
    in_batches = False

    def __init__(self, room: int, frequency: int) -> None:
        super().__init__()
        self.room = room
        self.frequency = frequency
        self.left: Collection[str] = ()  # the keys that the real cache has then
        self.clear()

    def set(self, key: str, value: int, expires: float, now: float) -> None:
        full = len(self.entries) >= self.room
        if full and self.frequency and (expired := self.expired(now)):
            gone = self.entries.keys() - self.left
            self.delete(max(expired, key=lambda each: (each in gone, each == key)))
        elif full and (self.in_batches or key not in self.entries):
            self.cull()
        if key not in self.entries:
            self.added(key)
        elif "set" in self.moving:
            del self.entries[key]
        super().set(key, value, expires, now)

    def use(self, key: str, now: float) -> None:
        super().use(key, now)
        if "use" in self.moving:
            self.entries[key] = self.entries.pop(key)

    def cull(self) -> None:
        if not self.frequency:
            self.clear()
            return
        count = len(self.entries) // self.frequency if self.in_batches else 1
        for _ in range(count):
            self.delete(self.victim(self.entries.keys() - self.left))

    def expired(self, now: float) -> list[str]:
        """Return the keys of the entries that have expired: one of them goes first."""
        return [key for key, entry in self.entries.items() if entry.expires <= now]

    def added(self, key: str) -> None:
        """Note that a new entry comes."""

    def victim(self, gone: Collection[str]) -> str:
        """Return the key of the entry to evict."""
        return next(iter(self.entries))


class LRU(FIFO):
    """The entry that was set or used the longest time ago."""

    moving = ("set", "use")
    in_batches = True


class Anything(FIFO):
    """Any entry."""

    def victim(self, gone: Collection[str]) -> str:
        return max(self.entries, key=gone.__contains__)


class TTL(FIFO):
    """One of the entries that expire the soonest."""

    def victim(self, gone: Collection[str]) -> str:
        return min(
            self.entries, key=lambda key: (self.entries[key].expires, key not in gone)
        )


class LFU(FIFO):
    """The entry of the lowest priority, the least recently used of them.

    The priority is the number of its uses, the first set() included, above the age at
    the last one. The age is the priority of the last that was evicted.
    """

    moving = ("use",)

    def clear(self) -> None:
        super().clear()
        self.age = 0
        self.uses: dict[str, int] = {}
        self.priority: dict[str, int] = {}

    def added(self, key: str) -> None:
        self.uses[key] = 1
        self.priority[key] = self.age + 1

    def use(self, key: str, now: float) -> None:
        super().use(key, now)
        self.uses[key] += 1
        self.priority[key] = self.age + self.uses[key]

    def victim(self, gone: Collection[str]) -> str:
        found = min(self.entries, key=self.priority.__getitem__)
        self.age = self.priority[found]
        return found


class SIEVE(FIFO):
    """A hand goes from the oldest entry to the newest and round again. It takes their
    mark from those that were used, and evicts the first that has none.
    """

    moving = ()

    def clear(self) -> None:
        super().clear()
        self.marked: set[str] = set()
        self.hand: str | None = None  # None: at the oldest

    def use(self, key: str, now: float) -> None:
        super().use(key, now)
        self.marked.add(key)

    def delete(self, key: str) -> None:
        if self.hand == key:
            keys = [*self.entries, None]
            self.hand = keys[keys.index(key) + 1]
        self.marked.discard(key)
        super().delete(key)

    def victim(self, gone: Collection[str]) -> str:
        keys = [*self.entries]
        at = keys.index(self.hand) if self.hand else 0
        while keys[at] in self.marked:
            self.marked.remove(keys[at])
            at = (at + 1) % len(keys)
        self.hand = keys[at]
        return self.hand


class S3FIFO(FIFO):
    """New entries go to a small queue, a tenth of the room, and from its front to the
    main one if they were used twice. Else they are evicted, and remembered: as many
    of them as the main queue is long. What is remembered goes to the main queue, from
    whose front it goes back to the end as often as it was used, at most three times.
    Until the first eviction, what the small queue has no room for goes to the main one.
    """

    def clear(self) -> None:
        super().clear()
        self.few = self.room // 10
        self.filling = True
        self.small: list[str] = []
        self.main: list[str] = []
        self.ghosts: list[str] = []
        self.uses: dict[str, int] = {}

    def added(self, key: str) -> None:
        to_main = key in self.ghosts or (self.filling and len(self.small) >= self.few)
        (self.main if to_main else self.small).append(key)
        others = [ghost for ghost in self.ghosts if ghost != key]
        self.ghosts = others[-(self.room - self.few) :]
        self.uses[key] = 0

    def use(self, key: str, now: float) -> None:
        super().use(key, now)
        self.uses[key] = min(self.uses[key] + 1, 3)

    def delete(self, key: str) -> None:
        super().delete(key)
        (self.small if key in self.small else self.main).remove(key)

    def victim(self, gone: Collection[str]) -> str:
        self.filling = False
        if len(self.small) >= self.few:
            while self.small:
                key = self.small[0]
                if self.uses[key] < 2:
                    self.ghosts.append(key)
                    return key
                self.main.append(self.small.pop(0))
                self.uses[key] = 0
        while self.uses[self.main[0]]:
            self.uses[self.main[0]] -= 1
            self.main.append(self.main.pop(0))
        return self.main[0]


# Their names in CULL_STRATEGY.
STRATEGIES: dict[str, type[FIFO]] = {
    "fifo": FIFO,
    "lfu": LFU,
    "lru": LRU,
    "random": Anything,
    "s3-fifo": S3FIFO,
    "sieve": SIEVE,
    "ttl": TTL,
}
