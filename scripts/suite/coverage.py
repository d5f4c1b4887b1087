"""Find the patch that wrote each line of Django, and the lines that tests run."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import StackError, last_line
from common.git import Git
from common.tables import aligned
from databases.targets import Target
from suite.cells import Cell, NotRun, run_target

# file → line → the slug of the patch that wrote it, without the lines of upstream.
type Owners = Mapping[str, Mapping[int, str]]
# A statement, as (file, first line), or a branch, as (file, line, line it goes to). A
# branch to a negative line leaves the function, class or module that begins there.
type Point = tuple[Any, ...]

PYTHON = ":(glob)django/**/*.py"
_BLAMED = re.compile(rb"([0-9a-f]{40}) \d+ (\d+)(?: \d+)?")

COVERAGE = ("-m", "coverage")
# No file of the tree, which coverage would look for.
NO_SETTINGS = f"--rcfile={os.devnull}"
# Of coverage's report on a file; the rest of it is made from these.
KEYS = (
    *("executed_lines", "missing_lines", "excluded_lines"),
    *("executed_branches", "missing_branches"),
)


def owners(
    git: Git, base: str, tip: str, slugs: Mapping[str, str]
) -> dict[str, dict[int, str]]:
    """Return the owners of the lines that differ between the base and the tip.

    ``slugs``: commit → patch. Lines of other commits are upstream's. All Python files
    of django/ that are not as at the base are there.
    """
    # -z: names as they are. --diff-filter=d: not what is gone at the tip.
    options = ("-r", "-z", "--name-only", "--diff-filter=d", "--no-renames")
    names = git.run("diff-tree", *options, base, tip, "--", PYTHON).decode()
    # --root: the base is a commit like others, without a mark.
    blame = ("blame", "--porcelain", "--root", "--no-progress", tip, "--")
    return {
        file: {
            line: slugs[commit]
            for line, commit in blamed(git.run(*blame, file)).items()
            if commit in slugs
        }
        for file in names.split("\0")
        if file
    }


def blamed(porcelain: bytes) -> dict[int, str]:
    """Return line → commit from the output of git blame."""
    # A tab comes before the text of a line, so the text never matches as a header.
    found = map(_BLAMED.fullmatch, porcelain.split(b"\n"))
    return {int(each[2]): each[1].decode() for each in found if each}


def measure(
    target: Target,
    tree: Path,
    files: Collection[str],
    labels: Sequence[str],
    logs: Path,
) -> tuple[Cell, dict[str, Any]] | NotRun:
    """Run labels on one database; return the report of coverage on each file."""
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        report = Path(folder, "report.json")
        store = f"--data-file={folder}/data"
        # By the ends of the paths: in the others a character may be a wildcard.
        include = f"--include={','.join(f'*/{file}' for file in files)}"
        done = run_target(
            target,
            ("patched", tree),
            labels,
            logs,
            extra=("--parallel=1",),
            through=(*COVERAGE, "run", "--branch", NO_SETTINGS, store, include),
        )
        if isinstance(done, NotRun):
            return done
        # With the files that never ran.
        words = ("json", "--quiet", NO_SETTINGS, store, "-o", str(report), *files)
        made = subprocess.run(
            [sys.executable, "-P", *COVERAGE, *words],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            why = last_line(made.stdout + made.stderr)
            raise StackError(f"coverage makes no report: {why}")
        found = json.loads(report.read_text(encoding="utf-8"))["files"]
    return done, {file: {key: found[file][key] for key in KEYS} for file in files}


def points(files: Mapping[str, Any], how: str) -> Iterator[Point]:
    """Yield the points that are "executed" or "missing" in the files of measure().

    Points that ``# pragma: no cover`` excludes are neither.
    """
    for file, report in files.items():
        lines = [(line,) for line in report[f"{how}_lines"]]
        for place in (*lines, *report[f"{how}_branches"]):
            if place[0] not in report["excluded_lines"]:
                yield (file, *place)


def counts(points: Iterable[Point]) -> dict[str, int]:
    lengths = [len(each) for each in points]
    return {"statements": lengths.count(2), "branches": lengths.count(3)}


def cover(
    runs: Sequence[Mapping[str, Any]], slugs: Iterable[str], owners: Owners, tree: Path
) -> dict[str, dict[str, Any]]:
    """Return the coverage of each patch by the runs that results/coverage/ keeps.

    "united" counts points that a real database covers, "with_standins" also those
    that only a stand-in covers.
    """
    named = {run["database"]["target"]: run for run in runs}
    ran = {name: {*points(run["files"], "executed")} for name, run in named.items()}
    there = {p for run in runs for p in points(run["files"], "missing")}
    there = there.union(*ran.values())
    found = {}
    for slug in slugs:
        own = {p for p in there if owners.get(p[0], {}).get(p[1]) == slug}
        covered = {target: own & points for target, points in ran.items()}
        every = set().union(*covered.values())
        real = (covered[name] for name in covered if not named[name]["standin"])
        united = set().union(*real)
        found[slug] = {
            **counts(own),
            "covered": {target: counts(points) for target, points in covered.items()},
            "united": counts(united),
            "with_standins": counts(every),
            **gaps(own, united, every, tree),
        }
    return found


def gaps(
    own: set[Point], united: set[Point], every: set[Point], tree: Path
) -> dict[str, list[dict[str, Any]]]:
    """Return the statements and branches that no real database covers.

    A branch counts only if its line ran. If the line ran on a stand-in alone, the
    branch counts only if no stand-in takes it either.
    """
    found: dict[str, list[dict[str, Any]]] = {"missing": [], "partial": []}
    for point in sorted(own - united):
        file, line, *to = point
        if to and (file, line) not in (united if point in every else every):
            continue
        text = (tree / file).read_text(encoding="utf-8").split("\n")[line - 1].strip()
        row = {"file": file, "line": line, "text": text, "only_standin": point in every}
        found["partial" if to else "missing"].append(
            row | ({"to": to[0]} if to else {})
        )
    return found


def lines(
    patches: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the text about the coverage of cover(), the table first."""
    yield table(patches, any(run["standin"] for run in runs))
    for slug, each in patches.items():
        missing, partial = each["missing"], each["partial"]
        if missing or partial:
            yield (
                f"{slug}: {len(missing)} lines not covered,"
                f" {len(partial)} branches of covered lines not taken"
            )
        for row in sorted(missing + partial, key=lambda r: (r["file"], r["line"])):
            to = f" → {row['to'] if row['to'] > 0 else 'exit'}" if "to" in row else ""
            only = " (on a stand-in only)" if row["only_standin"] else ""
            yield f"  {row['file']}:{row['line']}{to}: {row['text']}{only}"
    for run in runs:
        for test, reason in run["failed"].items():
            yield f"{run['database']['target']}: FAILED {test}: {reason}"
    for run in runs:
        yield (
            f"{run['database']['target']} {run['database']['version']}:"
            f" {run['passed']} tests passed, {len(run['failed'])} new failures"
        )


def table(patches: Mapping[str, Any], with_standins: bool) -> str:
    """Return a row for each patch and their sum, a column for each database."""
    cells: dict[str, list[tuple[int, int]]] = {}
    for slug, each in patches.items():
        row = [each, *each["covered"].values(), each["united"]]
        row += [each["with_standins"]] if with_standins else []
        cells[slug] = [(of["statements"], of["branches"]) for of in row]
        head = ["patch", "all", *each["covered"], "united"]
    columns = zip(*cells.values(), strict=True)
    cells["together"] = [
        (sum(s for s, _ in column), sum(b for _, b in column)) for column in columns
    ]
    return aligned(
        [
            [*head, "and stand-ins"] if with_standins else head,
            *([slug, *(f"{s}, {b}" for s, b in row)] for slug, row in cells.items()),
        ]
    )
