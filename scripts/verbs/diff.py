"""Show what changed in the series, as code and not as a diff of a diff.

Without an argument: the commits of django-upstream/src against patches/. With
a revision of this repository: the series as it was there against patches/. Both
are applied and compared by git range-diff.
"""

import argparse
import tempfile
from pathlib import Path

from common.errors import OK, StackError
from common.git import Git
from common.project import Project
from patchstack import build, series, src, upstream


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", nargs="?", help="such as HEAD~1 or a tag")


def tip_at(project: Project, revision: str) -> str | None:
    """Build the series of another revision of this repository; return its tip."""
    git = Git(project.root)
    if not git.ok("rev-parse", "--verify", f"{revision}^{{commit}}"):
        raise StackError(f"there is no revision {revision} here", "git log --oneline")
    names = git.out("ls-tree", "--name-only", f"{revision}:patches").splitlines()
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        files = [Path(folder) / n for n in sorted(names) if n.endswith(".patch")]
        for file in files:
            file.write_bytes(git.run("show", f"{revision}:patches/{file.name}"))
        made = build.build(project, files)
    return made[-1].id if made else None


def run(args: argparse.Namespace, project: Project) -> int:
    base = upstream.base(project)
    made = build.build(project, series.files(project, series.load(project)))
    here = made[-1].id if made else base
    if args.revision is not None:
        old, new = tip_at(project, args.revision) or base, here
    else:
        old, new = here, src.require(project).out("rev-parse", "HEAD")
        build.fetch_commits(project, project.src, "HEAD")
    if old == new:
        print("no difference")
        return OK
    store = Git(project.base, bare=True)
    # Full blob ids and positions are noise here; range-diff leaves them out.
    print(store.out("range-diff", "--no-color", f"{base}..{old}", f"{base}..{new}"))
    return OK
