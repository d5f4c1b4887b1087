"""Let threads race with update_or_create() on the same keys, stock and patched.

Each thread counts with update_or_create(name=key, defaults={"v": F("v") + 1},
create_defaults={"v": 1}) on keys that all threads share: first each key in the
same order, so that they race to create it, then random keys. Stock runs first,
then patched, in every mode of the database:

  sqlite      wal, wal-atomic, rollback, rollback-atomic (the journals)
  postgres    autocommit, atomic, repeatable-read, repeatable-read-atomic
              (Django's isolation_level, which it sets in transactions only)
  others      autocommit, atomic

SQLite waits 5 s for a lock, as in Django, so a site would see an error from here.

The table shows the calls that succeeded per second, the exceptions, the lost
updates (calls that succeeded less the sum of v), the keys that not exactly one
call reported as created, and the highest id beside the number of rows. The exit
status is 1 if an update is lost, if a key is created twice or by no call, or if
patched raises a class of exceptions that stock does not raise in the same mode.

  ./scripts/stack race --db sqlite --db postgres
  ./scripts/stack race --mode wal --threads 2 --seconds 3
  ./scripts/stack race --db postgres --upsert

--upsert races with QuerySet.upsert() on patched Django. Stock has none, and
races with update_or_create().
"""

import argparse
from dataclasses import asdict
from functools import partial
from pathlib import Path

from common.errors import FINDINGS, OK, StackError
from common.project import Project
from databases.servers import Database, on_each, require
from databases.targets import Target
from lab import options
from lab.origin import head
from lab.race.races import MODES, Plan, Race, race, show
from lab.runs import changed
from lab.variants import PATCHED, STOCK
from patchstack import trees

READ = options.Reader("./scripts/stack race --help")


def configure(parser: argparse.ArgumentParser) -> None:
    usual = Plan()
    add = parser.add_argument
    databases = "may be repeated, or all; default: sqlite"
    add("--db", action="append", metavar="NAME", help=databases)
    add("--mode", action="append", metavar="NAME", help="may be repeated; default: all")
    for name, read, help in (
        ("--threads", READ.whole, f"default: {usual.threads}"),
        ("--keys", READ.whole, f"default: {usual.keys}"),
        (
            "--seconds",
            READ.positive,
            f"of each side and mode; default: {usual.seconds:g}",
        ),
    ):
        add(name, type=partial(read, what=name), metavar="N", help=help)
    add("--upsert", action="store_true", help="QuerySet.upsert() on patched")
    add("--json", metavar="FILE", help="write all figures there")


def run(args: argparse.Namespace, project: Project) -> int:
    # Refuse wrong options before the first tree is made.
    plan = changed(Plan(), args)
    targets = READ.targets(args.db)
    known = {mode: None for target in targets for mode in MODES[target.family]}
    for mode in args.mode or ():
        if mode not in known:
            raise StackError(
                f"--mode: {mode} is not one of {', '.join(known)}", READ.help
            )
    modes = {
        target: [m for m in MODES[target.family] if not args.mode or m in args.mode]
        for target in targets
    }
    folders = {STOCK: trees.stock(project), PATCHED: trees.patched(project)}
    races: list[Race] = []

    def do(target: Target, database: Database) -> None:
        for mode in modes[target]:
            races.append(race(folders, database.url, target, mode, plan))

    missing = on_each([target for target in targets if modes[target]], do)
    if races:
        print(show(races), flush=True)
    if args.json is not None:
        written = {
            **head("race", 1, project.root),
            "ids": {variant: folder.name for variant, folder in folders.items()},
            "options": asdict(plan),
            "races": [each.to_json() for each in races],
        }
        options.write(written, Path(args.json), project.root)
    if any(each.findings() for each in races):
        return FINDINGS
    require(missing, args.db)
    return OK
