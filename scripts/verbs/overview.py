"""Show in a few minutes what the series does: the job of plain "make".

Fetches Django, applies and verifies the series, counts the statements of each
patch's operations, runs upstream's tests of the touched areas and ours on
SQLite, stock and patched, and ends with one table.
"""

import argparse
import textwrap
from collections.abc import Sequence

from common.errors import FINDINGS, OK
from common.git import Git
from common.progress import say
from common.project import Project
from patchstack import apply, series, src, table, trees, upstream, verify
from verbs import report, test

WIDTHS = (24, 40, 26, 30)


def configure(parser: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""


def terminal(rows: Sequence[Sequence[str]], widths: Sequence[int] = WIDTHS) -> str:
    """Return the rows as text with wrapped columns of these widths."""
    lines = []
    for row in rows:
        cells = [
            textwrap.wrap(cell, width) or [""]
            for cell, width in zip(row, widths, strict=True)
        ]
        for number in range(max(map(len, cells))):
            parts = (
                (cell[number] if number < len(cell) else "").ljust(width)
                for cell, width in zip(cells, widths, strict=True)
            )
            lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def _apply(project: Project, patches: tuple[series.Patch, ...]) -> None:
    """Apply to src, or leave it alone if work is in it that patches/ lacks."""
    git = Git(project.src)
    if project.src.exists() and src.own(project) is not None:
        state = src.state(git)
        if state.dirty or state.unfinished or not state.exported:
            say(
                f"{project.shown(project.src)} has work that is not exported; it stays"
                " as it is, and what follows is about patches/"
            )
            return
    apply.apply_here(project, patches)


def run(args: argparse.Namespace, project: Project) -> int:
    from databases.targets import resolve
    from suite.cells import NotRun, run_target

    patches = series.load(project)
    upstream.base(project)
    _apply(project, patches)
    if found := verify.findings(project):
        print("\n".join(found))
        return FINDINGS
    say(f"{len(patches)} patches verified")
    effects = report.measure(project)
    say(terminal([table.HEAD, *table.rows(patches, effects)]))
    both = [("stock", trees.stock(project)), ("patched", trees.patched(project))]
    done = run_target(
        resolve("sqlite"), both, test.touched(patches), project.results / "logs"
    )
    assert not isinstance(done, NotRun)  # SQLite comes with Python.
    stock, patched = done
    new = sorted({*patched.verdict.new} | {*stock.verdict.new})
    print(terminal([table.HEAD, *table.rows(patches, effects)]))
    print()
    for cell in done:
        print(
            f"SQLite {cell.version}, {cell.tree}: {cell.passed} passed,"
            f" {len(cell.verdict.new)} new failures, {cell.skipped} skipped"
        )
    for name in new:
        print(f"failed: {name}")
    print("\nnext: make test (every database that can be had), or README.md")
    return FINDINGS if new else OK
