"""Prove that a patch does what it says: red without it, green with it.

For each patch, on SQLite, or on each --db:
  red         its tests/ hunks alone on its parent: exactly the tests that
              series.toml names in "red" fail, and no test passes of the
              modules in "red_modules", which may not even be importable
  green       the whole patch: those tests, and the others of their classes, pass
  unmodified  upstream's own tests of the touched areas, as upstream has them,
              pass on the patched Django (known failures of stock left aside)
A patch of kind refactor, docs or test may have no red. One that series.toml says
to be red_on some databases only is proved on the first of them that can be had,
too; on others it has no red.
"""

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import FINDINGS, OK
from common.project import Project
from patchstack import build, series, trees, upstream


@dataclass(frozen=True)
class Proof:
    """What is wrong with one patch on one database; nothing if it is proved."""

    patch: str
    database: str
    findings: tuple[str, ...]
    red: int
    unmodified: int

    def __str__(self) -> str:
        if not self.findings:
            return (
                f"{self.patch} on {self.database}: {self.red} tests red without it,"
                f" green with it; {self.unmodified} upstream tests pass unmodified"
            )
        return "\n".join(
            f"{self.patch} on {self.database}: {line}" for line in self.findings
        )


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patches", nargs="*", metavar="PATCH", help="default: all")
    parser.add_argument(
        "--db", action="append", metavar="NAME", help="default: sqlite; may be repeated"
    )


def classes(tests: Sequence[str]) -> list[str]:
    """Return the labels of the classes that hold the tests.

    >>> classes(["cache.tests.A.test_x", "cache.tests.A.test_y"])
    ['cache.tests.A']
    """
    return sorted({test.rsplit(".", 1)[0] for test in tests})


def in_modules(test: str, modules: Sequence[str]) -> bool:
    """Say whether a test is of one of the modules, or is one of them as a whole."""
    return any(f"{test}.".startswith(f"{module}.") for module in modules)


def red_findings(
    failed: Sequence[str], red: Sequence[str], modules: Sequence[str] = ()
) -> list[str]:
    """Say how the failures without the patch differ from what series.toml says."""
    found = [f"{test} passes without the patch" for test in sorted({*red} - {*failed})]
    found += [
        f"{test} fails without the patch and is not in red"
        for test in sorted({*failed} - {*red})
        if not in_modules(test, modules)
    ]
    return found


def databases(
    patch: series.Patch, asked: Sequence[str] | None = None
) -> list[tuple[str, ...]]:
    """Return where to prove a patch: for each proof, names of which one will do."""
    if asked:
        return [(name,) for name in asked]
    return [("sqlite",), *([patch.red_on] if patch.red_on else [])]


@dataclass(frozen=True)
class Trees:
    """The three trees that a proof needs, and where they lie."""

    red: Path
    green: Path
    unmodified: Path


def prepare(
    project: Project, patch: series.Patch, made: Sequence[build.Commit]
) -> Trees:
    base = upstream.base_tree(project)
    tree = made[patch.number - 1].tree
    parent = made[patch.number - 2].tree if patch.number > 1 else base
    return Trees(
        red=trees.materialise(project, trees.swap_tests(project, parent, tree)),
        green=trees.materialise(project, tree),
        unmodified=trees.materialise(project, trees.swap_tests(project, tree, base)),
    )


def prove(
    project: Project, patch: series.Patch, made: Sequence[build.Commit], name: str
) -> Proof:
    """Prove one patch on one database. Raise targets.Unavailable, StackError."""
    from databases.servers import running
    from databases.targets import resolve
    from suite.baseline import judge, load
    from suite.cells import run_cell

    at = prepare(project, patch, made)
    logs = project.results / "logs" / patch.slug
    target = resolve(name)
    found: list[str] = []
    with running(target) as database:
        known = load(target.family, database.version)
        red = 0
        if (patch.red or patch.red_modules) and patch.is_red_on(name):
            labels = [*classes(patch.red), *patch.red_modules]
            cell = run_cell(
                database, at.red, "without", labels, log=logs / f"{name}-red.log"
            )
            found += red_findings(
                judge(cell.run, known).new, patch.red, patch.red_modules
            )
            found += [
                f"{test} passes without the patch"
                for test, outcome in cell.run.outcomes.items()
                if outcome == "ok" and in_modules(test, patch.red_modules)
            ]
            cell = run_cell(
                database, at.green, "with", labels, log=logs / f"{name}-green.log"
            )
            found += [f"{test} fails with the patch" for test in cell.verdict.new]
            ran = {t for t, outcome in cell.run.outcomes.items() if outcome == "ok"}
            found += [
                f"{test} did not pass with the patch"
                for test in sorted({*patch.red} - ran - {*cell.verdict.new})
            ]
            of_modules = {t for t in ran if in_modules(t, patch.red_modules)}
            found += [
                f"no test of {module} passed with the patch"
                for module in patch.red_modules
                if not any(in_modules(test, [module]) for test in of_modules)
            ]
            red = len({*patch.red} | of_modules)
        cell = run_cell(
            database,
            at.unmodified,
            "upstream's tests",
            # Not those of a folder that the patches add.
            [
                label
                for label in patch.tests
                if (at.unmodified / "tests" / label).is_dir()
            ],
            log=logs / f"{name}-unmodified.log",
        )
        altered = {
            entry.test
            for earlier in series.load(project)[: patch.number]
            for entry in earlier.alters
        }
        found += [
            f"upstream's own {test} fails"
            for test in cell.verdict.new
            if test not in altered
        ]
    return Proof(patch.slug, name, tuple(found), red, cell.passed)


def prove_first(
    project: Project,
    patch: series.Patch,
    made: Sequence[build.Commit],
    names: Sequence[str],
) -> Proof:
    """Prove on the first database that can be had. Raise as prove() for none."""
    from databases.targets import Unavailable

    for name in names[:-1]:
        with contextlib.suppress(Unavailable):
            return prove(project, patch, made, name)
    return prove(project, patch, made, names[-1])


def run(args: argparse.Namespace, project: Project) -> int:
    from databases.targets import Unavailable

    patches = series.load(project)
    chosen = [series.find(patches, name) for name in args.patches] or patches
    made = build.build(project, series.files(project, patches))
    code = OK
    for patch in chosen:
        for names in databases(patch, args.db):
            try:
                proof = prove_first(project, patch, made, names)
            except Unavailable as error:
                print(f"{patch.slug} on {names[-1]}: not run: {error.reason}")
                print(f"  next: {error.command}")
                continue
            print(proof)
            if proof.findings:
                code = FINDINGS
    return code
