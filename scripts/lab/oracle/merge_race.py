"""Let two sessions write the same absent row.

``python -m lab.oracle.merge_race TARGET`` runs on a stand-in, in a process that
databases.settings configures. It prints the outcome as JSON, with the mutants that
the stand-in must refuse.
"""

import json
import sys
import threading
from dataclasses import asdict, dataclass

from lab.oracle import mutants

# The second session has this time to end before the first. It does not end if it
# waits for the first.
CHANCE = 0.5  # seconds
PATIENCE = 60  # seconds
KEY = "key"
TABLE = 'CREATE TABLE "RACE" ("NAME" NVARCHAR2(20) PRIMARY KEY, "V" NUMBER(11))'
MERGE = """\
MERGE INTO "RACE" USING (SELECT %s col_0, TO_NUMBER(%s) col_1 FROM DUAL) "excluded" \
ON ("RACE"."NAME" = "excluded".col_0) \
WHEN MATCHED THEN UPDATE SET "V" = "excluded".col_1 \
WHEN NOT MATCHED THEN INSERT ("NAME", "V") \
VALUES ("excluded".col_0, "excluded".col_1)"""


@dataclass(frozen=True)
class MergeRaced:
    """``waited``: whether the second session ended only after the first had
    committed. ``error`` is the number of Oracle's error that it got, 0 if the error
    has none, None if it got no error. ``rows`` are what is in the table after both.
    """

    waited: bool
    error: int | None
    rows: list[list[str | int]]

    def __str__(self) -> str:
        got = f"gets ORA-{self.error:05}" if self.error else "gets no error"
        return (
            "two sessions MERGE one row: the second"
            f" {'waits' if self.waited else 'does not wait'} and {got}"
        )


def execute(sql: str, value: int) -> int | None:
    """Execute a statement with the binds of MERGE; return the number of its error."""
    from django.db import DatabaseError, connection

    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, [KEY, value])
    except DatabaseError as error:
        return int(getattr(error.args[0], "code", 0))
    return None


def race() -> MergeRaced:
    """Race two MERGE statements in TABLE, which is there.

    The first session is this one, in a transaction that is committed after the second
    has waited. The second is a thread with a connection of its own, in autocommit
    mode.
    """
    from django.db import connection, transaction

    done = threading.Event()
    errors: list[int | None] = []

    def second() -> None:
        try:
            errors.append(execute(MERGE, 2))
        finally:
            done.set()
            connection.close()

    thread = threading.Thread(target=second, daemon=True)
    with transaction.atomic():
        execute(MERGE, 1)
        thread.start()
        waited = not done.wait(CHANCE)
    thread.join(PATIENCE)
    if not errors:
        raise RuntimeError(f"the second session did not end well in {PATIENCE} s")
    with connection.cursor() as cursor:
        cursor.execute('SELECT "NAME", "V" FROM "RACE"')
        return MergeRaced(waited, errors[0], [*map(list, cursor.fetchall())])


def main(name: str) -> None:
    """Print the race, and the mutants that the stand-in refuses."""
    import django
    from django.db import connection

    django.setup()
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    try:
        raced = race()
        planted = mutants.planted(MERGE, name)
        refused = {key: execute(sql, 3) is not None for key, sql in planted.items()}
        if execute(MERGE, 4) is not None:
            raise RuntimeError("it refuses a good MERGE, so it would refuse anything")
    finally:
        with connection.cursor() as cursor:
            cursor.execute('DROP TABLE "RACE"')
    print(json.dumps({"race": asdict(raced), "refused": refused}))


if __name__ == "__main__":
    main(*sys.argv[1:])
