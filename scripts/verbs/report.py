"""Write the tables, the plots and the page of results from their JSON files.

Reads docs-drafts/results/ only: copy results there from results/, where bench,
load, test and coverage leave them. Writes the page, its tables as Markdown and
its plots to docs-drafts/benchmarks/, and the tables of README.md and
patches/README.md. The same files give the same bytes. Names each file in
docs-drafts/benchmarks/ that it does not write, and leaves it alone: exit status 1.

--count first counts the statements of each patch's operations on SQLite, without
the patch and with it. --check counts them and writes nothing: exit status 1 if a
file would change. --results FOLDER writes the page of the results in another
folder to FOLDER/report/. --compare tells whether two runs of the bench agree: exit
status 1 if the ratio of an operation over 50 µs differs by more than 15 %.

  ./scripts/stack bench --db sqlite
  ./scripts/stack report --results results
"""

import argparse
from pathlib import Path

from common.errors import FINDINGS, OK
from common.project import Project
from lab.evidence import files
from lab.evidence.agreement import compare
from patchstack import table


def configure(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--count", action="store_true", help="count statements first")
    which.add_argument("--check", action="store_true", help="write nothing")
    which.add_argument("--results", metavar="FOLDER", help="show the results there")
    which.add_argument(
        "--compare", metavar="FILE", nargs=2, help="compare two runs of the bench"
    )


def run(args: argparse.Namespace, project: Project) -> int:
    if args.compare:
        said, agree = compare(*map(Path, args.compare))
        print(said)
        return OK if agree else FINDINGS
    if args.results:
        folder = Path(args.results)
        files.write(project, files.page_files(project, folder, folder / "report"))
        return OK
    if args.check:
        found = files.findings(project)
    else:
        effects = files.measure(project) if args.count else table.load_effects(project)
        wanted = files.all_files(project, effects)
        files.write(project, wanted)
        found = files.unknown(project, wanted)
    for line in found:
        print(line)
    return FINDINGS if found else OK
