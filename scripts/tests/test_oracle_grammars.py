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


def answers(statements: dict[str, str], *, takes: str = "") -> Verdicts:
    """Answer as the grammars do, but "antlr" takes one statement of all."""
    return {
        name: {
            grammar: "no"
            if sql == NEW or grammar in mutants.MUTANTS.get(name, ((),))[-1]
            else None
            for grammar in mutants.GRAMMARS
        }
        | ({"antlr": None} if name == takes else {})
        for name, sql in statements.items()
    }


@pytest.mark.parametrize(
    ("takes", "finding"),
    [
        ("", ""),
        ("new", "antlr accepts the syntax of 23ai"),
        ("DO NOTHING", "antlr lets a mutant pass: DO NOTHING: MERGE INTO"),
    ],
)
def test_what_a_grammar_must_reject(
    takes: str, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammars, "verdicts", lambda asked: answers(asked, takes=takes))
    said, found = grammars.check({"a": OLD, "b": GOOD, "c": OLD, "new": NEW}, GOOD)
    assert said.startswith("2 statements accepted by both grammars, 1 in the syntax")
    assert "15 mutants planted" in said
    assert len(found) == bool(finding)
    assert not found or found[0].startswith(finding)


def test_what_one_grammar_rejects_is_a_finding() -> None:
    verdict = {"oceanbase": None, "antlr": "column 3: no"}
    assert [*grammars.judged("x", OLD, verdict)] == [
        f"antlr rejects x: column 3: no: {OLD}"
    ]


def test_versions_are_pinned_and_no_address_is_kept() -> None:
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    for name, entry in locked.items():
        assert not name or entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
    assert "://" not in (HERE / "package-lock.json").read_text()


def test_without_node_or_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    with monkeypatch.context() as with_npm:
        with_npm.setenv("PATH", str(tmp_path), prepend=":")
        with pytest.raises(Unavailable, match="npm error code ENOTFOUND"):
            grammars.installed()
    kept = tmp_path / "django-patch-stack" / "oracle-grammars"
    assert [*kept.iterdir()] == []
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="is not installed") as caught:
        grammars.verdicts({"a": OLD})
    assert "npm" in caught.value.command


@pytest.mark.slow
def test_the_real_grammars() -> None:
    try:
        grammars.program("node")
        grammars.installed()
    except Unavailable as error:
        pytest.skip(str(error))
    where = GOOD.replace(" WHEN NOT", ' WHERE "T"."D" < :arg5 WHEN NOT')
    statements = {"old": OLD, "new": NEW, "values": VALUES, "a": GOOD, "b": where}
    said, findings = grammars.check(statements, GOOD)
    assert findings == []
    assert said.startswith("4 statements accepted by both grammars, 1 in the syntax")
    # They take one whole INSERT or MERGE.
    wrong = {
        "cut": GOOD[:-20],
        "two": f"{GOOD} {GOOD}",
        "a script": f"{GOOD}; {GOOD}",
        "an expression": "MERGE",
        "nothing": "",
        "another": 'DELETE FROM "T"',
    }
    for name, problems in grammars.verdicts(wrong).items():
        assert all(problems.values()), name
