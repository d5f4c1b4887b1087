"""The benchmarks in asv/ do what they say, on the patched Django and on stock."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from common.project import Project

# Statements of one call, BEGIN and COMMIT included: on stock, patched.
STATEMENTS: dict[str, dict[str, tuple[int | None, int]]] = {
    "DbCacheAdd": {"track_statements": (5, 1)},
    "DbCacheDelete": {"track_statements": (1, 1)},
    "DbCacheGet": {"track_statements": (1, 1)},
    "DbCacheGetMany": {"track_statements": (1, 1)},
    "DbCacheIncr": {"track_statements": (6, 1)},
    "DbCacheSet": {"track_statements": (5, 1)},
    "DbCacheSetMany": {"track_statements": (500, 1)},
    "DbCacheTouch": {"track_statements": (5, 1)},
    "ModelBulkCreateConflicts": {"track_statements": (1, 1)},
    "QueryGetOrCreateMiss": {"track_miss_statements": (4, 2)},
    "QueryUpdateOrCreate": {
        "track_hit_statements": (4, 1),
        "track_miss_statements": (6, 2),
    },
    "QueryUpsert": {
        "track_hit_statements": (None, 1),
        "track_miss_statements": (None, 1),
    },
}
LOCMEM = ("LocmemCacheGet", "LocmemCacheSet")
STRATEGIES = ("lru", "fifo", "lfu", "random", "s3-fifo", "sieve", "ttl")


def environment(tree: Path, project: Project) -> dict[str, str]:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PYTHON", "DJANGO_", "BENCHMARKS_"))
    }
    paths = [tree, project.root / "asv", project.root / "scripts"]
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, paths))}


def results(tree: Path, project: Project, folder: Path) -> Any:
    """Run all benchmarks once on the Django in ``tree``."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.asv_worker"],
        cwd=folder,
        env=environment(tree, project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(side: int) -> dict[str, dict[str, dict[str, int]]]:
    """Return class → parameters → method → statements of stock (0) or patched (1)."""
    found = {}
    for name, each in STATEMENTS.items():
        counts = {method: pair[side] for method, pair in each.items()}
        known = {method: n for method, n in counts.items() if n is not None}
        params = ("1000", "10000") if name.startswith("DbCache") else ("",)
        if known:
            found[name] = dict.fromkeys(params, known)
    return found


def test_on_patched(real: Project, patched: Path, tmp_path: Path) -> None:
    found = results(patched, real, tmp_path)
    assert found["skipped"] == {}
    assert found["statements"] == expected(1)
    assert found["timed"].keys() == {*STATEMENTS, *LOCMEM, "FileCacheSet"}
    assert found["timed"]["LocmemCacheSet"] == 2 * len(STRATEGIES)


def test_on_stock(real: Project, stock: Path, tmp_path: Path) -> None:
    found = results(stock, real, tmp_path)
    upsert = "This Django has no QuerySet.upsert()."
    strategies = dict.fromkeys(STRATEGIES[1:], "This Django has no CULL_STRATEGY.")
    assert found["skipped"] == {
        "QueryUpsert": {"": upsert},
        **dict.fromkeys(LOCMEM, strategies),
    }
    assert found["statements"] == expected(0)
    assert found["timed"]["LocmemCacheGet"] == 2


def test_asv_finds_them(real: Project, patched: Path, tmp_path: Path) -> None:
    config = str(real.root / "asv" / "asv.conf.json")
    asv = [sys.executable, "-P", "-m", "asv", "--config", config]
    done = subprocess.run(
        [*asv, "check", "--python=same"],
        cwd=tmp_path,
        env=environment(patched, real) | {"ASV_PYTHONPATH": str(patched)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "No problems found" in done.stdout
