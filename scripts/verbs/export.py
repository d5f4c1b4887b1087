"""Write the commits of django-upstream/src to patches/.

Each commit after the base becomes one patch file. Which patch a commit is, its
note says (it follows amends and rebases); a new commit takes the place in
series.toml that has no commit yet, so add its table there first. The order in
series.toml must be that of the commits.

A file depends on its commit alone. The new files are applied from scratch and
compared before anything in patches/ is touched. If somebody else has changed
patches/ since the last apply or export, the verb refuses. series.lock and the
table in patches/README.md are written with the patches.
"""

import argparse

from common.errors import OK
from common.project import Project
from patchstack import export


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="say which files would change"
    )


def run(args: argparse.Namespace, project: Project) -> int:
    print("\n".join(export.export(project, dry_run=args.dry_run)))
    return OK
