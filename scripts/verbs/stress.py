"""Check the database cache with many processes, killed writers and damaged rows.

On patched Django, or on stock with --stock, through the public API of the cache;
only the damage is done by SQL. These are the phases; --phase chooses from them:

  incr     --calls incr() on 10 keys: the values add up to the calls that
           returned
  add      rounds in which all processes add() one key, half of them over an
           expired row: one call returns True, and get() has its value
  mix      get, set, add, touch, delete, incr, get_many and set_many at random:
           each value that is read is one that was written for its key, and
           never an older one of its writer than before
  cull     as mix, by each CULL_STRATEGY in turn, with MAX_ENTRIES half of the
           keys. Half of the calls of one process are in transactions; a part
           of these is rolled back. At the end a set() that culls leaves at most
           MAX_ENTRIES rows and its own
  convert  mix with culls, incr, and reads of rows that nobody changes, while
           createcachetable --upgrade and --downgrade convert the table again and
           again, at times two at once: no row is missed
  kill     --kills writers of large values end by SIGKILL: every key holds a
           whole value, an old or a new one, and nothing is logged as discarded
  corrupt  --rows rows are damaged in seven ways: get() and get_many() miss or
           have the right value; each miss is one WARNING on the logger
           "django.cache", and its row is gone

No exception may reach the caller, except in a transaction, for a deadlock or a
conversion: it is only counted. All up to convert end after --seconds. SQLite is in WAL
mode, and waits 5 s for a lock as in Django. Random damage may decode to another
value: it is counted ("other"), but is no finding. The exit status is 1 if there
is a finding, as there is on stock.

  ./scripts/stack stress --db sqlite --db postgres
  ./scripts/stack stress --phase incr --calls 10000 --processes 4
  ./scripts/stack stress --stock --seconds 5
"""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

from common.errors import FINDINGS, OK
from common.project import Project
from common.tables import aligned
from databases.servers import Database, on_each, require
from databases.targets import Target
from lab import options
from lab.origin import head
from lab.runs import changed
from lab.stress.phases import PHASES, Plan, Run, stress
from lab.variants import PATCHED, STOCK
from patchstack import trees

READ = options.Reader("./scripts/stack stress --help")
ABLE = ("sqlite", "postgresql", "mariadb", "mysql")
SHOWN = 5  # findings of a phase


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    databases = "may be repeated, or all; default: sqlite"
    add("--db", action="append", metavar="NAME", help=databases)
    repeated = "may be repeated; default: all"
    add("--phase", action="append", choices=list(PHASES), help=repeated)
    add("--stock", action="store_true", help="on stock Django")
    for name, read, help in (
        ("--processes", READ.whole, f"default: {Plan.processes}"),
        ("--seconds", READ.positive, f"of a timed phase; default: {Plan.seconds:g}"),
        ("--calls", READ.whole, f"of incr; default: {Plan.calls}"),
        ("--kills", READ.whole, f"default: {Plan.kills}"),
        ("--rows", READ.whole, f"of corrupt; default: {Plan.rows}"),
    ):
        add(name, type=partial(read, what=name), metavar="N", help=help)
    add("--json", metavar="FILE", help="write all figures there")


def show(run: Run) -> str:
    """Return the table of one database, the first findings and the notes."""
    rows = [["phase", "findings", "done"]]
    lines = []
    for phase, each in run.outcomes.items():
        rows.append([phase, f"{len(each.findings):,}", each.done])
        more = len(each.findings) - SHOWN
        facts = [*each.findings[:SHOWN], *([f"and {more:,} more"] if more > 0 else [])]
        lines += [f"{phase}: {line}" for line in (*facts, *each.notes)]
    name = f"{run.database} {run.version}, {run.variant}: {run.findings:,} findings"
    return "\n".join([name, aligned(rows, right=[1]), *lines])


def run(args: argparse.Namespace, project: Project) -> int:
    # Refuse wrong options before the first tree is made.
    plan = changed(Plan(), args)
    targets = READ.targets(args.db, ABLE)
    phases = [name for name in PHASES if name in (args.phase or PHASES)]
    variant = STOCK if args.stock else PATCHED
    tree = trees.stock(project) if args.stock else trees.patched(project)
    runs: list[Run] = []

    def do(target: Target, database: Database) -> None:
        runs.append(stress(tree, database.url, target.name, variant, phases, plan))
        print(show(runs[-1]), end="\n\n", flush=True)

    missing = on_each(targets, do)
    if args.json is not None:
        written = {
            **head("stress", 1, project.root),
            "tree": tree.name,
            "options": asdict(plan),
            "runs": [asdict(each) for each in runs],
            "not_run": {name: error.reason for name, error in missing.items()},
        }
        options.write(written, Path(args.json), project.root)
    if any(each.findings for each in runs):
        return FINDINGS
    require(missing, args.db)
    return OK
