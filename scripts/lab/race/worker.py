"""The process in which threads race on one Django: ``python -m bench.race_worker``."""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from lab.bench.orm import item_model
from lab.bench.worker import Session, main

# What a call may take beyond the last second: SQLite's and the servers' waits.
PATIENCE = 60  # seconds
MESSAGE = 80  # characters
KEY = "key-"

type Act = Callable[[str], bool]


@dataclass
class Tally:
    """What one thread saw: calls that returned, how often it was told that it
    created a key, and exceptions by class and start of the message.
    """

    calls: int = 0
    created: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)


def start_of(error: Exception) -> str:
    """Return the start of the first line, without the key, which varies.

    >>> start_of(ValueError("Duplicate entry 'key-7' for 'name'\\nDETAIL"))
    "Duplicate entry 'key-…' for 'name'"
    """
    first = (str(error).splitlines() or [""])[0]
    return re.sub(rf"{KEY}\d+", f"{KEY}…", first)[:MESSAGE]


def keys_of(names: list[str], seed: str) -> Iterator[str]:
    """Yield each key in order, as every thread does, then keys by chance.

    So all of them race to create each key, and later to update.
    """
    chance = random.Random(seed)
    return chain(names, iter(lambda: chance.choice(names), None))


def hammer(act: Act, keys: Iterator[str], until: Callable[[], bool]) -> Tally:
    """Call until it is time."""
    tally = Tally()
    for key in keys:
        if until():
            break
        try:
            created = act(key)
        except Exception as error:
            tally.errors[type(error).__name__, start_of(error)] += 1
        else:
            tally.calls += 1
            tally.created[key] += created
    return tally


def together(
    act: Act, threads: int, names: list[str], seconds: float, seed: int
) -> tuple[list[Tally], float]:
    """Start threads at one moment, each with a connection of its own.

    Return what they saw, and the seconds from the start to the end of the last
    call. What keeps a thread from starting is raised.
    """
    tallies: list[Tally] = []
    failures: list[BaseException] = []
    ends: list[float] = []
    ready = threading.Barrier(
        threads, action=lambda: ends.append(time.monotonic() + seconds)
    )

    def run(number: int) -> None:
        from django.db import connection

        keys = keys_of(names, f"{seed}-{number}")
        try:
            connection.ensure_connection()
            ready.wait()
            tallies.append(hammer(act, keys, lambda: time.monotonic() >= ends[0]))
        except BaseException as error:
            failures.append(error)
            ready.abort()
        finally:
            connection.close()

    # Daemons: one that hangs must not keep the process.
    racing = [
        threading.Thread(target=run, args=[number], daemon=True)
        for number in range(threads)
    ]
    for thread in racing:
        thread.start()
    latest = time.monotonic() + seconds + PATIENCE
    for thread in racing:
        thread.join(max(0.0, latest - time.monotonic()))
    if failures:
        raise failures[0]
    if any(thread.is_alive() for thread in racing):
        raise RuntimeError(f"a call did not return for {PATIENCE} s")
    return tallies, time.monotonic() - ends[0] + seconds


def action(method: str, atomic: bool) -> Act:
    """Return the call that is raced: key → whether it was told "created"."""
    from django.db import transaction
    from django.db.models import F

    call = getattr(item_model().objects, method)

    def act(key: str) -> bool:
        _, created = call(
            name=key, defaults={"v": F("v") + 1}, create_defaults={"v": 1}
        )
        return bool(created)

    def within(key: str) -> bool:
        with transaction.atomic():
            return act(key)

    return within if atomic else act


class Race(Session):
    """The requests of a race as methods."""

    def option(self, name: str, value: object) -> dict[str, object]:
        """Set one of the database's OPTIONS; before ``open``."""
        if name == "isolation_level":
            from django.db.backends.postgresql.psycopg_any import IsolationLevel

            value = IsolationLevel[str(value)]
        self._connection.settings_dict["OPTIONS"][name] = value
        return {}

    def race(
        self,
        method: str,
        atomic: bool,
        threads: int,
        keys: int,
        seconds: float,
        seed: int,
    ) -> dict[str, Any]:
        """Race on the keys of an empty table."""
        with self._connection.schema_editor() as editor:
            editor.create_model(item_model())
        names = [f"{KEY}{number}" for number in range(keys)]
        act = action(method, atomic)
        return summary(*together(act, threads, names, seconds, seed))


def listed(errors: Counter[tuple[str, str]]) -> list[dict[str, object]]:
    """Return counted exceptions, by class and start of the message, for an answer."""
    return [
        {"kind": kind, "message": message, "count": count}
        for (kind, message), count in errors.most_common()
    ]


def summary(tallies: list[Tally], took: float) -> dict[str, Any]:
    """Return what all threads saw together, beside what the table holds."""
    from django.db.models import Max, Sum

    table = item_model().objects
    created = sum((tally.created for tally in tallies), Counter[str]())
    errors = sum((tally.errors for tally in tallies), Counter[tuple[str, str]]())
    names = set(table.values_list("name", flat=True))
    found = table.aggregate(total=Sum("v", default=0), last=Max("pk", default=0))
    return {
        "calls": sum(tally.calls for tally in tallies),
        "seconds": took,
        "total": found["total"],
        "rows": len(names),
        "max_id": found["last"],
        "created_twice": sorted(key for key in created if created[key] > 1),
        "created_never": sorted(names - {key for key in created if created[key]}),
        "errors": listed(errors),
    }


if __name__ == "__main__":
    main(Race)
