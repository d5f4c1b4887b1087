"""The stack on a fake upstream, with real git."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import stack as cli
from common.errors import OK, USAGE, WAITING, StackError
from common.git import Git
from common.project import Project
from patchstack import apply, build, export, mail, series, trees, upstream
from tests.conftest import FILES, commit, git, make_project, table, verb
from verbs import diff, fetch, status, verify


def contents(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in project.patches.iterdir()}


def tip(project: Project) -> str:
    files = series.files(project, series.load(project))
    return build.build(project, files)[-1].id


def copy_series(project: Project, root: Path) -> Project:
    """Return another project with the same series, elsewhere."""
    other = make_project(root)
    shutil.copytree(project.patches, other.patches, dirs_exist_ok=True)
    return other


def test_base_depends_on_the_archive_alone(empty: Project, tmp_path: Path) -> None:
    other = make_project(tmp_path / "elsewhere")
    assert upstream.base(empty) == upstream.base(other)


def test_base_leaves_generated_files_out_and_keeps_modes(empty: Project) -> None:
    listing = Git(empty.base, bare=True).out("ls-tree", "-r", upstream.base(empty))
    names = {line.split("\t")[1] for line in listing.splitlines()}
    assert names == {name for name in FILES if "PKG" not in name and "egg" not in name}
    assert "100755" in next(x for x in listing.splitlines() if "runtests" in x)


def test_same_tip_in_two_folders(project: Project, tmp_path: Path) -> None:
    assert tip(project) == tip(copy_series(project, tmp_path / "elsewhere"))


def test_export_is_a_fixpoint(project: Project, tmp_path: Path) -> None:
    before = contents(project)
    other = copy_series(project, tmp_path / "elsewhere")
    verb(apply, other)
    verb(export, other)
    assert contents(other) == before


def test_a_patch_that_needs_fuzz_does_not_apply(project: Project) -> None:
    file = project.patches / "0002-second.patch"
    file.write_bytes(file.read_bytes().replace(b" line 7\n", b" line seven\n"))
    with pytest.raises(build.DoesNotApply, match=r"0002-second.patch does not apply"):
        tip(project)


def test_a_wrong_archive_is_refused(empty: Project) -> None:
    kept = empty.cache / "upstream" / "Fake-6.1.3.tar.gz"
    kept.write_bytes(kept.read_bytes() + b"x")
    with pytest.raises(StackError, match=r"is not Fake 6.1.3") as caught:
        upstream.base(empty)
    assert "fetch" in str(caught.value.then)


def test_no_network_and_nothing_kept(
    empty: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty.cache / "upstream" / "Fake-6.1.3.tar.gz").unlink()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(StackError, match=r"could not be fetched"):
        upstream.base(empty)


def test_fetch_takes_a_file(empty: Project, tmp_path: Path) -> None:
    kept = empty.cache / "upstream" / "Fake-6.1.3.tar.gz"
    given = kept.rename(tmp_path / "given.tar.gz")
    assert verb(fetch, empty, "--sdist", str(given)) == OK
    with pytest.raises(StackError, match=r"is no file"):
        verb(fetch, empty, "--sdist", str(tmp_path / "absent"))


HOSTILE = """\
[am]
    threeWay = true
[apply]
    whitespace = fix
    ignoreWhitespace = change
[commit]
    gpgSign = true
[core]
    autocrlf = true
    hooksPath = {hooks}
    attributesFile = {attributes}
[diff]
    noprefix = true
    mnemonicPrefix = true
    renames = copies
    algorithm = patience
    context = 9
    external = false
[format]
    signature = hello
    subjectPrefix = X
    attach = true
    numbered = true
    signOff = true
    coverLetter = true
    pretty = oneline
[i18n]
    commitEncoding = latin1
[user]
    name = Somebody
    useConfigOnly = true
"""


def test_a_hostile_configuration_changes_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, commit_id = contents(project), tip(project)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("applypatch-msg", "pre-applypatch", "pre-commit", "post-checkout"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    attributes = tmp_path / "attributes"
    attributes.write_text("* text eol=crlf\n")
    config = HOSTILE.format(hooks=hooks, attributes=attributes)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(config)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    other = copy_series(project, tmp_path / "elsewhere")
    verb(apply, other)
    # The checkout's own configuration is as hostile as the user's.
    with (other.src / ".git" / "config").open("a") as file:
        file.write(config)
    verb(export, other)
    assert contents(other) == before
    assert tip(other) == commit_id
    assert verb(verify, other, "--no-lint") == OK


def test_plain_git_is_enough(project: Project, tmp_path: Path) -> None:
    kept = project.cache / "upstream" / "Fake-6.1.3.tar.gz"
    shutil.unpack_archive(kept, tmp_path, filter="data")
    clone = tmp_path / "fake-6.1.3"
    for name in ("PKG-INFO", "Fake.egg-info"):
        subprocess.run(["rm", "-r", str(clone / name)], check=True)
    git(clone, "init", "-q")
    git(clone, "add", "--all", "--force")
    git(clone, "commit", "-q", "-m", "base")
    git(clone, "am", "-q", *map(str, sorted(project.patches.glob("*.patch"))))
    tree = git(clone, "rev-parse", "HEAD^{tree}")
    assert tree == series.load_lock(project).patches[-1].tree


def test_apply_refuses_a_dirty_tree(project: Project) -> None:
    (project.src / "django" / "cache.py").write_text("mine\n")
    with pytest.raises(StackError, match=r"not committed") as caught:
        verb(apply, project)
    assert caught.value.code == WAITING
    assert (project.src / "django" / "cache.py").read_text() == "mine\n"


def test_apply_refuses_commits_that_are_not_exported(project: Project) -> None:
    commit(project, "django/cache.py", "line 5", "line five", "Changed the fifth.")
    head = git(project.src, "rev-parse", "HEAD")
    (project.patches / "0002-second.patch").unlink()
    (project.patches / "series.toml").write_text(table("first"))
    with pytest.raises(StackError, match=r"not in patches/") as caught:
        verb(apply, project)
    assert caught.value.code == WAITING
    verb(apply, project, "--save")
    assert git(project.src, "rev-parse", "saved-1") == head


def test_apply_refuses_an_unfinished_rebase(project: Project) -> None:
    (project.src / ".git" / "rebase-merge").mkdir()
    with pytest.raises(StackError, match=r"in the middle") as caught:
        verb(apply, project)
    assert "git rebase --continue" in str(caught.value)


def test_apply_refuses_a_foreign_folder(empty: Project) -> None:
    empty.src.mkdir()
    (empty.src / "mine.txt").write_text("mine")
    with pytest.raises(StackError, match=r"was not made by this tool"):
        verb(apply, empty)
    assert (empty.src / "mine.txt").read_text() == "mine"


def test_apply_refuses_a_checkout_of_another_upstream(project: Project) -> None:
    git(project.src, "update-ref", "refs/stack/base", "HEAD")
    with pytest.raises(StackError, match=r"checkout of another Django"):
        verb(apply, project)


def test_apply_dry_run_changes_nothing(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copy_series(project, tmp_path / "elsewhere")
    verb(apply, other, "--dry-run")
    assert not other.src.exists()
    assert "git clone" in capsys.readouterr().out


def test_amending_one_patch_leaves_the_other_file_alone(project: Project) -> None:
    before = contents(project)
    git(project.src, "checkout", "-q", "-b", "edit", "HEAD~1")
    file = project.src / "django" / "cache.py"
    file.write_text("line zero\n" + file.read_text())
    env = {"GIT_SEQUENCE_EDITOR": ":"}
    git(project.src, "commit", "-q", "-a", "--amend", "--no-edit")
    git(project.src, "rebase", "-q", "--onto", "edit", "stack~1", "stack", env=env)
    verb(export, project)
    after = contents(project)
    assert after["0001-first.patch"] != before["0001-first.patch"]
    assert after["0002-second.patch"] == before["0002-second.patch"]
    assert verb(verify, project, "--no-lint") == OK


def test_a_new_commit_takes_its_place_in_the_series(project: Project) -> None:
    commit(project, "docs/cache.txt", "Cache", "The cache", "Changed the docs.")
    with pytest.raises(StackError, match=r"commit 3 .* has no table"):
        verb(export, project)
    text = (project.patches / "series.toml").read_text()
    (project.patches / "series.toml").write_text(text + table("third"))
    assert verb(export, project) == OK
    assert (project.patches / "0003-third.patch").exists()
    assert verb(verify, project, "--no-lint") == OK


def test_a_dropped_commit_takes_its_file_along(project: Project) -> None:
    git(project.src, "reset", "-q", "--hard", "HEAD~1")
    with pytest.raises(StackError, match=r"series.toml lists second"):
        verb(export, project)
    (project.patches / "series.toml").write_text(table("first"))
    verb(export, project)
    assert not (project.patches / "0002-second.patch").exists()


def test_export_refuses_an_empty_series(project: Project) -> None:
    before = contents(project)
    git(project.src, "reset", "-q", "--hard", "refs/stack/base")
    with pytest.raises(StackError, match=r"throw away every patch"):
        verb(export, project)
    assert contents(project) == before


def test_export_refuses_lines_that_break_am(project: Project) -> None:
    before = contents(project)
    git(project.src, "commit", "-q", "--amend", "-m", "Said.", "-m", "Why\n---\nlost")
    verb(export, project, "--dry-run")
    git(
        project.src,
        "commit",
        "-q",
        "--amend",
        "-m",
        "S.",
        "-m",
        "a\ndiff --git a/x b/x",
    )
    with pytest.raises(StackError, match=r"do not survive"):
        verb(export, project)
    assert contents(project) == before


def clone_of(project: Project, tmp_path: Path) -> Path:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project.base), str(clone))
    return clone


def test_apply_into_a_clone_and_undo(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = clone_of(project, tmp_path)
    before = git(clone, "rev-parse", "HEAD")
    assert verb(apply, project, "--into", str(clone)) == OK
    tree = git(clone, "rev-parse", "django-patch-stack^{tree}")
    assert tree == series.load_lock(project).patches[-1].tree
    undo = next(
        line.removeprefix("to undo: ")
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("to undo: ")
    )
    subprocess.run(undo, shell=True, check=True, capture_output=True)
    assert git(clone, "rev-parse", "HEAD") == before
    assert git(clone, "branch", "--list", "django-patch-stack") == ""


def moved_clone(
    project: Project, tmp_path: Path, old: str, new: str
) -> tuple[Path, Path]:
    """Return a clone one commit past the base, and the file that it changed."""
    clone = clone_of(project, tmp_path)
    file = clone / "django" / "cache.py"
    file.write_text(file.read_text().replace(old, new))
    git(clone, "commit", "-q", "-a", "-m", "Moved on.")
    return clone, file


def test_apply_into_a_moved_clone_needs_three_way(
    project: Project, tmp_path: Path
) -> None:
    clone, file = moved_clone(project, tmp_path, "line 4\n", "line four\n")
    head = git(clone, "rev-parse", "HEAD")
    with pytest.raises(StackError, match=r"0001-first.patch does not apply") as caught:
        verb(apply, project, "--into", str(clone))
    assert "--three-way" in str(caught.value.then)
    assert git(clone, "rev-parse", "HEAD") == head
    assert verb(apply, project, "--into", str(clone), "--three-way") == OK
    text = file.read_text()
    assert "line two\n" in text
    assert "line four\n" in text
    assert "line nine\n" in text


def test_apply_into_a_conflict_changes_nothing(
    project: Project, tmp_path: Path
) -> None:
    clone, _ = moved_clone(project, tmp_path, "line 9\n", "line IX\n")
    state = git(clone, "for-each-ref"), git(clone, "rev-parse", "HEAD")
    with pytest.raises(StackError, match=r"0002-second.patch") as caught:
        verb(apply, project, "--into", str(clone), "--three-way")
    assert caught.value.code == WAITING
    assert (git(clone, "for-each-ref"), git(clone, "rev-parse", "HEAD")) == state
    assert git(clone, "status", "--porcelain") == ""


def test_apply_into_refuses_what_it_must(project: Project, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"is no git checkout"):
        verb(apply, project, "--into", str(tmp_path / "absent"))
    clone = clone_of(project, tmp_path)
    init = clone / "django" / "__init__.py"
    init.write_text(init.read_text().replace("6, 1", "5, 2"))
    with pytest.raises(StackError, match=r"holds Django 5\.2"):
        verb(apply, project, "--into", str(clone))
    init.write_text(init.read_text().replace("5, 2", "6, 2"))
    with pytest.raises(StackError, match=r"not committed"):
        verb(apply, project, "--into", str(clone))
    git(clone, "checkout", "-q", "--", ".")
    git(clone, "branch", "django-patch-stack")
    with pytest.raises(StackError, match=r"has a branch"):
        verb(apply, project, "--into", str(clone))


def test_status_names_states(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project.patches / "0002-second.patch"
    file.write_bytes(file.read_bytes() + b"\n")
    commit(project, "docs/cache.txt", "Cache", "The cache", "Changed the docs.")
    capsys.readouterr()
    verb(status, project, "--json")
    data = json.loads(capsys.readouterr().out)
    assert [patch["state"] for patch in data["patches"]] == ["clean", "edited"]
    assert data["src"]["state"] == "not exported"
    assert data["src"]["next"] == "./scripts/stack export"


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


def test_trees_swap_tests(project: Project) -> None:
    commit(
        project, "tests/cache/tests.py", "import", "import sys\nimport", "Tested it."
    )
    child = git(project.src, "rev-parse", "HEAD^{tree}")
    build.fetch_commits(project, project.src, "HEAD")
    base = upstream.base_tree(project)
    red = trees.materialise(project, trees.swap_tests(project, base, child))
    assert (red / "django" / "cache.py").read_text() == FILES["django/cache.py"]
    assert (red / "tests" / "cache" / "tests.py").read_text().startswith("import sys")


def test_mail_takes_a_folded_encoded_header_apart(project: Project) -> None:
    commit(
        project, "docs/cache.txt", "Cache", "Ä", "Changed ä very long word " * 4 + "."
    )
    data = build.format_patch(Git(project.src), "HEAD")
    parsed = mail.parse(data)
    assert parsed.subject == ("Changed ä very long word " * 4 + ".")
    assert parsed.body == "This is why it was done, in some words."
    assert parsed.paths == ("docs/cache.txt",)
    with pytest.raises(ValueError, match=r"not a patch"):
        mail.parse(b"hello")


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["frobnicate"]) == USAGE
    assert "there is no verb frobnicate" in capsys.readouterr().err
    assert cli.main(["--help"]) == OK
    screen = capsys.readouterr().out
    for name in cli.VERBS:
        assert f"\n  {name} " in screen
        assert cli.parser(name).format_help().count("\n") < 60
