"""A process of a load test: ``python -m lab.load.worker``."""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import batched, islice
from typing import Any

from lab.bench.replay_worker import database_cache
from lab.bench.stores import WRITE_BATCH, CacheTable, entries, settle
from lab.bench.traces import cumulated
from lab.bench.values import KINDS, VALUES
from lab.bench.worker import Session, main, wait_until
from lab.calls import start_of
from lab.load.mix import Visitor, endless, key_names

# So many draws for each entry are enough to fill a cache.
DRAWS = 50
ZIPF = 1.0  # exponent of the popularity


@contextmanager
def failing(connection: Any) -> Iterator[Counter[str]]:
    """Count the statements of the block that fail, whatever the cache does then."""
    failed: Counter[str] = Counter()

    def execute(run: Callable[..., object], *arguments: object) -> object:
        try:
            return run(*arguments)
        except Exception as error:
            failed[f"{type(error).__name__}: {start_of(error)}"] += 1
            raise

    with connection.execute_wrapper(execute):
        yield failed


def first_requests(keys: Iterator[str], count: int) -> list[str]:
    """Return the first different keys: ``count``, or those within DRAWS for each."""
    return [*dict.fromkeys(islice(keys, DRAWS * count))][:count]


class Load(Session):
    """The requests of a load test."""

    _visitor: Visitor

    def cache(
        self,
        fill: int | None,
        number: int,
        options: dict[str, object],
        path: Sequence[str],
        keys: int,
        values: str,
        seed: int,
    ) -> dict[str, object]:
        """Use the cache; first make it with ``fill`` entries unless that is None.

        ``number`` is the number of the process. ``path``: other folders with
        modules of strategies.
        """
        sys.path += path
        names, weights = key_names(keys, seed), cumulated(keys, ZIPF)
        ready = [KINDS[values](each) for each in range(VALUES)]
        cache = database_cache(options, make=fill is not None)
        if fill is not None:
            requests = endless(random.Random(f"fill {seed}"), names, weights)
            chosen = first_requests(requests, fill)
            for batch, keys_of in enumerate(batched(chosen, WRITE_BATCH)):
                cache.set_many(dict.fromkeys(keys_of, ready[batch % VALUES]))
            settle(self._connection, CacheTable.name)
        # Of culls by chance, and of the calls.
        random.seed(f"{seed} {number}")
        chance = random.Random(f"load {seed} {number}")
        self._visitor = Visitor(cache, chance, names, weights, ready)
        return {}

    def run(self, at: float, number: int, seconds: float) -> dict[str, Any]:
        """Make calls for so many seconds."""
        wait_until(at)
        with failing(self._connection) as failed:
            seen = self._visitor.visit(time.perf_counter() + seconds)
        return seen | {"ended": time.monotonic(), "failed": failed}

    def entries(self) -> dict[str, int]:
        return {"entries": entries(self._connection, CacheTable.name)}


if __name__ == "__main__":
    main(Load)
