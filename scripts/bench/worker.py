"""The process that runs one Django: ``python -m bench.worker``.

One JSON object per line comes in, one goes out: ``{"do": "run", …}`` and then the
answer or ``{"error": "…"}``. The end of the input ends the process, which drops the
database that it made.
"""

import gc
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from bench.operations import DAY, OPERATIONS, VALUES, Data, value

TABLE = "bench_cache"
RUNS_COUNT = re.compile(r"\bcount\s*\(", re.IGNORECASE)
FILL_BATCH = 1_000

# What leaves a table as a long-lived one is: statistics there, nothing left to
# write back in the middle of a measurement.
SETTLE = {
    "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)",
    "postgresql": f"VACUUM ANALYZE {TABLE}",
    "mysql": f"ANALYZE TABLE {TABLE}",
}


@contextmanager
def own_database(
    connection: Any, name: str, folder: str | None, synchronous: str
) -> Iterator[None]:
    """Give the connection a database that nobody else uses; dropped at the end.

    SQLite: a file in ``folder``, or memory without one. Oracle has no databases
    to create: the table is all that is made there.
    """
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        settings["NAME"] = (
            str(Path(folder) / f"{name}.sqlite3") if folder else ":memory:"
        )
        settings["OPTIONS"] = {
            **settings.get("OPTIONS", {}),
            "init_command": "PRAGMA journal_mode=WAL;"
            f" PRAGMA synchronous={synchronous}",
        }
        try:
            yield
        finally:
            connection.close()
    elif connection.vendor == "oracle":
        try:
            yield
        finally:
            drop_table(connection)
            connection.close()
    else:
        quoted = connection.ops.quote_name(f"stack_bench_{name}_{os.getpid()}")
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {quoted}")
        before, settings["NAME"] = settings["NAME"], quoted.strip('"`')
        try:
            yield
        finally:
            connection.close()
            settings["NAME"] = before
            with connection._nodb_cursor() as cursor:
                cursor.execute(f"DROP DATABASE {quoted}")


def drop_table(connection: Any) -> None:
    with connection.cursor() as cursor:
        if TABLE in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(TABLE)}")


def fill(connection: Any, data: Data) -> None:
    """Write every key of ``data`` into the empty table.

    The backend writes a few rows itself and they are copied under the other
    keys: whatever columns and encodings its Django has, in seconds.
    """
    cache = data.cache
    table = connection.ops.quote_name(TABLE)
    samples = []
    with connection.cursor() as cursor:
        for number in range(VALUES):
            cache.set("sample", value(number), DAY)
            cursor.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in cursor.description]
            samples.append(list(cursor.fetchone()))
            cache.delete("sample")
    place = [column.lower() for column in columns].index("cache_key")
    insert = "INSERT INTO {} ({}) VALUES ({})".format(
        table,
        ", ".join(connection.ops.quote_name(column) for column in columns),
        ", ".join(["%s"] * len(columns)),
    )
    for start in range(0, data.rows, FILL_BATCH):
        rows = []
        for number, key in enumerate(data.keys[start : start + FILL_BATCH]):
            row = samples[number % VALUES].copy()
            row[place] = cache.make_key(key)
            rows.append(row)
        with _atomic(), connection.cursor() as cursor:
            cursor.executemany(insert, rows)
    if connection.vendor in SETTLE:
        with connection.cursor() as cursor:
            cursor.execute(SETTLE[connection.vendor])


def _atomic() -> Any:
    from django.db import (  # type: ignore[import-not-found,unused-ignore]
        transaction,
    )

    return transaction.atomic()


def timed(data: Data, name: str, calls: int) -> dict[str, int]:
    """Run a block of calls; nanoseconds of it and of its worst single calls.

    A tenth as many run before, untimed: what ran last was something else.
    """
    before = calls // 10
    data.calls = before + calls
    call = OPERATIONS[name].prepare(data)
    for _ in range(before):
        call()
    laps = [0] * calls
    clock = time.perf_counter_ns
    # A collection would hit whichever block it fell into.
    gc.collect()
    gc.disable()
    try:
        cpu = time.process_time_ns()
        began = last = clock()
        for lap in range(calls):
            call()
            now = clock()
            laps[lap] = now - last
            last = now
        cpu = time.process_time_ns() - cpu
    finally:
        gc.enable()
    laps.sort()
    return {
        "calls": calls,
        "cpu_ns": cpu,
        "wall_ns": last - began,
        "p99_ns": laps[(calls * 99 - 1) // 100],
        "worst_ns": laps[-1],
    }


def counted(connection: Any, data: Data, name: str, calls: int) -> dict[str, int]:
    """Count statements as Django's CaptureQueriesContext does, BEGIN and COMMIT too."""
    data.calls = calls
    call = OPERATIONS[name].prepare(data)
    statements = with_count = 0
    began = time.perf_counter_ns()
    connection.force_debug_cursor = True
    try:
        for _ in range(calls):
            # The log keeps the last 9,000 only.
            connection.queries_log.clear()
            call()
            log = connection.queries_log
            statements += len(log)
            with_count += any(RUNS_COUNT.search(query["sql"] or "") for query in log)
    finally:
        connection.force_debug_cursor = False
        connection.queries_log.clear()
    return {
        "statements": statements,
        "with_count": with_count,
        "calls": calls,
        "wall_ns": time.perf_counter_ns() - began,
    }


class Session:
    """One connection, one table, the requests as methods."""

    def __init__(self, stack: ExitStack) -> None:
        import django  # type: ignore[import-not-found,unused-ignore]
        from django.db import (  # type: ignore[import-not-found,unused-ignore]
            connection,
        )

        django.setup()
        self._stack = stack
        self._version = django.get_version()
        self._connection: Any = connection
        self._data: Data | None = None

    def open(
        self, name: str, folder: str | None, synchronous: str
    ) -> dict[str, object]:
        self._stack.enter_context(
            own_database(self._connection, name, folder, synchronous)
        )
        self._connection.ensure_connection()
        version = self._connection.get_database_version()
        return {
            "django": self._version,
            "database": self._connection.display_name,
            "database_version": ".".join(map(str, version)),
        }

    def prepare(
        self, rows: int, max_entries: int, timeout: int | None, seed: int
    ) -> dict[str, object]:
        from django.core.cache.backends.db import (  # type: ignore[import-not-found,unused-ignore]
            DatabaseCache,
        )
        from django.core.management import (  # type: ignore[import-not-found,unused-ignore]
            call_command,
        )

        random.seed(seed)
        drop_table(self._connection)
        call_command("createcachetable", TABLE, verbosity=0)
        cache = DatabaseCache(
            TABLE, {"TIMEOUT": timeout, "OPTIONS": {"MAX_ENTRIES": max_entries}}
        )
        self._data = Data(cache, rows, seed)
        fill(self._connection, self._data)
        return {}

    def run(self, operation: str, calls: int, seed: int) -> dict[str, int]:
        random.seed(seed)
        block = timed(self._ready(), operation, calls)
        self._restore()
        return block

    def statements(self, operation: str, calls: int, seed: int) -> dict[str, int]:
        random.seed(seed)
        found = counted(self._connection, self._ready(), operation, calls)
        self._restore()
        return found

    def replay(self, keys: list[str]) -> dict[str, int]:
        """Get each key and set it on a miss; return the hits among them."""
        cache, missing, hits = self._ready().cache, object(), 0
        for key in keys:
            if cache.get(key, missing) is missing:
                cache.set(key, 1)
            else:
                hits += 1
        return {"hits": hits}

    def _ready(self) -> Data:
        if self._data is None:
            raise RuntimeError("no table: prepare comes first")
        return self._data

    def _restore(self) -> None:
        """Bring the table back to its rows: new ones go, culled ones come back."""
        data = self._ready()
        for start in range(0, len(data.added), 100):
            data.cache.delete_many(data.added[start : start + 100])
        data.added.clear()
        with self._connection.cursor() as cursor:
            table = self._connection.ops.quote_name(TABLE)
            cursor.execute(f"SELECT COUNT(*) FROM {table}")
            (rows,) = cursor.fetchone()
        if rows != data.rows:
            data.cache.clear()
            fill(self._connection, data)


def main() -> None:
    # Ctrl-C reaches every process of the terminal; this one ends, with its
    # database dropped, when its driver closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Nothing that Django prints may end up between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with ExitStack() as stack:
        try:
            serve(Session(stack), answers)
        finally:
            # Dropping the database has to come to its end.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def serve(session: Session, answers: IO[str]) -> None:
    """Answer requests until the input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(session, request.pop("do"))(**request)
        except Exception as error:
            text = " ".join(str(error).split())
            answer = {"error": f"{type(error).__name__}: {text}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
