"""The process that replays requests into a cache: ``python -m bench.replay_worker``."""

import gc
import os
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from lab.bench.peers import DATABASE_CACHE
from lab.bench.tables import CacheTable
from lab.bench.tally import Tally
from lab.bench.values import small_dict
from lab.bench.worker import Session, main
from lab.watch import watching

ALIAS = "replayed"  # in settings.CACHES
GET, SET = "get", "set"


class Store(ABC):
    """A cache, and how to look behind it. ``during`` is the call under way."""

    backend: str

    def __init__(self, connection: Any, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self.cache: Any = None
        self.during = GET

    @property
    @abstractmethod
    def location(self) -> str:
        """Return LOCATION in the settings of the cache."""

    @abstractmethod
    def entries(self) -> int:
        """Return how many entries are stored."""

    @abstractmethod
    def counting(self, tally: Tally) -> AbstractContextManager[None]:
        """Count what calls write, while the block runs."""

    def open(self, options: Mapping[str, object]) -> None:
        """Make an empty cache with these OPTIONS, in which nothing ever expires."""
        self.use(options)

    def use(self, options: Mapping[str, object]) -> None:
        """Use the cache with these OPTIONS, which is there."""
        from django.conf import settings
        from django.core.cache import caches

        settings.CACHES[ALIAS] = {
            "BACKEND": self.backend,
            "LOCATION": self.location,
            "TIMEOUT": None,
            "OPTIONS": dict(options),
        }
        self.cache = caches[ALIAS]


class LocalMemory(Store):
    backend = "django.core.cache.backends.locmem.LocMemCache"
    location = "bench"

    def entries(self) -> int:
        return len(self.cache._cache)

    @contextmanager
    def counting(self, tally: Tally) -> Iterator[None]:
        yield


class Files(Store):
    backend = "django.core.cache.backends.filebased.FileBasedCache"

    @property
    def location(self) -> str:
        return str(self._folder / "cache")

    def entries(self) -> int:
        pattern = f"*{self.cache.cache_suffix}"
        return sum(1 for _ in Path(self.location).rglob(pattern))

    @contextmanager
    def counting(self, tally: Tally) -> Iterator[None]:
        utime = os.utime

        def counted(*args: Any, **options: Any) -> None:
            tally.calls[f"{self.during} utime"] += 1
            utime(*args, **options)

        os.utime = counted
        try:
            yield
        finally:
            os.utime = utime


class DatabaseTable(Store):
    backend = DATABASE_CACHE
    location = CacheTable.name

    def open(self, options: Mapping[str, object]) -> None:
        from django.core.management import call_command

        self.use(options)
        # Without the name of a table: what the options ask for is in settings.
        call_command("createcachetable", verbosity=0)

    def entries(self) -> int:
        with self._connection.cursor() as cursor:
            name = self._connection.ops.quote_name(self.location)
            cursor.execute(f"SELECT COUNT(*) FROM {name}")
            (rows,) = cursor.fetchone()
        return int(rows)

    def counting(self, tally: Tally) -> AbstractContextManager[None]:
        def note(sql: str, params: object, cursor: Any) -> None:
            verb = sql.split(maxsplit=1)[0]
            what = f"{self.during} {verb}"
            tally.calls[what] += 1
            # That of a SELECT is what it found, on some databases.
            if verb != "SELECT" and (rows := cursor.rowcount) > 0:
                tally.rows[what] += rows

        return watching(self._connection, note)


STORES: dict[str, type[Store]] = {
    "locmem": LocalMemory,
    "file": Files,
    "db": DatabaseTable,
}


def replay(store: Store, keys: Sequence[str], tally: Tally) -> None:
    """Get each key and set it on a miss.

    The CPU time is that between two readings of a clock, less what a reading takes.
    """
    cache, missing, value = store.cache, object(), small_dict(0)
    clock, cpu_clock = time.perf_counter_ns, time.process_time_ns
    readings = [cpu_clock() for _ in range(101)]
    reading = int(median(b - a for a, b in pairwise(readings)))
    # A collection would hit whichever call it fell into.
    gc.collect()
    gc.disable()
    try:
        for key in keys:
            store.during = GET
            cpu, began = cpu_clock(), clock()
            found = cache.get(key, missing)
            wall = clock() - began
            get_cpu = cpu_clock() - cpu - reading
            tally.worst_get_ns = max(tally.worst_get_ns, wall)
            tally.worst_get_cpu_ns = max(tally.worst_get_cpu_ns, get_cpu)
            if found is not missing:
                tally.hits += 1
                tally.hit_cpu_ns += get_cpu
                continue
            store.during = SET
            cpu, began = cpu_clock(), clock()
            cache.set(key, value)
            wall = clock() - began
            set_cpu = cpu_clock() - cpu - reading
            tally.worst_set_ns = max(tally.worst_set_ns, wall)
            tally.worst_set_cpu_ns = max(tally.worst_set_cpu_ns, set_cpu)
            tally.miss_cpu_ns += get_cpu + set_cpu
    finally:
        gc.enable()


class Replay(Session):
    """The requests of a replay as methods."""

    _store: Store
    _tally: Tally

    def cache(
        self,
        backend: str,
        options: dict[str, object],
        folder: str,
        path: Sequence[str],
        seed: int,
    ) -> dict[str, object]:
        """Make an empty cache. ``path``: where modules of strategies are, too."""
        sys.path += path
        random.seed(seed)
        self._tally = Tally()
        self._store = STORES[backend](self._connection, Path(folder))
        self._store.open(options)
        return {}

    def replay(self, keys: list[str]) -> dict[str, object]:
        """Replay requests; what happened since the cache was made."""
        store, tally = self._store, self._tally
        with store.counting(tally):
            replay(store, keys, tally)
        tally.entries = store.entries()
        tally.most_entries = max(tally.most_entries, tally.entries)
        return dict(vars(tally))


if __name__ == "__main__":
    main(Replay)
