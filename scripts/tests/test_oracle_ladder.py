"""The ladder: what its rungs say of what ran and of what did not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import FINDINGS, OK
from databases import targets
from databases.family import Unavailable
from lab.oracle import ladder
from lab.oracle.grammars import grammars
from lab.oracle.ladder import Rung
from lab.oracle.races import MergeRaced
from suite.baseline import judge
from suite.cells import Cell, NotRun
from suite.run import Run
from verbs import test

RACED = MergeRaced(waited=True, error=1, rows=(("key", 1),))


def cell(**outcomes: str) -> Cell:
    run = Run(outcomes, {}, 0, None)
    return Cell("standin-h2", "H2 2 as 19", "patched", run, judge(run, []), 1.0)


def skipped(label: str, count: int) -> Cell:
    return cell(**{f"{label}.tests.T.test_{number}": "skip" for number in range(count)})


def test_a_rung_that_ran_says_what() -> None:
    rung = Rung(1, "grammars", "they accept it", ran=("92 accepted", "0 findings"))
    assert list(rung.lines()) == ["rung 1, grammars: 92 accepted; 0 findings"]


def test_a_rung_that_did_not_run_says_what_is_not_shown() -> None:
    missing = NotRun("oracle", "no server", "start docker")
    rung = Rung(4, "an Oracle server", "it accepts them", not_run=(missing,))
    assert list(rung.lines()) == [
        "rung 4, an Oracle server: oracle not run: no server",
        "  next: start docker",
        "  not shown: it accepts them",
    ]


def test_a_race_like_oracle_has_no_findings() -> None:
    assert list(ladder.race_findings(RACED)) == []
    assert "second waits and gets ORA-00001" in str(RACED)


@pytest.mark.parametrize(
    ("raced", "finding"),
    [
        (MergeRaced(False, 1, (("key", 1),)), "did not wait"),
        (MergeRaced(True, None, (("key", 2),)), "raised None, not ORA-00001"),
        (MergeRaced(True, 1, (("key", 1), ("key", 2))), "one row leave"),
    ],
)
def test_a_race_unlike_oracle_is_a_finding(raced: MergeRaced, finding: str) -> None:
    (found,) = ladder.race_findings(raced)
    assert finding in found


def test_a_mutant_that_passes_is_a_finding() -> None:
    found = ladder.mutant_findings({"AS": True, "a table in SET": False})
    assert list(found) == ["it lets a mutant pass: a table in SET"]


def test_too_many_skipped_tests_are_a_finding() -> None:
    most = ladder.SKIPPED["bulk_create"]
    assert list(ladder.skip_findings(skipped("bulk_create", most))) == []
    (found,) = ladder.skip_findings(skipped("bulk_create", most + 1))
    assert found.startswith(f"{most + 1} tests of bulk_create are skipped")
    assert list(ladder.skip_findings(skipped("upsert", most + 1))) == []


def test_without_node_the_grammars_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise Unavailable(f"{name} is not installed", "install it")

    monkeypatch.setattr(grammars, "program", absent)
    rung = ladder.two_grammars()
    assert [entry.reason for entry in rung.not_run] == ["node is not installed"]
    assert rung.ran == rung.findings == ()


def test_without_java_a_stand_in_is_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(target: targets.Target) -> Iterator[None]:
        raise Unavailable("no Java is installed", "install it")

    monkeypatch.setattr(ladder, "running", absent)
    target = targets.resolve("standin-h2")
    rung = ladder.stand_in(target, ("patched", tmp_path), ["upsert"], tmp_path, [])
    assert [entry.database for entry in rung.not_run] == ["standin-h2"]
    assert "not shown" in list(rung.lines())[-1]


def test_rungs_without_findings_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    missing = NotRun("oracle", "no server", "start docker")
    rungs = [
        Rung(0, "statements", "what is sent", ran=("357 cases",)),
        Rung(4, "a server", "it accepts them", not_run=(missing,)),
    ]
    assert test.finish([], [], [], rungs=rungs) == OK
    shown = capsys.readouterr().out
    assert "rung 0, statements: 357 cases" in shown
    assert "not shown: it accepts them" in shown
    assert "A stand-in is not Oracle" in shown


def test_a_finding_of_a_rung_fails(capsys: pytest.CaptureFixture[str]) -> None:
    rungs = [Rung(0, "statements", "", ran=("1 case",), findings=("it differs",))]
    assert test.finish([], [], [], rungs=rungs) == FINDINGS
    assert "rung 0: it differs" in capsys.readouterr().out


def test_a_rungs_tests_count(capsys: pytest.CaptureFixture[str]) -> None:
    rungs = [Rung(2, "a stand-in", "", ran=("x",), cells=(cell(a="ok", b="fail"),))]
    assert test.finish([], [], [], rungs=rungs, as_json=True) == FINDINGS
    data = json.loads(capsys.readouterr().out)
    assert [run["new"] for run in data["runs"]] == [["b"]]
    assert [rung["number"] for rung in data["rungs"]] == [2]
