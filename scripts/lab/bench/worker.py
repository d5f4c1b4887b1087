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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from lab.bench import tables
from lab.bench.bare import NotBareError
from lab.bench.disk import on_disk
from lab.bench.operations import DAY, OPERATIONS
from lab.bench.peers import DATABASE_CACHE
from lab.bench.registry import Supply
from lab.bench.tables import CacheElsewhere, CacheTable, ItemTable, Store

RUNS_COUNT = re.compile(r"\bcount\s*\(", re.IGNORECASE)


def set_pragmas(connection: Any, synchronous: str, journal: str) -> None:
    """Have each connection to SQLite begin with those; nothing on the others."""
    if connection.vendor == "sqlite":
        connection.settings_dict["OPTIONS"] = {
            **connection.settings_dict.get("OPTIONS", {}),
            "init_command": f"PRAGMA journal_mode={journal};"
            f" PRAGMA synchronous={synchronous}",
        }


@contextmanager
def own_database(
    connection: Any,
    name: str,
    folder: str | None,
    synchronous: str,
    journal: str = "WAL",
) -> Iterator[None]:
    """Give the connection a database that nobody else uses; dropped at the end.

    SQLite: a file in ``folder``, or memory without one. Oracle has no databases
    to create: the tables are all that is made there.
    """
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        settings["NAME"] = (
            str(Path(folder) / f"{name}.sqlite3") if folder else ":memory:"
        )
        set_pragmas(connection, synchronous, journal)
        try:
            yield
        finally:
            connection.close()
    elif connection.vendor == "oracle":
        try:
            yield
        finally:
            for table in tables.NAMES:
                tables.drop(connection, table)
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


def timed(data: Supply, name: str, calls: int) -> dict[str, int]:
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


def counted(connection: Any, data: Supply, name: str, calls: int) -> dict[str, int]:
    """Count statements as Django's CaptureQueriesContext does, BEGIN and COMMIT too."""
    data.calls = calls
    call = OPERATIONS[name].prepare(data)
    statements = calls * OPERATIONS[name].unlogged
    with_count = 0
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
    """One process on one Django with a database of its own."""

    def __init__(self, stack: ExitStack) -> None:
        import django
        from django.db import connection

        django.setup()
        self._stack = stack
        self._version = django.get_version()
        self._connection: Any = connection

    def open(
        self, name: str, folder: str | None, synchronous: str, journal: str = "WAL"
    ) -> dict[str, object]:
        self._stack.enter_context(
            own_database(self._connection, name, folder, synchronous, journal)
        )
        self._connection.ensure_connection()
        version = self._connection.get_database_version()
        return {
            "django": self._version,
            "database": self._connection.display_name,
            "database_version": ".".join(map(str, version)),
            "name": self._connection.settings_dict["NAME"],
        }

    def join(
        self, name: str, synchronous: str, journal: str = "WAL"
    ) -> dict[str, object]:
        """Use the database that another process opened; its answer has the name."""
        self._connection.settings_dict["NAME"] = name
        set_pragmas(self._connection, synchronous, journal)
        self._stack.callback(self._connection.close)
        self._connection.ensure_connection()
        return {}

    def lacking(self) -> dict[str, str]:
        """Return the operations that cannot be here, and why."""
        return {
            name: why
            for name, each in OPERATIONS.items()
            if (why := each.lacks(self._connection))
        }


class Bench(Session):
    """The requests of a benchmark as methods."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__(stack)
        self._cache: CacheTable | CacheElsewhere | None = None
        self._items: ItemTable | None = None

    def import_error(self, backend: str) -> dict[str, str]:
        """Say why a cache cannot be imported; nothing if it can."""
        from django.utils.module_loading import import_string

        try:
            import_string(backend)
        except Exception as error:
            return {"why": " ".join(str(error).split())}
        return {"why": ""}

    def prepare(
        self,
        rows: int,
        max_entries: int,
        timeout: int | None,
        seed: int,
        tables: Sequence[str] = ("cache",),
        values: str = "dict",
        backend: str = DATABASE_CACHE,
        location: str = "",
    ) -> dict[str, object]:
        """Make and fill the tables: "cache", "orm".

        ``values`` and ``backend`` are those of the cache, and ``location`` is where
        one keeps its entries that has no table.
        """
        random.seed(seed)
        if "cache" in tables and location:
            self._cache = CacheElsewhere(backend, location, rows, seed, timeout, values)
            self._cache.make()
        elif "cache" in tables:
            self._cache = CacheTable(
                self._connection, rows, seed, max_entries, timeout, values, backend
            )
            self._cache.make()
        if "orm" in tables:
            self._items = ItemTable(self._connection, rows, seed)
            self._items.make()
        return {}

    def unable(self, operations: Sequence[str]) -> dict[str, str]:
        """Return those of the operations that cannot be on the tables, and why."""
        found = {}
        for name in operations:
            table = self._table(name)
            try:
                OPERATIONS[name].prepare(table.data)
            except NotBareError as error:
                found[name] = str(error)
            table.restore()
        return found

    def failing(self, operations: Sequence[str]) -> dict[str, str]:
        """Return those of the operations of which one call fails, and how."""
        found = {}
        for name in operations:
            table = self._table(name)
            table.data.calls = 1
            try:
                OPERATIONS[name].prepare(table.data)()
            except Exception as error:
                found[name] = described(error)
            table.restore()
        return found

    def run(self, operation: str, calls: int, seed: int) -> dict[str, int]:
        random.seed(seed)
        table = self._table(operation)
        block = timed(table.data, operation, calls)
        table.restore()
        return block

    def statements(self, operation: str, calls: int, seed: int) -> dict[str, int]:
        random.seed(seed)
        table = self._table(operation)
        found = counted(self._connection, table.data, operation, calls)
        table.restore()
        return found

    def size(
        self, rows: int, seed: int, values: str, backend: str = DATABASE_CACHE
    ) -> dict[str, int]:
        """Let the cache fill its table; the bytes of it on disk."""
        random.seed(seed)
        table = CacheTable(self._connection, rows, seed, 2 * rows, DAY, values, backend)
        table.write_all()
        return {"bytes": on_disk(self._connection, table.name)}

    def _table(self, operation: str) -> Store:
        if OPERATIONS[operation].table == "orm":
            return filled(self._items)
        return filled(self._cache)


def described(error: Exception) -> str:
    """Return an exception as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def filled[T: Store](table: T | None) -> T:
    if table is None:
        raise RuntimeError("no table: prepare comes first")
    return table


def wait_until(at: float) -> None:
    """Wait for a common start; ``at`` is a time.monotonic()."""
    time.sleep(max(0.0, at - time.monotonic()))


def main(session: type[Session]) -> None:
    """Answer the requests on standard input with the methods of a session."""
    # Ctrl-C reaches every process of the terminal; this one ends, with its
    # database dropped, when its driver closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Nothing that Django prints may end up between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with ExitStack() as stack:
        try:
            serve(session(stack), answers)
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
            answer = {"error": described(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(Bench)
