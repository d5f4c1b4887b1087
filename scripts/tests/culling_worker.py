"""The process that plays histories of calls: ``python -m tests.culling_worker``."""

import hashlib
import os
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lab.bench.peers import DATABASE_CACHE
from lab.bench.worker import Session, main
from tests.culling_models import Call

# Seconds between the beginnings of two histories. None takes as long, so that
# what a process remembers of one is out of date in the next.
APART = 10_000

# The strategies of the database cache that have a column of their own.
PRIORITIES = ("fifo", "lfu", "lru", "sieve")

type Look = Callable[[], dict[str, int]]


def perform(cache: Any, call: Call, value: int) -> int | bool | None:
    """Return what a call returns; None for the value of a key that is not there."""
    given: dict[str, Any] = {"version": call.version}
    match call.do:
        case "clear":
            cache.clear()
        case "set":
            cache.set(call.name, value, timeout=call.number, **given)
        case "add":
            return bool(cache.add(call.name, value, timeout=call.number, **given))
        case "touch":
            return bool(cache.touch(call.name, timeout=call.number, **given))
        case "delete":
            return bool(cache.delete(call.name, **given))
        case "has_key":
            return bool(cache.has_key(call.name, **given))
        case "get":
            found: int | None = cache.get(call.name, **given)
            return found
        case "incr":
            with suppress(ValueError):
                changed: int = cache.incr(call.name, call.number, **given)
                return changed
    return None


class Culling(Session):
    """The requests as methods."""

    _plays = count()

    def prepare(self, folder: str, strategies: Sequence[str]) -> dict[str, object]:
        """Make a table of the database cache for each of the strategies.

        The file cache gets places in the folder.
        """
        from django.conf import settings
        from django.core.management import call_command

        self._folder = Path(folder)
        for name in strategies:
            settings.CACHES[name] = {
                "BACKEND": DATABASE_CACHE,
                "LOCATION": f"cache_{name}",
                "OPTIONS": {"CULL_STRATEGY": name},
            }
        call_command("createcachetable", verbosity=0)
        return {}

    def play(
        self,
        backend: str,
        options: dict[str, object],
        calls: Sequence[tuple[list[Any], float]],
    ) -> dict[str, object]:
        """Make calls of an empty cache, each at its time and so much "later".

        The answer has for each what it returned, and the keys that then are stored
        with their priorities: those of the lowest are to go first. There is none in
        local memory.
        """
        number = next(self._plays)
        later = number * APART
        steps = []
        clock = [0.0]
        random.seed(0)
        with ExitStack() as stack:
            for name in ("time.time", "time.monotonic"):
                stack.enter_context(patch(name, lambda: clock[0]))
            stack.enter_context(patch("time.time_ns", lambda: round(clock[0] * 1e9)))
            cache, look = getattr(self, f"_{backend}")(number, options, calls)
            cache.clear()
            for value, (call, now) in enumerate(calls):
                clock[0] = now + later
                result = perform(cache, Call(*call), value)
                steps.append((result, look()))
        return {"later": later, "steps": steps}

    def _locmem(self, number: int, options: Any, calls: Any) -> tuple[Any, Look]:
        from django.core.cache.backends.locmem import LocMemCache

        cache = LocMemCache(f"play-{number}", params(options))
        return cache, lambda: dict.fromkeys(cache._cache, 0)

    def _file(self, number: int, options: Any, calls: Any) -> tuple[Any, Look]:
        from django.core.cache.backends.filebased import FileBasedCache

        folder = self._folder / options["CULL_STRATEGY"]
        keys = {
            hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(): key
            for key in (Call(*call).key for call, _ in calls)
        }

        def look() -> dict[str, int]:
            return {
                keys[entry.name.partition(".")[0]]: entry.stat().st_mtime_ns // 1_000
                for entry in os.scandir(folder)
            }

        return FileBasedCache(str(folder), params(options)), look

    def _db(self, number: int, options: Any, calls: Any) -> tuple[Any, Look]:
        from django.core.cache.backends.db import DatabaseCache

        strategy = options["CULL_STRATEGY"]
        table = f"cache_{strategy}"
        column = "priority" if strategy in PRIORITIES else "expires"

        def look() -> dict[str, int]:
            with self._connection.cursor() as cursor:
                cursor.execute(f"SELECT cache_key, {column} FROM {table}")
                return dict(cursor.fetchall())

        return DatabaseCache(table, params(options)), look


def params(options: dict[str, object]) -> dict[str, object]:
    return {"TIMEOUT": None, "OPTIONS": options}


if __name__ == "__main__":
    main(Culling)
