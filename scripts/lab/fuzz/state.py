"""The rows of every table: made, read, and brought back after each scenario."""

import tomllib
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction

from lab.fuzz.events import masked, start
from lab.fuzz.models import own_models, rows
from lab.fuzz.words import NAMES, Words

type Rows = dict[str, list[str]]

UNMANAGED = (
    "CREATE TABLE fuzz_unmanaged (id integer PRIMARY KEY, slug varchar(20), n integer)"
)
TRIGGERS: dict[str, dict[str, dict[str, str]]] = tomllib.loads(
    Path(__file__).with_name("triggers.toml").read_text("utf-8")
)
# {0} is the name, {1} what it reacts to, {2} the table, {3} what it does.
FORMS = {
    "sqlite": "CREATE TRIGGER {0} {1} ON {2} BEGIN {3} END",
    "mysql": "CREATE TRIGGER {0} {1} ON {2} FOR EACH ROW BEGIN {3} END",
    "postgresql": "CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN {3} END $$;"
    " CREATE TRIGGER {0} {1} ON {2} FOR EACH ROW EXECUTE FUNCTION {0}()",
    "rule": "CREATE RULE {0} AS {1} TO {2} DO {3}",
}
CHILD = "CREATE TABLE {0}_child (LIKE {0} INCLUDING ALL) INHERITS ({0})"
SEQUENCE = "sequence of "
# The last number that each sequence gave.
SEQUENCES = {
    "sqlite": f"SELECT '{SEQUENCE}' || name, seq || '' FROM sqlite_sequence"
    " WHERE seq > 0",
    "postgresql": f"SELECT '{SEQUENCE}' || sequencename, last_value::text"
    " FROM pg_sequences WHERE last_value IS NOT NULL",
    "mysql": f"SELECT concat('{SEQUENCE}', table_name), auto_increment - 1"
    " FROM information_schema.tables"
    " WHERE table_schema = database() AND auto_increment > 1",
}
MOVE = {
    "sqlite": "UPDATE sqlite_sequence SET seq = {1} WHERE name = '{0}'",
    "postgresql": "SELECT setval('\"{0}\"', greatest({1}, 1), {1} > 0)",
    "mysql": "ALTER TABLE {0} AUTO_INCREMENT = {1}",
}
# The values of a row as one text.
ROWS = {
    "sqlite": lambda columns: " || ' ' || ".join(f"quote({each})" for each in columns),
    "postgresql": lambda columns: f"ROW({', '.join(columns)})::text",
    "mysql": lambda columns: (
        "convert(concat_ws(' ', "
        f"{', '.join(f'quote({each})' for each in columns)}) USING utf8mb4)"
        " COLLATE utf8mb4_bin"
    ),
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
        if connection.vendor == "postgresql":
            cursor.execute(CHILD.format("fuzz_redirected"))
        for table, vendors in TRIGGERS.items():
            for event, does in vendors.get(connection.vendor, {}).items():
                form = "rule" if event.startswith("ON ") else connection.vendor
                name = f"{table}_{event.replace(' ', '_').lower()}"
                what = does.replace("{}", table)
                cursor.execute(FORMS[form].format(name, event, table, what))


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
            row = ROWS[self._vendor]([quote(each.column) for each in fields])
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
        with (
            self._connection.constraint_checks_disabled(),
            transaction.atomic(self._connection.alias),
        ):
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
            found.setdefault(name, []).append(masked(text))
        return found
