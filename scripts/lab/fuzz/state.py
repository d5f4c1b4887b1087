"""The rows of every table: made, read, and brought back after each scenario."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction

from lab.fuzz.catalogue import CATALOGUE, LINKS
from lab.fuzz.events import start
from lab.fuzz.models import Ignored, Selected, Triggered, Unmanaged
from lab.fuzz.values import Builder, model_named

SEED = "seed_"

type Rows = dict[str, list[str]]

UNMANAGED = "CREATE TABLE {} (id integer PRIMARY KEY, slug varchar(20), n integer)"
IGNORING = {
    "sqlite": "CREATE TRIGGER {0}_ignore BEFORE UPDATE ON {0} WHEN OLD.n = 4"
    " BEGIN SELECT RAISE(IGNORE); END",
    "postgresql": "CREATE FUNCTION {0}_ignore() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN IF OLD.n = 4 THEN RETURN NULL; END IF; RETURN NEW; END $$;"
    " CREATE TRIGGER {0}_ignore BEFORE UPDATE ON {0}"
    " FOR EACH ROW EXECUTE FUNCTION {0}_ignore()",
}
STAMPING = {
    # SQLite cannot change a row before it is written.
    "sqlite": "CREATE TRIGGER {0}_stamp AFTER UPDATE OF n ON {0}"
    " BEGIN UPDATE {0} SET stamp = stamp + 1 WHERE id = OLD.id; END",
    "postgresql": "CREATE FUNCTION {0}_stamp() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN NEW.stamp = OLD.stamp + 1; RETURN NEW; END $$;"
    " CREATE TRIGGER {0}_stamp BEFORE UPDATE ON {0}"
    " FOR EACH ROW EXECUTE FUNCTION {0}_stamp()",
}


def make(alias: str) -> None:
    """Create the tables with their rows and triggers in an empty database."""
    connection = connections[alias]
    with connection.schema_editor() as editor:
        for model in _models():
            # Those made for many-to-many fields come with their model.
            if model._meta.managed and not model._meta.auto_created:
                editor.create_model(model)
    with connection.cursor() as cursor:
        cursor.execute(UNMANAGED.format(Unmanaged._meta.db_table))
    ContentType.objects.clear_cache()
    for model in _models():
        ContentType.objects.db_manager(alias).get_for_model(model)
    for name, entry in CATALOGUE.items():
        model = model_named(name)
        for row in entry.rows:
            model(**Builder(model).named(row)).save(using=alias)
            start()
    for name, pk, accessor, others in LINKS:
        one = model_named(name)._base_manager.using(alias).get(pk=pk)
        getattr(one, accessor).add(*others)
    with connection.cursor() as cursor:
        for model in (Ignored, Selected):
            cursor.execute(IGNORING[connection.vendor].format(model._meta.db_table))
        table = Triggered._meta.db_table
        cursor.execute(STAMPING[connection.vendor].format(table))


def _models() -> Sequence[Any]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
    ]


class State(ABC):
    """The tables of one database and what they held at the start."""

    def __init__(self, alias: str) -> None:
        self._connection = connections[alias]
        self._quote = self._connection.ops.quote_name
        self._models = {model._meta.db_table: model for model in _models()}
        with self._connection.cursor() as cursor:
            for table in self._models:
                cursor.execute(
                    f"CREATE TABLE {self._quote(SEED + table)} AS"
                    f" SELECT * FROM {self._quote(table)}"
                )
        self._start = self._tables()
        self._positions = self._sequences()

    def changes(self) -> Rows:
        """Return what is not as at the start: tables, and positions of sequences."""
        start, now = self._start, self._tables()
        return self._moved() | {
            table: rows for table, rows in now.items() if rows != start[table]
        }

    def restore(self, changed: Rows) -> None:
        """Bring back what ``changes`` returned."""
        if not changed:
            return
        tables = [table for table in self._models if table in changed]
        # The foreign keys are looked at when all the rows are back.
        with (
            transaction.atomic(self._connection.alias),
            self._connection.cursor() as cursor,
        ):
            for table in tables:
                cursor.execute(f"DELETE FROM {self._quote(table)}")
            for table in tables:
                columns = ", ".join(
                    self._quote(field.column)
                    for field in self._models[table]._meta.local_concrete_fields
                    if not field.generated
                )
                cursor.execute(
                    f"INSERT INTO {self._quote(table)} ({columns})"
                    f" SELECT {columns} FROM {self._quote(SEED + table)}"
                )
            self._move_back(cursor, self._positions)

    def _moved(self) -> Rows:
        return {
            f"sequence of {name}": [str(position)]
            for name, position in self._sequences().items()
            if position != self._positions.get(name)
        }

    @abstractmethod
    def _tables(self) -> Rows:
        """Return the rows of each table as text."""

    @abstractmethod
    def _sequences(self) -> dict[str, int]:
        """Return the last number that each sequence gave, 0 for none."""

    @abstractmethod
    def _move_back(self, cursor: Any, positions: dict[str, int]) -> None: ...


class SQLiteState(State):
    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self._changes = self._raw.total_changes

    @property
    def _raw(self) -> Any:
        return self._connection.connection

    def changes(self) -> Rows:
        # Reading the tables costs more than most scenarios do. An INSERT that
        # writes no row moves a sequence all the same.
        if self._raw.total_changes == self._changes:
            return self._moved()
        return super().changes()

    def restore(self, changed: Rows) -> None:
        super().restore(changed)
        self._changes = self._raw.total_changes

    @cached_property
    def _queries(self) -> dict[str, str]:
        return {
            table: "SELECT {} FROM {} ORDER BY 1".format(
                " || ' ' || ".join(
                    f"quote({self._quote(field.column)})"
                    for field in model._meta.local_concrete_fields
                ),
                self._quote(table),
            )
            for table, model in self._models.items()
        }

    def _tables(self) -> Rows:
        execute = self._raw.execute
        return {
            table: [text for (text,) in execute(query)]
            for table, query in self._queries.items()
        }

    def _sequences(self) -> dict[str, int]:
        return dict(self._raw.execute("SELECT name, seq FROM sqlite_sequence"))

    def _move_back(self, cursor: Any, positions: dict[str, int]) -> None:
        cursor.execute("DELETE FROM sqlite_sequence")
        cursor.executemany(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)",
            list(positions.items()),
        )


class PostgreSQLState(State):
    @cached_property
    def _query(self) -> str:
        return " UNION ALL ".join(
            f"SELECT '{table}', array_agg(t::text ORDER BY t::text)"
            f" FROM {self._quote(table)} t"
            for table in self._models
        )

    def _tables(self) -> Rows:
        with self._connection.cursor() as cursor:
            cursor.execute(self._query)
            return {table: rows or [] for table, rows in cursor.fetchall()}

    def _sequences(self) -> dict[str, int]:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT sequencename, last_value FROM pg_sequences")
            return {name: last or 0 for name, last in cursor.fetchall()}

    def _move_back(self, cursor: Any, positions: dict[str, int]) -> None:
        for name, last in positions.items():
            cursor.execute(
                "SELECT setval(%s::regclass, greatest(%s, 1), %s)",
                [self._quote(name), last, last > 0],
            )


STATES: dict[str, type[State]] = {
    "sqlite": SQLiteState,
    "postgresql": PostgreSQLState,
}
