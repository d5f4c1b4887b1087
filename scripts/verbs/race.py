"""Let threads race with update_or_create() on the same keys, stock and patched.

Each thread counts with update_or_create(name=key, defaults={"v": F("v") + 1},
create_defaults={"v": 1}) on keys that all threads share: first each key in the
same order, so that they race to create it, then keys by chance. Stock runs
first, then patched, in every mode of the database:

  sqlite      wal, wal-atomic, rollback, rollback-atomic (the journals)
  postgres    autocommit, atomic, repeatable-read, repeatable-read-atomic
              (Django's isolation_level, which it sets in transactions only)
  others      autocommit, atomic

SQLite waits for a lock as long as --timeout says; 5 s as in Django, so that an
error here is one that a site would see.

The table shows the calls that succeeded per second, the exceptions, the lost
updates (calls that succeeded less the sum of v), the keys that not exactly one
call was told to have created, and the highest id beside the rows. The exit
status is 1 if an update is lost, if a key is created twice or by none, or if
patched raises a class of exceptions that stock did not in the same mode.

  ./scripts/stack race --db sqlite --db postgres
  ./scripts/stack race --mode wal --threads 2 --seconds 3
  ./scripts/stack race --db postgres --upsert

--upsert races with QuerySet.upsert() on the patched Django, and with
update_or_create() on stock, which has none.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import FINDINGS, OK, StackError
from common.progress import step
from databases.family import Unavailable
from lab import options
from lab.client import started
from lab.figures import aligned
from lab.options import Reader
from lab.variants import PATCHED, STOCK

if TYPE_CHECKING:
    from common.project import Project
    from databases.servers import Database
    from databases.targets import Target

HELP = "./scripts/stack race --help"
READ = Reader(HELP)
FORMAT = 1  # of the JSON file

HEADER = (
    "database, mode",
    "stock calls/s",
    "patched calls/s",
    "errors",
    "lost updates",
    "not created once",
    "stock max(id)",
    "patched max(id)",
)
LEGEND = (
    "stock → patched. calls/s: those that succeeded. not created once: keys that"
    " two calls or none\nwere told to have created. max(id): of how many rows."
)


@dataclass(frozen=True)
class Mode:
    """How the calls are made; ``journal`` is SQLite's, ``isolation`` PostgreSQL's."""

    name: str
    atomic: bool = False
    journal: str = "WAL"
    isolation: str = ""


PLAIN = (Mode("autocommit"), Mode("atomic", atomic=True))
MODES: Mapping[str, tuple[Mode, ...]] = {
    "sqlite": (
        Mode("wal"),
        Mode("wal-atomic", atomic=True),
        Mode("rollback", journal="DELETE"),
        Mode("rollback-atomic", atomic=True, journal="DELETE"),
    ),
    "postgresql": (
        *PLAIN,
        Mode("repeatable-read", isolation="REPEATABLE_READ"),
        Mode("repeatable-read-atomic", atomic=True, isolation="REPEATABLE_READ"),
    ),
    "mariadb": PLAIN,
    "mysql": PLAIN,
    "oracle": PLAIN,
}


@dataclass(frozen=True)
class Plan:
    """What every race of one run has; ``timeout`` is SQLite's, in seconds."""

    threads: int = 8
    keys: int = 100
    seconds: float = 10
    timeout: float = 5
    upsert: bool = False
    seed: int = 1


@dataclass(frozen=True)
class Errors:
    """``count`` exceptions of a class whose messages start alike."""

    kind: str
    message: str
    count: int

    def __str__(self) -> str:
        return f"{self.count:,} {self.kind}: {self.message}"


@dataclass(frozen=True)
class Side:
    """What the threads of one Django saw, and what its table then held.

    ``calls`` succeeded in ``seconds``; ``total`` is the sum of v.
    """

    calls: int
    seconds: float
    total: int
    rows: int
    max_id: int
    created_twice: tuple[str, ...]
    created_never: tuple[str, ...]
    errors: tuple[Errors, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Side":
        """Return what a worker answered."""
        lists = ("created_twice", "created_never")
        errors = tuple(Errors(**each) for each in answer["errors"])
        return cls(
            **{
                **answer,
                **{name: tuple(answer[name]) for name in lists},
                "errors": errors,
            }
        )

    @property
    def lost(self) -> int:
        return self.calls - self.total

    @property
    def not_once(self) -> int:
        return len(self.created_twice) + len(self.created_never)

    @property
    def failed(self) -> int:
        return sum(each.count for each in self.errors)

    @property
    def kinds(self) -> set[str]:
        return {each.kind for each in self.errors}

    @property
    def rate(self) -> float:
        """Calls that succeeded per second."""
        return self.calls / self.seconds

    def findings(self) -> list[str]:
        """Say what must not be, whichever Django it is."""
        found = []
        if self.lost:
            found.append(
                f"{self.calls:,} calls succeeded, but the sum of v is {self.total:,}"
            )
        if self.created_twice:
            keys = ", ".join(self.created_twice)
            found.append(f"more than one call created: {keys}")
        if self.created_never:
            keys = ", ".join(self.created_never)
            found.append(f"no call was told that it created: {keys}")
        return found


@dataclass(frozen=True)
class Race:
    """Stock and patched in one mode of one database."""

    database: str
    version: str
    mode: str
    sides: Mapping[str, Side]

    @property
    def name(self) -> str:
        return f"{self.database}, {self.mode}"

    def findings(self) -> list[str]:
        """Return what makes the exit status 1, a line each."""
        found = [
            f"{self.name}, {variant}: {line}"
            for variant, side in self.sides.items()
            for line in side.findings()
        ]
        new = self.sides[PATCHED].kinds - self.sides[STOCK].kinds
        return found + [
            f"{self.name}, {PATCHED}: {each}, which stock did not raise"
            for each in self.sides[PATCHED].errors
            if each.kind in new
        ]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"findings": self.findings()}


def cells(races: Sequence[Race]) -> list[list[str]]:
    """Return the table's rows as text."""
    rows = []
    for race in races:
        stock, patched = race.sides[STOCK], race.sides[PATCHED]
        rows.append(
            [
                race.name,
                f"{stock.rate:,.0f}",
                f"{patched.rate:,.0f}",
                f"{stock.failed:,} → {patched.failed:,}",
                f"{stock.lost:,} → {patched.lost:,}",
                f"{stock.not_once:,} → {patched.not_once:,}",
                f"{stock.max_id:,} of {stock.rows:,}",
                f"{patched.max_id:,} of {patched.rows:,}",
            ]
        )
    return rows


def show(races: Sequence[Race]) -> str:
    """Return what a person reads at the end of a run."""
    raised = [
        f"{race.name}, {variant}: {each}"
        for race in races
        for variant, side in race.sides.items()
        for each in side.errors
    ]
    parts = [aligned(HEADER, cells(races)), LEGEND, "\n".join(raised)]
    return "\n\n".join(part for part in parts if part)


def modes(family: str, patterns: Sequence[str]) -> list[Mode]:
    """Return the modes of a database that the names or shell patterns mean."""
    return [
        mode
        for mode in MODES[family]
        if not patterns or any(fnmatchcase(mode.name, each) for each in patterns)
    ]


def race(
    *,
    stock: Path,
    patched: Path,
    url: str,
    database: str,
    mode: Mode,
    plan: Plan,
) -> Race:
    """Race on the Django in one folder, then in the other.

    Each has a process and a database of its own on the server that ``url`` names;
    ``database`` is what a person calls it. Unavailable if ``plan`` wants upsert()
    and the patched Django or the database has none.
    """
    method = {STOCK: "update_or_create", PATCHED: "update_or_create"}
    sides = {}
    with tempfile.TemporaryDirectory(prefix="race-") as name, ExitStack() as stack:
        workers = {
            variant: stack.enter_context(
                started(f"race {variant}", tree, url, Path(name), "lab.race.worker")
            )
            for variant, tree in ((STOCK, stock), (PATCHED, patched))
        }
        for variant, worker in workers.items():
            if url.startswith("sqlite:"):
                worker.ask("option", name="timeout", value=plan.timeout)
            if mode.isolation:
                worker.ask("option", name="isolation_level", value=mode.isolation)
            opened = worker.ask(
                "open",
                name=f"race_{variant}",
                folder=name,
                synchronous="NORMAL",
                journal=mode.journal,
            )
        if plan.upsert:
            method[PATCHED] = "upsert"
            if why := workers[PATCHED].ask("lacking").get("upsert hit"):
                raise Unavailable(why, "leave --upsert out")
        for variant, worker in workers.items():
            with step(f"{database}, {mode.name}, {variant}: {plan.seconds:g} s"):
                answer = worker.ask(
                    "race",
                    method=method[variant],
                    atomic=mode.atomic,
                    threads=plan.threads,
                    keys=plan.keys,
                    seconds=plan.seconds,
                    seed=plan.seed,
                )
            sides[variant] = Side.of(answer)
    return Race(database, opened["database_version"], mode.name, sides)


def configure(parser: argparse.ArgumentParser) -> None:
    made = Plan()
    add = parser.add_argument
    add("--db", action="append", metavar="NAME", help="may be repeated; or all; sqlite")
    add("--mode", action="append", metavar="NAME", help="may be repeated; all")
    add("--threads", metavar="N", default=str(made.threads), help=f"{made.threads}")
    add("--keys", metavar="N", default=str(made.keys), help=f"{made.keys}")
    add(
        "--seconds",
        metavar="S",
        default=str(made.seconds),
        help=f"of each Django in each mode; {made.seconds:g}",
    )
    add(
        "--timeout",
        metavar="S",
        default=str(made.timeout),
        help=f"of SQLite for a lock; {made.timeout:g}",
    )
    add("--upsert", action="store_true", help="QuerySet.upsert() on patched")
    add("--seed", metavar="N", default=str(made.seed), help=f"{made.seed}")
    add("--json", metavar="FILE", help="write everything there")


def plan(args: argparse.Namespace) -> Plan:
    """Return what the options ask for."""
    return Plan(
        threads=READ.whole(args.threads, "--threads"),
        keys=READ.whole(args.keys, "--keys"),
        seconds=READ.positive(args.seconds, "--seconds"),
        timeout=READ.positive(args.timeout, "--timeout"),
        upsert=args.upsert,
        seed=READ.whole(args.seed, "--seed", 0),
    )


def chosen(
    targets: Sequence["Target"], patterns: Sequence[str]
) -> list[tuple["Target", list[Mode]]]:
    """Return each database with its modes; StackError for a pattern without any."""
    known = {mode.name: None for each in targets for mode in MODES[each.family]}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise StackError(
                f"--mode: no mode is called {pattern!r}; there are: "
                + ", ".join(known),
                HELP,
            )
    return [(target, modes(target.family, patterns)) for target in targets]


def data(races: Sequence[Race], plan: Plan, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return what the JSON file holds."""
    return {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "ids": dict(ids),
        "options": asdict(plan),
        "races": [each.to_json() for each in races],
    }


def run(args: argparse.Namespace, project: "Project") -> int:
    # Everything that can be wrong is looked at before the first tree is made.
    wished = plan(args)
    asked = chosen(READ.targets(args.db), args.mode or ())
    from databases.servers import on_each, require
    from patchstack import trees

    stock, patched = trees.stock(project), trees.patched(project)
    races: list[Race] = []
    modes_of = {target: its_modes for target, its_modes in asked if its_modes}

    def do(target: "Target", database: "Database") -> None:
        for mode in modes_of[target]:
            done = race(
                stock=stock,
                patched=patched,
                url=database.url,
                database=target.name,
                mode=mode,
                plan=wished,
            )
            races.append(done)

    missing = on_each(modes_of, do)
    findings = [line for each in races for line in each.findings()]
    if races:
        print(show(races), *findings, sep="\n", flush=True)
    if args.json is not None:
        ids = {STOCK: stock.name, PATCHED: patched.name}
        options.write(data(races, wished, ids), Path(args.json), project.root)
    if findings:
        return FINDINGS
    require(missing, args.db)
    return OK
