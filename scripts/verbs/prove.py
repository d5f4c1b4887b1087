"""Prove that patches do what they say: red without them, green with them.

Each patch is proved on upstream with only the patches that it depends on, on SQLite
or on each --db:
  red         without the patch, but with its tests, exactly the tests that
              series.toml names in "red" fail, and no test of the modules in
              "red_modules" passes, which may not even be importable
  green       with the patch those tests pass, and the others of their classes
  unmodified  upstream's own tests of the areas that it touches pass with the
              patch. Exceptions are known failures of stock Django, and the tests
              in "alters" of series.toml. The verb prints the reasons of these.
A patch of kind refactor, docs or test may have no red. One that is red_on some
databases only is also proved on the first of them that is available.

Without PATCH, the patches are proved whose proof is not recorded in
docs-drafts/results/proofs.json or results/proofs.json; --all proves every one.
The proofs go to results/proofs.json. Copy it to docs-drafts/results/ to keep them.
"""

import argparse
from collections.abc import Sequence

from common.errors import FINDINGS, OK
from common.progress import say
from common.project import Project
from lab.evidence import kept as evidence
from patchstack import prove, series


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patches", nargs="*", metavar="PATCH")
    parser.add_argument("--db", action="append", metavar="NAME", help="may be repeated")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--changed", action="store_true", help="those not recorded (the default)"
    )
    which.add_argument("--all", action="store_true", help="every patch")


def prove_and_keep(
    project: Project,
    *,
    names: Sequence[str] = (),
    databases: Sequence[str] = (),
    again: bool = False,
) -> list[str]:
    """Prove patches, all if there are no names; write results/proofs.json.

    Leave out what is recorded, unless ``again``. Return what is wrong.
    """
    patches = series.load(project)
    cases = prove.cases(project, patches)
    slugs = [series.find(patches, name).slug for name in names]
    asked = [
        (case, where)
        for case in cases
        if not slugs or case.patch.slug in slugs
        for where in prove.databases(case.patch, databases)
    ]
    record = prove.recorded(project)
    todo = [
        (case, where)
        for case, where in asked
        if again or not prove.stands(case, record, where)
    ]
    made: prove.Record = {}
    not_run: dict[str, dict[str, str]] = {}
    try:
        for slug, name, shown in prove.prove_each(project, todo):
            if isinstance(shown, str):
                not_run.setdefault(slug, {})[name] = shown
            else:
                made.setdefault(slug, {})[name] = shown
    finally:
        # Keep the proofs that are done if the rest is interrupted.
        if made or not_run:
            tree = series.load_lock(project).patches[-1].tree[:16]
            new = {"patches": prove.merged(cases, record, made), "not_run": not_run}
            head = evidence.head("proofs", tree, project.root)
            evidence.keep(head | new, project.results / "proofs.json", project.root)
    if standing := len(asked) - len(todo):
        say(
            f"{standing} proofs stand as recorded: the trees without and with the patch"
            " and what series.toml says of it are the same"
            " (./scripts/stack prove --all makes them again)"
        )
    return prove.findings(made)


def run(args: argparse.Namespace, project: Project) -> int:
    found = prove_and_keep(
        project,
        names=args.patches,
        databases=args.db or (),
        again=args.all or bool(args.patches),
    )
    return FINDINGS if found else OK
