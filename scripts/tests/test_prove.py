"""Proofs: judging runs, and what is proved again, on a fake upstream."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import FINDINGS, OK
from common.project import Project
from patchstack import prove, series
from suite.baseline import judge
from suite.run import Run
from tests.conftest import FILES, RUNTESTS, commit, make_project, table
from tests.conftest import verb as run
from verbs import apply, export
from verbs import prove as verb

PATCH = series.Patch(1, "a", "s", "fix", "draft", "It does.")


def ran(**outcomes: str) -> tuple[Run, Any]:
    done = Run({k.replace("__", "."): v for k, v in outcomes.items()}, {}, 0, None)
    return done, judge(done, ())


def test_exactly_the_tests_of_red_must_fail() -> None:
    patch = replace(PATCH, red=("m.T.b", "m.T.c"))
    found, red, _ = prove.red_findings(patch, *ran(m__T__a="fail", m__T__b="error"))
    assert found == [
        "m.T.c does not fail without the patch",
        "m.T.a fails without the patch and is not in red",
    ]
    assert red == 1


def test_red_modules_must_not_pass_and_may_be_red_by_import() -> None:
    patch = replace(PATCH, red_modules=("m", "n"), red_by_import=("n",))
    given = ran(m__T__a="fail", m__T__b="skip", n="error", other__T__x="ok")
    assert prove.red_findings(patch, *given) == ([], 1, ["n"])
    undeclared = replace(patch, red_by_import=())
    (found,) = prove.red_findings(undeclared, *given)[0]
    assert found == "red_by_import must name what cannot be imported: n"
    found = prove.red_findings(patch, *ran(m__T__a="ok", n="error"))[0][0]
    assert found == "m.T.a passes without the patch"


def test_every_test_of_red_and_every_module_must_be_green() -> None:
    patch = replace(PATCH, red=("m.T.b", "m.T.c"), red_modules=("n",))
    assert prove.green_findings(patch, *ran(m__T__b="skip", m__T__c="fail")) == [
        "m.T.c fails with the patch",
        "m.T.b did not pass with the patch",
        "no test of n passed with the patch",
    ]


def test_upstreams_tests_change_only_as_declared() -> None:
    patch = replace(
        PATCH, alters=(series.Altered("m.T.a", "why"),), databases=("sqlite",)
    )
    case = prove.Case(patch, "0", "1", (*patch.alters, series.Altered("m.T.b", "why")))

    def found(database: str = "sqlite", **outcomes: str) -> list[str]:
        return prove.unmodified_findings(case, *ran(**outcomes), database)

    assert found(m__T__a="fail", m__T__b="fail") == []
    assert found(m__T__c="fail") == ["upstream's own m.T.c fails"]
    assert len(found(m__T__a="ok", m__T__b="ok")) == 1
    assert found("mysql", m__T__a="ok") == []


def test_where_a_patch_is_proved() -> None:
    assert prove.databases(PATCH) == [("sqlite",)]
    assert prove.databases(PATCH, ["mysql", "oracle"]) == [("mysql",), ("oracle",)]
    assert PATCH.is_red_on("mysql")
    elsewhere = replace(PATCH, red_on=("standin-h2", "oracle"))
    assert prove.databases(elsewhere) == [("sqlite",), ("standin-h2", "oracle")]
    assert elsewhere.is_red_on("oracle")
    assert not elsewhere.is_red_on("sqlite")


def test_a_proof_stands_until_something_in_it_changes() -> None:
    case = prove.Case(PATCH, "0" * 40, "1" * 40)
    record: prove.Record = {"a": {"sqlite": {"key": case.key, "findings": []}}}
    assert prove.stands(case, record, ["mysql", "sqlite"])
    assert not prove.stands(case, record, ["mysql"])
    for other in (
        replace(case, tree="2" * 40),
        replace(case, without="2" * 40),
        replace(case, patch=replace(PATCH, red=("m.T.a",))),
        replace(case, patch=replace(PATCH, red_by_import=("m",))),
        replace(case, alters=(series.Altered("m.T.a", "why"),)),
    ):
        assert not prove.stands(other, record, ["sqlite"])
    assert prove.stands(
        replace(case, patch=replace(PATCH, effect="It does more.")), record, ["sqlite"]
    )
    record["a"]["sqlite"]["findings"] = ["bad"]
    assert not prove.stands(case, record, ["sqlite"])


# Of two tests the new one needs "line two", and the old one "line 9".
TESTS = """\
from pathlib import Path

text = Path("../django/cache.py").read_text()
OUTCOMES = {"cache.tests.T.old": "ok" if "line 9" in text else "fail"}
"""
NEW = 'OUTCOMES["cache.tests.T.new"] = "ok" if "line two" in text else "fail"\n'


@pytest.fixture
def proved(tmp_path: Path) -> Project:
    """A project with a patch that adds a test, and one that breaks upstream's."""
    files = {"tests/runtests.py": RUNTESTS, "tests/cache/tests.py": TESTS}
    made = make_project(tmp_path / "project", FILES | files)
    run(apply, made)
    altered = '[{ test = "cache.tests.T.old", reason = "it looks for line 9" }]'
    (made.patches / "series.toml").write_text(
        table("first", red='["cache.tests.T.new"]') + table("second", alters=altered)
    )
    (made.src / "tests" / "cache" / "tests.py").write_text(TESTS + NEW)
    commit(made, "django/cache.py", "line 2\n", "line two\n", "Changed the second.")
    commit(made, "django/cache.py", "line 9\n", "line nine\n", "Changed the ninth.")
    run(export, made)
    return made


def entries(project: Project) -> dict[str, Any]:
    data = json.loads((project.results / "proofs.json").read_text())
    assert data["kind"] == "proofs"
    assert data["tree"] == series.load_lock(project).patches[-1].tree[:16]
    found: dict[str, Any] = data["patches"]
    return found


def test_only_what_changed_is_proved_again(
    proved: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(verb, proved) == OK
    said = capsys.readouterr().err
    assert (
        "first on sqlite: red without it: 1 of its tests; green with it; 1 up" in said
    )
    assert "changes cache.tests.T.old: it looks for line 9" in said
    first = entries(proved)["first"]["sqlite"]
    assert (first["red"], first["by_import"], first["findings"]) == (1, [], [])
    assert run(verb, proved) == OK
    said = capsys.readouterr().err
    assert "2 proofs stand as recorded" in said
    assert "red without" not in said
    toml = proved.patches / "series.toml"
    toml.write_text(toml.read_text().replace("it looks for", "it wants"))
    assert run(verb, proved) == OK
    said = capsys.readouterr().err
    assert "first on sqlite" not in said
    assert "it wants line 9" in said
    assert entries(proved)["first"]["sqlite"] == first


def test_a_patch_that_is_not_what_it_says_fails(proved: Project) -> None:
    toml = proved.patches / "series.toml"
    toml.write_text(toml.read_text().replace("cache.tests.T.new", "cache.tests.T.old"))
    assert run(verb, proved, "first") == FINDINGS
    assert entries(proved)["first"]["sqlite"]["findings"] == [
        "cache.tests.T.old does not fail without the patch",
        "cache.tests.T.new fails without the patch and is not in red",
    ]
    assert run(verb, proved, "second") == OK
    assert run(verb, proved, "--changed") == FINDINGS


def test_what_is_proved_stays_if_the_rest_is_interrupted(
    proved: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prove.prove

    def interrupted(project: Project, case: prove.Case, name: str) -> prove.Proof:
        if case.patch.slug == "second":
            raise KeyboardInterrupt
        return whole(project, case, name)

    monkeypatch.setattr(prove, "prove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(verb, proved)
    assert list(entries(proved)) == ["first"]
