"""Coverage of what patches add: on a fake upstream, with real git and coverage."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from common.errors import FINDINGS, OK, USAGE, StackError
from common.git import Git
from common.project import Project
from patchstack import upstream
from suite.coverage import cover, lines, owners
from tests import conftest
from tests.conftest import assert_refused, commit, table, verb
from verbs import apply, coverage, export

BASE = "def get(key):\n    return key\n"
FIRST = f"""{BASE}

def size(rows):
    if rows:
        return len(rows)
    return 0
"""
REST = """\
    if rows is None:
        return None
    for row in rows:
        return row
"""
SECOND = FIRST.replace("    return 0\n", REST)
EXTRA = "X = 1\nif X:  # pragma: no cover\n    Y = 2\n"
TESTS = """\
from django.cache import get, size

get(1)
size([1])
OUTCOMES = {"cache.tests.T.test_size": "ok"}
"""
FILE, OTHER = "django/cache.py", "django/extra.py"


@pytest.fixture
def covered(tmp_path: Path) -> Project:
    """Two patches to one file, and a file of the second that no test imports."""
    files = {
        FILE: BASE,
        "tests/runtests.py": conftest.RUNTESTS,
        "tests/cache/tests.py": TESTS,
    }
    made = conftest.make_project(tmp_path / "project", conftest.FILES | files)
    verb(apply, made)
    (made.patches / "series.toml").write_text(table("first") + table("second"))
    commit(made, FILE, BASE, FIRST, "Added the size.")
    (made.src / OTHER).write_text(EXTRA)
    commit(made, FILE, FIRST, SECOND, "Looked at rows.")
    verb(export, made)
    return made


def test_a_line_is_of_the_patch_that_wrote_it_last(covered: Project) -> None:
    owned = coverage.patched(covered)[2]
    first = dict.fromkeys(range(3, 8), "first")
    second = dict.fromkeys(range(8, 12), "second")
    assert owned == {FILE: first | second, OTHER: dict.fromkeys((1, 2, 3), "second")}
    # A file that is gone and one of tests are not looked at.
    (covered.src / OTHER).unlink()
    commit(covered, "tests/cache/tests.py", "get(1)", "get(2)", "Removed the file.")
    git, base = Git(covered.src), upstream.base(covered)
    assert owners(git, base, "HEAD", {}) == {FILE: {}}


def ran(
    target: str, lines: list[int], branches: list[list[int]], *, standin: bool = False
) -> dict[str, Any]:
    """Return what is kept of a run of a file with 4 lines and 4 branches."""
    there = [[1, 2], [1, 3], [3, 4], [3, -1]]
    report = {
        "executed_lines": lines,
        "missing_lines": [n for n in (1, 2, 3, 4) if n not in lines],
        "excluded_lines": [],
        "executed_branches": branches,
        "missing_branches": [each for each in there if each not in branches],
    }
    database = {"target": target, "name": target.title(), "version": "1"}
    found = {"database": database, "standin": standin, "files": {"a": report}}
    return found | {"passed": 5, "failed": {}}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("x\n" * 4)
    return tmp_path


ALL = {"a": dict.fromkeys((1, 2, 3, 4), "one")}


def test_what_any_database_covers_is_covered(text: Path) -> None:
    runs = [
        ran("sqlite", [1, 2], [[1, 2]]),
        ran("postgres", [1, 3], [[1, 3], [3, -1]]),
    ]
    found = cover(runs, ["one"], ALL, text)["one"]
    assert found["covered"]["sqlite"] == {"statements": 2, "branches": 1}
    assert found["united"] == found["with_standins"] == {"statements": 3, "branches": 3}
    assert [row["line"] for row in found["missing"]] == [4]
    assert [(row["line"], row["to"]) for row in found["partial"]] == [(3, 4)]
    # Lines of others are nothing of a patch, and a pragma leaves out line 4.
    for run in runs:
        run["files"]["a"]["excluded_lines"] = [4]
    found = cover(runs, ["one"], {"a": {2: "one", 3: "b", 4: "one"}}, text)["one"]
    assert (found["statements"], found["branches"]) == (1, 0)


def test_what_a_stand_in_covers_is_counted_by_itself(text: Path) -> None:
    runs = [
        ran("sqlite", [1], [[1, 2]]),
        ran("h2", [1, 3, 4], [[1, 3], [3, 4]], standin=True),
    ]
    patches = cover(runs, ["one"], ALL, text)
    found = patches["one"]
    assert found["united"] == {"statements": 1, "branches": 1}
    assert found["with_standins"] == {"statements": 3, "branches": 3}
    missing = [(row["line"], row["only_standin"]) for row in found["missing"]]
    assert missing == [(2, False), (3, True), (4, True)]
    # Of line 3, which only the stand-in runs, what it does not take either.
    partial = [(r["line"], r["to"], r["only_standin"]) for r in found["partial"]]
    assert partial == [(1, 3, True), (3, -1, False)]
    shown = "\n".join(lines(patches, runs)).splitlines()
    assert re.split(r" {2,}", shown[0]) == (
        ["patch", "all", "sqlite", "h2", "united", "and stand-ins"]
    )
    row = ["4, 4", "1, 1", "3, 2", "1, 1", "3, 3"]
    assert re.split(r" {2,}", shown[1]) == ["one", *row]
    assert re.split(r" {2,}", shown[2]) == ["together", *row]
    assert shown[3] == "one: 3 lines not covered, 2 branches of covered lines not taken"
    assert "  a:3: x (on a stand-in only)" in shown
    assert "  a:3 → exit: x" in shown
    assert "stand-ins" not in next(lines(patches, runs[:1]))


@pytest.mark.slow
def test_a_run_and_what_is_united(
    covered: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(coverage, covered, "--db", "sqlite", "cache") == OK
    assert not list(covered.results.glob("coverage*"))
    assert verb(coverage, covered, "--db", "sqlite") == OK
    out = capsys.readouterr().out
    assert f"  {FILE}:6 → 8: if rows:\n" in out
    assert f"  {FILE}:8: if rows is None:\n" in out
    assert re.search(r"^sqlite [\d.]+: 1 tests passed, 0 new failures$", out, re.M)
    path = covered.results / "coverage.json"
    data = json.loads(path.read_text())
    assert (data["kind"], data["format"]) == ("coverage", 1)
    assert list(data["databases"]) == ["sqlite"]
    assert data["not_run"]["mariadb"] == coverage.NO_RESULT
    first, second = data["patches"]["first"], data["patches"]["second"]
    assert (first["statements"], first["branches"]) == (3, 2)
    assert first["united"] == first["covered"]["sqlite"]
    assert first["united"] == {"statements": 3, "branches": 1}
    assert first["missing"] == []
    row = {"file": FILE, "line": 6, "text": "if rows:", "only_standin": False, "to": 8}
    assert first["partial"] == [row]
    # Lines 8 to 11, and the first of the file that is not imported.
    assert (second["statements"], second["united"]["statements"]) == (5, 0)
    assert {row["file"] for row in second["missing"]} == {FILE, OTHER}
    # No trace of it in the tree, which is named for what it holds.
    tree = next(covered.trees.iterdir())
    assert not list(tree.rglob("*coverage*"))

    # Another database, in another call.
    own = covered.results / "coverage" / "sqlite.json"
    run = json.loads(own.read_text())
    files = run["files"][FILE]
    files["executed_lines"] += [8, 9]
    files["missing_lines"] = [10, 11]
    files["executed_branches"] += [[6, 8], [8, 9]]
    run["database"] = {"target": "mysql", "name": "MySQL", "version": "9"}
    run["failed"] = {"cache.tests.T.test_get": "it broke"}
    own.with_stem("mysql").write_text(json.dumps(run))
    own.with_stem("mariadb").write_text(json.dumps(run | {"tree": "another"}))
    own.with_stem("postgres").write_text("[]")
    own.with_stem("oracle").write_text("{")
    assert verb(coverage, covered, "--unite") == FINDINGS
    said = capsys.readouterr()
    assert "mysql: FAILED cache.tests.T.test_get: it broke\n" in said.out
    for name in ("mariadb", "postgres", "oracle"):
        assert f"{name}.json: not of this Django and this Python" in said.err
    data = json.loads(path.read_text())
    assert list(data["databases"]) == ["sqlite", "mysql"]
    assert data["patches"]["first"]["united"] == {"statements": 3, "branches": 2}
    assert data["patches"]["first"]["partial"] == []
    missing = data["patches"]["second"]["missing"]
    assert [row["line"] for row in missing if row["file"] == FILE] == [10, 11]


def test_what_is_not_here_and_nothing_else(
    covered: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(coverage, covered, "--db", "postgres99") == USAGE
    assert "postgres99: not run: " in capsys.readouterr().out
    with pytest.raises(StackError, match=r"no run of this Django") as caught:
        verb(coverage, covered, "--unite")
    assert caught.value.code == USAGE


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--unite --db sqlite", "runs nothing"),
        ("--unite cache", "runs nothing"),
        ("--db redis", "redis is not a database"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, words: str, message: str) -> None:
    assert_refused(
        lambda project: verb(coverage, project, *words.split()), tmp_path, message
    )


def test_a_series_without_patches_has_nothing_to_cover(empty: Project) -> None:
    with pytest.raises(StackError, match="the series is empty"):
        verb(coverage, empty, "--db", "sqlite")
