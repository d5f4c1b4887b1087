"""A process that uses the cache among others: ``python -m lab.stress.worker``."""

import logging
import random
import re
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import batched
from pathlib import Path
from typing import Any

from lab.bench.worker import Session, main, wait_until
from lab.calls import KEY, Errors, attempt, names
from lab.stress.damage import WAYS, Table
from lab.stress.mix import DAY, Mixer
from lab.stress.shared import meet, numbers
from lab.stress.values import Origin, base, origin, record
from lab.watch import watching

BACKEND = "django.core.cache.backends.db.DatabaseCache"
RECORD = 1_000  # bytes
MANY = 100  # keys of a get_many() or set_many() of damaged rows
CULLING = ("set", "add", "set_many")  # the calls that cull
LOGGER = "django.cache"
AFTER_COMMIT = "django.db.backends.base"  # the logger of what fails after a commit
# A random pickle may ask for any amount of memory.
MEMORY = 2 << 30  # bytes

type Answer = dict[str, Any]


class Stress(Session):
    """The requests of the phases as methods.

    Those with ``at``, a time.monotonic(), begin then; ``ended`` in their answer is
    when they end. ``number`` is the process's own among those that take part.
    """

    _cache: Any
    _name: str

    def cache(self, table: str, options: Answer, make: bool) -> Answer:
        """Use a cache on a table; if asked, make the table first and clear it."""
        from django.conf import settings
        from django.core.cache.backends.db import DatabaseCache
        from django.core.management import call_command

        self._name = table
        self._cache = DatabaseCache(table, {"TIMEOUT": DAY, "OPTIONS": options})
        if make:
            # createcachetable takes the options from there.
            made = {"BACKEND": BACKEND, "LOCATION": table, "OPTIONS": options}
            settings.CACHES[table] = made
            call_command("createcachetable", table, verbosity=0)
            self._cache.clear()
        return {}

    def call(self, method: str, arguments: list[Any]) -> Answer:
        """Call a method of the cache."""
        errors: Errors = Counter()
        result = attempt(errors, lambda: getattr(self._cache, method)(*arguments))
        return {"result": result, "errors": errors}

    def rows(self) -> Answer:
        """Count the rows of the table."""
        with self._connection.cursor() as cursor:
            name = self._connection.ops.quote_name(self._name)
            cursor.execute(f"SELECT COUNT(*) FROM {name}")
            return {"rows": int(cursor.fetchone()[0])}

    def fill(self, keys: list[str], size: int, timeout: int) -> Answer:
        """Write a row for each new key, whose time may be over."""
        before = self.rows()["rows"]
        data = {key: record(key, Origin(-1, 0), size) for key in keys}
        self._cache.set_many(data, timeout)
        if self.rows()["rows"] - before != len(keys):
            raise RuntimeError("set_many() did not write a row for each key")
        return {}

    def holders(self, keys: list[str]) -> Answer:
        """Return the origin of the record of each key, or what is wrong with it.

        ``warned`` counts what get() logged about each key.
        """
        with warned(LOGGER) as logged:
            held = {key: origin(key, self._cache.get(key)) for key in keys}
        return {"held": held, "warned": logged}

    def incr(
        self, at: float, number: int, keys: list[str], calls: int, seconds: float
    ) -> Answer:
        """Make so many calls of incr(), or as many as there is time for."""
        chance = random.Random(number)
        errors: Errors = Counter()
        returned = 0
        wait_until(at)
        for _ in range(calls):
            if time.monotonic() > at + seconds:
                break
            value = attempt(errors, lambda: self._cache.incr(chance.choice(keys)))
            returned += value is not None
        return {"returned": returned, "errors": errors, "ended": time.monotonic()}

    def add(
        self, at: float, number: int, keys: list[str], path: str, processes: int
    ) -> Answer:
        """Add each key at the same time as the others; return where that succeeded."""
        errors: Errors = Counter()
        won = []
        counts = numbers(Path(path), processes)
        wait_until(at)
        for key in keys:
            added = key, record(key, Origin(number, 0), RECORD)
            meet(counts, number)
            if attempt(errors, lambda added=added: self._cache.add(*added)):  # type: ignore[misc]
                won.append(key)
        return {"won": won, "errors": errors, "ended": time.monotonic()}

    def mix(self, at: float, number: int, seconds: float, transactions: bool) -> Answer:
        """Make random calls, half of the first process's in transactions if asked.

        Return the public attributes of the Mixer. ``culled`` counts the rows that calls
        deleted to make room, ``hooks`` what failed after a commit: no caller sees it.
        """
        atomic = self._locking if transactions and not number else None
        mixer = Mixer(self._cache, number, atomic)
        errors: Errors = Counter()
        culled = 0

        def note(sql: str, params: object, cursor: Any) -> None:
            nonlocal culled
            if sql.startswith("DELETE") and mixer.during in CULLING:
                culled += max(0, cursor.rowcount)

        wait_until(at)
        with warned(AFTER_COMMIT) as hooks, watching(self._connection, note):
            while time.monotonic() < at + seconds:
                attempt(errors, mixer.step)
        said = {name: each for name, each in vars(mixer).items() if name[0] != "_"}
        counts = {"culled": culled, "hooks": hooks.total(), "ended": time.monotonic()}
        return said | counts | {"seen": [*mixer.seen], "errors": errors}

    @contextmanager
    def _locking(self) -> Iterator[None]:
        """Have a transaction, which locks at its begin on SQLite.

        Otherwise it cannot write once it has read and others have written.
        """
        from django.db.transaction import atomic

        connection = self._connection
        before = getattr(connection, "transaction_mode", None)
        connection.transaction_mode = "IMMEDIATE"
        try:
            with atomic():
                yield
        finally:
            connection.transaction_mode = before

    def keep(self, at: float, number: int, keys: list[str], seconds: float) -> Answer:
        """Read keys that nobody changes; return what is wrong with their values."""
        errors: Errors = Counter()
        broken: set[str] = set()
        calls = 0
        wait_until(at)
        while (ended := time.monotonic()) < at + seconds:
            found = attempt(errors, lambda: self._cache.get_many(keys)) or {}
            held = {origin(key, found.get(key)) for key in keys}
            broken |= {each for each in held if isinstance(each, str)}
            calls += 1
        return {"calls": calls, "broken": [*broken], "errors": errors, "ended": ended}

    def convert(self, at: float, number: int, flag: str) -> Answer:
        """Convert the table, or make it in that format."""
        from django.core.management import call_command

        errors: Errors = Counter()
        wait_until(at)
        command = "createcachetable", self._name, flag, "--verbosity=0"
        attempt(errors, lambda: call_command(*command))
        column = Table(self._connection, self._name).column
        return {"column": column, "errors": errors, "ended": time.monotonic()}

    def write(self, number: int, keys: list[str], sizes: list[int], path: str) -> None:
        """Write records for ever; the numbers at ``path`` are calls begun and done."""
        told = numbers(Path(path), 2)
        chance = random.Random(number)
        while True:
            told[0] += 1
            several = chance.sample(keys, chance.choice([1, chance.randint(2, 8)]))
            data = {
                key: record(key, Origin(number, told[0]), chance.randint(*sizes))
                for key in several
            }
            if len(several) == 1:
                self._cache.set(*data.popitem())
            elif failed := self._cache.set_many(data):
                raise RuntimeError(f"set_many() failed for {failed}")
            told[1] += 1

    def corrupt(self, count: int) -> Answer:
        """Write rows, damage each, read half by get() and half by get_many().

        Return by key how it was damaged, what became of it, how often it was logged;
        and the keys whose rows are left.
        """
        cache, chance = self._cache, random.Random(1)
        table = Table(self._connection, self._name)
        keys = names(count)
        right: dict[str, object] = {
            key: record(key, Origin(0, 0), RECORD) if number % 10 else base(key)
            for number, key in enumerate(keys)
        }
        for part in batched(keys, MANY):
            if failed := cache.set_many({key: right[key] for key in part}):
                raise RuntimeError(f"set_many() failed for {failed}")
        way = {key: [*WAYS][number % len(WAYS)] for number, key in enumerate(keys)}
        stored = {key: cache.make_key(key) for key in keys}
        before = table.read()
        damaged = {
            stored[key]: WAYS[way[key]](before[stored[key]], right[key], chance)
            for key in keys
        }
        table.write(damaged)
        chance.shuffle(keys)
        half = (count + 1) // 2
        parts = [*batched(keys[:half], 1), *batched(keys[half:], MANY)]
        outcome: dict[str, str] = {}
        limit_memory()
        with warned(LOGGER) as logged:
            for part in parts:
                outcome |= read_back(cache, {key: right[key] for key in part})
        rows = table.read()
        return {
            "column": table.column,
            "way": way,
            "outcome": outcome,
            "logged": logged,
            "left": [key for key in keys if stored[key] in rows],
        }


def read_back(cache: Any, right: Mapping[str, object]) -> dict[str, str]:
    """Read keys in one call; return key → "miss", "right", "other" or what it raised.

    ``right`` are the values before the damage. get() reads a single key.
    """
    miss = object()
    method = "get()" if len(right) == 1 else "get_many()"
    try:
        if method == "get()":
            found = {key: cache.get(key, miss) for key in right}
        else:
            found = cache.get_many([*right])
    except Exception as error:
        return dict.fromkeys(right, f"{method} raised {type(error).__name__}")
    outcome = {}
    for key, value in right.items():
        got = found.get(key, miss)
        # == of what random bytes decode to may be anything.
        same = type(got) is type(value) and got == value
        outcome[key] = "miss" if got is miss else "right" if same else "other"
    return outcome


@contextmanager
def warned(name: str) -> Iterator[Counter[str]]:
    """Yield the count of what the block logs from WARNING on, by the key it names."""
    keys: Counter[str] = Counter()

    def note(entry: logging.LogRecord) -> bool:
        if entry.levelno >= logging.WARNING:
            named = re.search(rf"{KEY}\d+", entry.getMessage())
            keys[named[0] if named else ""] += 1
        return True

    logger = logging.getLogger(name)
    logger.addFilter(note)
    try:
        yield keys
    finally:
        logger.removeFilter(note)


def limit_memory() -> None:
    """Let an absurd allocation be a MemoryError from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    # Not every system lets itself be limited.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


if __name__ == "__main__":
    main(Stress)
