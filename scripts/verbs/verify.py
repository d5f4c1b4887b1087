"""Check that the series is exactly what was exported, and sound.

From the pristine base the patches are applied strictly. The archive, the base
tree, each file and the tree after each patch are compared with series.lock.
The commits are exported again and must give the same bytes. Each patch must also
apply on the base with only the patches that it depends on. Every patch is linted
(--no-lint leaves that out), and "git diff --check" must be silent.
Exit status: 0 all is well, 1 something differs and is named.
"""

import argparse
import json

from common.errors import FINDINGS, OK
from common.project import Project
from patchstack import series, verify


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--no-lint", action="store_true", help="leave out the lint")


def run(args: argparse.Namespace, project: Project) -> int:
    found = verify.findings(project, with_lint=not args.no_lint)
    count = len(series.load(project))
    if args.json:
        print(json.dumps({"ok": not found, "patches": count, "findings": found}))
    else:
        print("\n".join(found) or f"{count} patches verified")
    return FINDINGS if found else OK
