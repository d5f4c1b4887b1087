"""The JSON files in results/ that a run of the tests leaves for reports."""

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import StackError
from common.progress import say
from databases.targets import FAMILIES, STANDINS, resolve
from lab import options, origin
from patchstack import series
from patchstack.prove import in_modules
from suite.cells import Cell

FORMAT = 1

# The name that unittest gives to a failed or skipped setup of a class or module.
_FIXTURE = re.compile(r"(?:setUp|tearDown)(?:Class|Module) \((.+)\)")
_WORDS = {"ok": "passed", "expected failure": "passed", "skip": "skipped"}


def results(cell: Cell) -> dict[str, str]:
    """Return test → "passed", "failed", "skipped" or "known" (as on stock).

    A class or a module that was not set up is there by its dotted path.
    """
    found: dict[str, str] = {}
    for test, outcome in cell.run.outcomes.items():
        failed = "known" if test in cell.verdict.known else "failed"
        fixture = _FIXTURE.fullmatch(test)
        place = fixture[1] if fixture else test
        if found.get(place) != "failed":
            found[place] = _WORDS.get(outcome, failed)
    return found


def tally(patch: series.Patch, results: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Count the results of the areas that a patch touches, and of its own tests.

    Its own are those that series.toml says to need the patch. One without a result
    has the result of its class or module, if that was not set up; else it is not
    run. So is, once, a module without any result.
    """
    found = results.items()
    own = {test: r for test, r in found if in_modules(test, patch.red_modules)}
    for module in patch.red_modules:
        if not any(in_modules(test, [module]) for test in own):
            own[module] = "not_run"
    for test in patch.red:
        within = test.rpartition(".")[0]
        places = (test, within, within.rpartition(".")[0])
        own[test] = next((results[at] for at in places if at in results), "not_run")
    area = [result for test, result in found if in_modules(test, patch.tests)]
    names = ("passed", "failed", "skipped")
    return {
        "own": {name: [*own.values()].count(name) for name in (*names, "not_run")},
        "area": {name: area.count(name) for name in names},
    }


def head(kind: str, tree: str, root: Path) -> dict[str, Any]:
    """Return the head of a file about one Django, whose tree has the id ``tree``."""
    python = {"python": platform.python_version()}
    return origin.head(kind, FORMAT, root) | {"tree": tree} | python


def database(target: str, version: str) -> dict[str, Any]:
    """Return the part of a file about the database of a target."""
    family = resolve(target).family
    found = {"target": target, "name": FAMILIES[family].label, "version": version}
    return {"database": found, "standin": family in STANDINS}


def keep(data: Mapping[str, Any], path: Path, root: Path) -> None:
    """Write a file of results; only say so if that is not possible."""
    try:
        options.write(data, path, root)
    except StackError as error:
        say(error.facts)


def name(cell: Cell) -> str:
    """Return the name of the file of a database and the Python that runs this."""
    major, minor, _ = platform.python_version_tuple()
    return f"tests-py{major}.{minor}-{cell.database}.json"


def tests(
    cell: Cell, patches: Sequence[series.Patch], tree: str, root: Path
) -> dict[str, Any]:
    """Return the file of one database, on which all default labels ran."""
    found = results(cell)
    return {
        **head("tests", tree, root),
        **database(cell.database, cell.version),
        "passed": cell.passed,
        "skipped": cell.skipped,
        "new": list(cell.verdict.new),
        "known": list(cell.verdict.known),
        "patches": {patch.slug: tally(patch, found) for patch in patches},
    }
