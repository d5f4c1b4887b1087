"""Look for a call that ends differently on stock and on patched Django.

Call update_or_create() and get_or_create() with random arguments, on random query
sets of about forty models, in and out of transactions. Each call runs on both
Djangos, with the same rows. The verb compares the result or exception, the instance,
the rows and sequences of all tables, the signals and callables that ran, and the
transaction. scripts/lab/fuzz/allowed.py lists what may differ.

If there is a difference, the exit status is 1. The verb makes the call as small as
it can, shows it with both outcomes, and writes it to a file for --replay. The file
holds Python expressions, which --replay evaluates.

  ./scripts/stack fuzz --db sqlite --db postgres --examples 20000
  ./scripts/stack fuzz --replay results/fuzz-sqlite.json

--plant puts a known bug into a copy of the patched Django, to show that the verb
finds it; "all" tries one bug after another. If one is not found, the exit status is 1.

  ./scripts/stack fuzz --plant all --examples 0
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import FINDINGS, OK, StackError
from common.progress import say, step
from lab.fuzz import check, plants
from lab.options import Reader, write
from patchstack import trees

if TYPE_CHECKING:
    from common.project import Project
    from databases.servers import Database
    from databases.targets import Target

READ = Reader(check.HELP)
ABLE = ("sqlite", "postgresql")


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--db", action="append", metavar="NAME", help="repeatable; or all; sqlite")
    add(
        "--examples",
        metavar="N",
        default="2000",
        help="random calls, after those of corpus.json; 2000",
    )
    add("--seed", metavar="N", default="1", help="of the random calls; 1")
    add("--plant", metavar="NAME", help="a bug, or all; an unknown name lists them")
    add("--replay", metavar="FILE", help="one call, from the file that a run wrote")


def run(args: argparse.Namespace, project: "Project") -> int:
    # Check all options before the first tree is made.
    targets = READ.targets(args.db, ABLE)
    examples = READ.whole(args.examples, "--examples", 0)
    seed = READ.whole(args.seed, "--seed", 0)
    known = [each["scenario"] for each in check.corpus()]
    if args.replay is not None:
        known, examples = [check.read(Path(args.replay))], 0
    chosen = [] if args.plant is None else plants.chosen(args.plant)
    from databases.servers import on_each, require

    both = trees.stock(project), trees.patched(project)
    good = True

    def do(_: "Target", database: "Database") -> None:
        nonlocal good
        if chosen:
            good &= try_plants(chosen, database, *both, known, examples, seed)
            return
        with (
            step(f"{database.target.name}: stock and patched"),
            check.pair(*both, database.url) as pair,
        ):
            report = pair.check(known, examples, seed)
        good &= shown(report, database.target.name, project)

    missing = on_each(targets, do)
    if not good:
        return FINDINGS
    require(missing, args.db)
    return OK


def shown(report: check.Report, name: str, project: "Project") -> bool:
    """Print what was found on one database; return whether nothing differs."""
    print(f"{name}: {report}")
    if report.difference is None:
        return True
    print(report.difference)
    path = project.results / f"fuzz-{name}.json"
    write(asdict(report.difference.scenario), path, project.root)
    say(f"  again: ./scripts/stack fuzz --db {name} --replay {project.shown(path)}")
    return False


def try_plants(
    chosen: list[plants.Plant], database: "Database", *check_with: Any
) -> bool:
    """Print which of the bugs are found; return whether all are."""
    name, all_found = database.target.name, True
    here = [each for each in chosen if each.database in ("", database.target.family)]
    stock, patched, *rest = check_with
    for plant, report in plants.search(here, stock, patched, database.url, *rest):
        if not plant and report.difference:
            again = f"./scripts/stack fuzz --db {name}"
            raise StackError(f"{name}: it differs without a plant", again, FINDINGS)
        if report.difference:
            total = f"{report.paths.total():,}"
            scenario = str(report.difference.scenario).replace("\n", "\n  ")
            print(f"{name}: {plant}: found after {total}\n  {scenario}", flush=True)
        elif plant:
            all_found = False
            print(f"{name}: {plant}: NOT FOUND; {report}", flush=True)
    return all_found
