"""Name the lines and branches that the patches add and that no test runs.

Django's runtests.py runs under coverage, in one process, on the patched Django of
patches/, with the labels of "test", on each --db. Without --db it runs on every
database available here and on the stand-ins for Oracle (standin-h2,
standin-h2-23, standin-postgres). Each database takes minutes, so they may run in
several calls: results/coverage/ keeps the run of each database, and every call
unites all runs of the same Django and the same Python. --unite only unites them.

A line belongs to the last patch that changed it, as git blame says. A statement
belongs to the patch of its first line, a branch to the patch of the line in which
it begins. "# pragma: no cover" leaves code out. Code that only a stand-in covers is
counted apart, because a stand-in is not Oracle.

The table counts statements and branches, "12, 4", and how many of them ran. Below
it are the lines that no database covers, and the branches of covered lines that are
not taken ("→ exit" leaves the function, class or module). results/coverage.json
holds all of it. With LABELs only those run, and no file is kept.

Exit status 1: a test fails that stock Django passes, in this call or in one that is
united. Status 2: nothing ran. Code that is not covered is no finding.

  ./scripts/stack coverage --db sqlite --db postgres
  ./scripts/stack coverage --unite
  ./scripts/stack coverage --db sqlite cache.test_operations
"""

import argparse
import json
import platform
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from common.errors import FINDINGS, OK, USAGE, StackError
from common.git import Git
from common.progress import say
from common.project import Project
from databases.targets import STANDINS, Target, resolve, standins, targets
from lab.evidence.kept import FORMAT, database, head, keep
from lab.oracle.ladder import LABELS
from patchstack import build, series, trees, upstream
from suite.cells import NotRun
from suite.coverage import cover, lines, measure, owners
from suite.run import check_labels

HELP = "./scripts/stack coverage --help"
KEPT = "coverage-run"  # The kind of a file in results/coverage/.
NO_RESULT = "no run of this Django and this Python is in results/coverage"


# The tree, its patches, and for each file that they touch: line → patch.
type Django = tuple[Path, list[series.Patch], dict[str, dict[int, str]]]
type Runs = dict[str, dict[str, Any]]


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("labels", nargs="*", metavar="LABEL", help="only these; no file is kept")
    add("--db", action="append", metavar="NAME", help="may be repeated")
    add("--unite", action="store_true", help="unite what was kept; run nothing")


def chosen(asked: Iterable[str] | None) -> list[Target]:
    """Return the databases of those names, each once; all databases without names."""
    if asked is None:
        return [each for each in (*targets(), *standins()) if not each.is_cache]
    found = [resolve(name) for name in dict.fromkeys(asked)]
    for target in found:
        if target.is_cache:
            raise StackError(f"--db: {target.name} is not a database", HELP)
    return found


def patched(project: Project) -> Django:
    """Build the series; return its tree, its patches, and the owners of its lines."""
    patches = list(series.load(project))
    made = build.build(project, series.files(project, patches))
    if not made:
        raise StackError("the series is empty", "./scripts/stack status")
    slugs = {each.id: patch.slug for each, patch in zip(made, patches, strict=True)}
    store, base = Git(project.base, bare=True), upstream.base(project)
    owned = owners(store, base, made[-1].id, slugs)
    if not owned:
        raise StackError("the series changes no Python file of django/")
    return trees.materialise(project, made[-1].tree), patches, owned


def stored(
    folder: Path, tree: str, without: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield the runs of a tree and this Python; name the files that are left out.

    Skip the targets in ``without``.
    """
    python = platform.python_version()
    wanted = {"kind": KEPT, "format": FORMAT, "tree": tree, "python": python}
    for path in sorted(folder.glob("*.json")):
        if path.stem in without:
            continue
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            kept = None
        if isinstance(kept, dict) and kept.items() >= wanted.items():
            yield kept
        else:
            say(f"{path.name}: not of this Django and this Python: left out")


def measured(
    project: Project,
    asked: Iterable[Target],
    labels: Sequence[str],
    django: Django,
) -> tuple[Runs, dict[str, str]]:
    """Run labels on databases; without labels run the default ones and keep the runs.

    Return the runs, and name → reason for each missing database.
    """
    tree, patches, owned = django
    areas = series.touched(patches)
    runs: Runs = {}
    missing = {}
    for target in asked:
        default = LABELS if target.family in STANDINS else areas
        logs = project.results / "logs" / "coverage"
        done = measure(target, tree, owned, labels or default, logs)
        if isinstance(done, NotRun):
            missing[target.name] = done.reason
            print(f"{target.name}: not run: {done.reason}\n  next: {done.command}")
            continue
        cell, files = done
        failed = {test: cell.run.reasons.get(test, "") for test in cell.verdict.new}
        runs[target.name] = (
            head(KEPT, tree.name, project.root)
            | database(target.name, cell.version)
            | {"passed": cell.passed, "failed": failed, "files": files}
        )
        if not labels:
            path = project.results / "coverage" / f"{target.name}.json"
            keep(runs[target.name], path, project.root)
    return runs, missing


def run(args: argparse.Namespace, project: Project) -> int:
    if args.unite and (args.labels or args.db):
        raise StackError("--unite runs nothing: no --db and no LABEL go with it", HELP)
    names = [target.name for target in chosen(None)]
    asked = [] if args.unite else chosen(args.db)
    django = tree, patches, owned = patched(project)
    check_labels(tree, args.labels)
    runs, missing = measured(project, asked, args.labels, django)
    if not args.labels:
        for each in stored(project.results / "coverage", tree.name, {*runs}):
            runs[each["database"]["target"]] = each
    if not runs and args.unite:
        raise StackError(NO_RESULT, "./scripts/stack coverage --db sqlite")
    if not runs:
        return USAGE
    # In the order of all the databases; those that are not among them at the end.
    ran = sorted(runs, key=lambda name: [*names, name].index(name))
    every = [runs[name] for name in ran]
    found = cover(every, [patch.slug for patch in patches], owned, tree)
    print("\n".join(lines(found, every)))
    if not args.labels:
        why = {name: missing.get(name, NO_RESULT) for name in names if name not in runs}
        shown = {name: runs[name]["database"]["version"] for name in ran}
        keep(
            head("coverage", tree.name, project.root)
            | {"databases": shown, "not_run": why, "patches": found},
            project.results / "coverage.json",
            project.root,
        )
    return FINDINGS if any(each["failed"] for each in every) else OK
