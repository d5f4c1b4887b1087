"""The operations of ./scripts/stack bench, as benchmarks for asv."""

import random
from functools import lru_cache
from itertools import islice
from pathlib import Path

import django
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lab.bench.bare import NotBareError
from lab.bench.operations import OPERATIONS
from lab.bench.peers import DJANGO
from lab.bench.stores import CacheTable, ItemTable, cache_of, write_many
from lab.bench.supply import Supply

CALLS = 100  # in one timed run; fewer of what handles 100 entries at once
STRATEGIES = ("lru", "fifo", "lfu", "random", "s3-fifo", "sieve", "ttl")
ENTRIES = 1_000  # of a cache without a database; local memory is full with them


@lru_cache(maxsize=1)
def table(kind, rows):
    """Return a filled table; the last one stays."""
    if kind == "orm":
        made = ItemTable(connection, rows, 1)
    else:
        made = CacheTable(connection, rows, 1, 1_000_000, "dict")
    made.make()
    return made


class _Steps:
    """Base of benchmarks that take the steps of an operation.

    Calls change what the next run would find, so setup() comes before each run.
    """

    number = 1
    repeat = (5, 50, 5.0)
    warmup_time = 0

    def prepare(self, name, data):
        # Some of the calls count the rows at random.
        random.seed(1)
        self.calls = max(1, CALLS // OPERATIONS[name].per)
        data.calls = self.calls
        self.steps = OPERATIONS[name].prepare(data)

    def time_calls(self, *params):
        for _ in islice(self.steps, self.calls):
            pass


class Operations(_Steps):
    """The database cache and the ORM."""

    params = (tuple(OPERATIONS), (1_000, 10_000))
    param_names = ("operation", "rows")

    def setup(self, name, rows):
        if not OPERATIONS[name].runs(connection):
            raise NotImplementedError("This Django or database lacks it.")
        self.table = table(OPERATIONS[name].table, rows)
        try:
            self.prepare(name, self.table.data)
        except NotBareError as error:
            raise NotImplementedError(error) from None

    def teardown(self, name, rows):
        self.table.restore()

    def track_statements(self, name, rows):
        with CaptureQueriesContext(connection) as queries:
            next(self.steps)
        return len(queries) + OPERATIONS[name].unlogged

    track_statements.unit = "statements"


class Caches(_Steps):
    """The local-memory cache by culling strategy, and the file-based cache."""

    params = (
        ("get hit", "get miss", "set existing key", "set new key"),
        (*STRATEGIES, "file"),
    )
    param_names = ("operation", "strategy")

    def setup(self, name, strategy):
        backend, options = f"{DJANGO}.locmem.LocMemCache", {"MAX_ENTRIES": ENTRIES}
        if strategy == "file":
            # Its folder is in the working folder, which asv removes.
            backend, options = f"{DJANGO}.filebased.FileBasedCache", {}
        elif strategy != "lru":
            # LRU is the strategy of every Django.
            if not (Path(django.__file__).parent / "core/cache/culling.py").exists():
                raise NotImplementedError("This Django has no CULL_STRATEGY.")
            options["CULL_STRATEGY"] = strategy
        cache = cache_of(backend, strategy, options)
        cache.clear()
        data = Supply(cache, ENTRIES, 1, lambda keys: write_many(data, keys))
        data.insert(data.keys)
        self.prepare(name, data)
