"""Check each patch against Django's own rules, and against what breaks git am.

The rules: commit message, authorship, formatting (Django's black, isort, flake8
and blacken-docs, at its versions, on the files that a patch touches), spelling and
line length in docs, required tests and release notes. --rules lists them with
their reasons.
"""

import argparse

from common.errors import FINDINGS, OK
from common.project import Project
from common.tables import aligned
from patchstack import lint, series


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patches", nargs="*", metavar="PATCH", help="default: all")
    parser.add_argument(
        "--rules", action="store_true", help="list the rules with their reasons"
    )


def run(args: argparse.Namespace, project: Project) -> int:
    if args.rules:
        print(aligned(list(lint.reasons().items())))
        return OK
    patches = series.load(project)
    chosen = [series.find(patches, name) for name in args.patches] or patches
    found = lint.lint(project, chosen)
    for finding in found:
        print(finding)
    if not found:
        print(f"{len(chosen)} patches, nothing found")
    return FINDINGS if found else OK
