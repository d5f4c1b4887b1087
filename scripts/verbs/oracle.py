"""Climb the ladder of checks that stands in for an Oracle server.

The same as ./scripts/stack test --db oracle. It tests the patched Django of
patches/; with --src the files of django-upstream/src as they are.

  rung 0   Django makes the recorded statements and binds for Oracle, those of
           scripts/lab/oracle/golden.jsonl, and stock's for other databases
  rung 0.5 python-oracledb takes and encodes each of them, for no server
  rung 1   two grammars of Oracle's SQL accept them, and no planted mistake
  rung 2   Django's tests pass on engines that stand in for Oracle: H2 in Oracle
           mode, as 19 and as 23, and PostgreSQL
  rung 4   the same on an Oracle server: TEST_ORACLE_DSN, or docker compose

docs-drafts/oracle.md explains what each rung proves.

--update-golden records the statements again. Look at the change with git diff.
"""

import argparse

from common.errors import OK
from common.project import Project
from lab.oracle import golden
from verbs import test


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--src", action="store_true", help="django-upstream/src")
    parser.add_argument(
        "--update-golden", action="store_true", help="write the statements on file"
    )


def run(args: argparse.Namespace, project: Project) -> int:
    tree = test.choose_tree(project, from_src=args.src)
    if args.update_golden:
        golden.update(tree[1])
        print(f"wrote {project.shown(golden.FILE)}")
        return OK
    return test.finish([], [], [], rungs=test.climb(project, tree))
