"""Git trees as plain folders, for running tests in them."""

import fcntl
import io
import os
import shutil
import tarfile
from pathlib import Path

from common.git import Git
from common.lock import exclusive
from common.project import Project
from patchstack import build, series, upstream

KEEP = 8
# The folders that this process used last, each with the open file that locks it.
_in_use: dict[Path, int] = {}


def materialise(project: Project, tree: str, store: Git | None = None) -> Path:
    """Return a folder that holds the tree, making it if it does not exist.

    The tree lies in ``store``, or else in the base repository.

    The folders are named for the trees, so one is never out of date. The ``KEEP``
    folders that were used last stay, and those that a running process has in use.
    """
    folder = project.trees / tree[:16]
    fresh = project.trees / ".new"
    with exclusive(project.lock):
        shutil.rmtree(fresh, ignore_errors=True)
        if not folder.exists():
            store = store or Git(project.base, bare=True)
            data = store.run("archive", "--format=tar", tree)
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                tar.extractall(fresh, filter="data")
            fresh.rename(folder)
            folder.chmod(0o755)
        folder.touch()
        lock = _in_use.pop(folder, None)
        if lock is None:
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_SH)
        _in_use[folder] = lock
        while len(_in_use) > KEEP:
            os.close(_in_use.pop(next(iter(_in_use))))
        _prune(project.trees)
    return folder


def _prune(trees: Path) -> None:
    made = (path for path in trees.iterdir() if not path.name.startswith("."))
    oldest_first = sorted(made, key=lambda path: path.stat().st_mtime)
    for path in oldest_first[:-KEEP]:
        lock = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # Another process has it in use.
        else:
            # Renamed first: half a tree must not have a tree's name.
            shutil.rmtree(path.rename(trees / ".new"))
        finally:
            os.close(lock)


def copied(tree: Path, folder: Path) -> Path:
    """Return ``folder`` with a copy of the tree's Django that may be changed."""
    skip = shutil.ignore_patterns("*.po", "__pycache__")
    shutil.copytree(tree / "django", folder / "django", ignore=skip)
    return folder


def stock(project: Project) -> Path:
    """Return the folder of upstream as it came."""
    return materialise(project, upstream.base_tree(project))


def patched(project: Project) -> Path:
    """Return the folder of upstream with the whole series of patches/ applied."""
    made = build.build(project, series.files(project, series.load(project)))
    tree = made[-1].tree if made else upstream.base_tree(project)
    return materialise(project, tree)


def swap_tests(project: Project, tree: str, tests_of: str) -> str:
    """Return the id of ``tree`` with the tests of another tree in it.

    Those are the top folders ``tests`` and ``js_tests``; the result is written
    to the base repository.
    """
    store = Git(project.base, bare=True)
    names = ("tests", "js_tests")

    def entries(of: str) -> dict[str, str]:
        lines = store.out("ls-tree", "-z", of).split("\0")
        return {line.split("\t", 1)[1]: line for line in lines if line}

    merged = {k: v for k, v in entries(tree).items() if k not in names}
    merged |= {k: v for k, v in entries(tests_of).items() if k in names}
    listing = "".join(f"{line}\0" for line in merged.values())
    return store.out("mktree", "-z", stdin=listing.encode())
