"""Prove that a patch does what it says, on what it depends on alone.

Everything here runs on upstream with the patch's closure: the patches that it
depends on, and none besides. So a proof holds until one of those, the patch or
what series.toml says of it changes; proofs.json keeps it until then.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from common.errors import StackError
from common.progress import say
from common.project import Project
from databases.servers import running
from databases.targets import Unavailable, resolve
from patchstack import series, trees, upstream
from patchstack.closures import closures
from suite.baseline import Verdict
from suite.cells import Cell, run_cell
from suite.run import Run


@dataclass(frozen=True)
class Case:
    """A patch to prove, and the trees of its closure without it and with it.

    ``alters`` are the upstream tests that the closure changes.
    """

    patch: series.Patch
    without: str
    tree: str
    alters: tuple[series.Altered, ...] = ()

    @property
    def key(self) -> dict[str, str]:
        """Name everything that a proof depends on, except the tool and Python."""
        patch = self.patch
        said = (
            *(patch.tests, patch.red, patch.red_modules, patch.red_by_import),
            patch.red_on,
            [asdict(entry) for entry in self.alters],
        )
        claims = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        return {
            "without": self.without[:16],
            "with": self.tree[:16],
            "claims": claims[:16],
        }


@dataclass(frozen=True)
class Proof:
    """The result of a proof on one database; without findings the patch is proved.

    ``red`` counts the tests that ran and failed without the patch. The modules
    ``by_import`` cannot even be imported without it. ``altered`` are the upstream
    tests that fail as series.toml says.
    """

    patch: str
    database: str
    findings: tuple[str, ...]
    red: int
    unmodified: int
    by_import: tuple[str, ...] = ()
    altered: tuple[series.Altered, ...] = ()

    def __str__(self) -> str:
        where = f"{self.patch} on {self.database}"
        if self.findings:
            return "\n".join(f"{where}: {line}" for line in self.findings)
        reds = [f"{self.red} of its tests"] if self.red else []
        reds += [f"all of {module} by import" for module in self.by_import]
        red = f"red without it: {', '.join(reds)}; green with it"
        lines = [
            f"{where}: {red if reds else 'nothing is red'};"
            f" {self.unmodified} upstream tests pass unmodified"
        ]
        lines += [f"  changes {each.test}: {each.reason}" for each in self.altered]
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        """Return the entry of the record, without the key."""
        return {
            "red": self.red,
            "by_import": list(self.by_import),
            "unmodified": self.unmodified,
            "altered": [entry.test for entry in self.altered],
            "findings": list(self.findings),
        }


def classes(tests: Sequence[str]) -> list[str]:
    """Return the labels of the classes that hold the tests.

    >>> classes(["cache.tests.A.test_x", "cache.tests.A.test_y"])
    ['cache.tests.A']
    """
    return sorted({test.rsplit(".", 1)[0] for test in tests})


def in_modules(test: str, modules: Sequence[str]) -> bool:
    """Tell whether a test is in one of the modules, or is itself one of them."""
    return any(f"{test}.".startswith(f"{module}.") for module in modules)


def databases(
    patch: series.Patch, asked: Sequence[str] | None = None
) -> list[tuple[str, ...]]:
    """Return where to prove a patch. Of each tuple one database is enough."""
    if asked:
        return [(name,) for name in asked]
    return [("sqlite",), *([patch.red_on] if patch.red_on else [])]


def cases(project: Project, patches: Sequence[series.Patch]) -> list[Case]:
    """Return the patches of a series with their trees. Raise DoesNotApply."""
    with closures(project, patches) as made:
        return [
            Case(
                patch,
                *made.pair(patch),
                sum((p.alters for p in series.closure(patches, [patch])), ()),
            )
            for patch in patches
        ]


def red_findings(
    patch: series.Patch, run: Run, verdict: Verdict
) -> tuple[list[str], int, list[str]]:
    """Judge the run without the patch.

    Return what differs from series.toml, how many tests ran and failed, and the
    modules that cannot be imported.
    """
    failed = {*verdict.new}
    by_import = [module for module in patch.red_modules if module in failed]
    found = []
    if {*by_import} != {*patch.red_by_import}:
        cannot = ", ".join(by_import) or "nothing"
        found.append(f"red_by_import must name what cannot be imported: {cannot}")
    found += [
        f"{test} does not fail without the patch"
        for test in sorted({*patch.red} - failed)
    ]
    found += [
        f"{test} fails without the patch and is not in red"
        for test in sorted(failed - {*patch.red})
        if not in_modules(test, patch.red_modules)
    ]
    found += [
        f"{test} passes without the patch"
        for test, outcome in run.outcomes.items()
        if outcome == "ok" and in_modules(test, patch.red_modules)
    ]
    ran = {
        test
        for test in failed - {*by_import}
        if test in patch.red or in_modules(test, patch.red_modules)
    }
    return found, len(ran), by_import


def green_findings(patch: series.Patch, run: Run, verdict: Verdict) -> list[str]:
    """Judge the run with the patch."""
    passed = {test for test, outcome in run.outcomes.items() if outcome == "ok"}
    return [
        *(f"{test} fails with the patch" for test in verdict.new),
        *(
            f"{test} did not pass with the patch"
            for test in sorted({*patch.red} - passed - {*verdict.new})
        ),
        *(
            f"no test of {module} passed with the patch"
            for module in patch.red_modules
            if not any(in_modules(test, [module]) for test in passed)
        ),
    ]


def unmodified_findings(
    case: Case, run: Run, verdict: Verdict, database: str
) -> list[str]:
    """Judge the run of upstream's own tests with the patch."""
    listed = {entry.test for entry in case.alters}
    found = [
        f"upstream's own {test} fails" for test in verdict.new if test not in listed
    ]
    if database in case.patch.databases:
        found += [
            f"series.toml says that it alters {entry.test}, which passes as it is"
            for entry in case.patch.alters
            if run.outcomes.get(entry.test) == "ok"
        ]
    return found


def prove(project: Project, case: Case, name: str) -> Proof:
    """Prove one patch on one database. Raise targets.Unavailable, StackError."""
    patch = case.patch
    base = upstream.base_tree(project)
    found: list[str] = []
    red, by_import = 0, list[str]()
    with running(resolve(name)) as database:

        def run(what: str, tree: str, labels: Sequence[str]) -> Cell:
            folder = trees.materialise(project, tree)
            log = project.results / "logs" / patch.slug / f"{name}-{what}.log"
            there = series.present(folder, labels, [patch])
            return run_cell(database, folder, f"{patch.slug} {what}", there, log=log)

        if (patch.red or patch.red_modules) and patch.is_red_on(name):
            labels = [*classes(patch.red), *patch.red_modules]
            without = trees.swap_tests(project, case.without, case.tree)
            cell = run("without", without, labels)
            found, red, by_import = red_findings(patch, cell.run, cell.verdict)
            cell = run("with", case.tree, labels)
            found += green_findings(patch, cell.run, cell.verdict)
        unmodified = trees.swap_tests(project, case.tree, base)
        cell = run("with upstream's tests", unmodified, patch.tests)
        found += unmodified_findings(case, cell.run, cell.verdict, name)
    altered = [entry for entry in case.alters if entry.test in cell.verdict.new]
    return Proof(
        patch.slug,
        name,
        tuple(found),
        red,
        cell.passed,
        tuple(by_import),
        tuple(altered),
    )


# Patch → database → what its proof showed, and the key that it was proved at.
type Record = dict[str, dict[str, dict[str, Any]]]


def recorded(project: Project) -> Record:
    """Return the proofs on file: those that are committed, and newer ones."""
    record: Record = {}
    for folder in (project.drafts / "results", project.results):
        path = folder / "proofs.json"
        if path.exists():
            for slug, by in json.loads(path.read_text("utf-8"))["patches"].items():
                record.setdefault(slug, {}).update(by)
    return record


def stands(case: Case, record: Record, names: Iterable[str]) -> bool:
    """Tell whether the patch, as it is now, is proved on one of the databases."""
    by = record.get(case.patch.slug, {})
    return any(
        name in by and by[name].get("key") == case.key and not by[name]["findings"]
        for name in names
    )


def prove_each(
    project: Project, todo: Iterable[tuple[Case, Sequence[str]]]
) -> Iterator[tuple[str, str, dict[str, Any] | str]]:
    """Prove each case on the first available database, and print the result.

    Yield the patch, the database, and the entry for the record, or why it did not
    run.
    """
    for case, names in todo:
        slug = case.patch.slug
        for name in names:
            try:
                proof = prove(project, case, name)
            except Unavailable as error:
                missing = error
                continue
            except StackError as error:
                proof = Proof(slug, name, (error.facts,), 0, 0)
            say(str(proof))
            yield slug, name, proof.data() | {"key": case.key}
            break
        else:
            say(f"{slug} on {name}: not run: {missing.reason}")
            say(f"  next: {missing.command}")
            yield slug, name, missing.reason


def merged(cases: Iterable[Case], old: Record, new: Record) -> Record:
    """Return the new proofs and the old ones that still stand, in series order."""
    record: Record = {}
    for case in cases:
        slug = case.patch.slug
        kept = {
            name: entry
            for name, entry in old.get(slug, {}).items()
            if stands(case, old, [name])
        }
        if both := kept | new.get(slug, {}):
            record[slug] = both
    return record


def findings(record: Record) -> list[str]:
    """Return one line for each thing that the proofs found wrong."""
    return [
        f"prove {slug} on {name}: {line}"
        for slug, by in record.items()
        for name, entry in by.items()
        for line in entry["findings"]
    ]
