"""The ladder: the text of its rungs, run or not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import FINDINGS, OK
from databases import targets
from databases.family import Unavailable
from lab.oracle import ladder
from lab.oracle.grammars import grammars
from lab.oracle.ladder import Rung
from lab.oracle.merge_race import MergeRaced
from suite.baseline import judge
from suite.cells import Cell, NotRun
from suite.run import Run
from verbs import test

RACED = MergeRaced(waited=True, error=1, rows=[["key", 1]])
NO_SERVER = NotRun("oracle", "no server", "start docker")


def skipped(label: str, count: int) -> dict[str, str]:
    return {f"{label}.tests.T.test_{number}": "skip" for number in range(count)}


MOST = ladder.SKIPPED["bulk_create"]


def test_a_stand_in_like_oracle_has_no_findings() -> None:
    outcomes = skipped("bulk_create", MOST) | skipped("upsert", MOST + 1)
    assert [*ladder.unlike_oracle(RACED, {"AS": True}, outcomes)] == []
    assert "second waits and gets ORA-00001" in str(RACED)


@pytest.mark.parametrize(
    ("unlike", "finding"),
    [
        ({"raced": MergeRaced(False, 1, [["key", 1]])}, "did not wait"),
        ({"raced": MergeRaced(True, None, [["key", 2]])}, "raised None, not ORA-00001"),
        ({"raced": MergeRaced(True, 1, [["key", 1], ["key", 2]])}, "one row leave"),
        ({"refused": {"AS": False}}, "it lets a mutant pass: AS"),
        (
            {"outcomes": skipped("bulk_create", MOST + 1)},
            f"{MOST + 1} tests of bulk_create are skipped",
        ),
    ],
)
def test_what_is_unlike_oracle_is_a_finding(
    unlike: dict[str, Any], finding: str
) -> None:
    like: dict[str, Any] = {"raced": RACED, "refused": {}, "outcomes": {}}
    (found,) = ladder.unlike_oracle(**like | unlike)
    assert finding in found


def test_without_node_the_grammars_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise Unavailable(f"{name} is not installed", "install it")

    monkeypatch.setattr(grammars, "program", absent)
    rung = ladder.attempt(1, "two grammars", ladder.two_grammars)
    assert [entry.reason for entry in rung.not_run] == ["node is not installed"]
    assert rung.ran == rung.findings == ()


def test_without_java_a_stand_in_is_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(target: targets.Target) -> Iterator[None]:
        raise Unavailable("no Java is installed", "install it")

    monkeypatch.setattr(ladder, "running", absent)
    target = targets.resolve("standin-h2")
    tree = ("patched", tmp_path)
    rung = ladder.attempt(
        2, target.name, lambda: ladder.tested(target, tree, ["upsert"], tmp_path, [])
    )
    assert [entry.database for entry in rung.not_run] == ["standin-h2"]
    assert "not shown" in list(rung.lines())[-1]


def test_rungs_without_findings_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    rungs = [
        Rung(0, "statements", "what is sent", ran=("119 cases", "0 findings")),
        Rung(4, "a server", "it accepts them", not_run=(NO_SERVER,)),
    ]
    assert test.finish([], [], [], rungs=rungs) == OK
    shown = capsys.readouterr().out
    assert "rung 0, statements: 119 cases; 0 findings" in shown
    assert "rung 4, a server: oracle not run: no server" in shown
    assert "  next: start docker" in shown
    assert "not shown: it accepts them" in shown
    assert "A stand-in is not Oracle" in shown


def test_findings_and_failed_tests_of_rungs_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rung = Rung(0, "statements", "", ran=("1 case",), findings=("it differs",))
    assert test.finish([], [], [], rungs=[rung]) == FINDINGS
    assert "rung 0: it differs" in capsys.readouterr().out
    run = Run({"a": "ok", "b": "fail"}, {}, 0, None)
    cell = Cell("standin-h2", "H2 2 as 19", "patched", run, judge(run, []))
    rung = Rung(2, "a stand-in", "", ran=("x",), cells=(cell,))
    assert test.finish([], [], [], rungs=[rung]) == FINDINGS
    assert "standin-h2, patched: FAILED b" in capsys.readouterr().out
