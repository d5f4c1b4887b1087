"""Say which lines and branches that the patches add to django/ no test runs.

Django's runtests.py runs under coverage, in one process, on the patched Django
of patches/, with the labels of "test", on each --db: by default on every
database that can be had and on what stands in for Oracle (standin-h2,
standin-h2-23, standin-postgres). As each takes some minutes, they may run in
several calls: what ran on a database is kept in results/coverage/, and every
call unites all that is there of the same Django and the same Python. --unite
only does that, and runs nothing.

A line is of the patch that git blame names, so one that a later patch replaced
is that one's. A statement is of the patch that its first line is of, a branch
of the patch that the line is of in which it begins. "# pragma: no cover" leaves
out. What only a stand-in covers is counted by itself, as it is not Oracle.

The table has statements and branches, "12, 4", and what of them ran. Then come
the lines that no database covers and, of lines that are covered, the branches
that are not taken ("→ exit" leaves the function, class or module). All of it is
in results/coverage.json. With LABELs only those run, and nothing is kept.

Exit status 1 if a test fails that stock Django passes, in this call or in one
that is united; what is not covered is no finding. Status 2 if nothing ran.

  ./scripts/stack coverage --db sqlite --db postgres
  ./scripts/stack coverage --unite
  ./scripts/stack coverage --db sqlite cache.test_operations
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import FINDINGS, OK, USAGE, StackError
from common.git import Git
from common.progress import say
from patchstack import build, series, trees, upstream
from suite.owned import Branch, Owners, Points, Statement, changed, owners, read, united
from verbs.test import touched

if TYPE_CHECKING:
    from common.project import Project
    from databases.targets import Target
    from suite.cells import NotRun

HELP = "./scripts/stack coverage --help"
KEPT = "coverage-run"  # The kind of a file in results/coverage/.
COVERAGE = ("-m", "coverage")
# No file of the tree, which coverage would look for.
NO_SETTINGS = f"--rcfile={os.devnull}"
# Of coverage's report on a file; the rest of it is made from these.
KEYS = (
    "executed_lines",
    "missing_lines",
    "excluded_lines",
    "executed_branches",
    "missing_branches",
)
NO_RESULT = "no run of this Django and this Python is in results/coverage"


@dataclass(frozen=True)
class Patched:
    """Django with the whole series; ``owners`` has each file that it touches."""

    tree: Path
    patches: Sequence[series.Patch]
    owners: Owners


@dataclass(frozen=True)
class Ran:
    """What ran on one database; ``failed``: each new failure → its last line."""

    target: str
    name: str
    version: str
    standin: bool
    passed: int
    failed: Mapping[str, str]
    there: Points
    covered: Points


@dataclass(frozen=True)
class Coverage:
    """What of one patch is covered, by database and by several of them.

    ``united`` is covered on a real database, ``every`` on any or on a stand-in.
    """

    slug: str
    there: Points
    covered: Mapping[str, Points]
    united: Points
    every: Points

    @property
    def missing(self) -> list[Statement]:
        """The statements that no real database covers."""
        return sorted(self.there.statements - self.united.statements)

    @property
    def partial(self) -> list[Branch]:
        """The branches that none takes, though the line runs where they begin.

        If that is on a stand-in alone, those that no stand-in takes either.
        """
        on_none = self.there.branches - self.every.branches
        on_standin = self.every.branches - self.united.branches
        return sorted(
            [each for each in on_none if each[:2] in self.every.statements]
            + [each for each in on_standin if each[:2] in self.united.statements]
        )


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("labels", nargs="*", metavar="LABEL", help="only these; nothing is kept")
    add("--db", action="append", metavar="NAME", help="may be repeated")
    add("--unite", action="store_true", help="what was kept; run nothing")


def chosen(asked: Iterable[str] | None) -> list["Target"]:
    """Return the databases of those names, each once; all of them without any."""
    from databases.targets import resolve, standins, targets

    if asked is None:
        return [each for each in (*targets(), *standins()) if not each.is_cache]
    found = [resolve(name) for name in dict.fromkeys(asked)]
    for target in found:
        if target.is_cache:
            raise StackError(f"--db: {target.name} is not a database", HELP)
    return found


def patched(project: "Project") -> Patched:
    """Build the series of patches/; say which line of it is whose."""
    patches = series.load(project)
    made = build.build(project, series.files(project, patches))
    if not made:
        raise StackError("the series is empty", "./scripts/stack status")
    store, tip = Git(project.base, bare=True), made[-1]
    files = changed(store, upstream.base(project), tip.id)
    if not files:
        raise StackError("the series changes no Python file of django/")
    slugs = {each.id: patch.slug for each, patch in zip(made, patches, strict=True)}
    return Patched(
        trees.materialise(project, tip.tree),
        patches,
        owners(store, tip.id, slugs, files),
    )


def measure(
    target: "Target",
    django: Patched,
    labels: Sequence[str],
    project: "Project",
) -> "dict[str, Any] | NotRun":
    """Run labels on one database; return what results/coverage/ keeps of it."""
    from lab.evidence.kept import database, head
    from suite.cells import NotRun, run_target

    files = list(django.owners)
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        store = f"--data-file={folder}/data"
        # By the ends of the paths: in the others a character may be a wildcard.
        include = f"--include={','.join(f'*/{file}' for file in files)}"
        done = run_target(
            target,
            [("patched", django.tree)],
            labels,
            project.results / "logs" / "coverage",
            extra=("--parallel=1",),
            through=(*COVERAGE, "run", "--branch", NO_SETTINGS, store, include),
        )
        if isinstance(done, NotRun):
            return done
        (cell,) = done
        found = reported(django.tree, files, Path(folder) / "report.json", store)
    return head(KEPT, django.tree.name, project.root) | {
        **database(target.name, cell.version),
        "passed": cell.passed,
        "failed": {test: cell.run.reasons.get(test, "") for test in cell.verdict.new},
        "files": found,
    }


def measure_each(
    targets: Iterable["Target"],
    django: Patched,
    labels: Sequence[str],
    project: "Project",
) -> tuple[list[Ran], list["NotRun"]]:
    """Run the labels on each database; keep what ran, if they are the default.

    A stand-in has default labels of its own.
    """
    from databases.targets import STANDINS
    from lab.evidence.kept import keep
    from lab.oracle.ladder import LABELS
    from suite.cells import NotRun

    runs, missing = [], []
    for target in targets:
        default = LABELS if target.family in STANDINS else touched(django.patches)
        done = measure(target, django, labels or default, project)
        if isinstance(done, NotRun):
            missing.append(done)
            continue
        runs.append(ran(done))
        if not labels:
            path = project.results / "coverage" / f"{target.name}.json"
            keep(done, path, project.root)
    return runs, missing


def reported(
    tree: Path, files: Sequence[str], path: Path, store: str
) -> dict[str, dict[str, Any]]:
    """Return what coverage says of each file; those that never ran, too."""
    done = subprocess.run(
        [
            *(sys.executable, "-P", *COVERAGE, "json", "--quiet"),
            *(NO_SETTINGS, store, "-o", str(path)),
            *files,
        ],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(
            f"coverage makes no report: {(done.stdout + done.stderr).strip()}"
        )
    found = json.loads(path.read_text(encoding="utf-8"))["files"]
    return {file: {key: found[file][key] for key in KEYS} for file in files}


def ran(kept: Mapping[str, Any]) -> Ran:
    """Return what was kept of a run."""
    there, covered = read(kept["files"])
    return Ran(
        **kept["database"],
        standin=kept["standin"],
        passed=kept["passed"],
        failed=dict(kept["failed"]),
        there=there,
        covered=covered,
    )


def stored(folder: Path, tree: str, without: Iterable[str]) -> Iterator[Ran]:
    """Yield the runs of a tree and this Python that the folder has.

    Not those of the targets in ``without``. What is left out is said.
    """
    from lab.evidence.kept import FORMAT

    wanted = {
        "kind": KEPT,
        "format": FORMAT,
        "tree": tree,
        "python": platform.python_version(),
    }
    for path in sorted(folder.glob("*.json")):
        if path.stem in without:
            continue
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            kept = None
        if isinstance(kept, dict) and kept.items() >= wanted.items():
            yield ran(kept)
        else:
            say(f"{path.name}: not of this Django and this Python: left out")


def cover(
    runs: Sequence[Ran], patches: Sequence[series.Patch], owners: Owners
) -> list[Coverage]:
    """Return what the runs cover of each patch."""
    there = united(run.there for run in runs)

    def of(patch: series.Patch) -> Coverage:
        covered = {run.target: run.covered.of(patch.slug, owners) for run in runs}
        real = [covered[run.target] for run in runs if not run.standin]
        return Coverage(
            patch.slug,
            there.of(patch.slug, owners),
            covered,
            united(real),
            united(covered.values()),
        )

    return [of(patch) for patch in patches]


def table(found: Sequence[Coverage], runs: Sequence[Ran]) -> str:
    """Return a row for each patch and their sum, a column for each database."""
    from lab.figures import aligned

    def row(name: str, each: Coverage) -> list[str]:
        cells = [each.there, *each.covered.values(), each.united]
        if standins:
            cells.append(each.every)
        return [name, *(", ".join(map(str, c.counts.values())) for c in cells)]

    standins = any(run.standin for run in runs)
    header = ["patch", "all", *(run.target for run in runs), "united"]
    whole = Coverage(
        "",
        united(each.there for each in found),
        {
            run.target: united(each.covered[run.target] for each in found)
            for run in runs
        },
        united(each.united for each in found),
        united(each.every for each in found),
    )
    return aligned(
        [*header, "and stand-ins"] if standins else header,
        [*(row(each.slug, each) for each in found), row("together", whole)],
    )


def missing_rows(each: Coverage, texts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what of a patch is not covered, as in the JSON file.

    ``texts``: file → its lines.
    """
    return {
        "missing": [
            {
                "file": file,
                "line": line,
                "text": texts[file][line - 1].strip(),
                "only_standin": (file, line) in each.every.statements,
            }
            for file, line in each.missing
        ],
        "partial": [
            {
                "file": file,
                "line": line,
                "to": to,
                "text": texts[file][line - 1].strip(),
                "only_standin": (file, line, to) in each.every.branches,
            }
            for file, line, to in each.partial
        ],
    }


def not_covered(slug: str, rows: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines for a person of what missing_rows() returned."""
    missing, partial = rows["missing"], rows["partial"]
    if missing or partial:
        yield (
            f"{slug}: {len(missing)} lines not covered,"
            f" {len(partial)} branches of covered lines not taken"
        )
    for row in sorted([*missing, *partial], key=lambda row: (row["file"], row["line"])):
        to = f" → {row['to'] if row['to'] > 0 else 'exit'}" if "to" in row else ""
        only = " (on a stand-in only)" if row["only_standin"] else ""
        yield f"  {row['file']}:{row['line']}{to}: {row['text']}{only}"


def data(
    found: Sequence[Coverage],
    runs: Sequence[Ran],
    not_run: Mapping[str, str],
    rows: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what results/coverage.json holds, but for its head.

    ``rows``: patch → what missing_rows() returned.
    """
    return {
        "databases": {
            run.target: {
                "name": run.name,
                "version": run.version,
                "passed": run.passed,
                "failed": len(run.failed),
                "standin": run.standin,
            }
            for run in runs
        },
        "not_run": dict(not_run),
        "patches": {
            each.slug: {
                **each.there.counts,
                "covered": {name: of.counts for name, of in each.covered.items()},
                "united": each.united.counts,
                "with_standins": each.every.counts,
                **rows[each.slug],
            }
            for each in found
        },
    }


def lines(
    found: Sequence[Coverage],
    runs: Sequence[Ran],
    rows: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Yield what a person reads, the table first."""
    yield table(found, runs)
    for each in found:
        yield from not_covered(each.slug, rows[each.slug])
    for run in runs:
        for test, reason in run.failed.items():
            yield f"{run.target}: FAILED {test}: {reason}"
    for run in runs:
        yield (
            f"{run.target} {run.version}: {run.passed} tests passed,"
            f" {len(run.failed)} new failures"
        )


def run(args: argparse.Namespace, project: "Project") -> int:
    if args.unite and (args.labels or args.db):
        raise StackError("--unite runs nothing: no --db and no LABEL go with it", HELP)
    everything = chosen(None)
    targets = [] if args.unite else everything if args.db is None else chosen(args.db)
    from lab.evidence.kept import head, keep
    from suite.run import check_labels

    django = patched(project)
    check_labels(django.tree, args.labels)
    runs, missing = measure_each(targets, django, args.labels, project)
    if not args.labels:
        folder = project.results / "coverage"
        runs += stored(folder, django.tree.name, {each.target for each in runs})
    for entry in missing:
        print(f"{entry.database}: not run: {entry.reason}\n  next: {entry.command}")
    if not runs and args.unite:
        raise StackError(NO_RESULT, "./scripts/stack coverage --db sqlite")
    if not runs:
        return USAGE
    names = [each.name for each in everything]
    # In the order of all the databases; those that are not among them at the end.
    runs.sort(key=lambda each: [*names, each.target].index(each.target))
    found = cover(runs, django.patches, django.owners)
    texts = {
        file: (django.tree / file).read_text(encoding="utf-8").split("\n")
        for file in django.owners
    }
    rows = {each.slug: missing_rows(each, texts) for each in found}
    for line in lines(found, runs, rows):
        print(line)
    if not args.labels:
        reasons = dict.fromkeys(names, NO_RESULT)
        reasons |= {entry.database: entry.reason for entry in missing}
        for each in runs:
            reasons.pop(each.target, None)
        keep(
            head("coverage", django.tree.name, project.root)
            | data(found, runs, reasons, rows),
            project.results / "coverage.json",
            project.root,
        )
    return FINDINGS if any(each.failed for each in runs) else OK
