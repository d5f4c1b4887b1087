"""Tests of running tests: what is news, which labels are there, what a run leaves."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import OK, StackError
from common.project import Project
from lab.evidence import kept as evidence
from patchstack import series
from suite.baseline import Known, judge, load
from suite.cells import Cell
from suite.run import Run, check_labels, run_tests, split_labels
from tests.conftest import FILES, RUNTESTS, commit, make_project, table, verb
from verbs import apply, export, test

SCRIPTS = Path(__file__).parents[1]


def run(**outcomes: str) -> Run:
    return Run(outcomes, {}, 0, None)


def test_only_news_is_news() -> None:
    known = [*(Known(each, "why") for each in "abg"), Known("c", "why", flaky=True)]
    ran = run(a="fail", b="ok", c="ok", d="error", e="ok", f="skip", g="skip")
    assert judge(ran, known) == judge(ran, known[::-1])
    assert judge(ran, known).new == ("d",)
    assert judge(ran, known).known == ("a",)
    # Not the flaky one, nor the one that did not run.
    assert judge(ran, known).repaired == ("b",)
    assert judge(run(a="unexpected success"), []).new == ("a",)


def test_baselines_are_readable_and_have_reasons() -> None:
    for path in (SCRIPTS / "suite" / "baseline").glob("*.toml"):
        known = load(path.stem, "99")
        assert known, path.name
        assert all(entry.reason for entry in known)


@pytest.mark.parametrize(
    ("version", "applies"),
    [("10.11.19", False), ("11.8", True), ("12.1-x", True), ("H2 2.1", False)],
)
def test_a_baseline_can_begin_with_a_version(version: str, applies: bool) -> None:
    assert Known("a", "reason", since="11.8").applies_to(version) is applies
    assert Known("a", "reason").applies_to(version)


def test_labels_that_are_there_and_others(tmp_path: Path) -> None:
    (tmp_path / "tests" / "cache" / "more").mkdir(parents=True)
    (tmp_path / "tests" / "cache" / "tests.py").touch()
    (tmp_path / "tests" / "test_sqlite.py").touch()
    there = [
        "cache",
        "cache.tests",
        "cache.tests.X.y",
        "cache.more",
        "test_sqlite",
    ]
    missing = ["cachet", "cache.new", "cache.new.X", "cache.tests_x"]
    assert split_labels(tmp_path, [*missing, *there]) == (there, missing)
    with pytest.raises(StackError, match=r"no test label cachet; there are cache"):
        check_labels(tmp_path, ["cache", "cachet"])


def test_a_module_that_cannot_be_imported_has_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "cache"
    folder.mkdir(parents=True)
    (tmp_path / "tests" / "runtests.py").write_text(RUNTESTS)
    failed = "unittest.loader._FailedTest."
    tests = {f"{failed}cache.tests": "error", f"{failed}test_query": "error"}
    (folder / "tests.py").write_text(f"OUTCOMES = {tests}")
    (folder / "test_query.py").touch()
    ran = run_tests(tmp_path, ["cache", "cache.test_query"], {}, log=tmp_path / "log")
    assert ran.failed == ("cache.test_query", "cache.tests")
    with pytest.raises(StackError, match="no test has the label test_query"):
        run_tests(tmp_path, ["cache"], {})


OUTCOMES = """
import json, unittest
from suite.runner import Recording, record

class T(unittest.TestCase):
    def test_ok(self): ...
    def test_fail(self):
        for n in range(2):
            with self.subTest():
                self.assertEqual(n, 0)
    @unittest.skip("no reason")
    def test_skip(self): ...
    @unittest.expectedFailure
    def test_expected(self):
        self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): ...
    def test_error(self):
        raise KeyError("x")

tests = unittest.defaultTestLoader.loadTestsFromTestCase(T)
print(json.dumps(record(unittest.TextTestRunner(resultclass=Recording).run(tests))))
"""


def test_each_test_is_recorded_once(stock: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUTCOMES],
        env=os.environ | {"PYTHONPATH": f"{stock}{os.pathsep}{SCRIPTS}"},
        capture_output=True,
        check=True,
    )
    found = json.loads(done.stdout)
    start = "__main__.T.test_"
    assert {test.removeprefix(start): o for test, o in found["outcomes"].items()} == {
        "ok": "ok",
        "fail": "fail",
        "skip": "skip",
        "expected": "expected failure",
        "unexpected": "unexpected success",
        "error": "error",
    }
    assert found["reasons"][f"{start}fail"] == "AssertionError: 1 != 0"
    assert found["reasons"][f"{start}skip"] == "no reason"


def patch(**more: Any) -> series.Patch:
    return replace(series.Patch(1, "a", "s", "fix", "draft", "It does."), **more)


def tally(
    of: series.Patch, outcomes: dict[str, str], *known: Known
) -> tuple[dict[str, int], dict[str, int]]:
    """Return what is counted of a patch's own tests, and of its areas."""
    ran = run(**outcomes)
    cell = Cell("sqlite", "3", "patched", ran, judge(ran, known))
    found = evidence.tally(of, evidence.results(cell))
    return found["own"], found["area"]


def test_a_label_counts_what_it_selects() -> None:
    outcomes = {
        "cache.tests.T.a": "ok",
        "cache.tests.T.b": "expected failure",
        "cache.tests.U.c": "fail",
        "cache.tests.U.d": "skip",
        "cache.tests.T.known": "error",
        "caches.tests.T.other": "ok",
    }
    known = Known("cache.tests.T.known", "why")
    for label, passed in (("cache", 2), ("cache.tests.U", 0)):
        counts = {"passed": passed, "failed": 1, "skipped": 1}
        assert tally(patch(tests=(label,)), outcomes, known)[1] == counts


OWN = patch(
    red=("cache.tests.T.a", "cache.tests.T.b"),
    red_modules=("cache.new",),
    tests=("cache",),
)


@pytest.mark.parametrize(
    ("outcomes", "own"),
    [
        ({"cache.tests.T.a": "ok", "cache.new.U.c": "fail"}, (1, 1, 0, 1)),
        ({}, (0, 0, 0, 3)),
        # A module that cannot be imported.
        ({"cache.new": "error"}, (0, 1, 0, 2)),
        # A class and a module that are not set up speak for their tests.
        (
            {"setUpClass (cache.tests.T)": "error", "setUpModule (cache.new)": "error"},
            (0, 3, 0, 0),
        ),
        (
            {"setUpClass (cache.tests.T)": "skip", "setUpModule (cache.new)": "skip"},
            (0, 0, 3, 0),
        ),
    ],
)
def test_the_own_tests_of_a_patch(
    outcomes: dict[str, str], own: tuple[int, int, int, int]
) -> None:
    names = ("passed", "failed", "skipped", "not_run")
    found = tally(OWN, outcomes)
    assert found[0] == dict(zip(names, own, strict=True))
    assert sum(found[1].values()) == len(outcomes)


def test_the_file_of_a_stand_in(tmp_path: Path) -> None:
    ran = run(a="ok")
    cell = Cell("standin-h2", "H2 2 as 19", "patched", ran, judge(ran, []))
    data = evidence.tests(cell, [patch()], "tree", tmp_path)
    assert data["standin"] is True
    assert data["database"]["name"] == "H2 in Oracle mode"


@pytest.fixture
def running(tmp_path: Path) -> Project:
    """A project with one patch, on a fake upstream whose tests pass."""
    tests = 'OUTCOMES = {"cache.tests.T.a": "ok", "cache.tests.T.b": "skip"}\n'
    files = {"tests/runtests.py": RUNTESTS, "tests/cache/tests.py": tests}
    made = make_project(tmp_path / "project", FILES | files)
    verb(apply, made)
    (made.patches / "series.toml").write_text(
        table("first", red='["cache.tests.T.a", "cache.tests.U.c"]')
    )
    commit(made, "django/cache.py", "line 2\n", "line two\n", "Changed the second.")
    verb(export, made)
    return made


def test_only_a_run_of_the_default_labels_leaves_a_file(running: Project) -> None:
    for words in (["cache"], ["--stock"], ["--src"], ["--full"]):
        verb(test, running, "--db", "sqlite", *words)
    verb(test, running, "--db", "sqlite", rest=["-v2"])
    assert not list(running.results.glob("tests-*"))
    assert verb(test, running, "--db", "sqlite") == OK
    [path] = running.results.glob("tests-py3.*-sqlite.json")
    data = json.loads(path.read_text())
    tree = series.load_lock(running).patches[-1].tree
    assert (data["kind"], data["format"], data["tree"]) == ("tests", 1, tree[:16])
    assert data["python"] == platform.python_version()
    assert data["database"]["target"] == "sqlite"
    assert (data["passed"], data["skipped"], data["new"]) == (1, 1, [])
    own = {"passed": 1, "failed": 0, "skipped": 0, "not_run": 1}
    area = {"passed": 1, "failed": 0, "skipped": 1}
    assert data["patches"]["first"] == {"own": own, "area": area}


def test_a_file_that_cannot_be_written_hides_nothing(
    running: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    running.results.touch()
    assert verb(test, running, "--db", "sqlite") == OK
    said = capsys.readouterr()
    assert "1 passed, 0 failed, 1 skipped" in said.out
    assert "cannot be written" in said.err
