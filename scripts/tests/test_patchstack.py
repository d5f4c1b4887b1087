"""The stack on a fake upstream, with real git."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import FINDINGS, OK, StackError
from common.git import Git
from common.project import Project
from patchstack import build, lint, mail, series, verify
from patchstack.prove import classes, databases, red_findings
from tests.conftest import commit, table, verb
from verbs import export
from verbs.setup import blocks


def tip(project: Project) -> str:
    files = series.files(project, series.load(project))
    return build.build(project, files)[-1].id


def test_verify_passes(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert verb(verify, project, "--no-lint", "--json") == OK
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "patches": 2,
        "findings": [],
    }


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (b"+line two", b"+line tvo", b"gives tree"),
        (b"second.", b"secund.", b"has sha256"),
        (b" line 3", b" line x", b"does not apply"),
        (b"index ", b"index 0", b"has sha256"),
        (b"@@ -1,", b"@@ -2,", b"has sha256"),
    ],
)
def test_a_hand_edit_is_named(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    old: bytes,
    new: bytes,
    named: bytes,
) -> None:
    file = project.patches / "0001-first.patch"
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new, 1))
    assert verb(verify, project, "--no-lint") == FINDINGS
    out = capsys.readouterr().out
    assert "0001-first.patch" in out
    assert named.decode() in out


def test_a_reordering_is_named(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.patches / "series.toml").write_text(table("second") + table("first"))
    with pytest.raises(StackError, match=r"0001-second.patch is missing"):
        verb(verify, project)
    (project.patches / "0001-first.patch").rename(project.patches / "0002-first.patch")
    (project.patches / "0002-second.patch").rename(
        project.patches / "0001-second.patch"
    )
    assert verb(verify, project, "--no-lint") == FINDINGS
    assert "has the order ['second', 'first']" in capsys.readouterr().out


def test_a_patch_that_needs_fuzz_does_not_apply(project: Project) -> None:
    file = project.patches / "0002-second.patch"
    file.write_bytes(file.read_bytes().replace(b" line 7\n", b" line seven\n"))
    with pytest.raises(build.DoesNotApply, match=r"0002-second.patch does not apply"):
        tip(project)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[patch]\n", "not valid TOML"),
        ("[[patch]]\nslug = 'a'\n", "has no"),
        (table("A b"), "slug must be"),
        (table("a", kind="thing"), "kind must be"),
        (table("a", kind="fix"), "must name in red"),
        (table("a", color="1"), "unknown key color"),
        (table("a", depends='["b"]') + table("b"), "depends on b"),
        (table("a") + table("a"), "listed twice"),
        (table("a", ticket='"x"'), "ticket must be"),
    ],
)
def test_a_wrong_series_is_one_line(empty: Project, text: str, why: str) -> None:
    (empty.patches / "series.toml").write_text(text)
    with pytest.raises(StackError, match=why):
        series.load(empty)


def test_an_unlisted_patch_is_named(project: Project) -> None:
    shutil.copy(project.patches / "0001-first.patch", project.patches / "0009-x.patch")
    with pytest.raises(StackError, match=r"0009-x.patch is not in series.toml"):
        series.files(project, series.load(project))


def subject(message: str, diff: str = "", **more: object) -> lint.Subject:
    head, _, body = message.partition("\n\n")
    patch = series.Patch(1, "a", "demo", "refactor", "draft", "It does.")
    given = {"patch": patch, "after": {}, "upstream": {}, "release_note": True} | more
    return lint.Subject(
        mail=mail.Mail("Ann <a@b.org>", head, body, diff),
        **given,  # type: ignore[arg-type]
    )


LONG = "x" * 40 + " " + "y" * 40


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (lint.AmSafe(), "S.\n\n fine", "S.\n\n---"),
        (lint.AmSafe(), "S.\n\n diff --git a/x b/x", "S.\n\ndiff --git a/x b/x"),
        (lint.SubjectLine(), "Refs #1 -- Did it.", "Refs #1 - Did it."),
        (lint.SubjectLine(), "Made it faster.", "Made it faster"),
        (lint.PastTense(), "Fixed #1 -- Made it.", "Fixed #1 -- Make it."),
        (lint.PastTense(), "Reduced it.", "Reduce it."),
        (lint.MessageWidth(), "S.\n\nshort", f"S.\n\n{LONG}"),
        (lint.MessageBody(), "S.\n\none two three four five", "S."),
        (lint.Ticket(), "Made it.", "Refs #12 -- Made it."),
    ],
)
def test_rules_of_the_message(rule: lint.Rule, good: str, bad: str) -> None:
    assert not list(rule.check(subject(good)))
    assert list(rule.check(subject(bad)))


def test_rules_of_the_diff() -> None:
    changed = (
        "diff --git a/tests/x.py b/tests/x.py\n--- a/tests/x.py\n+++ b/tests/x.py\n"
        "@@ -1 +1 @@\n-assert 1\n+assert 2\n"
    )
    one = subject("S.", changed, upstream={"tests/x.py": "assert 1\n"})
    assert list(lint.UpstreamTests().check(one))
    assert not list(lint.UpstreamTests().check(subject("S.", changed)))
    feature = series.Patch(1, "a", "demo", "feature", "draft", "It does.")
    bare = subject("S.", "", patch=feature, release_note=False)
    assert list(lint.Tested().check(bare))
    assert len(list(lint.Documented().check(bare))) == 3
    wide = changed.replace("tests/x.py", "docs/x.txt").replace("assert 2", LONG)
    assert list(lint.DocsWidth().check(subject("S.", wide)))


def test_tools_find_what_they_are_for(project: Project) -> None:
    bad = "import sys\nimport os\ndef f( ):\n  return 'a'\n"
    commit(project, "tests/cache/tests.py", "import unittest\n", bad, "Tested it.")
    commit(project, "docs/cache.txt", "=====\n", "=====\n\nColour.\n", "Changed docs.")
    text = (project.patches / "series.toml").read_text()
    (project.patches / "series.toml").write_text(
        text + table("third") + table("fourth")
    )
    verb(export, project)
    found = {(f.where, f.rule) for f in lint.lint(project, series.load(project))}
    assert found >= {
        ("0003-third", "black"),
        ("0003-third", "isort"),
        ("0003-third", "flake8"),
        ("0003-third", "upstream-tests"),
        ("0004-fourth", "spelling"),
    }


def test_pure_functions() -> None:
    assert classes(["a.B.c", "a.B.d", "a.E.f"]) == ["a.B", "a.E"]
    assert red_findings(["a", "b"], ["b", "c"]) == [
        "c passes without the patch",
        "a fails without the patch and is not in red",
    ]
    assert red_findings(["a.b", "c.T.x", "cc"], [], ["a.b", "c"]) == [
        "cc fails without the patch and is not in red"
    ]
    assert list(blocks("a==1 \\\n    --hash=x\n    # via b\nb==2\n")) == ["a", "b"]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")))
    ),
)
def test_any_message_survives_or_is_found(
    project: Project, tmp_path: Path, subject_line: str, body: list[str]
) -> None:
    message = "\n".join([subject_line, "", "Why.", *body, "End."])
    src_git = Git(project.src)
    tree = src_git.out("rev-parse", "HEAD^{tree}")
    # As git commit cleans a message up: trailing blanks, repeated empty lines.
    clean = src_git.run("stripspace", stdin=message.encode())
    made = src_git.run("commit-tree", tree, "-p", "HEAD~1", stdin=clean)
    commit_id = made.decode().strip()
    data = build.format_patch(src_git, commit_id)
    if list(lint.AmSafe().check(subject(f"{subject_line}\n\n" + "\n".join(body)))):
        return
    file = tmp_path / "0002-second.patch"
    file.write_bytes(data)
    first = project.patches / "0001-first.patch"
    again = build.build(project, [first, file])[-1]
    store = Git(project.base, bare=True)
    assert build.format_patch(store, again.id) == data


def test_where_a_patch_is_proved() -> None:
    everywhere = series.Patch(1, "a", "s", "fix", "draft", "It does.")
    assert databases(everywhere) == [("sqlite",)]
    assert databases(everywhere, ["mysql", "oracle"]) == [("mysql",), ("oracle",)]
    assert everywhere.is_red_on("mysql")
    somewhere = replace(everywhere, red_on=("standin-h2", "oracle"))
    assert databases(somewhere) == [("sqlite",), ("standin-h2", "oracle")]
    assert somewhere.is_red_on("oracle")
    assert not somewhere.is_red_on("sqlite")
