"""Look for a call that ends differently on stock and on patched Django.

update_or_create() and get_or_create() are called with random arguments, on
random query sets of about forty models, in and out of transactions; each call
runs on both Djangos, with the same rows. Compared are the result or exception,
the instance, the rows and sequences of all tables, the signals and callables
that ran, and the transaction. What may differ is in scripts/lab/fuzz/allowed.py.

The exit status is 1 if there is a difference: the call is shrunk to the least
that still differs, shown with both outcomes, and written to a file for --replay.

  ./scripts/stack fuzz --db sqlite --db postgres --examples 20000
  ./scripts/stack fuzz --replay results/fuzz-sqlite.json

--plant puts a known bug into a copy of the patched Django, to show that it would
be found; "all" does so one after another. The exit status is 1 if one is not.

  ./scripts/stack fuzz --plant all --examples 0
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import FINDINGS, OK, StackError
from common.progress import say, step
from lab.fuzz.check import Report, check, corpus
from lab.fuzz.plants import PLANTS, Plant, planted
from lab.fuzz.scenario import Scenario
from lab.options import Reader, write
from patchstack import trees

if TYPE_CHECKING:
    from common.project import Project
    from databases.servers import Database
    from databases.targets import Target

HELP = "./scripts/stack fuzz --help"
READ = Reader(HELP)
ABLE = ("sqlite", "postgresql")


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--db", action="append", metavar="NAME", help="may be repeated; or all; sqlite")
    add(
        "--examples",
        metavar="N",
        default="2000",
        help="random calls, after those of corpus.json; 2000",
    )
    add("--seed", metavar="N", default="1", help="of the random calls; 1")
    add("--plant", metavar="NAME", help="a bug, or all; an unknown name lists them")
    add("--replay", metavar="FILE", help="one call, from the file that a run wrote")


def chosen(name: str) -> Sequence[Plant]:
    """Return the plants of that name that can be found; StackError if none."""
    if name == "all":
        return [plant for plant in PLANTS if not plant.harmless]
    for plant in PLANTS:
        if plant.name == name:
            if plant.harmless:
                raise StackError(f'plant "{name}" cannot be found: {plant.harmless}')
            return [plant]
    names = "\n  ".join(plant.name for plant in PLANTS if not plant.harmless)
    raise StackError(f'there is no plant "{name}"; there are:\n  {names}', HELP)


def read(path: Path) -> list[Scenario]:
    """Return the scenario that is written in the file; StackError if none is."""
    try:
        return [Scenario.from_json(json.loads(path.read_text("utf-8")))]
    except OSError as error:
        raise StackError(f"{path} cannot be read: {error.strerror}", HELP) from None
    except ValueError as error:
        raise StackError(f"{path} is not JSON: {error}", HELP) from None


@dataclass(frozen=True)
class Plan:
    """What one run does on each database."""

    stock: Path
    patched: Path
    known: Sequence[Scenario]
    examples: int
    seed: int

    def check(self, database: "Database", patched: Path) -> Report:
        return check(
            self.stock,
            patched,
            database.url,
            known=self.known,
            examples=self.examples,
            seed=self.seed,
        )


def compare(plan: Plan, database: "Database", project: "Project") -> bool:
    """Say what is found on one database; return whether there is no difference."""
    name = database.target.name
    with step(f"{name}: stock and patched"):
        report = plan.check(database, plan.patched)
    print(f"{name}: {report}")
    if report.difference is None:
        return True
    print(report.difference)
    path = project.results / f"fuzz-{name}.json"
    write(report.difference.scenario.to_json(), path, project.root)
    say(f"  again: ./scripts/stack fuzz --db {name} --replay {project.shown(path)}")
    return False


def try_plants(plan: Plan, database: "Database", plants: Sequence[Plant]) -> bool:
    """Plant bugs one after another; return whether each was found."""
    name, all_found = database.target.name, True
    with tempfile.TemporaryDirectory(prefix="plants-") as folder:
        copy = trees.copied(plan.patched, Path(folder))
        if plan.check(database, copy).difference:
            raise StackError(
                f"{name}: there is a difference without a plant",
                f"./scripts/stack fuzz --db {name}",
                FINDINGS,
            )
        for plant in plants:
            if plant.database not in ("", database.target.family):
                continue
            with planted(copy, plant):
                report = plan.check(database, copy)
            if report.difference is None:
                all_found = False
                print(f"{name}: {plant.name}: NOT FOUND; {report}", flush=True)
            else:
                print(
                    f"{name}: {plant.name}: found after {report.scenarios:,}",
                    *(
                        f"  {line}"
                        for line in str(report.difference.scenario).split("\n")
                    ),
                    sep="\n",
                    flush=True,
                )
    return all_found


def run(args: argparse.Namespace, project: "Project") -> int:
    # Everything that can be wrong is looked at before the first tree is made.
    targets = READ.targets(args.db, ABLE)
    examples = READ.whole(args.examples, "--examples", 0)
    seed = READ.whole(args.seed, "--seed", 0)
    known = corpus() if args.replay is None else read(Path(args.replay))
    plants = None if args.plant is None else chosen(args.plant)
    from databases.servers import on_each, require

    plan = Plan(
        stock=trees.stock(project),
        patched=trees.patched(project),
        known=known,
        examples=examples if args.replay is None else 0,
        seed=seed,
    )
    good = True

    def do(_: "Target", database: "Database") -> None:
        nonlocal good
        if plants is None:
            good &= compare(plan, database, project)
        else:
            good &= try_plants(plan, database, plants)

    missing = on_each(targets, do)
    if not good:
        return FINDINGS
    require(missing, args.db)
    return OK
