"""Rung 1: what is asked of the two grammars, and what is made of their answers."""

import json
from pathlib import Path

import pytest

from databases.family import Unavailable
from lab.oracle import mutants
from lab.oracle.grammars import grammars
from lab.oracle.grammars.grammars import HERE, Verdicts
from tests.test_oracle_statements import GOOD

INSERT = 'INSERT INTO "T" ("A") SELECT * FROM (SELECT TO_NUMBER(:arg0) col_0{0})'
OLD, NEW = INSERT.format(" FROM DUAL"), INSERT.format("")
VALUES = 'INSERT INTO "T" ("A") VALUES (:arg0) RETURNING "T"."ID" INTO :arg1'


def told(oceanbase: str | None, antlr: str | None) -> dict[str, str | None]:
    return {"oceanbase": oceanbase, "antlr": antlr}


def test_the_syntax_of_23ai() -> None:
    assert grammars.is_newer(NEW)
    assert not any(map(grammars.is_newer, (OLD, VALUES, GOOD)))


def test_what_both_accept() -> None:
    assert grammars.judged("x", GOOD, told(None, None)) == []


def test_what_one_rejects() -> None:
    assert grammars.judged("x", OLD, told(None, "column 3: no")) == [
        f"antlr rejects x: column 3: no: {OLD}"
    ]


def test_the_syntax_of_23ai_must_be_rejected() -> None:
    assert grammars.judged("x", NEW, told("no", "no")) == []
    [line] = grammars.judged("x", NEW, told("no", None))
    assert line.startswith("antlr accepts the syntax of 23ai")


def answers(statements: dict[str, str], *, but: str = "") -> Verdicts:
    """Answer as the grammars do; ``but`` is a mutant that "antlr" takes."""
    caught = {mutant.name: mutant.caught_by for mutant in mutants.MUTANTS}
    return {
        name: {
            grammar: "no"
            if grammar in caught.get(name, ()) and (grammar, name) != ("antlr", but)
            else None
            for grammar in mutants.GRAMMARS
        }
        for name in statements
    }


def test_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars, "verdicts", answers)
    report = grammars.check({"a": OLD, "b": GOOD, "c": OLD}, GOOD)
    assert report == grammars.Report(2, 0, len(mutants.MUTANTS), [])


def test_a_mutant_that_a_grammar_takes_is_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        grammars, "verdicts", lambda asked: answers(asked, but="DO NOTHING")
    )
    [line] = grammars.check({"a": OLD}, GOOD).findings
    assert line.startswith("antlr lets a mutant pass: DO NOTHING: MERGE INTO")


def test_versions_are_pinned_and_no_address_is_kept() -> None:
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    for name, entry in locked.items():
        assert not name or entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
    assert "://" not in (HERE / "package-lock.json").read_text()


def test_without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match="is not installed") as caught:
        grammars.verdicts({"a": OLD})
    assert "npm" in caught.value.command
    with pytest.raises(Unavailable, match="npm is not installed"):
        grammars.installed()


def test_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match="npm error code ENOTFOUND"):
        grammars.installed()
    kept = tmp_path / "django-patch-stack" / "oracle-grammars"
    assert [*kept.iterdir()] == []


@pytest.fixture(scope="module")
def _grammars() -> None:
    """Skip without Node.js, or if the grammars cannot be downloaded."""
    try:
        grammars.program("node")
        grammars.installed()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("_grammars")
def test_the_real_grammars() -> None:
    where = GOOD.replace(" WHEN NOT", ' WHERE "T"."D" < :arg5 WHEN NOT')
    statements = {"old": OLD, "new": NEW, "values": VALUES, "a": GOOD, "b": where}
    report = grammars.check(statements, GOOD)
    assert report == grammars.Report(4, 1, len(mutants.MUTANTS), [])


@pytest.mark.usefixtures("_grammars")
def test_the_real_grammars_take_one_whole_insert_or_merge() -> None:
    said = grammars.verdicts(
        {
            "cut": GOOD[:-20],
            "two": f"{GOOD} {GOOD}",
            "a script": f"{GOOD}; {GOOD}",
            "an expression": "MERGE",
            "nothing": "",
            "another": 'DELETE FROM "T"',
        }
    )
    for name, problems in said.items():
        assert all(problems.values()), name
    assert said["two"]["oceanbase"] == f"column {len(GOOD) + 1}: unexpected MERGE"
