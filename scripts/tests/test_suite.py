"""Running tests and judging them: pure parts, and a recording of a real run."""

from pathlib import Path

import pytest

from patchstack.errors import StackError
from patchstack.overview import terminal
from patchstack.table import between
from suite.baseline import Known, judge, load
from suite.run import Run, broken_module, check_labels


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
        known = load(path.stem)
        assert known, path.name
        assert all(entry.reason for entry in known)


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
