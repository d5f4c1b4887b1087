"""The process that compiles the INSERTs of a Django: ``python -m oracle.statements``.

The arguments are names of TARGETS. JSON goes out, target → case → statements. On
Oracle a statement has its SQL and binds as the driver would send them; on others
its SQL as Django makes it. A call that ends with an exception has that as its last
"error". No server is asked for anything: oracledb.connect() is drivers.connect(), and
where another database would be asked its version the answer is put into Django's
own wrapper beforehand.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import django
import oracledb
from django.conf import settings
from django.db import DatabaseError, connections

from lab.oracle import drivers
from lab.oracle.drivers import Recorder, Statement

if TYPE_CHECKING:
    from lab.oracle.cases import Case

ENGINE = "django.db.backends."


@dataclass(frozen=True)
class Target:
    """A backend and a version; ``pinned`` are attributes of its wrapper."""

    engine: str
    options: Mapping[str, str] = field(default_factory=dict)
    pinned: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        return {
            "ENGINE": ENGINE + self.engine,
            "NAME": ":memory:" if self.engine == "sqlite3" else "none",
            "OPTIONS": dict(self.options),
        }


def mysql(version: str) -> Target:
    return Target("mysql", pinned={"mysql_server_data": {"version": version}})


TARGETS = {
    "oracle-19": Target("oracle", {"version": "19.3.0.0.0"}),
    "oracle-21": Target("oracle", {"version": "21.3.0.0.0"}),
    "oracle-23": Target("oracle", {"version": "23.26.0.0.0"}),
    "postgresql-15": Target("postgresql", pinned={"pg_version": 150000}),
    "postgresql-18": Target("postgresql", pinned={"pg_version": 180000}),
    "sqlite": Target("sqlite3"),
    "mysql-8.4": mysql("8.4.0"),
    "mariadb-10.11": mysql("10.11.0-MariaDB"),
}


def error(exception: Exception) -> Statement:
    return {"error": f"{type(exception).__name__}: {exception}"}


def on_oracle(case: "Case", name: str) -> list[Statement]:
    wrapper = connections[name]
    wrapper.ensure_connection()
    connection = wrapper.connection
    connection.statements, connection.refused = [], case.refused
    try:
        case.run(name)
    except (DatabaseError, ValueError) as exception:
        connection.statements.append(error(exception))
    found: list[Statement] = connection.statements
    return found


def on_another(case: "Case", name: str) -> list[Statement]:
    # A row for each object, should the statement return columns.
    returned = len(case.model._meta.db_returning_fields)
    recorder = Recorder([(None,) * returned] * len(case.rows))
    connections[name].cursor = lambda: recorder
    try:
        case.run(name)
    except (DatabaseError, ValueError) as exception:
        recorder.statements.append(error(exception))
    return recorder.statements


def compiled(name: str) -> dict[str, list[Statement]]:
    """Return what each case executes on a target."""
    from lab.oracle.cases import CASES

    if TARGETS[name].engine == "oracle":
        return {case.name: on_oracle(case, name) for case in CASES}
    vars(connections[name]).update(TARGETS[name].pinned)
    cases = (case for case in CASES if not case.oracle_only)
    return {case.name: on_another(case, name) for case in cases}


def main(names: list[str]) -> None:
    oracledb.connect = drivers.connect  # type: ignore[assignment]
    settings.configure(
        DATABASES={"default": {}} | {name: TARGETS[name].settings() for name in names},
        USE_TZ=False,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    json.dump({name: compiled(name) for name in names}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
