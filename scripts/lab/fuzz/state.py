"""The rows of every table: made, read, and brought back after each scenario."""

from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction

from lab.fuzz.events import start
from lab.fuzz.models import own_models, rows
from lab.fuzz.words import NAMES, Words

type Rows = dict[str, list[str]]

UNMANAGED = (
    "CREATE TABLE fuzz_unmanaged (id integer PRIMARY KEY, slug varchar(20), n integer)"
)
IGNORE = {
    "sqlite": "CREATE TRIGGER {0}_ignore BEFORE UPDATE ON {0} WHEN OLD.n = 4"
    " BEGIN SELECT RAISE(IGNORE); END",
    "postgresql": "CREATE FUNCTION {0}_ignore() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN IF OLD.n = 4 THEN RETURN NULL; END IF; RETURN NEW; END $$;"
    " CREATE TRIGGER {0}_ignore BEFORE UPDATE ON {0}"
    " FOR EACH ROW EXECUTE FUNCTION {0}_ignore()",
}
STAMP = {
    # SQLite cannot change a row before it is written.
    "sqlite": "CREATE TRIGGER {0}_stamp AFTER UPDATE OF n ON {0}"
    " BEGIN UPDATE {0} SET stamp = stamp + 1 WHERE id = OLD.id; END",
    "postgresql": "CREATE FUNCTION {0}_stamp() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN NEW.stamp = OLD.stamp + 1; RETURN NEW; END $$;"
    " CREATE TRIGGER {0}_stamp BEFORE UPDATE ON {0}"
    " FOR EACH ROW EXECUTE FUNCTION {0}_stamp()",
}
TRIGGERS = {"fuzz_ignored": IGNORE, "fuzz_selected": IGNORE, "fuzz_triggered": STAMP}
SEQUENCE = "sequence of "
# The last number that each sequence gave.
SEQUENCES = {
    "sqlite": f"SELECT '{SEQUENCE}' || name, seq || '' FROM sqlite_sequence"
    " WHERE seq > 0",
    "postgresql": f"SELECT '{SEQUENCE}' || sequencename, last_value::text"
    " FROM pg_sequences WHERE last_value IS NOT NULL",
}
MOVE = {
    "sqlite": "UPDATE sqlite_sequence SET seq = {1} WHERE name = '{0}'",
    "postgresql": "SELECT setval('\"{0}\"', greatest({1}, 1), {1} > 0)",
}


def make(alias: str) -> None:
    """Create the tables with their rows and triggers in an empty database."""
    connection = connections[alias]
    models = [model for model in apps.get_models() if not model._meta.proxy]
    with connection.schema_editor() as editor:
        for model in models:
            if model._meta.managed:
                editor.create_model(model)
    with connection.cursor() as cursor:
        cursor.execute(UNMANAGED)
    ContentType.objects.clear_cache()
    for model in models:
        ContentType.objects.db_manager(alias).get_for_model(model)
    for model in own_models():
        for row in () if model._meta.proxy else rows(model):
            model(**Words(model).values(row)).save(using=alias)
            start()
    NAMES["Owner"]._base_manager.using(alias).get(pk=1).plains.add(1, 2)
    with connection.cursor() as cursor:
        for table, trigger in TRIGGERS.items():
            cursor.execute(trigger[connection.vendor].format(table))


class State:
    """The tables of one database and what they held at the start."""

    def __init__(self, alias: str) -> None:
        self._connection = connections[alias]
        self._vendor = self._connection.vendor
        quote = self._connection.ops.quote_name
        # Table → the columns that a database does not compute itself.
        self._columns: dict[str, str] = {}
        queries = [SEQUENCES[self._vendor]]
        for model in apps.get_models(include_auto_created=True):
            if model._meta.proxy:
                continue
            table = model._meta.db_table
            fields = model._meta.local_concrete_fields
            if self._vendor == "sqlite":
                columns = (f"quote({quote(each.column)})" for each in fields)
                row = " || ' ' || ".join(columns)
            else:
                row = f"{quote(table)}::text"
            queries.append(f"SELECT '{table}', {row} FROM {quote(table)}")
            self._columns[table] = ", ".join(
                quote(each.column) for each in fields if not each.generated
            )
            self._execute(f"CREATE TABLE seed_{table} AS SELECT * FROM {quote(table)}")
        self._query = f"{' UNION ALL '.join(queries)} ORDER BY 1, 2"
        self._start = self._read(self._query)
        self._writes = self._count_writes()

    def changes(self) -> Rows:
        """Return the tables and the positions of sequences that changed."""
        if self._writes is not None and self._count_writes() == self._writes:
            # An INSERT that writes no row moves a sequence all the same.
            now = self._start | self._read(SEQUENCES[self._vendor])
        else:
            now = self._read(self._query)
        return {
            name: now.get(name, [])
            for name in dict.fromkeys([*self._start, *now])
            if now.get(name) != self._start.get(name)
        }

    def restore(self, changed: Rows) -> None:
        """Bring back what ``changes`` returned."""
        tables = [table for table in self._columns if table in changed]
        # The foreign keys are looked at when all the rows are back.
        with transaction.atomic(self._connection.alias):
            for table in tables:
                self._execute(f"DELETE FROM {table}")
            for table in tables:
                into, columns = f"INSERT INTO {table}", self._columns[table]
                self._execute(f"{into} ({columns}) SELECT {columns} FROM seed_{table}")
            for name in changed:
                if name.startswith(SEQUENCE):
                    [last] = self._start.get(name, ["0"])
                    which = name.removeprefix(SEQUENCE)
                    self._execute(MOVE[self._vendor].format(which, last))
        self._writes = self._count_writes()

    def _count_writes(self) -> int | None:
        """Return a number that grows with each row that is written, None if unknown.

        Reading the tables costs more than most scenarios do.
        """
        raw = self._connection.connection
        return raw.total_changes if self._vendor == "sqlite" else None

    def _execute(self, statement: str) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _read(self, query: str) -> Rows:
        found: Rows = {}
        for name, text in self._execute(query):
            found.setdefault(name, []).append(text)
        return found
