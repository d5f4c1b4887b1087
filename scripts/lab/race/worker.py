"""The process in which threads race on one Django: ``python -m lab.race.worker``."""

import multiprocessing
import random
import threading
import time
from collections import Counter
from itertools import chain
from multiprocessing.pool import ThreadPool
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Max, Sum

from lab.bench.orm import item_model
from lab.bench.worker import Session, main
from lab.calls import Errors, attempt, names

# How long a call may go on after the last second, as it waits for a lock.
PATIENCE = 60  # seconds

type Told = Counter[tuple[str, bool]]  # key, whether the call created it → calls


class Race(Session):
    """The request of a race as a method."""

    def race(
        self,
        method: str,
        atomic: bool,
        isolation: str,
        threads: int,
        keys: int,
        seconds: float,
    ) -> dict[str, Any]:
        """Race on the keys of an empty table; return the fields of a races.Side."""
        if isolation:
            from django.db.backends.postgresql.psycopg_any import IsolationLevel

            # The threads have connections of their own, which begin with it.
            options = self._connection.settings_dict["OPTIONS"]
            options["isolation_level"] = IsolationLevel[isolation]
        with self._connection.schema_editor() as editor:
            editor.create_model(item_model())
        told, errors, took = together(method, atomic, threads, names(keys), seconds)
        table = item_model().objects
        rows = sorted(table.values_list("name", flat=True))
        return {
            "calls": told.total(),
            "seconds": took,
            "rows": len(rows),
            "created_twice": [key for key in rows if told[key, True] > 1],
            "created_never": [key for key in rows if not told[key, True]],
            "errors": errors,
            **table.aggregate(total=Sum("v", default=0), max_id=Max("pk", default=0)),
        }


def together(
    method: str, atomic: bool, threads: int, keys: list[str], seconds: float
) -> tuple[Told, Errors, float]:
    """Count with a method in threads that start at one moment.

    Return what the calls that succeeded returned, the exceptions, and the seconds
    from the start to the end of the last call.
    """
    call = getattr(item_model().objects, method)
    ends: list[float] = []
    ready = threading.Barrier(threads, lambda: ends.append(time.monotonic() + seconds))

    def act(key: str) -> tuple[str, bool]:
        _, created = call(
            name=key, defaults={"v": F("v") + 1}, create_defaults={"v": 1}
        )
        return key, created

    def run(number: int) -> tuple[Told, Errors]:
        told: Told = Counter()
        errors: Errors = Counter()
        chance = random.Random(number)
        # All threads race to create each key, and later to update.
        order = chain(keys, iter(lambda: chance.choice(keys), None))
        once = transaction.atomic(act) if atomic else act
        try:
            connection.ensure_connection()
            ready.wait()
            while time.monotonic() < ends[0]:
                if found := attempt(errors, lambda: once(next(order))):
                    told[found] += 1
        except BaseException:
            ready.abort()
            raise
        finally:
            connection.close()
        return told, errors

    # The threads of a pool are daemons: one that hangs does not keep the process.
    with ThreadPool(threads) as pool:
        asked = pool.map_async(run, range(threads), chunksize=1)
        try:
            seen = asked.get(seconds + PATIENCE)
        except multiprocessing.TimeoutError:
            raise RuntimeError(f"a call did not return for {PATIENCE} s") from None
    took = time.monotonic() - ends[0] + seconds
    told: Told = sum((each for each, _ in seen), Counter())
    return told, sum((each for _, each in seen), Counter()), took


if __name__ == "__main__":
    main(Race)
