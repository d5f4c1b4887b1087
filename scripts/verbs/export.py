"""Write the commits of django-upstream/src to patches/.

Each commit after the base becomes one patch file. A note on the commit, which
follows amends and rebases, names its patch. A new commit takes the place in
series.toml that has no commit yet, so add its table there first. series.toml must
have the order of the commits.

A file depends on its commit alone. The new files are applied from scratch and
compared before anything in patches/ is touched. If patches/ has changed since the
last apply or export, the verb refuses. series.lock and the
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
