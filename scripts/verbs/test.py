"""Run tests: everything, or Django's runtests.py on the databases you name.

Without arguments: verify; the tool's own tests, quick ones first; prove, for
each patch whose proof is not recorded; whether the tables in the README files are
true; and Django's tests of the areas that the patches touch, with ours, on every
database available on this machine. The others are listed as "not run", with the
next command.

With --db, labels or any other option: Django's runtests.py with the labels
(default: the areas that the patches touch; --full: all), on the patched Django
of patches/, or --stock, or --src: the files of django-upstream/src as they are.
With --stock, labels of tests that only the patches bring are left out. Words
behind "--" go to runtests.py unchanged. --db oracle climbs a ladder of checks that ends
with a server: see ./scripts/stack oracle --help.

Failures that stock Django has on a database too are listed with their reasons
in scripts/suite/baseline/; every other failure gives exit status 1. Status 2: no
named database was available, so nothing ran.

A run of patches/ with the default labels, and with nothing after "--", leaves
results/tests-PYTHON-DATABASE.json, and new proofs go to results/proofs.json.

  ./scripts/stack test --db postgres cache.tests.DBCacheTests -- --debug-sql
  make test DB=mariadb LABELS="cache bulk_create" STOCK=1
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.progress import say
from common.project import Project
from databases.targets import Target, resolve, standins, targets
from lab.evidence import files
from lab.evidence import kept as evidence
from lab.oracle import ladder
from lab.oracle.ladder import LABELS, Rung
from lab.variants import PATCHED, STOCK
from patchstack import series, src, trees, verify
from suite import tooltests
from suite.cells import Cell, NotRun, run_target
from suite.outcome import Outcome
from suite.tooltests import NONE, Count
from verbs import prove

# Without a server it is a ladder of checks: see lab.oracle.ladder.
ORACLE = "oracle"

# A cache server takes part in the tests of its own backend only.
SERVER_LABELS = {
    "redis": ("cache.tests.RedisCacheTests",),
    "memcached": ("cache.tests.PyMemcacheCacheTests",),
}
STAND_IN = "A stand-in is not Oracle: docs-drafts/oracle.md says what each rung shows."

type Tree = tuple[str, Path]  # The name of a Django, and its folder.


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labels", nargs="*", metavar="LABEL")
    parser.add_argument("--db", action="append", metavar="NAME", help="may be repeated")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--stock", action="store_true", help="unpatched Django")
    which.add_argument(
        "--src", action="store_true", help="django-upstream/src, with your changes"
    )
    parser.add_argument("--full", action="store_true", help="the whole upstream suite")


def run(args: argparse.Namespace, project: Project) -> int:
    named = args.labels or args.db or args.stock or args.src or args.full or args.rest
    return run_named(args, project) if named else run_all(project)


def choose_tree(
    project: Project, *, stock: bool = False, from_src: bool = False
) -> Tree:
    """Return the name and the path of the Django to test; StackError without src."""
    if stock:
        return STOCK, trees.stock(project)
    if from_src:
        return "src", src.require(project).folder
    return PATCHED, trees.patched(project)


def run_named(args: argparse.Namespace, project: Project) -> int:
    """Run labels on databases."""
    names = args.db or ["sqlite"]
    patches = series.load(project)
    chosen = [resolve(name) for name in names if name != ORACLE]
    tree = choose_tree(project, stock=args.stock, from_src=args.src)
    labels = args.labels or ([] if args.full else series.touched(patches))
    labels = series.present(tree[1], labels, patches)
    # One database: show the output of runtests.py as it runs.
    logs = None if len(chosen) == len(names) == 1 else project.results / "logs"
    special: dict[str, Sequence[str]] = {}
    if not args.labels:
        special = SERVER_LABELS | {
            each.name: series.present(tree[1], LABELS, patches)
            for each in standins()
            if each in chosen
        }
    cells, not_run = _run_each(chosen, tree, labels, special, logs, args.rest)
    rungs: Sequence[Rung] = ()
    if ORACLE in names:
        rungs = climb(project, tree, args.labels, args.rest)
    # Other labels, or options that may leave out tests, are not a patch's evidence.
    if tree[0] == PATCHED and not (args.labels or args.full or args.rest):
        keep_tests(project, tree[1].name, cells, rungs)
    return finish(cells, not_run, [], rungs=rungs)


def climb(
    project: Project,
    tree: Tree,
    labels: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> list[Rung]:
    """Climb the ladder that stands in for an Oracle server; say how far."""
    patches = series.load(project)
    if tree[0] == STOCK:
        labels = series.present(tree[1], labels or LABELS, patches)
    rungs = []
    for rung in ladder.rungs(
        tree,
        project.results / "logs",
        touched=series.touched(patches),
        labels=labels,
        extra=extra,
    ):
        for line in rung.lines():
            say(line)
        rungs.append(rung)
    return rungs


def _run_each(
    targets: Sequence[Target],
    tree: Tree,
    labels: Sequence[str],
    special: Mapping[str, Sequence[str]],
    logs: Path | None,
    extra: Sequence[str] = (),
) -> tuple[list[Cell], list[NotRun]]:
    """Run the labels on each target, or the labels that ``special`` has for it."""
    cells, not_run = [], []
    for target in targets:
        chosen = special.get(target.name, labels)
        done = run_target(target, tree, chosen, logs, extra=extra)
        if isinstance(done, NotRun):
            not_run.append(done)
        else:
            cells.append(done)
    return cells, not_run


def keep_tests(
    project: Project, tree: str, cells: Sequence[Cell], rungs: Sequence[Rung]
) -> None:
    """Write the results of the patches on each database to results/."""
    patches = series.load(project)
    for cell in [*cells, *(cell for rung in rungs for cell in rung.cells)]:
        evidence.keep(
            evidence.tests(cell, patches, tree, project.root),
            project.results / evidence.name(cell),
            project.root,
        )


def finish(
    cells: Sequence[Cell],
    not_run: Sequence[NotRun],
    problems: Sequence[str],
    *,
    rungs: Sequence[Rung] = (),
    tool: Count = NONE,
) -> int:
    """Print the outcome; return the exit code. ``tool``: the tool's own tests."""
    notes = [line for rung in rungs for line in rung.lines()]
    found = [f"rung {rung.number}: {line}" for rung in rungs for line in rung.findings]
    outcome = Outcome(
        [*cells, *(cell for rung in rungs for cell in rung.cells)],
        not_run,
        [*problems, *found],
        tool,
        [*notes, STAND_IN] if rungs else [],
        shown=any(rung.ran for rung in rungs),
    )
    print("\n".join(outcome.lines()))
    return outcome.code


def run_all(project: Project) -> int:
    """Run everything that this machine can run."""
    problems = verify.findings(project)
    # The tool's tests of the bench need both trees.
    trees.patched(project)
    trees.stock(project)
    tool = tooltests.run(project.root)
    problems += prove.prove_and_keep(project)
    problems += files.findings(project)
    # The proofs and the report may have removed this tree to make room.
    tree = choose_tree(project)
    cells, not_run = _run_each(
        [target for target in targets() if target.name != ORACLE],
        tree,
        series.touched(series.load(project)),
        SERVER_LABELS,
        project.results / "logs",
    )
    rungs = climb(project, tree)
    keep_tests(project, tree[1].name, cells, rungs)
    say(f"the tool's own tests: {tool}")
    return finish(cells, not_run, problems, rungs=rungs, tool=tool)
