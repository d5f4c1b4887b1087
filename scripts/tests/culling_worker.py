"""The process that plays histories of calls: ``python -m tests.culling_worker``."""

import hashlib
import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lab.bench.worker import Session, main
from tests.culling_models import Call

# Seconds between the beginnings of two histories. No history takes as long, so what a
# process remembers of one is out of date in the next.
APART = 10_000

# The strategies of the database cache that have a column of their own.
PRIORITIES = ("fifo", "lfu", "lru", "sieve")

type Look = Callable[[], dict[str, int]]  # stored key → priority


def perform(cache: Any, call: Call, value: int) -> int | bool | None:
    """Return what a call returns; None for the value of a key that is not there."""
    if call.do == "clear":
        return cache.clear()  # type: ignore[no-any-return]
    more = {"set": [value, call.number], "add": [value, call.number]}
    more |= {"touch": [call.number], "incr": [call.number]}
    with suppress(ValueError):
        method = getattr(cache, call.do)
        return method(call.name, *more.get(call.do, []), version=call.version)  # type: ignore[no-any-return]
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
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": f"cache_{name}",
                "OPTIONS": {"CULL_STRATEGY": name},
            }
        call_command("createcachetable", verbosity=0)
        return {}

    def play(
        self,
        backend: str,
        options: dict[str, Any],
        calls: Sequence[tuple[list[Any], float]],
    ) -> dict[str, object]:
        """Make calls of an empty cache, each at its time and so much "later".

        The answer has for each what it returned, and the keys that then are stored
        with their priorities: the lowest are to go first. Local memory has none.
        """
        later = next(self._plays) * APART
        steps = []
        clock = [0.0]
        random.seed(0)
        with ExitStack() as stack:
            for name in ("time.time", "time.monotonic"):
                stack.enter_context(patch(name, lambda: clock[0]))
            stack.enter_context(patch("time.time_ns", lambda: round(clock[0] * 1e9)))
            strategy, names = options["CULL_STRATEGY"], {Call(*c).key for c, _ in calls}
            params = {"TIMEOUT": None, "OPTIONS": options}
            cache, look = getattr(self, f"_{backend}")(strategy, params, names)
            cache.clear()
            for value, (call, now) in enumerate(calls):
                clock[0] = now + later
                result = perform(cache, Call(*call), value)
                steps.append((result, look()))
        return {"later": later, "steps": steps}

    def _locmem(self, strategy: str, params: Any, keys: set[str]) -> tuple[Any, Look]:
        from django.core.cache.backends.locmem import LocMemCache

        cache = LocMemCache(f"play-{next(self._plays)}", params)
        return cache, lambda: dict.fromkeys(cache._cache, 0)

    def _file(self, strategy: str, params: Any, keys: set[str]) -> tuple[Any, Look]:
        from django.core.cache.backends.filebased import FileBasedCache

        folder = self._folder / strategy
        names = {
            hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(): key
            for key in keys
        }

        def look() -> dict[str, int]:
            return {
                names[path.name.partition(".")[0]]: path.stat().st_mtime_ns // 1_000
                for path in folder.iterdir()
            }

        return FileBasedCache(str(folder), params), look

    def _db(self, strategy: str, params: Any, keys: set[str]) -> tuple[Any, Look]:
        from django.core.cache.backends.db import DatabaseCache

        table = f"cache_{strategy}"
        column = "priority" if strategy in PRIORITIES else "expiry"

        def look() -> dict[str, int]:
            with self._connection.cursor() as cursor:
                cursor.execute(f"SELECT cache_key, {column} FROM {table}")
                return dict(cursor.fetchall())

        return DatabaseCache(table, params), look


if __name__ == "__main__":
    main(Culling)
