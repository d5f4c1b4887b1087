"""The process that replays requests: ``python -m lab.bench.replay_worker``."""

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.bench.peers import DATABASE_CACHE, DJANGO
from lab.bench.stores import CacheTable, entries
from lab.bench.values import small_dict
from lab.bench.worker import Session, main
from lab.watch import watching

ALIAS = "replayed"  # in settings.CACHES
BACKENDS = {
    "locmem": f"{DJANGO}.locmem.LocMemCache",
    "file": f"{DJANGO}.filebased.FileBasedCache",
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
def counting_writes(connection: Any, write: Callable[[int], object]) -> Iterator[None]:
    """Count the rows that statements update, and how often a file's times are set."""

    def note(sql: str, params: object, cursor: Any) -> None:
        if sql.startswith("UPDATE"):
            write(max(cursor.rowcount, 0))

    def counted(*args: Any, **options: Any) -> None:
        write(1)
        utime(*args, **options)

    utime, os.utime = os.utime, counted
    try:
        with watching(connection, note):
            yield
    finally:
        os.utime = utime


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
        self._backend, self._getting = backend, False
        self._folder = Path(folder) / "cache"
        self._found = {"hits": 0, "writes": 0, "entries": 0, "most_entries": 0}
        if backend == "db":
            self._cache = database_cache(options, make=True)
        else:
            self._cache = use(BACKENDS[backend], str(self._folder), options)
        return {}

    def replay(self, keys: list[str]) -> dict[str, int]:
        """Get each key and set it on a miss; return what happened so far."""
        cache, found = self._cache, self._found
        missing, value = object(), small_dict(0)
        with counting_writes(self._connection, self._write):
            for key in keys:
                self._getting = True
                hit = cache.get(key, missing) is not missing
                self._getting = False
                found["hits"] += hit
                if not hit:
                    cache.set(key, value)
        found["entries"] = self._entries()
        found["most_entries"] = max(found["most_entries"], found["entries"])
        return found

    def _write(self, rows: int) -> None:
        # A set() writes anyway: only what a get() writes counts.
        if self._getting:
            self._found["writes"] += rows

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
