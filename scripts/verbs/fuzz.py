"""Look for a call that ends differently on stock and on patched Django.

Call update_or_create() and get_or_create() with random arguments, on random query
sets of about sixty models, in and out of transactions. Each call runs on both
Djangos, with the same rows. The verb compares the result or exception, the instance,
the rows and sequences of all tables, the signals and callables that ran, the warnings,
and the transaction. scripts/lab/fuzz/allowed.py lists what may differ.

If there is a difference, the exit status is 1. The verb makes the call as small as
it can, shows it with both outcomes, and writes it to a file for --replay. The file
holds Python expressions, which --replay evaluates.

  ./scripts/stack fuzz --db sqlite --db postgres --db mariadb --examples 2000
  ./scripts/stack fuzz --replay results/fuzz-sqlite.json

--plant puts a known bug into a copy of the patched Django, to show that the verb
finds it; "all" tries one bug after another. If one is not found, the exit status is 1.

  ./scripts/stack fuzz --plant all --examples 0
"""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

from common.errors import FINDINGS, OK
from common.progress import say
from common.project import Project
from databases.servers import Database, on_each, require
from databases.targets import Target
from lab.fuzz import check, plants
from lab.options import Reader, write
from patchstack import trees

READ = Reader(check.HELP)
ABLE = ("sqlite", "postgresql", "mariadb")


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    databases = "may be repeated, or all; default: sqlite"
    add("--db", action="append", metavar="NAME", help=databases)
    for name, default, help in (
        ("--examples", 2000, "random calls, after those on file; default: 2000"),
        ("--seed", 1, "of the random calls; default: 1"),
    ):
        read = partial(READ.whole, what=name, least=0)
        add(name, type=read, metavar="N", default=default, help=help)
    add("--plant", metavar="NAME", help="a bug, or all; an unknown name lists them")
    add("--replay", metavar="FILE", help="one call, from the file that a run wrote")


def run(args: argparse.Namespace, project: Project) -> int:
    # Check all options before the first tree is made.
    targets = READ.targets(args.db, ABLE)
    known, examples = [each["scenario"] for each in check.corpus()], args.examples
    if args.replay is not None:
        known, examples = [check.read(Path(args.replay))], 0
    chosen = [] if args.plant is None else plants.chosen(args.plant)
    both = trees.stock(project), trees.patched(project)
    good = True

    def do(_: Target, database: Database) -> None:
        nonlocal good
        name, family = database.target.name, database.target.family
        say(f"{name}: stock and patched ...")
        here = [plant for plant in chosen if plant.database in ("", family)]
        for plant, report in plants.search(
            here, *both, database.url, known, examples, args.seed
        ):
            if plant:
                good &= report.difference is not None
                print(f"{name}: {plant}: {found(report)}", flush=True)
            else:
                good &= report.difference is None
                show(report, name, project)

    missing = on_each(targets, do)
    if not good:
        return FINDINGS
    require(missing, args.db)
    return OK


def found(report: check.Report) -> str:
    """Say which call found a plant."""
    if report.difference is None:
        return f"NOT FOUND; {report}"
    scenario = str(report.difference.scenario).replace("\n", "\n  ")
    return f"found after {report.paths.total():,}\n  {scenario}"


def show(report: check.Report, name: str, project: Project) -> None:
    """Print what a run without a plant shows; write the call that differs."""
    print(f"{name}: {report}")
    if report.difference is not None:
        print(report.difference)
        path = project.results / f"fuzz-{name}.json"
        write(asdict(report.difference.scenario), path, project.root)
        say(f"  again: ./scripts/stack fuzz --db {name} --replay {project.shown(path)}")
