"""Calls at random on a few keys of one cache, by one of many writers."""

import random
from collections.abc import Callable
from typing import Any

from bench.operations import DAY
from stress import values
from stress.values import Broken, Origin

# 0 has run out at once, 1 soon.
TIMEOUTS = (DAY, DAY, DAY, None, 1, 0)  # seconds
SIZES = (100, 4_000)  # bytes of a record
SHOWN = 5
MANY = 8  # keys of a call at most


class Mixer:
    """One writer: ``step`` makes one call and looks at what it returns.

    ``calls`` returned. ``made`` is the count of its last record. ``missing`` are
    the incr() of a key that was not there, ``failed`` the keys that set_many()
    returned. ``broken`` says the first of what was wrong with values that were
    read. ``seen`` are the records that were read, ``refused`` the counts of its
    own whose add() returned False.
    """

    def __init__(
        self,
        cache: Any,
        number: int,
        records: list[str],
        counters: list[str],
        chance: random.Random,
    ) -> None:
        self._cache = cache
        self._number = number
        self._counters = counters
        self._are_counters = set(counters)
        self._keys = records + counters
        self._chance = chance
        self.calls = self.missing = self.failed = 0
        self.made = -1
        self.broken: list[str] = []
        self.seen: set[Origin] = set()
        self.refused: list[int] = []
        calls: list[tuple[Callable[[], None], int]] = [
            (self._get, 6),
            (self._set, 3),
            (self._add, 3),
            (self._touch, 1),
            (self._delete, 1),
            (self._get_many, 2),
            (self._set_many, 1),
            (self._incr, 3),
        ]
        self._calls = [call for call, weight in calls for _ in range(weight)]

    def step(self) -> None:
        """Make one call; what it raises is for the caller, with the call as a note."""
        call = self._chance.choice(self._calls)
        try:
            call()
        except Exception as error:
            error.add_note(call.__name__.strip("_"))
            raise
        self.calls += 1

    def _key(self) -> str:
        return self._chance.choice(self._keys)

    def _some(self) -> list[str]:
        most = min(MANY, len(self._keys))
        return self._chance.sample(self._keys, self._chance.randint(1, most))

    def _timeout(self) -> int | None:
        return self._chance.choice(TIMEOUTS)

    def _value(self, key: str) -> object:
        if key in self._are_counters:
            return values.base(key)
        self.made += 1
        origin = Origin(self._number, self.made)
        return values.record(key, origin, self._chance.randint(*SIZES))

    def _look(self, key: str, value: object) -> None:
        try:
            if key in self._are_counters:
                values.added(key, value)
            else:
                self.seen.add(values.origin(key, value))
        except Broken as error:
            if len(self.broken) < SHOWN:
                self.broken.append(str(error))

    def _get(self) -> None:
        key = self._key()
        value = self._cache.get(key)
        if value is not None:
            self._look(key, value)

    def _get_many(self) -> None:
        for key, value in self._cache.get_many(self._some()).items():
            self._look(key, value)

    def _set(self) -> None:
        key = self._key()
        self._cache.set(key, self._value(key), self._timeout())

    def _set_many(self) -> None:
        data = {key: self._value(key) for key in self._some()}
        self.failed += len(self._cache.set_many(data, self._timeout()))

    def _add(self) -> None:
        key = self._key()
        value = self._value(key)
        added = self._cache.add(key, value, self._timeout())
        if not added and key not in self._are_counters:
            self.refused.append(self.made)

    def _touch(self) -> None:
        self._cache.touch(self._key(), self._timeout())

    def _delete(self) -> None:
        self._cache.delete(self._key())

    def _incr(self) -> None:
        key = self._chance.choice(self._counters)
        try:
            value = self._cache.incr(key)
        except ValueError as error:
            # What the API says of a key that is not there.
            if f"Key '{key}' not found" not in str(error):
                raise
            self.missing += 1
        else:
            self._look(key, value)
