"""The rules of lint, one by one, and Django's linters on a fake upstream."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.git import Git
from common.project import Project
from patchstack import build, export, lint, mail, series
from tests.conftest import commit, table, verb


def check(subject: lint.Subject) -> list[str]:
    return [name for name, _ in (*lint.of_message(subject), *lint.of_diff(subject))]


LONG = "x" * 40 + " " + "y" * 40


def subject(message: str, diff: str = "", **more: object) -> lint.Subject:
    head, _, body = message.partition("\n\n")
    patch = series.Patch(1, "a", "demo", "refactor", "draft", "It does.")
    given = {"patch": patch, "after": {}, "upstream": {}, "release_note": True}
    given["mail"] = mail.Mail("Ann <a@b.org>", head, body, diff)
    return lint.Subject(**given | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("git-am", "S.\n\n fine", "S.\n\n---"),
        ("git-am", "S.\n\n diff --git a/x b/x", "S.\n\ndiff --git a/x b/x"),
        ("subject", "Refs #1 -- Did it.", "Refs #1 - Did it."),
        ("subject", "Made it faster.", "Made it faster"),
        ("past-tense", "Fixed #1 -- Made it.", "Fixed #1 -- Make it."),
        ("past-tense", "Reduced it.", "Reduce it."),
        ("message-width", "S.\n\nshort", f"S.\n\n{LONG}"),
        ("message-body", "S.\n\none two three four five", "S."),
        ("ticket", "Made it.", "Refs #12 -- Made it."),
    ],
)
def test_rules_of_the_message(rule: str, good: str, bad: str) -> None:
    assert rule not in check(subject(good))
    assert rule in check(subject(bad))


def test_the_author_is_a_person() -> None:
    assert "author" not in check(subject("S."))
    for author in ("Ann", "Ann <patch-stack@example.invalid>"):
        taken = mail.Mail(author, "S.", "", "")
        assert "author" in check(subject("S.", mail=taken))


def test_rules_of_the_diff() -> None:
    changed = (
        "diff --git a/tests/x.py b/tests/x.py\n--- a/tests/x.py\n+++ b/tests/x.py\n"
        "@@ -1 +1 @@\n-assert 1\n+assert 2\n"
    )
    one = subject("S.", changed, upstream={"tests/x.py": "assert 1\n"})
    assert "upstream-tests" in check(one)
    assert "upstream-tests" not in check(subject("S.", changed))
    feature = series.Patch(1, "a", "demo", "feature", "draft", "It does.")
    bare = subject("S.", "", patch=feature, release_note=False)
    assert "tested" in check(bare)
    assert check(bare).count("documented") == 3
    wide = changed.replace("tests/x.py", "docs/x.txt").replace("assert 2", LONG)
    assert "docs-width" in check(subject("S.", wide))


@pytest.mark.slow
def test_tools_find_what_they_are_for(project: Project) -> None:
    bad = "import sys\nimport os\ndef f( ):\n  return 'a'\n"
    commit(project, "tests/cache/tests.py", "import unittest\n", bad, "Tested it.")
    commit(project, "docs/cache.txt", "=====\n", "=====\n\nColour.\n", "Changed docs.")
    text = (project.patches / "series.toml").read_text()
    (project.patches / "series.toml").write_text(
        text + table("third") + table("fourth")
    )
    verb(export, project)
    lines = lint.lint(project, series.load(project))
    found = {tuple(line.split(": ")[:2]) for line in lines}
    assert found >= {
        ("0003-third", "black"),
        ("0003-third", "isort"),
        ("0003-third", "flake8"),
        ("0003-third", "upstream-tests"),
        ("0004-fourth", "spelling"),
    }


@pytest.mark.slow
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
    if "git-am" in check(subject(f"{subject_line}\n\n" + "\n".join(body))):
        return
    file = tmp_path / "0002-second.patch"
    file.write_bytes(data)
    first = project.patches / "0001-first.patch"
    again = build.build(project, [first, file])[-1]
    store = Git(project.base, bare=True)
    assert build.format_patch(store, again.id) == data
