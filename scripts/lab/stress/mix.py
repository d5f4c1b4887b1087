"""Calls at random on a few keys of one cache, by one of many writers."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from lab.bench.operations import DAY
from lab.stress import values
from lab.stress.values import Broken, Origin

# 0 has run out at once, 1 soon.
TIMEOUTS = (DAY, DAY, DAY, None, 1, 0)  # seconds
SIZES = (100, 4_000)  # bytes of a record
SHOWN = 5
MANY = 8  # keys of a call at most
# Of a writer that has transactions: the calls in one, and those of them undone.
IN_TRANSACTION = 0.5
UNDONE = 0.25
WITHIN = "in a transaction"  # the note of what is raised there


class Undo(Exception):
    """Rolls a transaction back."""


class Mixer:
    """One writer: ``step`` makes one call and looks at what it returns.

    With ``atomic``, which begins a transaction, half of the calls are in one, each
    in one of its own: what is read there was written by others.

    ``during`` names the last call. ``calls`` returned. ``made`` is the count of its
    last record. ``missing`` are the incr() of a key that was not there, ``failed``
    the keys that set_many() returned. ``broken`` says the first of what was wrong
    with values that were read. ``seen`` are the records that were read, ``refused``
    the counts of its own whose add() returned False, ``undone`` those that were
    rolled back.
    """

    def __init__(
        self,
        cache: Any,
        number: int,
        records: list[str],
        counters: list[str],
        chance: random.Random,
        atomic: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        self._cache = cache
        self._atomic = atomic
        self._number = number
        self._counters = counters
        self._are_counters = set(counters)
        self._keys = records + counters
        self._chance = chance
        self.during = ""
        self.calls = self.missing = self.failed = 0
        self.made = -1
        self.broken: list[str] = []
        self.seen: set[Origin] = set()
        self.refused: list[int] = []
        self.undone: list[int] = []
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
        self.during = call.__name__.strip("_")
        atomic = self._atomic
        if atomic is not None and self._chance.random() >= IN_TRANSACTION:
            atomic = None
        try:
            if atomic is None:
                call()
            else:
                self._within(atomic(), call)
        except Exception as error:
            error.add_note(self.during)
            if atomic is not None:
                error.add_note(WITHIN)
            raise
        self.calls += 1

    def _within(
        self, transaction: AbstractContextManager[object], call: Callable[[], None]
    ) -> None:
        """Make a call in a transaction; some are rolled back."""
        before = self.made
        with suppress(Undo), transaction:
            call()
            if self._chance.random() < UNDONE:
                self.undone += range(before + 1, self.made + 1)
                raise Undo

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
