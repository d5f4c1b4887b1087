"""Upstream, locks, trees and the command line, with real git and processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import stack as cli
from common.errors import OK, USAGE, WAITING, StackError
from common.git import Git
from common.lock import exclusive
from common.project import Project
from patchstack import build, trees, upstream
from tests.conftest import FILES, commit, copy_series, git, make_project, stack, verb
from verbs import fetch

SCRIPTS = Path(__file__).parents[1]


def start(*command: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=SCRIPTS, stdout=pipe, stderr=pipe, text=True)


def test_base_depends_on_the_archive_alone(empty: Project, tmp_path: Path) -> None:
    assert upstream.base(empty) == upstream.base(make_project(tmp_path / "elsewhere"))
    listing = Git(empty.base, bare=True).out("ls-tree", "-r", upstream.base(empty))
    names = {line.split("\t")[1] for line in listing.splitlines()}
    assert names == {name for name in FILES if "PKG" not in name and "egg" not in name}
    assert "100755" in next(x for x in listing.splitlines() if "runtests" in x)


def test_fetch(empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    kept = empty.cache / "upstream" / "Fake-6.1.3.tar.gz"
    given = kept.rename(tmp_path / "given.tar.gz")
    with pytest.raises(StackError, match=r"could not be fetched"):
        verb(fetch, empty)
    with pytest.raises(StackError, match=r"does not exist, or is not a file"):
        verb(fetch, empty, "--sdist", str(tmp_path / "absent"))
    mine = tmp_path / "README.md"
    mine.write_text("mine")
    with pytest.raises(StackError, match=r"is not Fake 6.1.3") as caught:
        verb(fetch, empty, "--sdist", str(mine))
    assert "rm " not in str(caught.value)
    # What the tool keeps itself, it replaces.
    kept.write_bytes(b"damaged")
    with pytest.raises(StackError, match=r"could not be fetched"):
        verb(fetch, empty)
    assert not kept.exists()
    assert verb(fetch, empty, "--sdist", str(given)) == OK


def test_two_processes_make_the_base_once(empty: Project) -> None:
    both = [start(*stack(empty, "fetch")) for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [OK, OK]
    assert sum("making the base commit" in err for _, err in said) == 1


def test_two_exports_at_once(project: Project, tmp_path: Path) -> None:
    other = copy_series(project, tmp_path / "elsewhere")
    commit(project, "django/cache.py", "line 5", "line five", "Changed the fifth.")
    git(project.src, "reset", "-q", "--soft", "HEAD~2")
    git(project.src, "commit", "-q", "-m", "Changed both.")
    with exclusive(project.lock):
        both = [start(*stack(project, "export")) for _ in range(2)]
        # Another checkout is free.
        done = start(*stack(other, "apply"))
        assert done.wait(30) == OK, done.communicate()
        assert [process.poll() for process in both] == [None, None]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [OK, OK]
    assert all(f"waiting for process {os.getpid()}" in err for _, err in said)
    assert sorted(out.splitlines()[-1] for out, _ in said) == [
        "2 patches, 0 changed",
        "2 patches, 1 changed",
    ]


def test_a_lock_is_not_waited_for_without_end(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from common.lock import exclusive"
        "\nwith exclusive(Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    )
    holder = start(sys.executable, "-c", code, str(tmp_path / "lock"))
    assert holder.stdout is not None
    holder.stdout.readline()
    with (
        pytest.raises(StackError, match=rf"process {holder.pid} .*still") as caught,
        exclusive(tmp_path / "lock", patience=0.3),
    ):
        pass
    assert caught.value.code == WAITING
    holder.kill()
    holder.communicate()
    with exclusive(tmp_path / "lock"), exclusive(tmp_path / "lock"):
        pass


def test_a_signal_waits_for_the_end() -> None:
    # In a process of its own: a signal may go to any thread of this one.
    code = """
import os, signal, subprocess
from common.lock import undisturbed
with undisturbed():
    os.kill(os.getpid(), signal.SIGINT)
    subprocess.run(["sleep", "0.1"], check=True)
    print("ended", flush=True)
print("too late")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True
    )
    assert done.stdout == "ended\n"
    assert "KeyboardInterrupt" in done.stderr


def test_a_tree_in_use_is_not_pruned(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys; from common.project import Project; from pathlib import Path;"
        " from patchstack import trees; print(trees.stock(Project(*map(Path,"
        " sys.argv[1:]))), flush=True); input()"
    )
    paths = (str(project.root), str(project.cache))
    user = subprocess.Popen(
        [sys.executable, "-c", code, *paths],
        cwd=SCRIPTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert user.stdout is not None
    used = Path(user.stdout.readline().strip())
    monkeypatch.setattr(trees, "KEEP", 1)
    os.utime(used, (0, 0))
    half = project.trees / ".new"
    (half / "django").mkdir(parents=True)  # What an interrupted run left.
    patched = trees.patched(project)
    assert (used / "django").is_dir()
    assert (patched / "django").is_dir()
    user.communicate("\n")
    assert trees.materialise(project, upstream.base_tree(project)) == used
    os.utime(used, (0, 0))
    time.sleep(0.01)
    trees.patched(project)
    assert not used.exists()


def test_trees_swap_tests(project: Project) -> None:
    commit(project, "tests/cache/tests.py", "import", "import sys\nimport", "Tested.")
    child = git(project.src, "rev-parse", "HEAD^{tree}")
    build.fetch_commits(project, project.src, "HEAD")
    base = upstream.base_tree(project)
    red = trees.materialise(project, trees.swap_tests(project, base, child))
    assert (red / "django" / "cache.py").read_text() == FILES["django/cache.py"]
    assert (red / "tests" / "cache" / "tests.py").read_text().startswith("import sys")


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["frobnicate"]) == USAGE
    assert "there is no verb frobnicate" in capsys.readouterr().err
    assert cli.main(["--help"]) == OK
    screen = capsys.readouterr().out
    for name in cli.VERBS:
        assert f"\n  {name} " in screen
        assert cli.parser(name).format_help().count("\n") < 60


@pytest.mark.parametrize(
    ("gone", "words", "said"),
    [
        (
            "django-upstream/src",
            "export",
            "src does not exist\n  next: ./scripts/stack",
        ),
        ("django-upstream/src", "diff", "src does not exist\n  next: ./scripts/stack"),
        (
            "django-upstream/src",
            "bench --quick --src",
            "src does not exist\n  next: ./scripts/stack",
        ),
        ("patches", "export", "patches/series.toml: Not a directory"),
        ("django-upstream", "fetch", "django-upstream/pin.toml: Not a directory"),
    ],
)
def test_errors_of_the_system_are_one_line(
    project: Project, gone: str, words: str, said: str
) -> None:
    path = project.root / gone
    path.rename(path.with_name("away"))
    if not gone.endswith("src"):
        path.write_text("")
    process = start(*stack(project, *words.split()))
    _, err = process.communicate()
    assert process.returncode == USAGE
    assert said in err
    assert err.count("stack: ") == 1
    assert "Traceback" not in err


def test_any_bytes_are_a_path(project: Project) -> None:
    (project.src / os.fsdecode(b"\xff")).touch()
    init = project.src / "django" / "__init__.py"
    init.write_bytes(init.read_bytes() + b"# \xe4")
    for words in (["apply"], ["apply", "--into", str(project.src)]):
        process = start("env", "PYTHONIOENCODING=ascii", *stack(project, *words))
        _, err = process.communicate()
        assert process.returncode == WAITING
        assert "not committed: " in err
        assert "Traceback" not in err


def test_a_reader_that_has_gone_is_no_error(project: Project) -> None:
    command = " ".join(f"'{word}'" for word in stack(project, "status"))
    done = subprocess.run(
        f"{command} | true", shell=True, cwd=SCRIPTS, capture_output=True, check=True
    )
    assert done.stderr == b""
