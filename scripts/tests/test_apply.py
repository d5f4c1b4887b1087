"""Apply the series to django-upstream/src and to clones, with real git."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from common import git as git_module
from common.errors import OK, WAITING, StackError
from common.git import GitError
from common.project import Project
from patchstack import series, src, upstream
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
from verbs import apply, export, rebase, status, verify

HOSTILE = (
    *("am.threeWay=true", "apply.whitespace=fix", "apply.ignoreWhitespace=change"),
    *("commit.gpgSign=true", "commit.cleanup=verbatim", "core.commentChar=+"),
    *("core.autocrlf=true", "diff.noprefix=true", "diff.mnemonicPrefix=true"),
    *("diff.renames=copies", "diff.algorithm=patience", "diff.context=9"),
    *("format.signature=hello", "format.subjectPrefix=X", "format.attach=true"),
    *("format.numbered=true", "format.signOff=true", "format.coverLetter=true"),
    *("format.pretty=oneline", "i18n.commitEncoding=latin1", "user.name=Somebody"),
)


def test_a_hostile_configuration_changes_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, head = contents(project), git(project.src, "rev-parse", "HEAD")
    home = tmp_path / "home"
    home.mkdir()
    for name in ("applypatch-msg", "pre-applypatch", "pre-commit", "post-checkout"):
        (home / name).write_text("#!/bin/sh\nexit 1\n")
        (home / name).chmod(0o755)
    (home / "attributes").write_text("* text eol=crlf\n")
    files = (f"core.hooksPath={home}", f"core.attributesFile={home}/attributes")
    for setting in (*HOSTILE, *files):
        git(home, "config", "--file", ".gitconfig", *setting.split("=", 1))
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    other = copy_series(project, tmp_path / "elsewhere")
    verb(apply, other)
    # The checkout's own configuration is as hostile as the user's.
    with (other.src / ".git" / "config").open("a") as file:
        file.write((home / ".gitconfig").read_text())
    verb(export, other)
    assert contents(other) == before
    assert git(other.src, "rev-parse", "HEAD") == head
    assert verb(verify, other, "--no-lint") == OK


def test_a_first_apply_is_on_the_branch(empty: Project) -> None:
    # What an interrupted run left.
    (empty.src.with_name("src.new") / ".git").mkdir(parents=True)
    verb(apply, empty)
    assert git(empty.src, "symbolic-ref", "--short", "HEAD") == "stack"


def test_apply_refuses_what_it_must(project: Project) -> None:
    file = project.src / "django" / "cache.py"
    text = file.read_text()
    file.write_text("mine\n")
    with pytest.raises(StackError, match=r"not committed") as caught:
        verb(apply, project)
    assert caught.value.code == WAITING
    assert file.read_text() == "mine\n"
    file.write_text(text)
    (project.src / ".git" / "rebase-merge").mkdir()
    with pytest.raises(StackError, match=r"in the middle") as caught:
        verb(apply, project)
    assert "git rebase --continue" in str(caught.value)
    (project.src / ".git" / "rebase-merge").rmdir()
    git(project.src, "update-ref", "refs/stack/base", "HEAD")
    with pytest.raises(StackError, match=r"checkout of another Django"):
        verb(apply, project)
    shutil.rmtree(project.src)
    project.src.mkdir()
    (project.src / "mine.txt").write_text("mine")
    with pytest.raises(StackError, match=r"was not made by this tool"):
        verb(apply, project)
    assert (project.src / "mine.txt").read_text() == "mine"


def test_apply_refuses_commits_that_are_not_exported(project: Project) -> None:
    commit(project, "django/cache.py", "line 5", "line five", "Changed the fifth.")
    head = git(project.src, "rev-parse", "HEAD")
    with pytest.raises(StackError, match=r"not in patches/ \(1\)") as caught:
        verb(apply, project, "--only", "first")
    assert caught.value.code == WAITING
    # The branch stays behind, and would be overwritten.
    git(project.src, "checkout", "-q", "--detach", "HEAD~1")
    verb(apply, project, "--only", "first")
    assert git(project.src, "rev-parse", "saved-1") == head
    commit(project, "django/cache.py", "line 5", "line V", "Changed it again.")
    verb(apply, project, "--save")
    assert (
        git(project.src, "log", "-1", "--format=%s", "saved-2") == "Changed it again."
    )
    verb(apply, project)
    assert git(project.src, "branch", "--list", "saved-3") == ""


def test_apply_dry_run_changes_nothing(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copy_series(project, tmp_path / "elsewhere")
    verb(apply, other, "--dry-run")
    assert not other.src.exists()
    assert "git clone" in capsys.readouterr().out
    refs = git(project.src, "for-each-ref")
    verb(apply, project, "--only", "first", "--dry-run")
    assert "checkout --quiet -B stack" in capsys.readouterr().out
    assert git(project.src, "for-each-ref") == refs
    clone = clone_of(project, tmp_path)
    refs = git(clone, "for-each-ref")
    verb(apply, project, "--into", str(clone), "--dry-run")
    assert "am " in capsys.readouterr().out
    assert git(clone, "for-each-ref") == refs


def test_an_interrupted_apply_recovers(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(project)
    verb(apply, project, "--only", "first")

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(src, "settle", stop)
        with pytest.raises(KeyboardInterrupt):
            verb(apply, project)
    verb(apply, project)
    verb(export, project)
    assert contents(project) == before


def test_a_table_may_come_before_its_patch(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = table("first") + table("between") + table("second")
    (project.patches / "series.toml").write_text(tables)
    git(project.src, "checkout", "-q", "stack~1")
    capsys.readouterr()
    assert verb(apply, project) == OK
    assert "between has a table but no patch yet" in capsys.readouterr().err
    with pytest.raises(StackError, match=r"is missing"):
        verb(verify, project)
    git(project.src, "checkout", "-q", "-B", "new", "stack~1")
    commit(project, "docs/cache.txt", "Cache", "The cache", "Changed the docs.")
    git(project.src, "cherry-pick", "stack")
    assert verb(export, project) == OK
    assert [entry.slug for entry in series.load_lock(project).patches] == [
        *("first", "between", "second")
    ]
    (project.patches / "0002-between.patch").unlink()
    with pytest.raises(StackError, match=r"between has no file"):
        verb(apply, project)


def test_only_some_patches(project: Project, tmp_path: Path) -> None:
    before = contents(project)
    clone = clone_of(project, tmp_path)
    verb(apply, project, "--into", str(clone), "--only", "second")
    assert git(clone, "rev-list", "--count", "main..HEAD") == "1"
    verb(apply, project, "--only", "second")
    assert status.src_state(project)["state"] == "applied in part"
    assert "line 2\n" in (project.src / "django" / "cache.py").read_text()
    commit(project, "docs/cache.txt", "Cache", "The cache", "Changed.")
    with pytest.raises(StackError, match=r"older versions back: first") as caught:
        verb(export, project)
    assert caught.value.code == WAITING
    assert contents(project) == before
    verb(apply, project, *told(caught.value).split()[2:])
    tree = git(project.src, "rev-parse", "HEAD^{tree}")
    assert tree == series.load_lock(project).patches[-1].tree
    text = table("first") + table("second", depends='["first"]')
    (project.patches / "series.toml").write_text(text)
    verb(apply, project, "--only", "second")
    assert git(project.src, "rev-list", "--count", f"{src.BASE}..HEAD") == "2"


def clone_of(project: Project, tmp_path: Path) -> Path:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-b", "upstream", str(project.base), str(clone))
    git(clone, "branch", "-m", "main")
    return clone


def moved_clone(project: Project, tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """Return a clone one commit past the base."""
    clone = clone_of(project, tmp_path)
    file = clone / "django" / "cache.py"
    for old, new in changes:
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    git(clone, "commit", "-q", "-a", "-m", "Moved on.")
    return clone


def state_of(clone: Path) -> list[str]:
    names = ("for-each-ref", "rev-parse HEAD", "branch", "status --porcelain")
    return [git(clone, *name.split()) for name in names]


def test_apply_into_a_clone_and_undo(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = clone_of(project, tmp_path)
    git(clone, "tag", "main")  # The branch is meant.
    before = state_of(clone)
    assert verb(apply, project, "--into", str(clone)) == OK
    tree = git(clone, "rev-parse", "django-patch-stack^{tree}")
    assert tree == series.load_lock(project).patches[-1].tree
    lines = capsys.readouterr().out.splitlines()
    shell(next(x for x in lines if x.startswith("to undo: ")).partition(": ")[2])
    assert state_of(clone) == before


@pytest.mark.parametrize("setting", ["autocrlf=true", "fileMode=false"])
@pytest.mark.parametrize("everywhere", [True, False])
def test_apply_into_a_clone_with_files_of_its_own_kind(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    everywhere: bool,
) -> None:
    clone = clone_of(project, tmp_path)
    file = clone / "django" / "cache.py"
    where = ("--file", str(tmp_path / "config")) if everywhere else ()
    if everywhere:
        git(clone, "config", "--unset", "core.fileMode")
    git(clone, "config", *where, *f"core.{setting}".split("="))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    git_module.user_config.cache_clear()
    for path in git(clone, "ls-files").splitlines():
        (clone / path).unlink()
    git(clone, "checkout", "-q", ".")
    if "Mode" in setting:
        file.chmod(0o755)
    assert verb(apply, project, "--into", str(clone)) == OK
    assert (b"line two\r\n" in file.read_bytes()) == ("crlf" in setting)
    assert git(clone, "rev-parse", "HEAD") == git(project.src, "rev-parse", "HEAD")
    git_module.user_config.cache_clear()


def test_apply_into_a_shallow_clone(project: Project, tmp_path: Path) -> None:
    moved = moved_clone(project, tmp_path, ("line 5\n", "line V\n"))
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{moved}", str(clone))
    assert verb(apply, project, "--into", str(clone), "--three-way") == OK
    assert "line nine\n" in (clone / "django" / "cache.py").read_text()


def test_apply_into_a_moved_clone_needs_three_way(
    project: Project, tmp_path: Path
) -> None:
    clone = moved_clone(project, tmp_path, ("line 4\n", "line four\n"))
    before = state_of(clone)
    words = ("--into", str(clone), "--branch", "mine")
    with pytest.raises(StackError, match=r"0001-first.patch does not apply") as caught:
        verb(apply, project, *words)
    assert state_of(clone) == before
    command = shlex.split(told(caught.value))
    assert verb(apply, project, *command[2:]) == OK
    assert git(clone, "symbolic-ref", "--short", "HEAD") == "mine"
    text = (clone / "django" / "cache.py").read_text()
    assert all(x in text for x in ("line two\n", "line four\n", "line nine\n"))


@pytest.fixture
def conflict(project: Project, tmp_path: Path) -> tuple[Project, Path]:
    """A series whose second patch changes two files, and a clone that did, too."""
    (project.src / "docs" / "cache.txt").write_text("The cache\n=====\n")
    git(project.src, "commit", "-q", "-a", "--amend", "--no-edit")
    verb(export, project)
    clone = moved_clone(project, tmp_path, ("line 9\n", "line IX\n"))
    (clone / "docs" / "cache.txt").write_text("A cache\n=====\n")
    git(clone, "commit", "-q", "-a", "-m", "Moved on again.")
    return project, clone


def refused(project: Project, clone: Path, *words: str) -> StackError:
    before = state_of(clone)
    with pytest.raises(StackError, match=r"0002-second.patch does not") as caught:
        verb(apply, project, "--into", str(clone), *words)
    assert caught.value.code == WAITING
    assert state_of(clone) == before
    assert "does not apply: django/cache.py, docs/cache.txt (" in caught.value.facts
    return caught.value


def test_the_command_after_a_conflict_leads_to_a_work_tree(
    conflict: tuple[Project, Path],
) -> None:
    project, clone = conflict
    before = state_of(clone)
    again = shlex.split(told(refused(project, clone)))
    words = shlex.split(told(refused(project, clone, *again[4:])))
    with pytest.raises(
        StackError, match=r"django/cache.py, docs/cache.txt \("
    ) as caught:
        verb(rebase, project, *words[2:])
    assert caught.value.code == WAITING
    work = project.upstream / "onto-stable-6.1.x"
    conflicts = git(work, "diff", "--name-only", "--diff-filter=U").split()
    assert conflicts == ["django/cache.py", "docs/cache.txt"]
    assert verb(rebase, project, "--abort") == OK
    assert not work.exists()
    assert state_of(clone) == before


def test_apply_into_refuses_what_it_must(project: Project, tmp_path: Path) -> None:
    clone = clone_of(project, tmp_path)
    (clone / "docs" / "django").mkdir()
    shutil.copy(clone / "django" / "__init__.py", clone / "docs" / "django")
    for folder in (tmp_path / "absent", clone / "docs"):
        with pytest.raises(StackError, match=r"is not the top folder"):
            verb(apply, project, "--into", str(folder))
    for name in ("two words", "@{-1}"):
        with pytest.raises(StackError, match=r"is no name for a branch"):
            verb(apply, project, "--into", str(clone), "--branch", name)
    init = clone / "django" / "__init__.py"
    init.write_text(init.read_text().replace("6, 1", "5, 2"))
    with pytest.raises(StackError, match=r"holds Django 5\.2"):
        verb(apply, project, "--into", str(clone))
    init.write_text(init.read_text().replace("5, 2", "6, 2"))
    with pytest.raises(StackError, match=r"not committed"):
        verb(apply, project, "--into", str(clone))


@pytest.mark.parametrize("into", [True, False])
def test_a_branch_that_git_cannot_make_leaves_nothing(
    project: Project, tmp_path: Path, into: bool
) -> None:
    at = clone_of(project, tmp_path) if into else project.src
    git(at, "switch", "-q", "--detach")
    if not into:
        git(at, "branch", "-D", "stack")
    git(at, "branch", "django-patch-stack/x" if into else "stack/x")
    before = state_of(at)
    words = ("--into", str(at)) if into else ("--only", "first")
    with pytest.raises(GitError, match=r"cannot lock ref"):
        verb(apply, project, *words)
    assert state_of(at) == before


def test_a_branch_in_another_work_tree_stays(project: Project, tmp_path: Path) -> None:
    clone = clone_of(project, tmp_path)
    verb(apply, project, "--into", str(clone))
    git(clone, "switch", "-q", "main")
    git(clone, "worktree", "add", "-q", str(tmp_path / "more"), "django-patch-stack")
    with pytest.raises(StackError, match=r"in use in") as caught:
        verb(apply, project, "--into", str(clone))
    assert verb(apply, project, *shlex.split(told(caught.value))[2:]) == OK


@pytest.mark.parametrize(
    "command", ["cherry-pick main~2..main", "rebase --apply main", "am 1.patch"]
)
def test_the_end_of_an_unfinished_command(
    project: Project, tmp_path: Path, command: str
) -> None:
    changes = (("line 5\n", "line V\n"), ("line 5\n", "line five\n"))
    clone = moved_clone(project, tmp_path, changes[0])
    git(clone, "commit", "-q", "--allow-empty", "-m", "Moved again.")
    git(clone, "format-patch", "-1", "-o", str(clone), "main~1", "--numbered-files")
    (clone / "1").rename(clone / "1.patch")
    git(clone, "switch", "-q", "-c", "mine", "main~2")
    file = clone / "django" / "cache.py"
    file.write_text(file.read_text().replace(*changes[1]))
    git(clone, "commit", "-q", "-a", "-m", "Mine.")
    head = git(clone, "rev-parse", "mine")
    assert shell(f"cd {clone} && git {command}", check=False).returncode
    if command.startswith("cherry-pick"):  # As a user may: one commit is left.
        git(clone, "commit", "-q", "-a", "-m", "Solved.")
    with pytest.raises(StackError, match=r"in the middle of another") as caught:
        verb(apply, project, "--into", str(clone))
    ending = told(caught.value).partition(": ")[2].partition(" --continue")[0]
    shell(f"cd {clone} && {ending} --abort")
    assert git(clone, "symbolic-ref", "--short", "HEAD") == "mine"
    assert git(clone, "status", "--porcelain", "-uno") == ""
    if not command.startswith("cherry-pick"):
        assert git(clone, "rev-parse", "mine") == head


def test_a_branch_from_an_earlier_apply_may_be_removed(
    project: Project, tmp_path: Path
) -> None:
    clone = clone_of(project, tmp_path)
    for on in ("main", "django-patch-stack"):
        verb(apply, project, "--into", str(clone))
        git(clone, "switch", "-q", on)
        with pytest.raises(StackError, match=r"from an earlier apply") as caught:
            verb(apply, project, "--into", str(clone))
        shell(told(caught.value))
        assert git(clone, "branch", "--list", "django-patch-stack") == ""


@pytest.mark.parametrize("ours", [True, False])
def test_a_branch_with_other_commits_stays(
    project: Project, tmp_path: Path, ours: bool
) -> None:
    clone = clone_of(project, tmp_path)
    if ours:
        verb(apply, project, "--into", str(clone))
    else:
        git(clone, "switch", "-q", "-c", "django-patch-stack")
    env = {"GIT_COMMITTER_EMAIL": "a@b.org"}
    git(clone, "commit", "-q", "--allow-empty", "-m", "Mine.", env=env)
    git(clone, "switch", "-q", "main")
    before = git(clone, "rev-parse", "django-patch-stack")
    with pytest.raises(StackError, match=r"with other work") as caught:
        verb(apply, project, "--into", str(clone))
    verb(apply, project, *shlex.split(told(caught.value))[2:])
    assert git(clone, "rev-parse", "django-patch-stack") == before
    assert git(clone, "symbolic-ref", "--short", "HEAD") == "django-patch-stack-2"


@pytest.mark.parametrize("ignored", ["", "docs/new.txt\n"])
def test_untracked_files_in_the_way_leave_no_branch(
    project: Project, tmp_path: Path, ignored: str
) -> None:
    (project.src / "docs" / "new.txt").write_text("New.\n")
    git(project.src, "add", "docs/new.txt")
    git(project.src, "commit", "-q", "--amend", "--no-edit")
    verb(export, project)
    clone = clone_of(project, tmp_path)
    (clone / ".git" / "info").mkdir(exist_ok=True)
    (clone / ".git" / "info" / "exclude").write_text(ignored)
    (clone / "docs" / "new.txt").write_text("mine\n")
    before = state_of(clone)
    with pytest.raises(StackError, match=r"in the way: docs/new.txt") as caught:
        verb(apply, project, "--into", str(clone))
    assert state_of(clone) == before
    shell(told(caught.value))
    assert verb(apply, project, "--into", str(clone)) == OK


@pytest.mark.parametrize("into", [True, False])
def test_a_read_only_work_tree_is_not_applied(
    project: Project, tmp_path: Path, into: bool
) -> None:
    clone = clone_of(project, tmp_path)
    at, words = (clone, ["--into", str(clone)]) if into else (project.src, [])
    if not into:
        verb(apply, project, "--only", "first")
        verb(apply, project, "--only", "second")
    before = state_of(at)
    (at / "django").chmod(0o555)
    try:
        done = subprocess.run(
            [*unprivileged(), *stack(project, "apply", *words)],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        (at / "django").chmod(0o755)
    assert done.returncode
    assert "cannot be written: django/cache.py" in done.stderr
    assert "applied 0" not in done.stdout
    assert state_of(at) == before


def test_a_clone_of_another_user(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = clone_of(project, tmp_path)
    if os.getuid() == 0:
        shutil.chown(clone, 12345)
        shutil.chown(clone / ".git", 12345)
    else:  # Git's own way to test it.
        plain = git_module.environment
        foreign = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
        monkeypatch.setattr(git_module, "environment", lambda: plain() | foreign)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    git_module.user_config.cache_clear()
    with pytest.raises(StackError, match=r"belongs to another user") as caught:
        verb(apply, project, "--into", str(clone))
    subprocess.run(told(caught.value), shell=True, check=True)
    git_module.user_config.cache_clear()
    assert verb(apply, project, "--into", str(clone)) == OK


WITHOUT_THE_TOOL = {
    "git am": "git init -q && git add --all --force && git commit -q -m Django"
    " && git am -q {patches}/*.patch",
    "git apply": "git apply {patches}/*.patch",
}


def unpacked(archive: Path, folder: Path, command: str, patches: Path) -> Path:
    shutil.unpack_archive(archive, folder, filter="data")
    (top,) = folder.iterdir()
    shell(f"cd {top} && {command.format(patches=patches)}")
    return top


@pytest.mark.parametrize("command", WITHOUT_THE_TOOL.values(), ids=WITHOUT_THE_TOOL)
def test_the_unpacked_archive_without_the_tool(
    project: Project, tmp_path: Path, command: str
) -> None:
    archive = project.cache / "upstream" / "Fake-6.1.3.tar.gz"
    top = unpacked(archive, tmp_path / "unpacked", command, project.patches)
    text = (top / "django" / "cache.py").read_text()
    assert text == (project.src / "django" / "cache.py").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("command", WITHOUT_THE_TOOL.values(), ids=WITHOUT_THE_TOOL)
def test_the_real_archive_without_the_tool(
    real: Project, patched: Path, tmp_path: Path, command: str
) -> None:
    archive = upstream.archive(real, upstream.load_pin(real))
    top = unpacked(archive, tmp_path / "unpacked", command, real.patches)
    for folder in ("django", "tests", "docs"):
        shell(f"diff -r --exclude=__pycache__ {top}/{folder} {patched}/{folder}")
