"""Two sessions that write the same absent row: ``python -m oracle.races TARGET``.

It runs in a process of Django that databases.settings configures, on a stand-in,
and prints what happened as JSON. That includes the mutants it must refuse.
"""

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

from lab.oracle import mutants

# How long the second session has to end although the first is not done. It does not
# if it waits for the first.
CHANCE = 0.5  # seconds
PATIENCE = 60  # seconds
KEY = "key"
TABLE = 'CREATE TABLE "RACE" ("NAME" NVARCHAR2(20) PRIMARY KEY, "V" NUMBER(11))'
MERGE = """\
MERGE INTO "RACE" USING (SELECT %s col_0, TO_NUMBER(%s) col_1 FROM DUAL) excluded \
ON ("RACE"."NAME" = excluded.col_0) \
WHEN MATCHED THEN UPDATE SET "V" = excluded.col_1 \
WHEN NOT MATCHED THEN INSERT ("NAME", "V") VALUES (excluded.col_0, excluded.col_1)"""

type Write = Callable[[], object]


@dataclass(frozen=True)
class Raced:
    """``waited``: whether the second session ended only after the first had
    committed. ``error`` is the number of Oracle's error that it got, 0 if the error
    has none, None if it got no error.
    """

    waited: bool
    error: int | None


@dataclass(frozen=True)
class MergeRaced(Raced):
    """``rows`` are what is in the table after both."""

    rows: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        got = f"gets ORA-{self.error:05}" if self.error else "gets no error"
        return (
            "of two sessions that MERGE one row the second"
            f" {'waits' if self.waited else 'does not wait'} and {got}"
        )


def race(first: Write, second: Write) -> Raced:
    """Write in two sessions; the second begins when the first has written.

    ``first`` is called here and in a transaction, which is committed after the
    second has waited. ``second`` is called in a thread, so on a connection of its
    own, in autocommit mode. What it raises but for a DatabaseError is raised.
    """
    from django.db import DatabaseError, connection, transaction

    done = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            second()
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    with transaction.atomic():
        first()
        thread.start()
        waited = not done.wait(CHANCE)
    thread.join(PATIENCE)
    if thread.is_alive():
        raise RuntimeError(f"the second session did not end in {PATIENCE} s")
    if not errors:
        return Raced(waited, None)
    if not isinstance(errors[0], DatabaseError):
        raise errors[0]
    return Raced(waited, getattr(errors[0].args[0], "code", 0))


def merge(value: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(MERGE, [KEY, value])


def merge_race() -> MergeRaced:
    """Race two MERGE statements in TABLE, which is there."""
    from django.db import connection

    raced = race(lambda: merge(1), lambda: merge(2))
    with connection.cursor() as cursor:
        cursor.execute('SELECT "NAME", "V" FROM "RACE"')
        rows = tuple((name, value) for name, value in cursor.fetchall())
    return MergeRaced(raced.waited, raced.error, rows)


def is_refused(sql: str) -> bool:
    """Say whether the database refuses a statement with the binds of MERGE."""
    from django.db import DatabaseError, connection

    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, [KEY, 3])
    except DatabaseError:
        return True
    return False


def main(name: str) -> None:
    """Print what two sessions did, and which of its mutants the stand-in refuses."""
    import django
    from django.db import connection

    django.setup()
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    try:
        raced = merge_race()
        refused = {
            mutant.name: is_refused(mutant.plant(MERGE))
            for mutant in mutants.MUTANTS
            if name in mutant.caught_by
        }
        # Else it would refuse anything.
        merge(4)
    finally:
        with connection.cursor() as cursor:
            cursor.execute('DROP TABLE "RACE"')
    print(json.dumps({"race": asdict(raced), "refused": refused}))


if __name__ == "__main__":
    main(*sys.argv[1:])
