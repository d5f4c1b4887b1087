"""Write the commits of django-upstream/src to patches/, with real git."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from common.errors import OK, USAGE, WAITING, StackError
from common.git import Git
from common.project import Project
from patchstack import build, mail
from suite.run import unprivileged
from tests.conftest import (
    commit,
    contents,
    copy_series,
    git,
    shell,
    stack,
    table,
    told,
    verb,
)
from verbs import apply, diff, export, status, verify


def amend(project: Project, patch: int, text: str) -> None:
    """Put a line on top of the file in one of two patches, as a user would."""
    git(project.src, "checkout", "-q", "--detach", f"stack~{2 - patch}")
    file = project.src / "django" / "cache.py"
    file.write_text(text + file.read_text())
    git(project.src, "commit", "-q", "-a", "--amend", "--no-edit")
    new = git(project.src, "rev-parse", "HEAD")
    git(project.src, "rebase", "-q", "--onto", new, f"stack~{2 - patch}", "stack")


def test_export_is_a_fixpoint(project: Project, tmp_path: Path) -> None:
    before = contents(project)
    other = copy_series(project, tmp_path / "elsewhere")
    verb(apply, other)
    verb(export, other)
    assert contents(other) == before
    ours, theirs = (git(p.src, "rev-parse", "HEAD") for p in (project, other))
    assert ours == theirs


def test_a_patch_file_is_what_its_commit_writes(project: Project) -> None:
    before = contents(project)
    amend(project, 1, "line zero\n")
    verb(export, project)
    after = contents(project)
    assert after["0001-first.patch"] != before["0001-first.patch"]
    changed = [
        (old, new)
        for old, new in zip(
            *(x["0002-second.patch"].splitlines() for x in (before, after)), strict=True
        )
        if old != new
    ]
    assert [old[:5] for old, _ in changed] == [b"index", b"@@ -6"]
    # Every blob that a patch names exists.
    blobs = re.findall(rb"index (\w+)\.\.(\w+)", b"".join(after.values()))
    for blob in {*itertools.chain(*blobs)}:
        assert Git(project.base, bare=True).ok("cat-file", "-e", blob.decode())
    assert verb(verify, project, "--no-lint") == OK
    file = project.patches / "0002-second.patch"
    file.write_bytes(before["0002-second.patch"])
    assert verb(verify, project, "--no-lint") != OK


def test_a_new_commit_takes_its_place_in_the_series(project: Project) -> None:
    commit(project, "docs/cache.txt", "Cache", "The cache", "Changed the docs.")
    with pytest.raises(StackError, match=r"commit 3 .* has no table"):
        verb(export, project)
    text = (project.patches / "series.toml").read_text()
    (project.patches / "series.toml").write_text(text + table("third"))
    verb(export, project, "--dry-run")
    assert not (project.patches / "0003-third.patch").exists()
    assert verb(export, project) == OK
    assert verb(verify, project, "--no-lint") == OK


def test_a_dropped_commit_takes_its_file_along(project: Project) -> None:
    git(project.src, "reset", "-q", "--hard", "HEAD~1")
    with pytest.raises(StackError, match=r"series.toml lists second"):
        verb(export, project)
    (project.patches / "series.toml").write_text(table("first"))
    verb(export, project)
    assert not (project.patches / "0002-second.patch").exists()


@pytest.mark.parametrize(
    ("tables", "commands", "why"),
    [
        (("first", "second"), ["reset --hard refs/stack/base"], "throw away every"),
        (("second", "first"), [], "commit 1 is patch first, but"),
        (("first", "other"), [], "is patch second, which series.toml does not list"),
        (("first", "second"), ["merge --no-ff -m M other"], "a merge is no patch"),
        (("first", "second"), ["checkout --orphan x", "commit -m x"], "not descend"),
    ],
)
def test_export_refuses(
    project: Project, tables: tuple[str, ...], commands: list[str], why: str
) -> None:
    (project.patches / "series.toml").write_text("".join(map(table, tables)))
    tree = git(project.src, "rev-parse", "HEAD^{tree}")
    other = git(project.src, "commit-tree", tree, "-p", "HEAD~1", "-m", "Other.")
    git(project.src, "branch", "other", other)
    for command in commands:
        git(project.src, *command.split())
    before = contents(project)
    with pytest.raises(StackError, match=why) as caught:
        verb(export, project)
    assert caught.value.code == WAITING
    assert contents(project) == before


@pytest.mark.parametrize("body", ["Why\n---\nlost", "a\ndiff --git a/x b/x"])
def test_export_refuses_lines_that_break_am(project: Project, body: str) -> None:
    before = contents(project)
    git(project.src, "commit", "-q", "--amend", "-m", "Said.", "-m", body)
    with pytest.raises(StackError, match=r"do not survive"):
        verb(export, project)
    assert contents(project) == before


@pytest.mark.parametrize("mine", ["new", "amended", "none"])
def test_export_keeps_the_change_of_somebody_else(
    project: Project,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mine: str,
) -> None:
    other = copy_series(project, tmp_path / "elsewhere")
    verb(apply, other)
    amend(other, 1, "line of another\n")
    verb(export, other)
    tables = table("first") + table("second")
    if mine == "new":
        tables += table("third")
        commit(project, "docs/cache.txt", "Cache", "The cache", "Changed the docs.")
    elif mine == "amended":
        (project.src / "docs" / "cache.txt").write_text("The cache\n")
        git(project.src, "commit", "-q", "-a", "--amend", "--no-edit")
    shutil.copytree(other.patches, project.patches, dirs_exist_ok=True)
    (project.patches / "series.toml").write_text(tables)
    before = contents(project)
    with pytest.raises(StackError, match=r"would put older versions back") as caught:
        verb(export, project)
    assert caught.value.code == WAITING
    assert contents(project) == before
    capsys.readouterr()
    verb(apply, project, *told(caught.value).split()[2:])
    lines = capsys.readouterr().out.splitlines()
    for line in lines:
        if line.startswith("to take it over: "):
            shell(line.partition(": ")[2])
        if line.startswith("then squash"):
            shell(
                "GIT_SEQUENCE_EDITOR=\"sed -i '3s/^pick/fixup/'\" "
                + line.partition(": ")[2]
            )
    verb(export, project)
    assert b"+line of another" in (project.patches / "0001-first.patch").read_bytes()
    last = sorted(project.patches.glob("*.patch"))[-1].read_bytes()
    assert (b"+The cache" in last) == (mine != "none")
    assert verb(verify, project, "--no-lint") == OK


def test_a_lock_that_moved_alone_is_refused(project: Project) -> None:
    lock = project.patches / "series.lock"
    lock.write_text(lock.read_text().replace("sha256 = ", "sha256  = "))
    with pytest.raises(StackError, match=r"versions back: series.lock"):
        verb(export, project)


def test_an_editor_leaves_no_line_of_git(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A checkout that an older version of the tool made.
    git(project.src, "config", "commit.cleanup", "whitespace")
    git(project.src, "config", "--unset", "core.commentChar")
    (project.patches / "series.lock").touch()
    verb(apply, project, "--only", "first")
    verb(apply, project)
    message = "Said it.\n\nThis is why, see\n#123 and\n# this heading."
    git(project.src, "commit", "-q", "--amend", "-m", message)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncp "$1" "$0.saw"\n')
    editor.chmod(0o755)
    env = {"GIT_EDITOR": str(editor)}
    git(project.src, "commit", "-q", "--amend", env=env)
    assert "Please enter" in (tmp_path / "editor.saw").read_text()
    sequence = {"GIT_SEQUENCE_EDITOR": "sed -i 1s/pick/reword/"}
    git(project.src, "rebase", "-q", "-i", "HEAD~1", env=env | sequence)
    verb(export, project)
    parsed = mail.parse((project.patches / "0002-second.patch").read_bytes())
    assert parsed.message == message


def test_an_interrupted_reorder_recovers(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, first = git(project.src, "rev-parse", "stack", "stack~1").split()
    git(project.src, "reset", "-q", "--hard", "refs/stack/base")
    git(project.src, "cherry-pick", second, first)
    (project.patches / "series.toml").write_text(table("second") + table("first"))

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            verb(export, project)
    assert len(list(project.patches.glob("*.patch"))) == 4
    verb(export, project)
    assert verb(verify, project, "--no-lint") == OK


@pytest.mark.parametrize("folder", ["patches", "django-upstream/src/.git"])
def test_what_cannot_be_written_leaves_the_patches(
    project: Project, folder: str
) -> None:
    git(project.src, "commit", "-q", "--amend", "-m", "Said otherwise.")
    before = contents(project)
    shell(f"chmod -R a-w {project.root / folder}")
    try:
        done = subprocess.run(
            [*unprivileged(), *stack(project, "export")],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shell(f"chmod -R u+w {project.root / folder}")
    assert done.returncode == USAGE
    assert "Traceback" not in done.stderr
    assert contents(project) == before
    assert verb(export, project) == OK


def test_a_patch_that_is_there_twice_is_refused(project: Project) -> None:
    theirs = project.patches / "0003-first.patch"
    mine = (project.patches / "0001-first.patch").rename(theirs).read_bytes()
    (project.patches / "0001-first.patch").write_bytes(mine + b"theirs\n")
    before = contents(project)
    with pytest.raises(StackError, match=r"older versions back: first"):
        verb(export, project)
    with pytest.raises(StackError, match=r"0001-first.patch is there twice"):
        verb(apply, project)
    assert contents(project) == before


def test_notes_follow_whatever_the_user_has_set(
    project: Project, tmp_path: Path
) -> None:
    text = "[notes]\n\trewriteMode=ignore\n[notes 'rewrite']\n\trebase=false\n"
    (tmp_path / "config").write_text(text.replace("'", '"'))
    swap = {"GIT_SEQUENCE_EDITOR": "sed -i '1{h;d};2{G}'"}
    user = {"GIT_CONFIG_GLOBAL": str(tmp_path / "config")}
    git(project.src, "rebase", "-q", "-i", "refs/stack/base", env=swap | user)
    with pytest.raises(StackError, match=r"commit 1 is patch second, but"):
        verb(export, project)


@pytest.mark.slow
def test_an_interrupted_export_recovers(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.replace
    for stop in itertools.count(1):
        amend(project, 1, f"line {stop}\n")
        moves = itertools.count(1)

        def replace(self: Path, target: Path) -> Path:
            if next(moves) == stop:  # noqa: B023
                raise KeyboardInterrupt
            return plain(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            try:
                verb(export, project)
            except KeyboardInterrupt:
                pass
            else:
                break
        verb(export, project)
        assert verb(verify, project, "--no-lint") == OK
        assert not (project.upstream / "export.new").exists()
    assert stop == 5  # Two patches, README.md, series.lock.


def test_status_names_states(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project.patches / "0002-second.patch"
    file.write_bytes(file.read_bytes() + b"\n")
    tables = (project.patches / "series.toml").read_text()
    (project.patches / "series.toml").write_text(tables + table("third"))
    commit(project, "docs/cache.txt", "Cache", "The cache", "Changed the docs.")
    capsys.readouterr()
    verb(status, project, "--json")
    data = json.loads(capsys.readouterr().out)
    states = [patch["state"] for patch in data["patches"]]
    assert states == ["clean", "edited", "planned"]
    assert data["src"]["state"] == "not exported"
    assert data["src"]["next"] == "./scripts/stack export"
    verb(status, project)
    assert re.search(r"0003-third.patch +planned", capsys.readouterr().out)


def test_diff_shows_what_is_not_exported(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    verb(diff, project)
    assert capsys.readouterr().out == "no difference\n"
    commit(project, "docs/cache.txt", "Cache", "The cache", "Changed the docs.")
    verb(diff, project)
    assert "Changed the docs." in capsys.readouterr().out
    git(project.root, "init", "-q")
    git(project.root, "add", "patches")
    git(project.root, "commit", "-q", "-m", "series")
    capsys.readouterr()
    verb(diff, project, "HEAD")
    assert capsys.readouterr().out == "no difference\n"
    with pytest.raises(StackError, match=r"no revision nonsense"):
        verb(diff, project, "nonsense")


def test_mail_takes_a_folded_encoded_header_apart(project: Project) -> None:
    subject = "Changed ä very long word " * 4 + "."
    commit(project, "docs/cache.txt", "Cache", "Ä", subject)
    parsed = mail.parse(build.format_patch(Git(project.src), "HEAD"))
    assert parsed.subject == subject
    assert parsed.body == "This is why it was done, in some words."
    assert parsed.paths == ("docs/cache.txt",)
    with pytest.raises(ValueError, match=r"not a patch"):
        mail.parse(b"hello")
