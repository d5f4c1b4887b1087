"""Apply the series: to django-upstream/src, or to your own Django clone.

Without --into, the series is applied strictly to the pristine base and checked
out on the branch "stack" of django-upstream/src. Commits that are not exported
are never thrown away: the verb refuses, or saves them on a branch with --save.

With --into PATH (make apply DJANGO=PATH), it goes on a new branch of a clone of
Django 6.1.x or main. The clone must be clean. It adds only the new branch,
and prints the command that removes it. Strict, unless --three-way allows git
to merge where the code around a change has moved.
"""

import argparse
from pathlib import Path

from common.errors import OK, StackError
from common.progress import say
from common.project import Project
from patchstack import apply, series


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--into", type=Path, metavar="PATH", help="a Django clone of your own")
    add(
        "--only",
        nargs="+",
        default=[],
        metavar="SLUG",
        help="these patches and those that they depend on",
    )
    add(
        "--branch",
        default=apply.INTO,
        help="with --into: the new branch (default: %(default)s)",
    )
    add(
        "--three-way",
        action="store_true",
        help="with --into: merge where the code around a change has moved",
    )
    add(
        "--save",
        action="store_true",
        help="without --into: keep commits that are not exported on a branch saved-N",
    )
    add("--dry-run", action="store_true", help="only print the git commands")


def run(args: argparse.Namespace, project: Project) -> int:
    patches = series.load(project)
    if args.only:
        chosen = [series.find(patches, name) for name in args.only]
        patches = series.closure(patches, chosen)
    for patch in patches:
        if patch.slug not in series.found(project):
            say(f"{patch.slug} has a table but no patch yet: left out")
    if args.into is not None:
        lines = apply.apply_into(
            project,
            patches,
            args.into,
            branch=args.branch,
            three_way=args.three_way,
            only=args.only,
            dry_run=args.dry_run,
        )
    elif args.three_way:
        raise StackError("--three-way goes with --into", "./scripts/stack apply --help")
    else:
        lines = apply.apply_here(project, patches, save=args.save, dry_run=args.dry_run)
    for line in lines:
        print(line)
    return OK
