"""Races of stock and patched Django, and what must hold after them."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.progress import step
from common.tables import aligned
from databases.targets import Target
from lab.client import started
from lab.variants import PATCHED, STOCK

# Mode → whether each call is in atomic(), and the journal of SQLite or the isolation
# level of PostgreSQL.
type Modes = Mapping[str, tuple[bool, str]]

PLAIN: Modes = {"autocommit": (False, ""), "atomic": (True, "")}
MODES: Mapping[str, Modes] = {
    "sqlite": {
        "wal": (False, "WAL"),
        "wal-atomic": (True, "WAL"),
        "rollback": (False, "DELETE"),
        "rollback-atomic": (True, "DELETE"),
    },
    "postgresql": {
        **PLAIN,
        "repeatable-read": (False, "REPEATABLE_READ"),
        "repeatable-read-atomic": (True, "REPEATABLE_READ"),
    },
    "mariadb": PLAIN,
    "mysql": PLAIN,
    "oracle": PLAIN,
}


@dataclass(frozen=True)
class Plan:
    """The size of each race of a run; ``seconds`` are for one Django in one mode."""

    threads: int = 8
    keys: int = 100
    seconds: float = 10
    upsert: bool = False


@dataclass(frozen=True)
class Side:
    """The calls of the threads on one Django, and its table after them.

    ``calls`` succeeded in ``seconds``; ``total`` is the sum of v. ``errors`` are the
    exceptions, "class: start of the message" → count.
    """

    calls: int
    seconds: float
    total: int
    rows: int
    max_id: int
    created_twice: Sequence[str]
    created_never: Sequence[str]
    errors: Mapping[str, int]


@dataclass(frozen=True)
class Race:
    """Stock and patched in one mode of one database."""

    database: str
    version: str
    mode: str
    sides: Mapping[str, Side]

    def findings(self) -> list[str]:
        """Return a line for each finding."""
        known = {error.partition(":")[0] for error in self.sides[STOCK].errors}
        found = []
        for variant, side in self.sides.items():
            twice, never = ", ".join(side.created_twice), ", ".join(side.created_never)
            facts = {
                f"{side.calls:,} calls succeeded, but the sum of v is"
                f" {side.total:,}": side.calls != side.total,
                f"more than one call created: {twice}": twice,
                f"no call reported as created: {never}": never,
            } | {
                f"{count:,} {error}, which stock did not raise": variant == PATCHED
                and error.partition(":")[0] not in known
                for error, count in side.errors.items()
            }
            where = f"{self.database}, {self.mode}, {variant}"
            found += [f"{where}: {fact}" for fact, wrong in facts.items() if wrong]
        return found

    def row(self) -> dict[str, str]:
        """Return the row of the table, by column."""
        stock, patched = self.sides[STOCK], self.sides[PATCHED]

        def both(number: Callable[[Side], int]) -> str:
            return f"{number(stock):,} → {number(patched):,}"

        return {
            "database, mode": f"{self.database}, {self.mode}",
            "stock calls/s": f"{stock.calls / stock.seconds:,.0f}",
            "patched calls/s": f"{patched.calls / patched.seconds:,.0f}",
            "errors": both(lambda side: sum(side.errors.values())),
            "lost updates": both(lambda side: side.calls - side.total),
            "not created once": both(
                lambda side: len([*side.created_twice, *side.created_never])
            ),
            "stock max(id)": f"{stock.max_id:,} of {stock.rows:,}",
            "patched max(id)": f"{patched.max_id:,} of {patched.rows:,}",
        }

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"findings": self.findings()}


def show(races: Sequence[Race]) -> str:
    """Return the table, what was raised, and the findings."""
    raised = [
        f"{race.database}, {race.mode}, {variant}: {count:,} {error}"
        for race in races
        for variant, side in race.sides.items()
        for error, count in side.errors.items()
    ]
    rows = [race.row() for race in races]
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    findings = [line for race in races for line in race.findings()]
    return "\n".join([aligned(cells, range(1, len(cells[0]))), *raised, *findings])


def race(
    trees: Mapping[str, Path], url: str, target: Target, mode: str, plan: Plan
) -> Race:
    """Race on stock, then on patched, whose folders are ``trees``.

    Each has a process and a database of its own on the server at ``url``.
    """
    sides = {}
    atomic, setting = MODES[target.family][mode]
    sqlite = target.family == "sqlite"
    for variant in (STOCK, PATCHED):
        upsert = plan.upsert and variant == PATCHED
        with (
            step(f"{target.name}, {mode}, {variant}: {plan.seconds:g} s"),
            tempfile.TemporaryDirectory(prefix="race-") as folder,
            started(
                f"race {variant}", trees[variant], url, Path(folder), "lab.race.worker"
            ) as worker,
        ):
            opened = worker.ask(
                "open",
                name=f"race_{variant}",
                folder=folder,
                synchronous="NORMAL",
                journal=setting if sqlite else "",
            )
            seen = worker.ask(
                "race",
                method="upsert" if upsert else "update_or_create",
                atomic=atomic,
                isolation="" if sqlite else setting,
                threads=plan.threads,
                keys=plan.keys,
                seconds=plan.seconds,
            )
        sides[variant] = Side(**seen)
    return Race(target.name, opened["database_version"], mode, sides)
