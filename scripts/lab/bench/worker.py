"""The process that runs one Django: ``python -m lab.bench.worker``.

Each line of the input is one JSON object, ``{"do": "run", …}``, and each line of
the output its answer, or ``{"error": "…"}``. The process ends with its input and
drops the database that it made.
"""

import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from lab.bench import stores
from lab.bench.disk import on_disk
from lab.bench.operations import OPERATIONS
from lab.bench.peers import DATABASE_CACHE
from lab.bench.stores import CacheElsewhere, CacheTable, ItemTable, Store


def set_pragmas(connection: Any, synchronous: str, journal: str) -> None:
    """Have each connection to SQLite begin with these pragmas."""
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
    """Give the connection a database of its own; drop it with the block.

    SQLite: a file in ``folder``, or memory without one. Oracle has no databases
    to create: only the tables are made there.
    """
    settings = connection.settings_dict
    before = settings["NAME"]
    quoted = connection.ops.quote_name(f"stack_bench_{name}_{os.getpid()}")
    if connection.vendor == "sqlite":
        file = Path(folder or "") / f"{name}.sqlite3"
        settings["NAME"] = str(file) if folder else ":memory:"
        set_pragmas(connection, synchronous, journal)
    elif connection.vendor != "oracle":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {quoted}")
        settings["NAME"] = quoted.strip('"`')
    try:
        yield
    finally:
        if connection.vendor == "oracle":
            for table in stores.NAMES:
                stores.drop(connection, table)
        connection.close()
        if connection.vendor not in ("sqlite", "oracle"):
            settings["NAME"] = before
            with connection._nodb_cursor() as cursor:
                cursor.execute(f"DROP DATABASE {quoted}")


class Session:
    """One process on one Django with a database; its methods are the requests."""

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
        """Make a database of this process's own."""
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
        """Return the operations that this Django or database lacks: name → reason."""
        why = f"Django {self._version} lacks it on {self._connection.display_name}"
        return {
            name: why
            for name, each in OPERATIONS.items()
            if not each.runs(self._connection)
        }


class Bench(Session):
    """The requests of a benchmark."""

    def prepare(
        self,
        rows: int,
        max_entries: int = 1_000_000,
        seed: int = 1,
        tables: Sequence[str] = ("cache",),
        values: str = "dict",
        backend: str = DATABASE_CACHE,
        location: str = "",
    ) -> dict[str, object]:
        """Make and fill the tables: "cache", "orm".

        ``values`` and ``backend`` are those of the cache. A cache without a table
        keeps its entries in ``location``.
        """
        random.seed(seed)
        self._stores: dict[str, Store] = {}
        if "cache" in tables and location:
            elsewhere = CacheElsewhere(backend, location, rows, seed, values)
            self._stores["cache"] = elsewhere
        elif "cache" in tables:
            self._stores["cache"] = CacheTable(
                self._connection, rows, seed, max_entries, values, backend
            )
        if "orm" in tables:
            self._stores["orm"] = ItemTable(self._connection, rows, seed)
        for store in self._stores.values():
            store.make()
        return {}

    def run(self, operation: str, calls: int, seed: int) -> dict[str, int]:
        """Run a block of calls; nanoseconds of CPU and wall time.

        A tenth as many run before, untimed: another operation ran last.
        """
        random.seed(seed)
        store = self._stores[OPERATIONS[operation].table]
        before = calls // 10
        store.data.calls = before + calls
        steps = OPERATIONS[operation].prepare(store.data)
        take(steps, before)
        # A collection would hit a block at random.
        gc.collect()
        gc.disable()
        try:
            cpu, began = time.process_time_ns(), time.perf_counter_ns()
            take(steps, calls)
            wall = time.perf_counter_ns() - began
            cpu = time.process_time_ns() - cpu
        finally:
            gc.enable()
        store.restore()
        return {"calls": calls, "cpu_ns": cpu, "wall_ns": wall}

    def statements(self, operation: str, calls: int, seed: int) -> dict[str, Any]:
        """Count statements by Django's query log, BEGIN and COMMIT included.

        Answer with the reason if the operation cannot run on this store.
        """
        random.seed(seed)
        each, connection = OPERATIONS[operation], self._connection
        store = self._stores[each.table]
        store.data.calls = calls
        try:
            steps = each.prepare(store.data)
            statements = calls * each.unlogged
            began = time.perf_counter_ns()
            connection.force_debug_cursor = True
            for _ in range(calls):
                # The log keeps the last 9,000 only.
                connection.queries_log.clear()
                next(steps)
                statements += len(connection.queries_log)
        except Exception as error:
            return {"why": described(error)}
        finally:
            connection.force_debug_cursor = False
            connection.queries_log.clear()
            store.restore()
        wall = time.perf_counter_ns() - began
        return {"calls": calls, "statements": statements, "wall_ns": wall}

    def size(self, rows: int, values: str) -> dict[str, int]:
        """Let the cache fill its table; return the table's bytes on disk."""
        table = CacheTable(self._connection, rows, 1, 2 * rows, values)
        table.create()
        # None by copy: the cache itself decides about the columns.
        stores.write_many(table.data, table.data.keys)
        return {"bytes": on_disk(self._connection, table.name)}


def take(steps: Iterator[object], calls: int) -> None:
    """Take so many steps; RuntimeError if there are fewer."""
    done = 0
    for done, _ in zip(range(1, calls + 1), steps):  # noqa: B905, B007
        pass
    if done != calls:
        raise RuntimeError(f"{done} of {calls} calls")


def described(error: Exception) -> str:
    """Return an exception as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def wait_until(at: float) -> None:
    """Wait for a common start; ``at`` is a time.monotonic()."""
    time.sleep(max(0.0, at - time.monotonic()))


def main(session: type[Session]) -> None:
    """Answer the requests on standard input with the methods of a session."""
    # Ctrl-C reaches every process of the terminal. This one ends, with its
    # database dropped, when its driver closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Nothing that Django prints may get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with ExitStack() as stack:
        try:
            serve(session(stack), answers)
        finally:
            # Nothing may interrupt the drop of the database.
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
