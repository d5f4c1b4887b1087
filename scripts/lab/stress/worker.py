"""A process that uses the cache among others: ``python -m stress.worker``."""

import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import batched
from pathlib import Path
from typing import Any

from lab.bench.operations import DAY
from lab.bench.peers import DATABASE_CACHE
from lab.bench.tables import CacheTable
from lab.bench.worker import Session, filled, main, wait_until
from lab.race.worker import KEY, listed, start_of
from lab.stress import damage, shared, values
from lab.stress.mix import Mixer
from lab.stress.stored import Rows
from lab.stress.values import Broken, Origin
from lab.watch import watching

# Nothing is culled.
MAX_ENTRIES = 1_000_000
RECORD = 1_000  # bytes
COUNTED = 20  # calls from one count of the rows to the next
CHUNK = 100  # keys of a get_many() or set_many()
PAST = -1_000  # seconds; a timeout that is over
# A random pickle may ask for any amount of memory.
MEMORY = 2 << 30  # bytes
LOGGER = "django.cache"
HOOKS = "django.db.backends.base"  # the logger of what fails after a commit

type Errors = Counter[tuple[str, str]]


def attempt[T](errors: Errors, call: Callable[[], T], otherwise: T) -> T:
    """Return what the call returns; an exception is counted."""
    try:
        return call()
    except Exception as error:
        kind = " ".join([*getattr(error, "__notes__", ()), type(error).__name__])
        errors[kind, start_of(error)] += 1
        return otherwise


class Warned(logging.Handler):
    """Counts what is logged, from WARNING on, by the key that the message names."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.keys: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        named = re.search(rf"{KEY}\d+", record.getMessage())
        self.keys[named[0] if named else ""] += 1


@contextmanager
def warned(name: str = LOGGER) -> Iterator[Counter[str]]:
    """Yield the count of what the block logs on a logger, by key."""
    handler, logger = Warned(), logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield handler.keys
    finally:
        logger.removeHandler(handler)


@contextmanager
def little_memory() -> Iterator[None]:
    """Let an absurd allocation be a MemoryError, not the end of the machine."""
    try:
        import resource
    except ImportError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    # Not every system lets itself be limited.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class Stress(Session):
    """The requests of the phases as methods.

    Those with ``at``, a time.monotonic(), begin then. ``number`` is this
    process's among those that take part; answers with ``ended`` say when.
    """

    _table: CacheTable | None = None
    _barrier: shared.Barrier | None = None

    def cache(self, make: bool) -> dict[str, object]:
        """Use a cache on the table, which is made first if so wished."""
        self._table = CacheTable(self._connection, 0, 0, MAX_ENTRIES, DAY, "dict")
        if make:
            self._table.make()
        return {}

    def clear(self) -> dict[str, object]:
        self._cache.clear()
        return {}

    @property
    def _cache(self) -> Any:
        return filled(self._table).data.cache

    def _rows(self) -> Rows:
        return Rows(self._connection, self._cache, CacheTable.name)

    # incr

    def zero(self, keys: list[str]) -> dict[str, object]:
        self._cache.set_many(dict.fromkeys(keys, 0))
        return {}

    def incr(
        self,
        at: float,
        number: int,
        keys: list[str],
        calls: list[int],
        seconds: float,
        seed: int,
    ) -> dict[str, object]:
        """Call incr() so often, or as often as there is time for.

        ``calls`` has an item for each process.
        """
        chance = random.Random(f"incr {seed} {number}")
        errors: Errors = Counter()
        cache, returned, made = self._cache, 0, 0
        wait_until(at)
        while made < calls[number] and time.monotonic() < at + seconds:
            key = chance.choice(keys)
            made += 1
            if attempt(errors, lambda key=key: cache.incr(key), None) is not None:  # type: ignore[misc]
                returned += 1
        return {
            "made": made,
            "returned": returned,
            "errors": listed(errors),
            "ended": time.monotonic(),
        }

    def numbers(self, keys: list[str]) -> dict[str, object]:
        """Return what get() returns for each key; null for a miss."""
        return {"values": [self._cache.get(key) for key in keys]}

    # add

    def meet(self, path: str, number: int) -> dict[str, object]:
        """Have a barrier with the others."""
        self._barrier = shared.Barrier(Path(path), number)
        self._stack.callback(self._barrier.close)
        return {}

    def expire(self, keys: list[str]) -> dict[str, object]:
        """Put rows under the keys whose time is over."""
        data = {key: values.record(key, Origin(-1, 0), RECORD) for key in keys}
        self._cache.set_many(data, PAST)
        if len(self._rows().read(keys)) != len(keys):
            raise RuntimeError("set_many() with a timeout of the past wrote no row")
        return {}

    def add(self, at: float, number: int, keys: list[str]) -> dict[str, object]:
        """Add each key at the same time as the others; return where that succeeded."""
        assert self._barrier is not None
        errors: Errors = Counter()
        cache, won = self._cache, []
        wait_until(at)
        for key in keys:
            value = values.record(key, Origin(number, 0), RECORD)
            self._barrier.wait()
            if attempt(errors, lambda: cache.add(key, value), False):  # noqa: B023
                won.append(key)
        return {"won": won, "errors": listed(errors), "ended": time.monotonic()}

    def holders(self, keys: list[str]) -> dict[str, object]:
        """Return the origin of the record of each key, or what is wrong with it."""
        return {"held": {key: self._holder(key) for key in keys}}

    def _holder(self, key: str) -> dict[str, int] | str:
        value = self._cache.get(key)
        if value is None:
            return f"{key}: get() misses"
        try:
            return asdict(values.origin(key, value))
        except Broken as error:
            return str(error)

    # mix

    def mix(
        self,
        at: float,
        number: int,
        records: list[str],
        counters: list[str],
        seconds: float,
        seed: int,
    ) -> dict[str, object]:
        """Call everything at random on the keys of records and of numbers."""
        mixer = Mixer(
            self._cache, number, records, counters, random.Random(f"{seed} {number}")
        )
        errors: Errors = Counter()
        for _ in steps(mixer, at, seconds, errors):
            pass
        return summary(mixer, errors)

    # cull

    def culls(self) -> dict[str, object]:
        """Tell whether the cache has CULL_STRATEGY, as a wrong one is refused."""
        from django.core.exceptions import ImproperlyConfigured

        try:
            cache_on(CacheTable.name, {"CULL_STRATEGY": ""})
        except ImproperlyConfigured:
            return {"culls": True}
        return {"culls": False}

    def own_table(self, table: str, options: dict[str, object]) -> dict[str, object]:
        """Make the table of a cache, as its options need it."""
        from django.conf import settings
        from django.core.management import call_command

        # Where the command looks for the options.
        settings.CACHES[table] = {
            "BACKEND": DATABASE_CACHE,
            "LOCATION": table,
            "OPTIONS": options,
        }
        call_command("createcachetable", table, verbosity=0)
        return {}

    def cull(
        self,
        at: float,
        number: int,
        table: str,
        options: dict[str, object],
        records: list[str],
        counters: list[str],
        seconds: float,
        seed: int,
    ) -> dict[str, object]:
        """Do as in mix with another cache; the first process has transactions.

        It counts the rows as well: ``rows`` are the most. ``deleted`` are those that
        the statements of each kind of call deleted, ``hooks`` what failed after a
        commit, which no caller sees.
        """
        mixer = Mixer(
            cache_on(table, options),
            number,
            records,
            counters,
            random.Random(f"{seed} {number}"),
            None if number else lambda: locking(self._connection),
        )
        errors: Errors = Counter()
        rows = 0
        with warned(HOOKS) as hooks, deleting(self._connection, mixer) as deleted:
            for calls, _ in enumerate(steps(mixer, at, seconds, errors)):
                if not number and calls % COUNTED == 0:
                    rows = max(rows, self._count(table))
        return summary(mixer, errors) | {
            "rows": rows,
            "deleted": deleted,
            "hooks": hooks.total(),
        }

    def left(
        self, table: str, options: dict[str, object], key: str
    ) -> dict[str, object]:
        """Have set() cull for certain; return how many rows are left."""
        cache = cache_on(table, options | {"CULL_PROBABILITY": 1})
        errors: Errors = Counter()
        value = values.record(key, Origin(-1, 0), RECORD)
        attempt(errors, lambda: cache.set(key, value), None)
        return {"rows": self._count(table), "errors": listed(errors)}

    def _count(self, table: str) -> int:
        with self._connection.cursor() as cursor:
            name = self._connection.ops.quote_name(table)
            cursor.execute(f"SELECT COUNT(*) FROM {name}")
            (rows,) = cursor.fetchone()
        return int(rows)

    # kill

    def write(
        self, number: int, keys: list[str], sizes: list[int], path: str, seed: int
    ) -> dict[str, object]:
        """Write records for ever; path's first two numbers are begun and done."""
        told = shared.Numbers(Path(path))
        chance = random.Random(f"write {seed} {number}")
        for count, data in enumerate(writes(chance, keys), 1):
            made = {
                key: values.record(key, Origin(number, count), chance.randint(*sizes))
                for key in data
            }
            told[0] = count
            if len(made) == 1:
                ((key, value),) = made.items()
                self._cache.set(key, value)
            elif failed := self._cache.set_many(made):
                raise RuntimeError(f"set_many() failed for {failed}")
            told[1] = count
        return {}

    def first(self, keys: list[str], size: int) -> dict[str, object]:
        """Write what is there before the first writer, record 0 of writer 0."""
        for key in keys:
            self._cache.set(key, values.record(key, Origin(0, 0), size))
        return {}

    def whole(self, keys: list[str]) -> dict[str, object]:
        """Return the holders, and how much get() logged of which key."""
        with warned() as logged:
            return self.holders(keys) | {"warned": logged}

    # corrupt

    def corrupt(self, count: int, seed: int) -> dict[str, object]:
        """Write rows, damage each, read each: half by get(), half by get_many()."""
        keys = values.names(count)
        right = {key: whole_value(key) for key in keys}
        cache, rows, chance = self._cache, self._rows(), random.Random(f"{seed}")
        for some in batched(keys, CHUNK):
            if failed := cache.set_many({key: right[key] for key in some}):
                raise RuntimeError(f"set_many() failed for {failed}")
        ways = list(damage.WAYS)
        way = {key: ways[number % len(ways)] for number, key in enumerate(keys)}
        self._damage(rows, right, way, chance)
        shuffled = chance.sample(keys, count)
        half = (count + 1) // 2
        singles, others = shuffled[:half], shuffled[half:]
        report = Report(way, right)
        began = time.monotonic()
        with little_memory(), warned() as logged:
            for key in singles:
                report.read("get()", [key], lambda: {key: cache.get(key, MISS)})  # noqa: B023
            for part in batched(others, CHUNK):
                report.read("get_many()", part, lambda: cache.get_many(part))  # noqa: B023
        seconds = time.monotonic() - began
        left = rows.read(keys)
        return {
            "column": rows.format.column,
            "reads": len(singles) + -(-len(others) // CHUNK),
            "seconds": seconds,
            "outcomes": report.outcomes,
            "findings": report.findings(logged, left),
        }

    def _damage(
        self,
        rows: Rows,
        right: Mapping[str, object],
        way: Mapping[str, str],
        chance: random.Random,
    ) -> None:
        with damage.passing() as (gone, changed):
            self._cache.set_many({"gone": gone, "changed": changed})
        samples = rows.read(["gone", "changed"])
        self._cache.delete_many(["gone", "changed"])
        stored = rows.read(list(right))
        rows.write(
            (
                key,
                damage.WAYS[way[key]](
                    damage.Victim(
                        key=key,
                        value=value,
                        stored=stored[key],
                        gone=samples["gone"],
                        changed=samples["changed"],
                        format=rows.format,
                        chance=chance,
                    )
                ),
            )
            for key, value in right.items()
        )


def steps(mixer: Mixer, at: float, seconds: float, errors: Errors) -> Iterator[None]:
    """Wait for the start, make calls until the seconds are over, stop after each."""
    wait_until(at)
    while time.monotonic() < at + seconds:
        attempt(errors, mixer.step, None)
        yield


def summary(mixer: Mixer, errors: Errors) -> dict[str, object]:
    """Return what a mixer that has ended has to say."""
    return {
        "calls": mixer.calls,
        "made": mixer.made,
        "missing": mixer.missing,
        "failed": mixer.failed,
        "broken": mixer.broken,
        "refused": mixer.refused,
        "undone": mixer.undone,
        "seen": [[each.writer, each.count] for each in sorted(mixer.seen)],
        "errors": listed(errors),
        "ended": time.monotonic(),
    }


def cache_on(table: str, options: Mapping[str, object]) -> Any:
    from django.utils.module_loading import import_string

    return import_string(DATABASE_CACHE)(table, {"TIMEOUT": DAY, "OPTIONS": options})


@contextmanager
def locking(connection: Any) -> Iterator[None]:
    """Have a transaction, which locks at its begin on SQLite.

    Otherwise it cannot write once it has read and others have written.
    """
    from django.db.transaction import atomic

    before = getattr(connection, "transaction_mode", None)
    connection.transaction_mode = "IMMEDIATE"
    try:
        with atomic():
            yield
    finally:
        connection.transaction_mode = before


@contextmanager
def deleting(connection: Any, mixer: Mixer) -> Iterator[Counter[str]]:
    """Yield the count of the rows that the block deletes, by the mixer's call."""
    rows: Counter[str] = Counter()

    def note(sql: str, params: object, cursor: Any) -> None:
        if sql.startswith("DELETE"):
            rows[mixer.during] += max(0, cursor.rowcount)

    with watching(connection, note):
        yield rows


MISS = object()


class Report:
    """What reading damaged rows gave.

    ``way`` is how each key's was damaged, ``right`` the value that it had.
    """

    def __init__(self, way: Mapping[str, str], right: Mapping[str, object]) -> None:
        self._way = way
        self._right = right
        self._missed: list[str] = []
        self._given: list[str] = []
        self._found: dict[str, list[str]] = {}  # what is wrong → facts of each time
        self.outcomes: dict[str, Counter[str]] = {
            name: Counter() for name in dict.fromkeys(way.values())
        }

    def read(
        self,
        name: str,
        keys: Sequence[str],
        call: Callable[[], Mapping[str, object]],
    ) -> None:
        """Read keys by one call, and note what became of each."""
        try:
            found = call()
        except Exception as error:
            for key in keys:
                self.outcomes[self._way[key]]["raised"] += 1
            ways = {self._way[key] for key in keys}
            whose = f"{ways.pop()}: " if len(ways) == 1 else ""
            what = f"{whose}{name} raised {type(error).__name__}"
            self._found.setdefault(what, []).append(f"{keys[0]}, {start_of(error)}")
            return
        for key in keys:
            value = found.get(key, MISS)
            if value is MISS:
                self._missed.append(key)
                outcome = "miss"
            else:
                self._given.append(key)
                right = self._right[key]
                # == of what random bytes decode to may be anything.
                same = type(value) is type(right) and value == right
                outcome = "right" if same else "other"
            self.outcomes[self._way[key]][outcome] += 1

    def findings(self, logged: Counter[str], left: Mapping[str, object]) -> list[str]:
        """Say what must not be; ``left`` has the keys whose rows are still there."""
        for key in self._missed:
            if logged[key] != 1:
                self._note(key, f"a miss that was logged {logged[key]} times")
            if key in left:
                self._note(key, "a miss whose row is still there")
        for key in self._given:
            if logged[key]:
                self._note(key, f"a value, logged as discarded {logged[key]} times")
        if logged[""]:
            self._found[f"logged without a key: {logged['']} times"] = []
        return [
            f"{what}; {len(each):,} times, first {each[0]}" if each else what
            for what, each in self._found.items()
        ]

    def _note(self, key: str, what: str) -> None:
        self._found.setdefault(f"{self._way[key]}: {what}", []).append(key)


def whole_value(key: str) -> object:
    """Return the value of a key that is to be damaged: a record, seldom a number."""
    if values.number_of(key) % 10 == 0:
        return values.base(key)
    return values.record(key, Origin(0, 0), RECORD)


def writes(chance: random.Random, keys: list[str]) -> Iterator[list[str]]:
    """Yield the keys of one set() or set_many() after another."""
    while True:
        yield [chance.choice(keys)]
        yield chance.sample(keys, chance.randint(2, len(keys)))


if __name__ == "__main__":
    main(Stress)
