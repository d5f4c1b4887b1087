"""Write the files that show results; the same results give the same bytes."""

import json
from collections.abc import Mapping
from pathlib import Path

from common.errors import StackError
from common.files import write_whole
from common.progress import step
from common.project import Project
from lab.bench.statements import counter
from lab.evidence.results import STATEMENTS, load
from lab.evidence.tables import main_table
from patchstack import build, series, table, upstream


def measure(project: Project) -> table.Effects:
    """Count the statements of each patch's operations, without and with it."""
    patches = series.load(project)
    made = build.build(project, series.files(project, patches))
    ids = [upstream.base_tree(project), *(commit.tree for commit in made)]
    pairs = {patch: ids[patch.number - 1 : patch.number + 1] for patch in patches}
    # A tree is with one patch and without the next: it is counted once.
    wanted: dict[str, dict[str, None]] = {}
    for patch, pair in pairs.items():
        for tree in pair:
            wanted.setdefault(tree, {}).update(dict.fromkeys(patch.operations))
    with step("counting statements"), counter(project) as count:
        means = {
            tree: count(tree, list(operations))
            for tree, operations in wanted.items()
            if operations
        }
    return {
        patch.slug: [
            table.Effect(name, *(round(means[tree][name], 4) for tree in pair))
            for name in patch.operations
        ]
        for patch, pair in pairs.items()
        if patch.operations
    }


def page_files(project: Project, folder: Path, into: Path) -> dict[Path, str]:
    """Return the page about the results in ``folder``: path → text."""
    from lab.evidence.page import page  # matplotlib takes long to import.

    if not folder.is_dir():
        raise StackError(f"{folder} is not a folder", "make bench ARGS=--quick")
    lock = series.load_lock(project)
    tree = lock.patches[-1].tree if lock.patches else lock.base
    made = page(load(folder), series.load(project), tree)
    return {into / name: text for name, text in made.items()}


def all_files(project: Project, effects: table.Effects) -> dict[Path, str]:
    """Return the files that show effects and results: path → text."""
    patches = series.load(project)
    results = project.drafts / "results"
    data = {slug: [vars(effect) for effect in rows] for slug, rows in effects.items()}
    readme = project.root / "README.md"
    text = readme.read_text(encoding="utf-8")
    rows = table.markdown(patches, effects, "patches/")
    text = table.between(text, "patches", rows)
    text = table.between(text, "benchmarks", main_table(load(results)))
    return {
        results / STATEMENTS: json.dumps(data, indent=2) + "\n",
        project.patches / "README.md": table.patches_readme(patches, effects),
        readme: text,
        **page_files(project, results, project.drafts / "benchmarks"),
    }


def write(project: Project, files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        write_whole(path, text)
        print(f"wrote {project.shown(path)}")


def unknown(project: Project, files: Mapping[Path, str]) -> list[str]:
    """Name the files in docs-drafts/benchmarks/ that ``report`` does not write."""
    return [
        f"{project.shown(path)} is not a file of ./scripts/stack report: move it away"
        for path in sorted((project.drafts / "benchmarks").glob("*"))
        if path not in files
    ]


def findings(project: Project) -> list[str]:
    """Name each file that is not what ``report --count`` would write."""
    files = all_files(project, measure(project))
    stale = [
        f"{project.shown(path)} is out of date: ./scripts/stack report --count"
        for path, text in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return stale + unknown(project, files)
