"""Get the pinned Django and make the base commit from it.

The source archive comes from the package index by pip, is accepted only with
the sha256 of django-upstream/pin.toml, and is kept in the user's cache
($XDG_CACHE_HOME or ~/.cache, django-patch-stack/) for the next time. The base
commit in django-upstream/base.git depends on the archive and the pin alone.
"""

import argparse
from pathlib import Path

from common.errors import OK, StackError
from common.project import Project
from patchstack import upstream


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sdist", type=Path, metavar="PATH", help="take this file, do not download"
    )


def run(args: argparse.Namespace, project: Project) -> int:
    if args.sdist is not None:
        if not args.sdist.is_file():
            raise StackError(
                f"{args.sdist} does not exist, or is not a file",
                "./scripts/stack fetch --help",
            )
        upstream.keep(project, upstream.load_pin(project), args.sdist)
    commit = upstream.base(project)
    print(f"base {commit} in {project.shown(project.base)}")
    return OK
