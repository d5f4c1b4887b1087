import functools
import random
from importlib.util import find_spec

from ..utils import Isolated, bench_setup

CALLS = 100  # of what is timed, in one run of a benchmark
DAY = 24 * 60 * 60
# So that nothing is culled.
MAX_ENTRIES = 1_000_000

VALUE = {"id": 1, "name": "Ada Lovelace", "groups": [1, 2, 3], "active": True}
OTHER = VALUE | {"id": 2}


def has_strategies():
    """Tell whether the caches of this Django have the option CULL_STRATEGY."""
    return find_spec("django.core.cache.culling") is not None


def some(keys):
    """Return CALLS of the keys, from all over them."""
    return keys[:: len(keys) // CALLS][:CALLS]


class DatabaseCacheBase(Isolated):
    """
    Base of the benchmarks of the database cache.

    ``cache`` has ``rows`` entries. ``keys`` are CALLS of theirs, and ``new_keys``
    as many which are not in it; a setup() takes them out again.
    """

    params = (1_000, 10_000)
    param_names = ("rows",)

    def setup(self, rows):
        bench_setup()
        self.cache, keys = filled_cache(rows)
        self.keys = some(keys)
        self.new_keys = [f"new-{number}" for number in range(CALLS)]
        self.cache.delete_many(self.new_keys)
        # Some of the calls count the rows at random.
        random.seed(1)


@functools.cache
def filled_cache(rows):
    """Return a database cache with so many entries, and their keys."""
    from django.core.cache.backends.db import DatabaseCache
    from django.core.management import call_command
    from django.db import connection

    table = f"bench_cache_{rows}"
    # One that is there may be another Django's.
    with connection.cursor() as cursor:
        if table in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}")
    call_command("createcachetable", table, verbosity=0)
    cache = DatabaseCache(
        table, {"TIMEOUT": DAY, "OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES}}
    )
    keys = [f"key-{number}" for number in range(rows)]
    copy_entry(connection, cache, table, keys)
    assert cache.get(keys[-1]) == VALUE
    return cache, keys


def copy_entry(connection, cache, name, keys):
    """
    Write one entry under many keys into the empty table with that name.

    The cache writes it and SQL copies it, so that the table is the one that this
    Django has, and full at once.
    """
    from django.db import transaction

    table = connection.ops.quote_name(name)
    cache.set("sample", VALUE)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        columns = [column[0] for column in cursor.description]
        row = dict(zip(columns, cursor.fetchone(), strict=True))
        names = ", ".join(map(connection.ops.quote_name, columns))
        marks = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",
            [list((row | {"cache_key": cache.make_key(key)}).values()) for key in keys],
        )
    cache.delete("sample")


class LocmemCacheBase(Isolated):
    """
    Base of the benchmarks of the local-memory cache, which is full.

    ``keys`` are CALLS of its entries, and ``new_keys`` as many that are not in it.
    """

    params = ("lru", "fifo", "lfu", "random", "s3-fifo", "sieve", "ttl")
    param_names = ("strategy",)
    entries = 1_000

    def setup(self, strategy):
        options = {"MAX_ENTRIES": self.entries}
        # LRU is what every Django has.
        if strategy != "lru":
            if not has_strategies():
                raise NotImplementedError("This Django has no CULL_STRATEGY.")
            options["CULL_STRATEGY"] = strategy
        bench_setup()
        from django.core.cache.backends.locmem import LocMemCache

        random.seed(1)
        self.cache = LocMemCache(strategy, {"OPTIONS": options})
        self.cache.clear()
        keys = [f"key-{number}" for number in range(self.entries)]
        for key in keys:
            self.cache.set(key, VALUE)
        self.keys = some(keys)
        self.new_keys = [f"new-{number}" for number in range(CALLS)]
