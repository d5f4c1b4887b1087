"""A tiny fake upstream, as a source archive, and a project made for it."""

import argparse
import gzip
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from common.errors import USAGE, StackError
from common.git import environment
from common.project import Project
from databases.servers import Database, running
from databases.targets import Unavailable, resolve
from patchstack import series, trees
from verbs import apply, export

VERSION = 'VERSION = (6, 1, 3, "final", 0)\n'
# Ten lines, so that a hunk's context does not reach both ends.
CACHE = "".join(f"line {n}\n" for n in range(1, 11))
FILES = {
    "PKG-INFO": "generated\n",
    "Fake.egg-info/SOURCES.txt": "generated\n",
    "django/__init__.py": VERSION,
    "django/cache.py": CACHE,
    "docs/cache.txt": "Cache\n=====\n",
    "docs/spelling_wordlist": "",
    "pyproject.toml": "",
    "tests/runtests.py": "# a fake\n",
    "tests/cache/tests.py": "import unittest\n",
}
# Runs one file, and says of its tests what is in OUTCOMES there.
RUNTESTS = """\
import json
import os
import runpy
from pathlib import Path

results = {"outcomes": runpy.run_path("cache/tests.py")["OUTCOMES"], "reasons": {}}
Path(os.environ["STACK_RESULTS"]).write_text(json.dumps(results))
"""


def archive(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Write Fake-6.1.3.tar.gz with the files; return its path."""
    path = folder / "Fake-6.1.3.tar.gz"
    # No time in it: the same files are the same archive, whenever it is made.
    with (
        gzip.GzipFile(path, "wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, text in sorted((files or FILES).items()):
            info = tarfile.TarInfo(f"fake-6.1.3/{name}")
            info.size = len(text.encode())
            info.mode = 0o755 if name.endswith("runtests.py") else 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def table(slug: str, *, kind: str = "refactor", **more: str) -> str:
    lines = [
        "[[patch]]",
        f'slug = "{slug}"',
        'set = "demo"',
        f'kind = "{kind}"',
        'status = "draft"',
        'effect = "It does something."',
        'tests = ["cache"]',
        *(f"{key} = {value}" for key, value in more.items()),
    ]
    return "\n".join(lines) + "\n\n"


def git(folder: Path, *args: str, env: dict[str, str] | None = None) -> str:
    """Run git as the user would, but with no configuration of this machine."""
    done = subprocess.run(
        ["git", "-C", str(folder), *args],
        env=environment()
        | {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "a@b.org"}
        | (env or {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(project: Project, path: str, old: str, new: str, subject: str) -> None:
    """Change one file of src and commit it."""
    file = project.src / path
    file.write_text(file.read_text().replace(old, new))
    git(project.src, "add", "--all")
    body = "This is why it was done, in some words."
    git(
        project.src,
        *("commit", "-q", "-m", subject, "-m", body),
        env={"GIT_AUTHOR_DATE": "2026-01-02T03:04:05+0130"},
    )


def verb(
    module: object, project: Project, *words: str, rest: Sequence[str] = ()
) -> int:
    """Run a verb as the command line does; ``rest`` are the words behind "--"."""
    parser = argparse.ArgumentParser()
    module.configure(parser)  # type: ignore[attr-defined]
    args = parser.parse_args(words, argparse.Namespace(rest=[*rest]))
    code = module.run(args, project)  # type: ignore[attr-defined]
    assert isinstance(code, int)
    return code


@contextmanager
def here(name: str) -> Iterator[Database]:
    """Yield the database, or skip the test and say why."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(running(resolve(name)))
        except Unavailable as reason:
            pytest.skip(f"{reason.reason}: {reason.command}")
        yield found


def told(error: StackError, what: str = "next") -> str:
    """Return the command that an error names, as it is printed."""
    lines = str(error).splitlines()
    return next(line.partition(": ")[2] for line in lines if f"  {what}" in line)


def shell(line: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a printed command line as the user would."""
    env = environment() | {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "a@b.org"}
    return subprocess.run(
        line, shell=True, env=env, capture_output=True, text=True, check=check
    )


def stack(project: Project, *words: str) -> list[str]:
    """Return the command that runs ./scripts/stack on a project of a test."""
    code = (
        "import sys, stack; from common.project import Project; from pathlib import"
        " Path; Project.here = classmethod(lambda cls: cls(*map(Path, sys.argv[-2:])));"
        " sys.exit(stack.main(sys.argv[1:-2]))"
    )
    paths = (str(project.root), str(project.cache))
    return [sys.executable, "-c", code, *words, *paths]


def contents(project: Project) -> dict[str, bytes]:
    paths = (path for path in project.patches.iterdir() if path.is_file())
    return {path.name: path.read_bytes() for path in paths}


def copy_series(project: Project, root: Path) -> Project:
    """Return another project with the same series, elsewhere."""
    other = make_project(root)
    shutil.copytree(project.patches, other.patches, dirs_exist_ok=True)
    return other


def assert_refused(run: Callable[[Project], object], at: Path, message: str) -> None:
    """A verb says what is wrong with its options before it makes anything."""
    project = Project(at / "root", at / "cache")
    with pytest.raises(StackError, match=message) as caught:
        run(project)
    assert caught.value.code == USAGE
    assert not (at / "root").exists()


def make_project(root: Path, files: dict[str, str] | None = None) -> Project:
    """Make a project with an empty series on the fake upstream."""
    project = Project(root, root / "cache")
    for folder in (project.patches, project.upstream, project.cache / "upstream"):
        folder.mkdir(parents=True)
    kept = archive(project.cache / "upstream", files)
    project.pin.write_text(
        'name = "Fake"\nversion = "6.1.3"\n'
        f'sha256 = "{series.sha256(kept.read_bytes())}"\n'
        f"size = {kept.stat().st_size}\n"
        'leave_out = ["PKG-INFO", "Fake.egg-info"]\ndate = 2026-01-01T00:00:00Z\n'
    )
    (project.patches / "series.toml").write_text("")
    return project


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--src", action="store_true", help="patched is django-upstream/src as it is"
    )


@pytest.fixture(scope="session")
def real() -> Project:
    """The checkout that these tests belong to, with the real Django."""
    found = Project.here()
    if not found.base.is_dir():
        pytest.skip("no Django in django-upstream; make setup")
    return found


@pytest.fixture(scope="session")
def stock(real: Project) -> Path:
    """The folder of stock Django."""
    return trees.stock(real)


@pytest.fixture(scope="session")
def patched(real: Project, pytestconfig: pytest.Config) -> Path:
    """The folder of Django with the series."""
    return real.src if pytestconfig.getoption("src") else trees.patched(real)


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture
def project(empty: Project) -> Project:
    """A project with two exported patches, both to django/cache.py."""
    verb(apply, empty)
    (empty.patches / "series.toml").write_text(table("first") + table("second"))
    commit(empty, "django/cache.py", "line 2\n", "line two\n", "Changed the second.")
    commit(empty, "django/cache.py", "line 9\n", "line nine\n", "Changed the ninth.")
    verb(export, empty)
    return empty
