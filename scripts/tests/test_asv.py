"""The benchmarks in asv/ do what they say, on the patched Django and on stock."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.project import Project
from lab.bench.operations import OPERATIONS

pytestmark = pytest.mark.slow

# Runs the methods of all benchmarks with few rows, as asv does: after setup().
RUN = """
import itertools, json
from benchmarks import operations
found = {}
operations.Operations.params = (operations.Operations.params[0], (200,))
for cls in (operations.Operations, operations.Caches):
    for param in itertools.product(*cls.params):
        for method in ("time_calls", "track_statements"):
            if not hasattr(cls, method):
                continue
            one = cls()
            try:
                one.setup(*param)
                found[" ".join([cls.__name__, method, *map(str, param)])] = getattr(
                    one, method
                )(*param)
            except NotImplementedError as error:
                found["skipped " + " ".join(map(str, param))] = str(error)
                continue
            getattr(one, "teardown", lambda *param: None)(*param)
print(json.dumps(found))
"""
# Statements of one call on stock and patched, BEGIN and COMMIT included.
STATEMENTS = {
    "get hit": (1, 1),
    "set existing key": (5, 1),
    "incr": (6, 1),
    "set_many(100)": (500, 1),
    "update_or_create hit": (4, 1),
    "get_or_create miss": (4, 2),
    "raw UPDATE RETURNING": (1, 1),
}
CACHES = ("get hit", "get miss", "set existing key", "set new key")
STRATEGIES = ("fifo", "lfu", "random", "s3-fifo", "sieve", "ttl")


def run(tree: Path, project: Project, folder: Path, *words: str) -> str:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PYTHON", "DJANGO_", "STACK_"))
    }
    paths = os.pathsep.join(map(str, [tree, project.root / "asv"]))
    done = subprocess.run(
        [sys.executable, "-P", *words],
        cwd=folder,
        env=kept | {"PYTHONPATH": paths, "ASV_PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("side", [0, 1])
def test_benchmarks(
    real: Project, stock: Path, patched: Path, tmp_path: Path, side: int
) -> None:
    tree = (stock, patched)[side]
    found: dict[str, Any] = json.loads(run(tree, real, tmp_path, "-c", RUN))
    skipped = {name for name in found if name.startswith("skipped")}
    lacking = {
        *(f"skipped upsert {one} 200" for one in ("hit", "miss")),
        "skipped bare set 200",
        *(f"skipped {n} {s}" for n in CACHES for s in STRATEGIES),
    }
    assert skipped == (set() if side else lacking)
    for name, counts in STATEMENTS.items():
        assert found[f"Operations track_statements {name} 200"] == counts[side]
    timed = {name for name in found if "time_calls" in name}
    assert len(timed) == len(OPERATIONS) + 4 * 8 - len(skipped)


def test_asv_finds_them(real: Project, patched: Path, tmp_path: Path) -> None:
    config = str(real.root / "asv" / "asv.conf.json")
    words = ["-m", "asv", "--config", config, "check", "--python=same"]
    said = run(patched, real, tmp_path, *words)
    assert "No problems found" in said
