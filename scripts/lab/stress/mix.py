"""Random calls on a few keys of one cache, by one of many writers."""

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from lab.calls import names
from lab.stress.values import Origin, base, origin, record, wrong_number

KEYS = names(24)
NUMBERS = KEYS[20:]  # the others hold records
DAY = 86_400
# 0 has run out at once, 1 soon.
TIMEOUTS = (DAY, DAY, DAY, None, 1, 0)  # seconds
SIZES = (100, 4_000)  # bytes of a record
MANY = 8  # keys of a call at most
SHOWN = 5
METHODS = ["get", "set", "add", "touch", "delete", "get_many", "set_many", "incr"]
WEIGHTS = [6, 3, 3, 1, 1, 2, 1, 3]
# The share of the calls of a writer in transactions, and the share of these that is
# rolled back.
IN_TRANSACTION = 0.5
UNDONE = 0.25


class Undo(Exception):
    """Rolls a transaction back."""


class Mixer:
    """One writer: ``step`` makes one call and checks what it returns.

    With ``atomic``, which begins a transaction, half of the calls are in one, each
    in its own: what is read there was written by others.

    ``during`` names the last call. ``calls`` returned. ``made`` is the number of its
    last record. ``failed`` counts the keys that set_many() returned. ``broken`` are
    the first findings about values. ``seen`` are the records that were
    read, ``refused`` the numbers of its own records whose add() returned False,
    ``undone`` of those that were rolled back. ``deadlocks`` are those in transactions.
    """

    def __init__(
        self,
        cache: Any,
        writer: int,
        atomic: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        self._cache = cache
        self._writer = writer
        self._chance = random.Random(writer)
        self._atomic = atomic
        self.during = ""
        self.calls = self.failed = self.deadlocks = 0
        self.made = -1
        self.broken: list[str] = []
        # Key and writer → the lowest number of its records that may still be read.
        self._lowest: dict[tuple[str, int], int] = {}
        self.seen: set[Origin] = set()
        self.refused: list[int] = []
        self.undone: list[int] = []

    def step(self) -> None:
        """Make one call; an exception gets the name of the call as a note."""
        (self.during,) = self._chance.choices(METHODS, WEIGHTS)
        within = self._atomic and self._chance.random() < IN_TRANSACTION
        transaction = self._atomic() if self._atomic and within else nullcontext()
        first = self.made + 1
        try:
            with suppress(Undo), transaction:
                self._call()
                if within and self._chance.random() < UNDONE:
                    self.undone += range(first, self.made + 1)
                    raise Undo
        except Exception as error:
            # Such a transaction is over, and only who began it can begin another.
            if within and "deadlock" in str(error).lower():
                self.deadlocks += 1
                return
            error.add_note(self.during + (" in a transaction" if within else ""))
            raise
        self.calls += 1

    def _call(self) -> None:
        cache, chance = self._cache, self._chance
        key = chance.choice(NUMBERS if self.during == "incr" else KEYS)
        several = chance.sample(KEYS, chance.randint(1, MANY))
        timeout = chance.choice(TIMEOUTS)
        match self.during:
            case "get":
                value = cache.get(key)
                self._check({} if value is None else {key: value})
            case "get_many":
                self._check(cache.get_many(several))
            case "set":
                cache.set(key, self._value(key), timeout)
            case "set_many":
                data = {each: self._value(each) for each in several}
                self.failed += len(cache.set_many(data, timeout))
            case "add":
                added = cache.add(key, self._value(key), timeout)
                if not added and key not in NUMBERS:
                    self.refused.append(self.made)
            case "touch":
                cache.touch(key, timeout)
            case "delete":
                cache.delete(key)
                if self._atomic is None:
                    self._lowest[key, self._writer] = self.made + 1
            case "incr":
                try:
                    self._check({key: cache.incr(key)})
                except ValueError as error:
                    # The documented answer if the key is not there.
                    if f"Key '{key}' not found" not in str(error):
                        raise

    def _value(self, key: str) -> object:
        if key in NUMBERS:
            return base(key)
        self.made += 1
        size = self._chance.randint(*SIZES)
        return record(key, Origin(self._writer, self.made), size)

    def _check(self, found: Mapping[str, object]) -> None:
        for key, value in found.items():
            read = (wrong_number if key in NUMBERS else origin)(key, value)
            if isinstance(read, Origin):
                self.seen.add(read)
                lowest = self._lowest.get((key, read.writer), 0)
                self._lowest[key, read.writer] = max(lowest, read.number)
                read = f"{key}: {read} is back" if read.number < lowest else ""
            if read and len(self.broken) < SHOWN:
                self.broken.append(read)
