"""Run tests: everything, or Django's runtests.py on the databases you name.

Without arguments: the tool's own tests; verify; prove for every patch on
SQLite; upstream's tests of the touched areas, with ours, on every database that
can be had; and whether the tables in the README files are true. Databases that
cannot be had are listed as "not run" with the command that would change it.

With --db, labels or any other option: Django's runtests.py with the labels
(default: the areas that the patches touch; --full: all), on the patched Django
of patches/, or --stock, or --src: the files of django-upstream/src as they are.
What follows "--" goes to runtests.py as it is. --db oracle climbs a ladder of
checks, of which a server is the last: see ./scripts/stack oracle --help.

Failures that stock Django has on a database too are listed with their reasons
in scripts/suite/baseline/; everything else is news, and exit status 1. Status 2:
no database that was asked for could be had, so nothing ran.

What patches/ showed with the default labels, and with nothing after "--", is
kept in results/tests-PYTHON-DATABASE.json, and the proofs of a run without
arguments in results/proofs.json.

  ./scripts/stack test --db postgres cache.tests.DBCacheTests -- --debug-sql
  make test DB=mariadb LABELS="cache bulk_create" STOCK=1
"""

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import FINDINGS, OK, USAGE, StackError
from common.progress import say
from common.project import Project
from patchstack import build, prove, series, src, trees, verify
from verbs import report

if TYPE_CHECKING:
    from databases.targets import Target
    from lab.oracle.ladder import Rung
    from suite.cells import Cell, NotRun

# Without a server it is a ladder of checks: see oracle.ladder.
ORACLE = "oracle"

# A server that is no database takes part in the tests of its own backend only.
SERVER_LABELS = {
    "redis": ("cache.tests.RedisCacheTests",),
    "memcached": ("cache.tests.PyMemcacheCacheTests",),
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labels", nargs="*", metavar="LABEL")
    parser.add_argument("--db", action="append", metavar="NAME", help="may be repeated")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--stock", action="store_true", help="Django as it came")
    which.add_argument(
        "--src",
        action="store_true",
        help="django-upstream/src, uncommitted changes too",
    )
    parser.add_argument("--full", action="store_true", help="the whole upstream suite")
    parser.add_argument("--json", action="store_true", help="for programs")


def touched(patches: Sequence[series.Patch]) -> list[str]:
    """Return the labels of the areas that the patches touch, each once."""
    return list(dict.fromkeys(label for patch in patches for label in patch.tests))


def run(args: argparse.Namespace, project: Project) -> int:
    named = args.labels or args.db or args.stock or args.src or args.full or args.rest
    return run_named(args, project) if named else run_all(args, project)


def choose_tree(
    project: Project, *, stock: bool = False, from_src: bool = False
) -> tuple[str, Path]:
    """Return the name and the path of the Django to test; StackError without src."""
    if stock:
        return "stock", trees.stock(project)
    if from_src:
        if src.own(project) is None:
            raise StackError(
                "django-upstream/src is not there", "./scripts/stack apply"
            )
        return "src", project.src
    return "patched", trees.patched(project)


def run_named(args: argparse.Namespace, project: Project) -> int:
    """Run labels on databases."""
    from databases.targets import resolve, standins
    from lab.oracle.ladder import LABELS

    names = args.db or ["sqlite"]
    labels = args.labels or ([] if args.full else touched(series.load(project)))
    targets = [resolve(name) for name in names if name != ORACLE]
    tree = choose_tree(project, stock=args.stock, from_src=args.src)
    # For one person watching one database, as runtests.py prints it.
    shown = len(targets) == len(names) == 1 and not args.json
    logs = None if shown else project.results / "logs"
    special: dict[str, Sequence[str]] = {}
    if not args.labels:
        special = SERVER_LABELS | {each.name: LABELS for each in standins()}
    cells, not_run = _run_each(targets, tree, labels, special, logs, args.rest)
    rungs: Sequence[Rung] = ()
    if ORACLE in names:
        rungs = climb(project, tree, args.labels, args.rest)
    # Other labels, or options that may leave out tests, are not a patch's evidence.
    if tree[0] == "patched" and not (args.labels or args.full or args.rest):
        keep_tests(project, tree[1].name, cells, rungs)
    return finish(cells, not_run, [], rungs=rungs, as_json=args.json)


def climb(
    project: Project,
    tree: tuple[str, Path],
    labels: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> list["Rung"]:
    """Climb the ladder that stands in for an Oracle server; say how far."""
    from lab.oracle import ladder

    rungs = []
    for rung in ladder.rungs(
        tree,
        project.results / "logs",
        touched=touched(series.load(project)),
        labels=labels,
        extra=extra,
    ):
        for line in rung.lines():
            say(line)
        rungs.append(rung)
    return rungs


def _run_each(
    targets: Sequence["Target"],
    tree: tuple[str, Path],
    labels: Sequence[str],
    special: Mapping[str, Sequence[str]],
    logs: Path | None,
    extra: Sequence[str] = (),
) -> tuple[list["Cell"], list["NotRun"]]:
    """Run the labels on each target, those of ``special`` where it names one."""
    from suite.cells import NotRun, run_target

    cells, not_run = [], []
    for target in targets:
        chosen = special.get(target.name, labels)
        done = run_target(target, [tree], chosen, logs, extra=extra)
        if isinstance(done, NotRun):
            not_run.append(done)
        else:
            cells += done
    return cells, not_run


def keep_tests(
    project: Project, tree: str, cells: Sequence["Cell"], rungs: Sequence["Rung"]
) -> None:
    """Write what each database showed of the patches to results/."""
    from lab.evidence import kept as evidence

    patches = series.load(project)
    for cell in [*cells, *(cell for rung in rungs for cell in rung.cells)]:
        evidence.keep(
            evidence.tests(cell, patches, tree, project.root),
            project.results / evidence.name(cell),
            project.root,
        )


def finish(
    cells: Sequence["Cell"],
    not_run: Sequence["NotRun"],
    problems: Sequence[str],
    *,
    rungs: Sequence["Rung"] = (),
    tool: tuple[int, int, int] = (0, 0, 0),
    as_json: bool = False,
) -> int:
    """Print what was found, and return the exit code that says the same.

    ``tool`` are the tool's own tests: how many passed, failed, were skipped.
    """
    cells = [*cells, *(cell for rung in rungs for cell in rung.cells)]
    problems = [
        *problems,
        *(f"rung {rung.number}: {line}" for rung in rungs for line in rung.findings),
    ]
    passed = tool[0] + sum(cell.passed for cell in cells)
    failed = tool[1] + sum(len(cell.verdict.new) for cell in cells) + len(problems)
    skipped = tool[2] + sum(cell.skipped for cell in cells)
    anything = bool(cells) or any(rung.ran for rung in rungs)
    ok = not failed and anything
    # Nothing is wrong where nothing ran, but nothing was shown either.
    nothing_ran = not failed and not anything and bool(not_run)
    code = OK if ok else USAGE if nothing_ran else FINDINGS
    if as_json:
        print(
            json.dumps(
                {
                    "ok": ok,
                    "runs": [cell.data() for cell in cells],
                    "rungs": [rung.data() for rung in rungs],
                    "not_run": [vars(entry) for entry in not_run],
                    "problems": problems,
                    "tool": dict(
                        zip(("passed", "failed", "skipped"), tool, strict=True)
                    ),
                },
                indent=2,
            )
        )
        return code
    for cell in cells:
        name = f"{cell.database}, {cell.tree}"
        for test in cell.verdict.new:
            print(f"{name}: FAILED {test}: {cell.run.reasons.get(test, '')}")
        if cell.verdict.new and cell.run.log:
            print(f"{name}: everything it printed is in {cell.run.log}")
        for test in cell.verdict.known:
            print(f"{name}: known failure of stock Django: {test}")
        for test in cell.verdict.repaired:
            print(f"{name}: listed as failing, but it passes: {test}")
    for line in problems:
        print(line)
    versions = [cell.version.split("-")[0] for cell in cells]
    names = [cell.database for cell in cells] + [entry.database for entry in not_run]
    widths = (
        max(map(len, names), default=0) + 2,
        max(map(len, versions), default=0) + 2,
    )
    for cell, version in zip(cells, versions, strict=True):
        print(
            f"{cell.database:<{widths[0]}}{version:<{widths[1]}}{cell.tree:<9}"
            f"{cell.passed:>6} passed"
            f"{len(cell.verdict.new):>5} new failures{cell.skipped:>6} skipped"
        )
    for entry in not_run:
        print(f"{entry.database:<{widths[0]}}not run: {entry.reason}")
        print(f"{'':<{widths[0]}}next: {entry.command}")
    for rung in rungs:
        for line in rung.lines():
            print(line)
    if rungs:
        print(
            "A stand-in is not Oracle: docs-drafts/oracle.md says what each rung shows."
        )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return code


def tool_tests(project: Project) -> tuple[int, int, int]:
    """Run the tool's own tests; return how many passed, failed, were skipped."""
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        xml = Path(folder) / "tests.xml"
        say("the tool's own tests ...")
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--junitxml={xml}"],
            cwd=project.root,
            stdout=sys.stderr,
            check=False,
        )
        if not xml.exists():
            raise StackError("pytest gave no result", "./.venv/bin/python -m pytest")
        counts = ET.parse(xml).getroot().find("testsuite")
        assert counts is not None
        number = {
            key: int(counts.attrib[key])
            for key in counts.attrib
            if key != "name" and counts.attrib[key].isdigit()
        }
    failed = number["failures"] + number["errors"]
    return number["tests"] - failed - number["skipped"], failed, number["skipped"]


def prove_all(
    project: Project,
    patches: Sequence[series.Patch],
    made: Sequence[build.Commit],
    tree: str,
) -> list[str]:
    """Prove every patch, write results/proofs.json; return what is wrong."""
    from databases.targets import Unavailable
    from lab.evidence import kept as evidence

    proofs: list[prove.Proof] = []
    not_run: dict[str, dict[str, str]] = {}
    for patch in patches:
        for names in prove.databases(patch):
            try:
                proof = prove.prove_first(project, patch, made, names)
            except Unavailable as error:
                say(f"{patch.slug} on {names[-1]}: not run: {error.reason}")
                not_run.setdefault(patch.slug, {})[names[-1]] = error.reason
                continue
            proofs.append(proof)
            say(str(proof))
    evidence.keep(
        evidence.proofs(proofs, not_run, tree, project.root),
        project.results / "proofs.json",
        project.root,
    )
    return [
        f"prove {proof.patch}: {line}" for proof in proofs for line in proof.findings
    ]


def run_all(args: argparse.Namespace, project: Project) -> int:
    """Run everything that can be run here."""
    from databases.targets import targets

    patches = series.load(project)
    problems = verify.findings(project)
    # Before the tool's tests: those of the bench need both.
    tested = trees.patched(project).name
    trees.stock(project)
    tool = tool_tests(project)
    made = build.build(project, series.files(project, patches))
    problems += prove_all(project, patches, made, tested)
    problems += report.findings(project)
    # The trees of the proofs and of the report may have taken its place.
    tree = ("patched", trees.patched(project))
    cells, not_run = _run_each(
        [target for target in targets() if target.name != ORACLE],
        tree,
        touched(patches),
        SERVER_LABELS,
        project.results / "logs",
    )
    rungs = climb(project, tree)
    keep_tests(project, tree[1].name, cells, rungs)
    say("the tool's own tests: {} passed, {} failed, {} skipped".format(*tool))
    return finish(cells, not_run, problems, rungs=rungs, tool=tool, as_json=args.json)
