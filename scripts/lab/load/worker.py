"""A process of a load test: ``python -m bench.load_worker``."""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import batched
from pathlib import Path
from typing import Any

from lab.bench.replay_worker import DatabaseTable
from lab.bench.tables import WRITE_BATCH, settle
from lab.bench.traces import cumulated
from lab.bench.values import KINDS, VALUES
from lab.bench.worker import Session, main, wait_until
from lab.load.mix import SECOND, Visitor, endless, key_names, named

# Of a filled cache: so many draws for each of its entries are enough.
DRAWS = 50


@contextmanager
def failing(connection: Any) -> Iterator[Counter[str]]:
    """Count the statements of the block that fail, whatever the cache makes of it."""
    failed: Counter[str] = Counter()

    def execute(run: Callable[..., object], *arguments: object) -> object:
        try:
            return run(*arguments)
        except Exception as error:
            failed[named(error)] += 1
            raise

    with connection.execute_wrapper(execute):
        yield failed


def first_requests(keys: Iterator[str], count: int) -> list[str]:
    """Return the first different keys, so many or what comes within DRAWS for each."""
    found: dict[str, None] = {}
    for key, _ in zip(keys, range(DRAWS * count), strict=False):
        found[key] = None
        if len(found) == count:
            break
    return list(found)


class Load(Session):
    """The requests of a load test as methods."""

    _store: DatabaseTable
    _visitor: Visitor

    def cache(
        self,
        fill: int | None,
        number: int,
        options: dict[str, object],
        path: Sequence[str],
        keys: int,
        zipf: float,
        mix: Mapping[str, float],
        values: str,
        seed: int,
    ) -> dict[str, object]:
        """Use the cache; make it first, with ``fill`` entries, unless that is None.

        ``number`` is that of the process. ``path``: where modules of strategies are,
        too.
        """
        sys.path += path
        names, weights = key_names(keys, seed), cumulated(keys, zipf)
        ready = [KINDS[values](each) for each in range(VALUES)]
        self._store = DatabaseTable(self._connection, Path())
        if fill is None:
            self._store.use(options)
        else:
            self._store.open(options)
            requests = endless(random.Random(f"fill {seed}"), names, weights)
            self._fill(first_requests(requests, fill), ready)
        # Of culls by chance, and of the calls.
        random.seed(f"{seed} {number}")
        chance = random.Random(f"load {seed} {number}")
        self._visitor = Visitor(self._store.cache, chance, names, weights, mix, ready)
        return {}

    def _fill(self, keys: Sequence[str], values: Sequence[object]) -> None:
        for number, batch in enumerate(batched(keys, WRITE_BATCH)):
            value = values[number % len(values)]
            self._store.cache.set_many(dict.fromkeys(batch, value))
        settle(self._connection, self._store.location)

    def run(
        self, at: float, number: int, seconds: float, offset: float
    ) -> dict[str, object]:
        """Make calls for so many seconds, ``offset`` of the side's later."""
        wait_until(at)
        until = time.perf_counter_ns() + round(seconds * SECOND)
        cpu = time.process_time_ns()
        with failing(self._connection) as failed:
            tally = self._visitor.visit(until, round(offset * SECOND))
        return {
            "ended": time.monotonic(),
            "cpu_seconds": (time.process_time_ns() - cpu) / SECOND,
            "failed": failed,
            "errors": tally.errors,
            "windows": {n: asdict(each) for n, each in tally.windows.items()},
            "latency": {name: each.to_json() for name, each in tally.latency.items()},
        }

    def entries(self) -> dict[str, int]:
        return {"entries": self._store.entries()}


if __name__ == "__main__":
    main(Load)
