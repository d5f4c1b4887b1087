"""The process that replays requests: ``python -m lab.bench.replay_worker``."""

import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from lab.bench.peers import DATABASE_CACHE
from lab.bench.tables import CacheTable, entries
from lab.bench.values import small_dict
from lab.bench.worker import Session, main
from lab.watch import watching

ALIAS = "replayed"  # in settings.CACHES
BACKENDS = {
    "locmem": "django.core.cache.backends.locmem.LocMemCache",
    "file": "django.core.cache.backends.filebased.FileBasedCache",
    "db": DATABASE_CACHE,
}


def use(backend: str, location: str, options: Mapping[str, object]) -> Any:
    """Return a cache with these OPTIONS in which nothing ever expires."""
    from django.conf import settings
    from django.core.cache import caches

    settings.CACHES[ALIAS] = {
        "BACKEND": backend,
        "LOCATION": location,
        "TIMEOUT": None,
        "OPTIONS": dict(options),
    }
    return caches[ALIAS]


def database_cache(options: Mapping[str, object], *, make: bool) -> Any:
    """Return the database cache with these OPTIONS; ``make`` its table first."""
    from django.core.management import call_command

    cache = use(DATABASE_CACHE, CacheTable.name, options)
    if make:
        # Without the name of a table: the options in the settings count.
        call_command("createcachetable", verbosity=0)
    return cache


@contextmanager
def counted_utime(write: Callable[[int], object]) -> Iterator[None]:
    """Count how often the times of a file are set."""
    utime = os.utime

    def counted(*args: Any, **options: Any) -> None:
        write(1)
        utime(*args, **options)

    os.utime = counted
    try:
        yield
    finally:
        os.utime = utime


def clock_reading() -> int:
    """Return the ns that reading the CPU clock takes."""
    readings = [time.process_time_ns() for _ in range(101)]
    return int(median(b - a for a, b in pairwise(readings)))


class Replay(Session):
    """The requests of a replay."""

    def cache(
        self,
        backend: str,
        options: dict[str, object],
        folder: str,
        path: Sequence[str],
        seed: int,
    ) -> dict[str, object]:
        """Make an empty cache. ``path``: other folders with modules of strategies."""
        sys.path += path
        random.seed(seed)
        self._backend = backend
        self._folder = Path(folder) / "cache"
        self._getting = False
        self._tally = dict.fromkeys(
            ("hits", "hit_cpu_ns", "miss_cpu_ns", "writes", "entries", "most_entries"),
            0,
        )
        if backend == "db":
            self._cache = database_cache(options, make=True)
        else:
            self._cache = use(BACKENDS[backend], str(self._folder), options)
        return {}

    def replay(self, keys: list[str]) -> dict[str, int]:
        """Replay requests; return what happened since the cache was made."""
        tally = self._tally
        with self._counting():
            self._play(keys)
        tally["entries"] = self._entries()
        tally["most_entries"] = max(tally["most_entries"], tally["entries"])
        return tally

    def _play(self, keys: Sequence[str]) -> None:
        """Get each key and set it on a miss.

        The times of hits and misses have what counting them takes, but without
        reading the clock.
        """
        cache, tally, clock = self._cache, self._tally, time.process_time_ns
        missing, value, reading = object(), small_dict(0), clock_reading()
        # A collection would hit a call at random.
        gc.collect()
        gc.disable()
        try:
            for key in keys:
                self._getting = True
                cpu = clock()
                found = cache.get(key, missing)
                cpu = clock() - cpu - reading
                self._getting = False
                if found is not missing:
                    tally["hits"] += 1
                    tally["hit_cpu_ns"] += cpu
                    continue
                tally["miss_cpu_ns"] += cpu
                cpu = clock()
                cache.set(key, value)
                tally["miss_cpu_ns"] += clock() - cpu - reading
        finally:
            gc.enable()

    def _counting(self) -> AbstractContextManager[None]:
        """Count what get() writes: rows updated, times of files set."""

        def write(rows: int) -> None:
            if self._getting:
                self._tally["writes"] += rows

        def note(sql: str, params: object, cursor: Any) -> None:
            if sql.startswith("UPDATE"):
                write(max(cursor.rowcount, 0))

        if self._backend == "db":
            return watching(self._connection, note)
        return counted_utime(write) if self._backend == "file" else nullcontext()

    def _entries(self) -> int:
        """Return how many entries are stored."""
        if self._backend == "db":
            return entries(self._connection, CacheTable.name)
        if self._backend == "file":
            suffix = self._cache.cache_suffix
            return sum(1 for _ in self._folder.rglob(f"*{suffix}"))
        return len(self._cache._cache)


if __name__ == "__main__":
    main(Replay)
