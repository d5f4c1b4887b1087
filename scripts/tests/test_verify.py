"""verify on a fake upstream, with real git."""

import json

import pytest

from common.errors import FINDINGS, OK, StackError
from common.project import Project
from tests.conftest import commit, table
from tests.conftest import verb as run
from verbs import export, verify


def test_verify_passes(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verify, project, "--no-lint", "--json") == OK
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
    assert run(verify, project, "--no-lint") == FINDINGS
    out = capsys.readouterr().out
    assert "0001-first.patch" in out
    assert named.decode() in out


def test_a_reordering_is_named(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.patches / "series.toml").write_text(table("second") + table("first"))
    with pytest.raises(StackError, match=r"0001-second.patch is missing"):
        run(verify, project)
    for old, new in (("0001-first", "0002-first"), ("0002-second", "0001-second")):
        file = project.patches / f"{old}.patch"
        file.rename(project.patches / f"{new}.patch")
    assert run(verify, project, "--no-lint") == FINDINGS
    assert "has the order ['second', 'first']" in capsys.readouterr().out


def test_a_need_that_is_not_declared_is_named(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(project, "django/cache.py", "line two\n", "line 2.0\n", "Changed it again.")
    tables = table("first") + table("second")
    (project.patches / "series.toml").write_text(tables + table("third"))
    run(export, project)
    capsys.readouterr()
    assert run(verify, project, "--no-lint") == FINDINGS
    (line,) = capsys.readouterr().out.splitlines()
    assert "0003-third.patch does not apply: django/cache.py" in line
    assert "depends on alone (nothing)" in line
    needing = table("third", depends='["first"]')
    (project.patches / "series.toml").write_text(tables + needing)
    assert run(verify, project, "--no-lint") == OK
