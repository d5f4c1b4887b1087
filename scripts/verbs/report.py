"""Write the tables, plots and the page of results, from their JSON files alone.

docs-drafts/results/ holds what is shown: statements.json, and the files that
bench, load, test and coverage write to results/, copied there to be kept. From
them come docs-drafts/benchmarks/ (index.html with everything, tables.md, SVG
plots) and the tables of README.md and patches/README.md. The same files give
the same bytes.

--count first counts the statements of each patch's operations on SQLite,
without and with it (exact for a fixed seed), into statements.json. --check
counts too, and writes nothing: exit status 1 if a file would change.
--results FOLDER shows your own results instead: index.html, tables.md and the
plots are written there, into report/. --compare says whether two runs of the
bench agree: exit status 1 if a ratio of an operation over 50 µs differs by more
than 15 %.

  ./scripts/stack bench --db sqlite && ./scripts/stack report --results results
  cp results/bench-sqlite.json docs-drafts/results/ && ./scripts/stack report
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import FINDINGS, OK, StackError
from common.progress import step
from common.project import Project
from patchstack import build, series, table, trees, upstream

if TYPE_CHECKING:
    from lab.evidence.results import Results
    from lab.evidence.sections import Series


def configure(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--count", action="store_true", help="count statements first")
    which.add_argument("--check", action="store_true", help="write nothing")
    which.add_argument("--results", metavar="FOLDER", help="a page of those there")
    which.add_argument("--compare", metavar="FILE", nargs=2, help="two of the bench")


def measure(project: Project) -> table.Effects:
    """Count the statements of each patch's operations, without and with it."""
    from lab.bench.statements import mean_statements

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


def subject(project: Project) -> "Series":
    """Return what the results have to be about: the patches and what they make."""
    from lab.evidence.sections import Series

    patches = series.load(project)
    lock = series.load_lock(project)
    return Series(
        {patch.slug: (patch.set, patch.filename) for patch in patches},
        lock.patches[-1].tree if lock.patches else lock.base,
    )


def load_results(folder: Path) -> "Results":
    """Return the results in a folder, by what they are."""
    from lab.evidence import results

    return results.load(folder)


def shown(project: Project, found: "Results") -> dict[str, str]:
    """Return the files that show results: name → text."""
    from lab.evidence import build as evidence

    return evidence.files(found, subject(project))


def main_table(found: "Results") -> str:
    """Return the plot and the table for README.md."""
    from lab.evidence import build as evidence

    return evidence.readme(found)


def texts(project: Project, effects: table.Effects) -> dict[Path, str]:
    """Return the files that show the effects and results, and what must be in them."""
    patches = series.load(project)
    readme = project.root / "README.md"
    found = load_results(project.drafts / "results")
    data = {slug: [vars(effect) for effect in rows] for slug, rows in effects.items()}
    markdown = table.markdown(patches, effects, "patches/")
    text = readme.read_text(encoding="utf-8")
    text = table.between(text, "patches", markdown)
    text = table.between(text, "benchmarks", main_table(found))
    drafts = project.drafts
    return {
        drafts / "results" / "statements.json": json.dumps(data, indent=2) + "\n",
        project.patches / "README.md": table.patches_readme(patches, effects),
        readme: text,
        **{
            drafts / "benchmarks" / name: content
            for name, content in shown(project, found).items()
        },
    }


def stale(project: Project, wanted: dict[Path, str]) -> list[Path]:
    """Return the files of docs-drafts/benchmarks/ that nothing writes any more."""
    there = sorted((project.drafts / "benchmarks").glob("*"))
    return [path for path in there if path not in wanted]


def findings(project: Project) -> list[str]:
    """Name each file that is not what ``report`` would write."""
    wanted = texts(project, measure(project))
    differing = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    return [
        f"{project.shown(path)} is out of date: ./scripts/stack report --count"
        for path in [*differing, *stale(project, wanted)]
    ]


def compare(first: Path, second: Path) -> int:
    """Print how far the ratios of two runs of the bench are apart."""
    from lab.evidence import agreement, results
    from lab.evidence.timings import timings

    runs = [timings([results.one(path, "bench")]) for path in (first, second)]
    found = agreement.pairs(*runs)
    if not found:
        raise StackError(
            f"{first} and {second} have no operation in common",
            "two runs of ./scripts/stack bench with the same options",
        )
    print(agreement.shown(found))
    apart = any(each.counts and each.apart > agreement.WITHIN for each in found)
    return FINDINGS if apart else OK


def write(project: Project, wanted: dict[Path, str]) -> None:
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {project.shown(path)}")


def run(args: argparse.Namespace, project: Project) -> int:
    if args.check:
        found = findings(project)
        for line in found:
            print(line)
        return FINDINGS if found else OK
    if args.compare is not None:
        return compare(*map(Path, args.compare))
    if args.results is not None:
        folder = Path(args.results)
        if not folder.is_dir():
            raise StackError(f"{folder} is no folder", "make bench ARGS=--quick")
        into = folder / "report"
        made = shown(project, load_results(folder))
        wanted = {into / name: text for name, text in made.items()}
        write(project, wanted)
        return OK
    effects = measure(project) if args.count else table.load_effects(project)
    wanted = texts(project, effects)
    write(project, wanted)
    for path in stale(project, wanted):
        path.unlink()
        print(f"removed {project.shown(path)}")
    return OK
