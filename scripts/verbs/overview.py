"""Show in a few minutes what the series does: the job of plain "make".

Fetches Django and applies the series, which needs nothing but Python and git, then
makes .venv, verifies and lints the series, counts the statements of each
operation, and runs upstream's tests of the touched areas and ours on SQLite, all
on stock and patched Django.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common.errors import FINDINGS, OK
from common.progress import say, step
from common.project import Project
from common.tables import wrapped
from databases.targets import resolve
from lab.bench import statements
from patchstack import apply, series, src, table, trees, upstream, verify
from suite.cells import Cell, NotRun, run_target
from verbs import setup

# Two processors, and stock and patched Django.
AT_A_TIME = 2
HEAD = (*table.HEAD[:-1], "Statements per call (recorded)")
WIDTHS = (24, 40, 26, 30)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measure", action="store_true", help="only the part that needs .venv"
    )


def apply_or_leave(project: Project, patches: tuple[series.Patch, ...]) -> None:
    """Apply to src, or leave it alone if work is in it that patches/ lacks."""
    upstream.base(project)
    if (git := src.own(project)) is not None:
        state = src.state(git)
        if state.dirty or state.unfinished or not state.exported:
            say(
                f"{project.shown(project.src)} has work that is not exported; it stays"
                " as it is, and the rest is about patches/"
            )
            return
    apply.apply_here(project, patches)
    pin = upstream.load_pin(project)
    print(
        f"{len(patches)} patches applied to {pin.name} {pin.version}:"
        f" {project.shown(project.src)}",
        flush=True,
    )


def run(args: argparse.Namespace, project: Project) -> int:
    if not args.measure:
        apply_or_leave(project, series.load(project))
        setup.run(argparse.Namespace(lab=False, again=False), project)
        # The rest needs what was just installed.
        python = str(project.venv / "bin" / "python")
        script = str(project.root / "scripts" / "stack.py")
        os.execv(python, [python, script, "overview", "--measure"])
    return measure(project)


def measure(project: Project) -> int:
    """Verify, count and test; print it."""
    patches = series.load(project)
    if found := verify.findings(project):
        print("\n".join(found))
        return FINDINGS
    print(f"{len(patches)} patches verified", flush=True)
    both = [("stock", trees.stock(project)), ("patched", trees.patched(project))]
    operations = list(dict.fromkeys(each for p in patches for each in p.operations))
    labels = series.touched(patches)

    def test(tree: tuple[str, Path]) -> Cell | NotRun:
        chosen = series.present(tree[1], labels, patches)
        return run_target(resolve("sqlite"), tree, chosen, project.results / "logs")

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        with step("counting statements"):
            before, after = pool.map(
                lambda tree: statements.mean_statements(tree[1], operations), both
            )
        print("\nStatements per call on SQLite, stock → patched, counted now:")
        for name in operations:
            print(f"  {table.Effect(name, before[name], after[name])}")
        sys.stdout.flush()
        done = list(pool.map(test, both))
    cells = [each for each in done if isinstance(each, Cell)]
    rows = table.rows(patches, table.load_effects(project))
    print(f"\n{wrapped([HEAD, *rows], WIDTHS)}\n")
    for cell in cells:
        print(
            f"SQLite {cell.version}, {cell.tree}: {cell.passed} passed,"
            f" {len(cell.verdict.new)} new failures, {cell.skipped} skipped"
        )
    new = sorted({test for cell in cells for test in cell.verdict.new})
    for name in new:
        print(f"failed: {name}")
    print("\nnext: make test (every database available on this machine)")
    return FINDINGS if new else OK
