"""Make a wheel of the patched Django, for pip, uv and Docker.

It is the official wheel of the pinned version with the files that the patches change.
Its version has a local part, such as 6.1.3+stack.42.g1a2b3c4d: the number of patches,
and the start of the digest of patches/series.lock, which is in it. "python -m django
--version" prints it. The same patches make the same bytes.
"""

import argparse
from pathlib import Path

from common.errors import OK
from common.project import Project
from patchstack import series, wheel


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--into",
        type=Path,
        default=Path("dist"),
        metavar="FOLDER",
        help="where to write it (default: dist)",
    )


def run(args: argparse.Namespace, project: Project) -> int:
    path = wheel.make(project, args.into)
    print(f"{path}\nsha256:{series.sha256(path.read_bytes())}")
    return OK
