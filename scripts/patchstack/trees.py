"""Git trees as plain folders, for running tests in them."""

import io
import shutil
import tarfile
import tempfile
from pathlib import Path

from common.git import Git
from common.project import Project
from patchstack import build, series, upstream

KEEP = 6


def materialise(project: Project, tree: str) -> Path:
    """Return a folder that holds the tree, making it if it is not there.

    The folders are named for the trees, so one is never out of date. Only the
    ``KEEP`` that were used last stay.
    """
    folder = project.trees / tree[:16]
    if not folder.exists():
        data = Git(project.base, bare=True).run("archive", "--format=tar", tree)
        project.trees.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=project.trees))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(fresh, filter="data")
        fresh.chmod(0o755)
        fresh.rename(folder)
        _prune(project.trees, KEEP)
    else:
        folder.touch()
    return folder


def _prune(trees: Path, keep: int) -> None:
    made = (path for path in trees.iterdir() if not path.name.startswith("."))
    oldest_first = sorted(made, key=lambda path: path.stat().st_mtime)
    for path in oldest_first[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


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

    def entries(of: str) -> dict[str, str]:
        lines = store.out("ls-tree", "-z", of).split("\0")
        return {line.split("\t", 1)[1]: line for line in lines if line}

    names = ("tests", "js_tests")
    kept = {k: v for k, v in entries(tree).items() if k not in names}
    taken = {k: v for k, v in entries(tests_of).items() if k in names}
    listing = "\0".join((kept | taken).values()) + "\0"
    return store.run("mktree", "-z", stdin=listing.encode()).decode().strip()
