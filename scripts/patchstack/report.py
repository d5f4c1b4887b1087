"""Measure the patches' effect and write the tables in the README files.

The statements per operation are counted on SQLite, without and with each patch
(exact for a fixed seed), into docs-drafts/results/statements.json; README.md
and patches/README.md get their tables from it. With --check nothing is
written: exit status 1 if something would change.
"""

import argparse
import json
from pathlib import Path

from . import build, series, table, trees, upstream
from .errors import FINDINGS, OK
from .progress import step
from .project import Project


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing")


def measure(project: Project) -> table.Effects:
    """Count the statements of each patch's operations, without and with it."""
    from bench.statements import mean_statements

    patches = series.load(project)
    made = build.build(project, series.files(project, patches))
    found: table.Effects = {}
    with step("counting statements"):
        for patch, commit in zip(patches, made, strict=True):
            if not patch.operations:
                continue
            parent = (
                made[patch.number - 2].tree
                if patch.number > 1
                else upstream.base_tree(project)
            )
            before, after = (
                mean_statements(trees.materialise(project, tree), patch.operations)
                for tree in (parent, commit.tree)
            )
            found[patch.slug] = [
                table.Effect(name, round(before[name], 4), round(after[name], 4))
                for name in patch.operations
            ]
    return found


def texts(project: Project, effects: table.Effects) -> dict[Path, str]:
    """Return the files that show the effects, and what must be in them."""
    patches = series.load(project)
    readme = project.root / "README.md"
    data = {slug: [vars(effect) for effect in rows] for slug, rows in effects.items()}
    return {
        project.drafts / "results" / "statements.json": json.dumps(data, indent=2)
        + "\n",
        project.patches / "README.md": table.patches_readme(patches, effects),
        readme: table.between(
            readme.read_text(encoding="utf-8"),
            table.markdown(patches, effects, "patches/"),
        ),
    }


def findings(project: Project) -> list[str]:
    """Name each file that is not what ``report`` would write."""
    return [
        f"{project.shown(path)} is out of date: ./scripts/stack report"
        for path, text in texts(project, measure(project)).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def run(args: argparse.Namespace, project: Project) -> int:
    if args.check:
        found = findings(project)
        for line in found:
            print(line)
        return FINDINGS if found else OK
    for path, text in texts(project, measure(project)).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {project.shown(path)}")
    return OK
