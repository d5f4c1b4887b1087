"""Compile the INSERTs of a Django: ``python -m lab.oracle.statements TARGET...``.

JSON goes out: target → case → statements. On Oracle a statement has its SQL and binds
as the driver would send them; on others its SQL as Django makes it. A call that ends
with an exception has that as its last "error".

No server is needed: a Recorder stands behind oracledb.connect(), and Django's wrappers
of other databases know the version beforehand.
"""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import MagicMock

import django
import oracledb
from django.conf import settings
from django.db import DatabaseError, connections

from lab.oracle.standin.connection import Connection, Lob, Result, Variable
from lab.oracle.standin.errors import oracle_error

if TYPE_CHECKING:
    from lab.oracle.cases import Case

type Statement = dict[str, Any]

# Name: engine, and Oracle's OPTIONS or the attributes of another wrapper of Django's.
TARGETS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "oracle-19": ("oracle", {"version": "19.3.0.0.0"}),
    "oracle-21": ("oracle", {"version": "21.3.0.0.0"}),
    "oracle-23": ("oracle", {"version": "23.26.0.0.0"}),
    "postgresql-15": ("postgresql", {"pg_version": 150000}),
    "postgresql-18": ("postgresql", {"pg_version": 180000}),
    "sqlite": ("sqlite3", {}),
    "mysql-8.4": ("mysql", {"mysql_server_data": {"version": "8.4.0"}}),
    "mariadb-10.11": ("mysql", {"mysql_server_data": {"version": "10.11.0-MariaDB"}}),
}
SHOWN = 60  # characters of a value
LONGEST = 20_000  # characters of a statement
HEAD = 200  # characters of a longer one
ROWS = 5  # of an array, whose values are kept


def first_line(error: Exception) -> str:
    """Return the text of an error, without the driver's advice."""
    return str(error).partition("\n")[0]


class Recorder:
    """The session behind a connection to Oracle: it keeps statements and sends nothing.

    The next ``refused`` statements end with ORA-00001. An insert returns 1, whatever
    the column.
    """

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.refused = 0

    def connect(self, user: str) -> Self:
        return self

    def execute(
        self,
        sql: str,
        values: Mapping[str, Any],
        sizes: Mapping[str, Any],
        row: int | None = None,
    ) -> Result:
        binds = {name: shown(value, sizes.get(name)) for name, value in values.items()}
        if row:
            # Another row of the same array.
            statement = self.statements[-1]
            statement["rows"] += 1
            statement["binds"] += [binds] if row < ROWS else []
        else:
            statement = {"sql": sql}
            self.statements.append(statement)
            if row is not None:
                statement |= {"rows": 1, "binds": [binds]}
            elif len(sql) <= LONGEST:
                statement["binds"] = binds
            else:
                statement["sql"] = f"{sql[:HEAD]}..."
                statement["characters"] = len(sql)
                statement["binds by occurrence"] = sql.count(":arg")
        if self.refused:
            self.refused -= 1
            error = oracle_error(1)
            statement["answer"] = first_line(error)
            raise error
        for value in values.values():
            if isinstance(value, Variable):
                value.receive([1])
        return Result(count=1)

    def commit(self) -> None:
        """There is nothing to end, here and below."""

    rollback = close = commit


def shown(value: Any, size: Any = None) -> str:
    """Return a bind as text: its type, the type it is declared as, its value."""

    def name(kind: Any) -> str:
        return kind.__name__ if isinstance(kind, type) else str(kind.name)

    if value is None:
        return "NULL"
    if isinstance(value, Variable):
        return f"OUT {name(value.kind)}"
    kind = type(value).__name__
    if isinstance(value, Lob):
        kind, value = name(value.kind), value.content
    if size is not None:
        kind = f"{kind} as {name(size)}"
    if not isinstance(value, str | bytes):
        return f"{kind} {value}"
    if len(value) > SHOWN:
        return f"{kind} of {len(value):,}: {value[:20]!r}..."
    return f"{kind} {value!r}"


def collapsed(statements: list[Statement]) -> list[Statement]:
    """Return statements with one for consecutive arrays of the same text, which has
    the numbers of rows of the others.
    """
    kept: list[Statement] = []
    for statement in statements:
        if kept and "rows" in statement and statement["sql"] == kept[-1]["sql"]:
            kept[-1].setdefault("more arrays", []).append(statement["rows"])
        else:
            kept.append(statement)
    return kept


def recorded(case: "Case", name: str) -> list[Statement]:
    """Return the statements of a case on a target."""
    wrapper = connections[name]
    engine, given = TARGETS[name]
    statements: list[Statement] = []
    if engine == "oracle":
        wrapper.ensure_connection()
        session = wrapper.connection.session
        session.statements, session.refused = statements, case.refused
    else:
        vars(wrapper).update(given)
        # A row for each object, should the statement return columns.
        row = (None,) * len(case.model._meta.db_returning_fields)
        cursor = MagicMock(lastrowid=1, rowcount=1)
        cursor.__enter__.return_value = cursor
        cursor.fetchall.return_value = [row] * len(case.rows)
        cursor.execute = lambda sql, _=None: statements.append({"sql": sql})
        wrapper.cursor = lambda: cursor
    try:
        case.run(name)
    except (DatabaseError, TypeError, ValueError) as error:
        statements.append({"error": f"{type(error).__name__}: {first_line(error)}"})
    return collapsed(statements) if case.big else statements


def compiled(
    names: list[str], connection: type[Connection] = Connection
) -> dict[str, dict[str, list[Statement]]]:
    """Return target → case → statements; on Oracle by way of this ``connection``."""

    def connect(*, version: str, **_: object) -> Connection:
        return connection(Recorder(), "", version)

    oracledb.connect = connect  # type: ignore[assignment]
    databases: dict[str, dict[str, Any]] = {"default": {}}
    for name in names:
        engine, given = TARGETS[name]
        databases[name] = {
            "ENGINE": f"django.db.backends.{engine}",
            "NAME": ":memory:",
            "OPTIONS": dict(given) if engine == "oracle" else {},
        }
    settings.configure(
        DATABASES=databases,
        INSTALLED_APPS=["lab.oracle"],
        USE_TZ=False,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    from lab.oracle.cases import CASES

    return {
        name: {
            case.name: recorded(case, name)
            for case in CASES
            if TARGETS[name][0] == "oracle" or not case.oracle_only
        }
        for name in names
    }


if __name__ == "__main__":
    json.dump(compiled(sys.argv[1:]), sys.stdout)
