"""Running tests and judging them: pure parts, and a recording of a real run."""

import argparse
import json
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import OK, StackError
from common.project import Project
from lab.evidence import kept as evidence
from patchstack import apply, build, export, series
from patchstack.prove import Proof
from patchstack.table import between
from suite.baseline import Known, judge, load
from suite.cells import Cell
from suite.run import Run, broken_module, check_labels
from tests.conftest import FILES, RUNTESTS, commit, make_project, table, verb
from verbs import test
from verbs.overview import terminal


def run(**outcomes: str) -> Run:
    return Run(outcomes, {}, 0, None)


def test_only_news_is_news() -> None:
    known = [Known("a", "why"), Known("b", "why"), Known("c", "why", flaky=True)]
    verdict = judge(run(a="fail", b="ok", c="ok", d="error", e="ok", f="skip"), known)
    assert verdict.new == ("d",)
    assert verdict.known == ("a",)
    assert verdict.repaired == ("b",)


def test_a_listed_test_that_did_not_run_is_not_repaired() -> None:
    assert judge(run(a="skip"), [Known("a", "why")]).repaired == ()


def test_an_unexpected_success_is_news() -> None:
    assert judge(run(a="unexpected success"), []).new == ("a",)


def test_baselines_are_readable_and_have_reasons() -> None:
    for path in (Path(__file__).parents[1] / "suite" / "baseline").glob("*.toml"):
        known = load(path.stem, "99")
        assert known, path.name
        assert all(entry.reason for entry in known)


def test_a_baseline_can_begin_with_a_version() -> None:
    known = Known("a", "reason", since="11.8")
    assert [known.applies_to(each) for each in ("10.11.19", "11.8", "12-x")] == [
        *(False, True, True)
    ]
    assert Known("a", "reason").applies_to("")


def test_a_label_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "tests" / "cache").mkdir(parents=True)
    check_labels(tmp_path, ["cache", "cache.tests.X"])
    with pytest.raises(StackError, match=r"no test label cachet; there are cache"):
        check_labels(tmp_path, ["cachet"])


def test_a_module_that_cannot_be_imported_has_its_path(tmp_path: Path) -> None:
    (tmp_path / "tests" / "upsert").mkdir(parents=True)
    (tmp_path / "tests" / "upsert" / "test_query.py").touch()
    for name in ("test_query", "upsert.test_query"):
        assert broken_module(name, tmp_path, ["upsert.test_query"]) == (
            "upsert.test_query"
        )
    assert broken_module("test_absent", tmp_path, ["upsert.test_absent"]) is None


def test_the_table_wraps() -> None:
    assert terminal([("a b", "c")], (1, 3)) == "a  c\nb"


def test_between_replaces_what_is_between() -> None:
    text = (
        "x\n<!-- demo:begin, written by ./scripts/stack report -->\n{}"
        "<!-- demo:end -->\ny\n"
    )
    assert between(text.format("old\n"), "demo", "new\n") == text.format("new\n")
    with pytest.raises(StackError, match="no place for another"):
        between(text, "another", "new\n")


def patch(**more: Any) -> series.Patch:
    return replace(series.Patch(1, "a", "s", "fix", "draft", "It does."), **more)


def found(outcomes: dict[str, str], *known: Known) -> dict[str, str]:
    ran = run(**outcomes)
    return evidence.results(ran, judge(ran, known))


def test_a_label_counts_what_it_selects() -> None:
    results = found(
        {
            "cache.tests.T.a": "ok",
            "cache.tests.T.b": "expected failure",
            "cache.tests.U.c": "fail",
            "cache.tests.U.d": "skip",
            "cache.tests.T.known": "error",
            "caches.tests.T.other": "ok",
        },
        Known("cache.tests.T.known", "why"),
    )
    assert evidence.area(patch(tests=("cache",)), results) == {
        "passed": 2,
        "failed": 1,
        "skipped": 1,
    }
    assert evidence.area(patch(tests=("cache.tests.U",)), results) == {
        "passed": 0,
        "failed": 1,
        "skipped": 1,
    }


def test_own_tests_that_no_label_selected_are_not_run() -> None:
    own = patch(red=("cache.tests.T.a", "cache.tests.T.b"), red_modules=("cache.new",))
    results = found({"cache.tests.T.a": "ok", "cache.new.U.c": "fail"})
    assert evidence.own(own, results) == {
        "passed": 1,
        "failed": 1,
        "skipped": 0,
        "not_run": 1,
    }
    assert evidence.own(own, {})["not_run"] == 3


def test_a_module_that_is_not_importable_has_failed() -> None:
    results = found({"cache.new": "error"})
    assert evidence.own(patch(red_modules=("cache.new",)), results)["failed"] == 1


@pytest.mark.parametrize(
    ("outcome", "counted"), [("error", "failed"), ("skip", "skipped")]
)
def test_a_class_that_is_not_set_up_speaks_for_its_tests(
    outcome: str, counted: str
) -> None:
    results = found(
        {"setUpClass (cache.tests.T)": outcome, "setUpModule (cache.new)": outcome}
    )
    own = patch(
        red=("cache.tests.T.a", "cache.tests.T.b"),
        red_modules=("cache.new",),
        tests=("cache",),
    )
    assert evidence.own(own, results)[counted] == 3
    assert evidence.own(own, results)["not_run"] == 0
    assert evidence.area(own, results)[counted] == 2


def test_the_file_of_a_stand_in_says_so(tmp_path: Path) -> None:
    ran = run(a="ok")
    cell = Cell("standin-h2", "H2 2 as 19", "patched", ran, judge(ran, []), 1.0)
    data = evidence.tests(cell, [patch()], "tree", tmp_path)
    assert data["standin"] is True
    assert data["database"] == {
        "target": "standin-h2",
        "name": "H2 in Oracle mode",
        "version": "H2 2 as 19",
    }


def test_the_file_of_the_proofs(tmp_path: Path) -> None:
    proofs = [Proof("a", "sqlite", (), 2, 30), Proof("a", "oracle", ("bad",), 1, 0)]
    data = evidence.proofs(proofs, {"b": {"oracle": "no server"}}, "tree", tmp_path)
    assert data["kind"] == "proofs"
    assert data["patches"] == {
        "a": {
            "sqlite": {"red": 2, "unmodified": 30, "findings": []},
            "oracle": {"red": 1, "unmodified": 0, "findings": ["bad"]},
        }
    }
    assert data["not_run"] == {"b": {"oracle": "no server"}}


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


def run_tests(project: Project, *words: str, rest: tuple[str, ...] = ()) -> int:
    parser = argparse.ArgumentParser()
    test.configure(parser)
    args = parser.parse_args(["--db", "sqlite", *words])
    args.rest = list(rest)
    return test.run(args, project)


def test_a_run_of_the_default_labels_leaves_a_file(running: Project) -> None:
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    assert run_tests(running) == OK
    kept = running.results / f"tests-{python}-sqlite.json"
    data = json.loads(kept.read_text())
    tree = series.load_lock(running).patches[-1].tree
    assert (data["kind"], data["format"], data["tree"]) == ("tests", 1, tree[:16])
    assert data["python"] == platform.python_version()
    assert data["database"]["target"] == "sqlite"
    assert (data["passed"], data["skipped"], data["new"]) == (1, 1, [])
    assert data["patches"]["first"] == {
        "own": {"passed": 1, "failed": 0, "skipped": 0, "not_run": 1},
        "area": {"passed": 1, "failed": 0, "skipped": 1},
    }


def test_other_runs_leave_none(running: Project) -> None:
    run_tests(running, "cache")
    run_tests(running, "--stock")
    run_tests(running, "--src")
    run_tests(running, "--full")
    run_tests(running, rest=("-v2",))
    assert not list(running.results.glob("tests-*"))


def test_a_file_that_cannot_be_written_hides_nothing(
    running: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    running.results.touch()
    assert run_tests(running) == OK
    said = capsys.readouterr()
    assert "1 passed, 0 failed, 1 skipped" in said.out
    assert "cannot be written" in said.err


def test_all_proofs_leave_a_file(running: Project) -> None:
    patches = series.load(running)
    made = build.build(running, series.files(running, patches))
    assert test.prove_all(running, [patches[0]], made, "tree") == [
        "prove first: cache.tests.T.a passes without the patch",
        "prove first: cache.tests.U.c passes without the patch",
        "prove first: cache.tests.U.c did not pass with the patch",
    ]
    data = json.loads((running.results / "proofs.json").read_text())
    assert data["tree"] == "tree"
    assert data["patches"]["first"]["sqlite"]["red"] == 2
    assert len(data["patches"]["first"]["sqlite"]["findings"]) == 3
