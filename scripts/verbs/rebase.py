"""Carry the series to another Django: main in a clone, or a new release.

--onto CLONE[@REF] merges the patches onto a commit of a clone of Django, in a work
tree of its own: the clone stays as it is. Patches whose status is "merged" are left
out of a later feature release. --pin VERSION merges them onto the source archive of a
release, and makes it the base of the series.

Where git cannot merge, the work tree django-upstream/onto-NAME waits, with exit status
3. Edit the files there, then --continue, or --abort. What was decided is recorded in
patches/onto/NAME, and applied by itself the next time, also by "apply --into", as
long as the conflict is the same. --edit SLUG stops at a patch that merges, too.

At the end, the tests of the areas run without and with the series, and the patches
are linted with the linters that the target asks for. If all is well, a report is in
docs-drafts/rebases, and --pin writes patches/ and pin.toml. Exit status: 0 all is
well, 1 findings.
"""

import argparse
from pathlib import Path

from common.errors import OK, WAITING, StackError
from common.project import Project
from databases.targets import resolve
from patchstack import rebase


def configure(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--onto", metavar="CLONE[@REF]", help="a clone of Django")
    what.add_argument("--pin", metavar="VERSION", help="a release, such as 6.1.4")
    what.add_argument("--continue", action="store_true", dest="resume")
    what.add_argument("--abort", action="store_true", help="remove the work tree")
    add = parser.add_argument
    add("--sdist", type=Path, metavar="PATH", help="with --pin: its source archive")
    add("--edit", action="append", default=[], metavar="SLUG", help="stop there")
    add("--db", action="append", metavar="NAME", help="for the tests (default: sqlite)")


def run(args: argparse.Namespace, project: Project) -> int:
    begun = rebase.under_way(project)
    if args.resume or args.abort:
        if begun is None:
            raise StackError("no rebase is under way", "./scripts/stack rebase --help")
        if args.resume:
            return rebase.resume(project, begun)
        begun.remove(project)
        print("removed the work tree; what was recorded stays in patches/onto")
        return OK
    if begun is not None:
        raise StackError(
            f"a rebase onto {begun.name} is under way",
            "./scripts/stack rebase --continue (or --abort)",
            WAITING,
        )
    databases = args.db or ["sqlite"]
    for name in databases:
        resolve(name)  # An unknown one is told now rather than after the merges.
    if args.onto is not None:
        new = rebase.onto(project, args.onto, args.edit, databases)
    else:
        new = rebase.pin(project, args.pin, args.sdist, args.edit, databases)
    return rebase.begin(project, new)
