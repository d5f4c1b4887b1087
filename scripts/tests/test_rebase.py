"""The series on another Django: real git, clones that have moved, a new release."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import FINDINGS, OK, WAITING, StackError
from common.git import Git
from common.project import Project
from patchstack import rails, series, upstream
from tests.conftest import (
    CACHE,
    FILES,
    RUNTESTS,
    VERSION,
    archive,
    commit,
    contents,
    git,
    make_project,
    table,
    told,
    verb,
)
from verbs import apply, export, rebase, verify

TESTS = """\
from pathlib import Path

text = Path("../django/cache.py").read_text()
RED = "line nine" in text and "line red" in text
OUTCOMES = {"cache.tests.T.test": "fail" if RED else "ok"}
"""
# Linters read it.
PYTHON = {
    "django/cache.py": CACHE.replace("line", "# line"),
    "tests/runtests.py": RUNTESTS,
    "tests/cache/tests.py": TESTS,
}
ALPHA = ('VERSION = (6, 1, 3, "final", 0)', 'VERSION = (6, 2, 0, "alpha", 0)')


@pytest.fixture
def three(tmp_path: Path) -> Project:
    """A project with three patches, and tests that run."""
    project = make_project(tmp_path / "project", FILES | PYTHON)
    verb(apply, project)
    tables = "".join(map(table, ("first", "second", "third")))
    (project.patches / "series.toml").write_text(tables)
    commit(project, "django/cache.py", "line 2\n", "line two\n", "Changed the second.")
    commit(project, "django/cache.py", "line 9\n", "line nine\n", "Changed the ninth.")
    commit(project, "docs/cache.txt", "Cache\n", "The cache\n", "Changed the docs.")
    verb(export, project)
    return project


@pytest.fixture
def main(three: Project, tmp_path: Path) -> Path:
    """A clone of what comes after upstream."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-b", "upstream", str(three.base), str(clone))
    change(clone, "django/__init__.py", *ALPHA)
    return clone


def change(folder: Path, path: str, old: str, new: str) -> None:
    file = folder / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    git(folder, "commit", "-q", "-a", "-m", "Moved on.")


def waits(project: Project, *words: str) -> tuple[StackError, Path]:
    """Run the verb until it waits for a person; return what it says, and where."""
    with pytest.raises(StackError) as caught:
        verb(rebase, project, *words)
    assert caught.value.code == WAITING
    assert "rebase --continue (or --abort)" in told(caught.value)
    return caught.value, project.upstream / "onto-main"


def text_of(clone: Path, branch: str = "django-patch-stack") -> str:
    return git(clone, "show", f"{branch}:django/cache.py")


def moved_context(clone: Path) -> None:
    change(clone, "django/cache.py", "line 4\n", "line four\n# line more\n")


def changed_line(clone: Path) -> None:
    change(clone, "django/cache.py", "line 9\n", "line IX\n")


def deleted_file(clone: Path) -> None:
    git(clone, "rm", "-q", "docs/cache.txt")
    git(clone, "commit", "-q", "-m", "Removed the docs.")


def take_ours(work: Path) -> None:
    file = work / "django" / "cache.py"
    assert (
        "<<<<<<< ours\n# line IX\n=======\n# line nine\n>>>>>>> theirs\n"
        in file.read_text()
    )
    lines = file.read_text().splitlines(keepends=True)
    marks = ("<<<", "===", ">>>", "# line IX")
    file.write_text("".join(x for x in lines if not x.startswith(marks)))


def remove_docs(work: Path) -> None:
    (work / "docs" / "cache.txt").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("move", "at", "decide"),
    [
        (moved_context, "", None),
        (changed_line, "0002-second.patch does not apply: django/cache.py", take_ours),
        (deleted_file, "0003-third.patch does not apply: docs/cache.txt", remove_docs),
    ],
)
def test_a_conflict_is_decided_once(
    three: Project,
    main: Path,
    move: Callable[[Path], None],
    at: str,
    decide: Callable[[Path], None] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    move(main)
    before, patches = git(main, "for-each-ref"), contents(three)
    words = ("--onto", str(main))
    if decide:
        error, work = waits(three, *words)
        assert at in error.facts
        assert "it waits in django-upstream/onto-main" in error.facts
        decide(work)
        assert verb(rebase, three, "--continue") == OK
    assert verb(rebase, three, *words) == OK  # By itself.
    assert git(main, "for-each-ref") == before
    assert contents(three) == patches
    assert not list(three.upstream.glob("onto-*"))
    report = (three.drafts / "rebases" / "main.md").read_text()
    assert "| sqlite | 1 passed, 0 failed, 0 skipped | 1 passed," in report
    diffs = {path.stem for path in (three.patches / "onto" / "main").glob("*.diff")}
    assert diffs == ({"third" if "docs" in at else "second"} if decide else set())
    assert verb(apply, three, "--into", str(main)) == OK
    assert "the tests of this tree passed" in capsys.readouterr().out
    text = text_of(main)
    assert all(f"line {n}\n" in text for n in ("two", "nine"))
    assert ("line four\n# line more\n" in text) == (move is moved_context)
    listed = git(main, "ls-tree", "-r", "--name-only", "django-patch-stack")
    assert ("docs/cache.txt" in listed) == (move is not deleted_file)
    git(main, "switch", "-q", "upstream")
    change(main, "docs/spelling_wordlist", "", "more\n")
    verb(apply, three, "--into", str(main), "--branch", "again")
    assert "its tests ran on another tree" in capsys.readouterr().out


@pytest.mark.slow
def test_a_decision_lasts_as_long_as_its_conflict(three: Project, main: Path) -> None:
    changed_line(main)
    git(main, "rm", "-q", "docs/cache.txt")
    git(main, "commit", "-q", "-m", "Removed the docs.")
    _, work = waits(three, "--onto", str(main))
    waits(three, "--continue")  # There are markers.
    take_ours(work)
    error, _ = waits(three, "--continue")
    assert "0003-third.patch does not apply: docs/cache.txt" in error.facts
    assert verb(rebase, three, "--continue") == OK  # The file as it is.
    git(three.src, "reset", "-q", "--hard", "stack~1")
    file = three.src / "django" / "cache.py"
    file.write_text(file.read_text().replace("line 5\n", "line V\n"))
    git(three.src, "commit", "-q", "-a", "--amend", "--no-edit")
    commit(three, "docs/cache.txt", "Cache\n", "The cache\n", "Changed the docs.")
    verb(export, three)
    assert verb(rebase, three, "--onto", str(main)) == OK
    verb(apply, three, "--into", str(main))
    assert "line V\n" in text_of(main)
    git(main, "switch", "-q", "upstream")
    change(main, "django/cache.py", "line IX\n", "line 9.0\n")
    onto = three.patches / "onto" / "main"
    recorded = {path: path.read_bytes() for path in onto.iterdir()}
    with pytest.raises(StackError, match=r"0002-second.patch does not") as caught:
        verb(apply, three, "--into", str(main), "--branch", "again")
    error, work = waits(three, *told(caught.value).split()[2:])
    assert "line 9.0\n=======\n" in (work / "django" / "cache.py").read_text()
    git(work, "am", "--skip")
    with pytest.raises(StackError, match=r"second was skipped or aborted in"):
        verb(rebase, three, "--continue")
    assert verb(rebase, three, "--abort") == OK
    assert not work.exists()
    assert {path: path.read_bytes() for path in onto.iterdir()} == recorded


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("interrupted", ["first", "second", "third"])
def test_an_interrupted_merge_is_made_again(
    three: Project,
    main: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupted: str,
    before: bool,
) -> None:
    changed_line(main)
    waits(three, "--onto", str(main))
    take_ours(three.upstream / "onto-main")
    assert verb(rebase, three, "--continue") == OK
    onto = three.patches / "onto" / "main"
    recorded = {path: path.read_bytes() for path in onto.iterdir()}
    put = rails.put

    def killed(work: Git, file: Path, recorded: Path, *, edit: bool = False) -> None:
        if interrupted not in file.name:
            put(work, file, recorded, edit=edit)
            return
        if before:  # As am leaves it, with the work tree in the middle of a change.
            state = work.folder / ".git" / "rebase-apply"
            work.ok("am", "--3way", str(file))
            state.mkdir(exist_ok=True)
            (work.folder / ".git" / "index.lock").touch()
            (work.folder / "django" / "new.py").touch()
        else:
            put(work, file, recorded, edit=edit)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rails, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            verb(rebase, three, "--onto", str(main))
    assert verb(rebase, three, "--continue") == OK
    assert {path: path.read_bytes() for path in onto.iterdir()} == recorded


@pytest.mark.slow
def test_red_tests_are_mended_where_git_merges(
    three: Project, main: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(main, "django/cache.py", "line 5\n", "line red\n")
    assert verb(rebase, three, "--onto", str(main)) == FINDINGS
    assert "sqlite: FAILED cache.tests.T.test" in capsys.readouterr().out
    assert not (three.patches / "onto" / "main" / "rail.toml").exists()
    _, work = waits(three, "--onto", str(main), "--edit", "second")
    file = work / "django" / "cache.py"
    file.write_text(file.read_text().replace("line red", "line mended"))
    (work / "docs" / "new.txt").write_text("New.\n")
    with pytest.raises(StackError, match=r"is under way"):
        verb(rebase, three, "--onto", str(main))
    assert verb(rebase, three, "--continue") == OK
    verb(apply, three, "--into", str(main))
    assert "line mended\n" in text_of(main)
    assert (main / "docs" / "new.txt").exists()


@pytest.mark.slow
def test_merged_patches_are_left_out(three: Project, main: Path) -> None:
    path = three.patches / "series.toml"
    head, tail = path.read_text().split('"second"')
    path.write_text(head + '"second"' + tail.replace('"draft"', '"merged"', 1))
    change(main, "django/cache.py", "line 9\n", "line nine\n")
    change(main, "docs/cache.txt", "Cache\n", "The cache\n")
    assert verb(rebase, three, "--onto", f"{main}@upstream") == OK
    report = (three.drafts / "rebases" / "main.md").read_text()
    assert "- Left out, as it is merged there: `second`\n" in report
    assert "- Nothing is left of `third`\n" in report
    verb(apply, three, "--into", str(main))
    assert git(main, "rev-list", "--count", "upstream..HEAD") == "1"


@pytest.mark.slow
def test_a_new_release(three: Project, tmp_path: Path) -> None:
    files = FILES | PYTHON
    files["django/cache.py"] = files["django/cache.py"].replace("line 9\n", "line IX\n")
    files["django/__init__.py"] = VERSION.replace("3", "4", 1)
    (tmp_path / "new").mkdir()
    sdist = archive(tmp_path / "new", files)
    work = three.upstream / "onto-6.1.4"
    words = ("--pin", "6.1.4", "--sdist", str(sdist))
    before = contents(three)
    with pytest.raises(StackError, match=r"0002-second.patch does not apply"):
        verb(rebase, three, *words)
    assert contents(three) == before
    take_ours(work)
    assert verb(rebase, three, "--continue") == OK
    assert upstream.load_pin(three).version == "6.1.4"
    assert not (three.patches / "onto" / "6.1.4").exists()
    assert (
        b"-# line IX\n+# line nine\n"
        in (three.patches / "0002-second.patch").read_bytes()
    )
    three.src.rename(three.src.with_name("src.old"))
    assert verb(apply, three) == OK
    assert verb(export, three) == OK
    assert verb(verify, three, "--no-lint") == OK
    with pytest.raises(StackError, match=r"the series is on 6\.1\.4"):
        verb(rebase, three, *words)


def test_rebase_refuses_what_it_must(three: Project, main: Path) -> None:
    def refused(match: str, *words: str) -> None:
        with pytest.raises(StackError, match=match) as caught:
            verb(rebase, three, *words)
        assert caught.value.then

    refused("no rebase is under way", "--continue")
    refused("no rebase is under way", "--abort")
    refused("is not the top folder of a clone", "--onto", str(main / "docs"))
    refused("is not the top folder of a clone", "--onto", "")
    refused('there is no database "nope"', "--onto", str(main), "--db", "nope")
    refused("has no commit nowhere", "--onto", f"{main}@nowhere")
    refused("no patch fourth goes there", "--onto", str(main), "--edit", "fourth")
    (kept,) = (three.cache / "upstream").glob("*")
    for path in (main / "docs", main / "docs" / "cache.txt", kept):
        refused("is no source archive", "--pin", "6.1.4", "--sdist", str(path))
    (main / ".git" / "rebase-merge").mkdir()
    refused("in the middle of another", "--onto", str(main))
    (main / ".git" / "rebase-merge").rmdir()
    (main / "docs" / "cache.txt").write_text("mine\n")
    refused("not committed", "--onto", str(main))
    git(main, "checkout", "-q", ".")
    change(main, "django/__init__.py", "6, 2", "5, 2")
    refused(r"holds Django 5\.2", "--onto", str(main))
    refused(r"holds Django 5\.2", "--onto", f"{main}@HEAD")
    assert not list(three.upstream.glob("onto-*"))


@pytest.mark.slow
def test_the_recorded_decisions_on_the_given_main(
    real: Project, tmp_path: Path
) -> None:
    given = os.environ.get("TEST_DJANGO_MAIN")
    if not given:
        pytest.skip("no clone of Django's main: set TEST_DJANGO_MAIN to its folder")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{given}", str(clone))
    assert verb(apply, real, "--into", str(clone)) == OK
    merged = sum(patch.status == "merged" for patch in series.load(real))
    made = int(git(clone, "rev-list", "--count", "HEAD", "--not", "--remotes"))
    assert made == len(series.load(real)) - merged
    shutil.rmtree(clone)
