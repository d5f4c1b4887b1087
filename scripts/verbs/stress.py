"""Check the database cache among processes, killed writers and damaged rows.

On the patched Django, or on stock with --stock, by the public API of the cache;
only the damage is done by SQL. These are the phases; --phase chooses some:

  incr     --calls incr() on 10 keys: the values add up to the calls that
           returned
  add      rounds in which all processes add() one key, half of them where
           there is an expired row: one returns True, and get() has its value
  mix      get, set, add, touch, delete, incr, get_many and set_many at random:
           each value that is read is one that was written for its key
  cull     as mix, by each CULL_STRATEGY in turn, with MAX_ENTRIES half of the
           keys; half of one process's calls are in transactions, of which some
           are rolled back. Once all have stopped, a set() that culls leaves
           MAX_ENTRIES rows and its own at most
  kill     --kills writers of large values end by SIGKILL: every key holds a
           whole value, an old or a new one, and nothing is logged as discarded
  corrupt  --rows rows are damaged in seven ways: get() and get_many() miss or
           have the right value; each miss is one WARNING on the logger
           "django.cache", and its row is gone

No exception may reach the caller; only a deadlock in a transaction is counted
but no finding, as it has to. incr, add, mix and cull end after --seconds.
SQLite is in WAL mode, and waits 5 s for a lock as in Django. What random damage
happens to decode to is counted ("other"), but is no finding. calls/s: of incr,
mix and cull those that returned, of kill those of the writers, of corrupt the
reads.
The exit status is 1 if there is a finding, as there is on stock.

  ./scripts/stack stress --db sqlite --db postgres
  ./scripts/stack stress --phase incr --calls 10000 --processes 4
  ./scripts/stack stress --stock --seconds 5
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import FINDINGS, OK
from common.progress import step
from lab import options
from lab.figures import aligned
from lab.options import Reader
from lab.stress.phases import PHASES, Outcome, Plan, crew
from lab.variants import PATCHED, STOCK

if TYPE_CHECKING:
    from common.project import Project
    from databases.servers import Database
    from databases.targets import Target

HELP = "./scripts/stack stress --help"
READ = Reader(HELP)
ABLE = ("sqlite", "postgresql", "mariadb", "mysql")
FORMAT = 1  # of the JSON file
SHOWN = 5  # findings of a phase

HEADER = ("phase", "done", "findings", "calls/s")


@dataclass(frozen=True)
class Run:
    """The phases on one database; ``variant`` is stock or patched."""

    database: str
    version: str
    variant: str
    outcomes: tuple[Outcome, ...]

    @property
    def name(self) -> str:
        return f"{self.database} {self.version}, {self.variant}"

    @property
    def findings(self) -> int:
        return sum(len(each.findings) for each in self.outcomes)

    def summary(self) -> str:
        phases = ", ".join(each.phase for each in self.outcomes)
        return f"{self.name}: {self.findings:,} findings in {phases}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"findings": self.findings}


def facts(outcome: Outcome) -> list[str]:
    """Return the first findings, how many more there are, and the notes."""
    first, more = outcome.findings[:SHOWN], len(outcome.findings) - SHOWN
    lines = [*first, *([f"and {more:,} more"] if more > 0 else []), *outcome.notes]
    return [f"{outcome.phase}: {line}" for line in lines]


def show(run: Run) -> str:
    """Return what a person reads of one database."""
    rows = [
        [
            each.phase,
            each.done,
            f"{len(each.findings):,}",
            f"{each.rate:,.0f}",
        ]
        for each in run.outcomes
    ]
    lines = [line for each in run.outcomes for line in facts(each)]
    return "\n".join([run.name, aligned(HEADER, rows), *lines])


def stress(
    tree: Path, url: str, database: str, variant: str, phases: Sequence[str], plan: Plan
) -> Run:
    """Run the phases on the Django in ``tree`` and the server that ``url`` names.

    ``database`` is what a person calls it.
    """
    outcomes = []
    with (
        tempfile.TemporaryDirectory(prefix="stress-") as name,
        crew(tree, url, Path(name), plan.processes) as processes,
    ):
        for phase in phases:
            processes.owner.ask("clear")
            with step(f"{database}, {variant}, {phase}"):
                outcomes.append(PHASES[phase](processes, plan))
    return Run(database, processes.version, variant, tuple(outcomes))


def configure(parser: argparse.ArgumentParser) -> None:
    made = Plan()
    add = parser.add_argument
    add("--db", action="append", metavar="NAME", help="may be repeated; or all; sqlite")
    add("--phase", action="append", choices=list(PHASES), help="may be repeated; all")
    add("--stock", action="store_true", help="on stock Django")
    add(
        "--processes",
        metavar="N",
        default=str(made.processes),
        help=f"{made.processes}",
    )
    add(
        "--seconds",
        metavar="S",
        default=str(made.seconds),
        help=f"of incr, of add, of mix and of cull; {made.seconds:g}",
    )
    add("--calls", metavar="N", default=str(made.calls), help=f"of incr; {made.calls}")
    add("--kills", metavar="N", default=str(made.kills), help=f"{made.kills}")
    add("--rows", metavar="N", default=str(made.rows), help=f"of corrupt; {made.rows}")
    add("--seed", metavar="N", default=str(made.seed), help=f"of chance; {made.seed}")
    add("--json", metavar="FILE", help="write everything there")


def plan(args: argparse.Namespace) -> Plan:
    """Return what the options ask for."""
    return Plan(
        processes=READ.whole(args.processes, "--processes"),
        seconds=READ.positive(args.seconds, "--seconds"),
        calls=READ.whole(args.calls, "--calls"),
        kills=READ.whole(args.kills, "--kills"),
        rows=READ.whole(args.rows, "--rows"),
        seed=READ.whole(args.seed, "--seed", 0),
    )


def data(
    runs: Sequence[Run], not_run: Mapping[str, str], plan: Plan, tree: str
) -> dict[str, Any]:
    """Return what the JSON file holds; ``not_run`` are reasons by database."""
    return {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "tree": tree,
        "options": asdict(plan),
        "runs": [each.to_json() for each in runs],
        "not_run": dict(not_run),
    }


def run(args: argparse.Namespace, project: "Project") -> int:
    # Everything that can be wrong is looked at before the first tree is made.
    wished = plan(args)
    targets = READ.targets(args.db, ABLE)
    phases = [name for name in PHASES if name in (args.phase or PHASES)]
    from databases.servers import on_each, require
    from patchstack import trees

    variant = STOCK if args.stock else PATCHED
    tree = trees.stock(project) if args.stock else trees.patched(project)
    runs: list[Run] = []

    def do(target: "Target", database: "Database") -> None:
        done = stress(tree, database.url, target.name, variant, phases, wished)
        runs.append(done)
        print(show(done), end="\n\n", flush=True)

    missing = on_each(targets, do)
    for each in runs:
        print(each.summary())
    if args.json is not None:
        reasons = {name: error.reason for name, error in missing.items()}
        written = data(runs, reasons, wished, tree.name)
        options.write(written, Path(args.json), project.root)
    if any(each.findings for each in runs):
        return FINDINGS
    require(missing, args.db)
    return OK
