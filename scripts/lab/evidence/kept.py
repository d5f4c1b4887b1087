"""What a run of the tests leaves for reports: JSON files in results/."""

import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import StackError
from common.progress import say
from databases.targets import FAMILIES, STANDINS, resolve
from lab import options
from lab import origin as facts
from patchstack import series
from patchstack.prove import Proof, in_modules
from suite.baseline import Verdict
from suite.cells import Cell
from suite.run import Run

FORMAT = 1

# What unittest calls the setup of a class or a module that fails or skips it.
_FIXTURE = re.compile(r"(?:setUp|tearDown)(?:Class|Module) \((.+)\)")

_WORDS = {"ok": "passed", "expected failure": "passed", "skip": "skipped"}
_KNOWN = "known"
AREA = ("passed", "failed", "skipped")
OWN = (*AREA, "not_run")


def place(test: str) -> str:
    """Return the dotted path of a test, or of the class or module being set up.

    >>> place("setUpClass (cache.tests.DBCacheTests)")
    'cache.tests.DBCacheTests'
    """
    fixture = _FIXTURE.fullmatch(test)
    return fixture[1] if fixture else test


def results(run: Run, verdict: Verdict) -> dict[str, str]:
    """Return place → "passed", "failed", "skipped" or "known" (as on stock)."""
    found: dict[str, str] = {}
    for test, outcome in run.outcomes.items():
        failed = _KNOWN if test in verdict.known else "failed"
        result = _WORDS.get(outcome, failed)
        if found.get(place(test)) != "failed":
            found[place(test)] = result
    return found


def tally(results: Iterable[str], names: Sequence[str]) -> dict[str, int]:
    counts = Counter(results)
    return {name: counts[name] for name in names}


def area(patch: series.Patch, results: Mapping[str, str]) -> dict[str, int]:
    """Count the results of the areas that a patch touches."""
    return tally(
        (result for test, result in results.items() if in_modules(test, patch.tests)),
        AREA,
    )


def own(patch: series.Patch, results: Mapping[str, str]) -> dict[str, int]:
    """Count the results of the tests that series.toml says to need the patch.

    A test without a result has that of its class or module, if that was not set
    up; else it is not run. So is, once, a module without any result.
    """
    found = {
        test: result
        for test, result in results.items()
        if in_modules(test, patch.red_modules)
    }
    for module in patch.red_modules:
        if not any(in_modules(test, [module]) for test in found):
            found[module] = "not_run"
    for test in patch.red:
        within, _, _ = test.rpartition(".")
        module, _, _ = within.rpartition(".")
        given = (results[at] for at in (test, within, module) if at in results)
        found[test] = next(given, "not_run")
    return tally(found.values(), OWN)


def counted(cell: Cell, patches: Sequence[series.Patch]) -> dict[str, Any]:
    """Return what a cell showed, of everything and of each patch."""
    found = results(cell.run, cell.verdict)
    return {
        "passed": cell.passed,
        "skipped": cell.skipped,
        "new": list(cell.verdict.new),
        "known": list(cell.verdict.known),
        "patches": {
            patch.slug: {"own": own(patch, found), "area": area(patch, found)}
            for patch in patches
        },
    }


def head(kind: str, tree: str, root: Path) -> dict[str, Any]:
    """Return the head of a file about one Django, whose tree has the id ``tree``."""
    return facts.head(kind, FORMAT, root) | {
        "tree": tree,
        "python": platform.python_version(),
    }


def database(target: str, version: str) -> dict[str, Any]:
    """Return what a file says of the database that a target's name stands for."""
    family = resolve(target).family
    return {
        "database": {
            "target": target,
            "name": FAMILIES[family].label,
            "version": version,
        },
        "standin": family in STANDINS,
    }


def keep(data: Mapping[str, Any], path: Path, root: Path) -> None:
    """Write a file of results; only say so if that cannot be."""
    try:
        options.write(data, path, root)
    except StackError as error:
        say(error.facts)


def name(cell: Cell) -> str:
    """Return the name of the file of a database and the Python that runs this."""
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return f"tests-{python}-{cell.database}.json"


def tests(
    cell: Cell, patches: Sequence[series.Patch], tree: str, root: Path
) -> dict[str, Any]:
    """Return the file of one database, on which all default labels ran."""
    return (
        head("tests", tree, root)
        | database(cell.database, cell.version)
        | counted(cell, patches)
    )


def proofs(
    proofs: Iterable[Proof],
    not_run: Mapping[str, Mapping[str, str]],
    tree: str,
    root: Path,
) -> dict[str, Any]:
    """Return the file of the proofs; ``not_run``: patch → database → reason."""
    patches: dict[str, dict[str, Any]] = {}
    for proof in proofs:
        patches.setdefault(proof.patch, {})[proof.database] = {
            "red": proof.red,
            "unmodified": proof.unmodified,
            "findings": list(proof.findings),
        }
    return head("proofs", tree, root) | {"patches": patches, "not_run": dict(not_run)}
