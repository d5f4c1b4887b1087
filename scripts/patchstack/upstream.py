"""Upstream: the pinned source archive, and the base commit made from it."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.errors import StackError
from common.git import Git
from common.lock import exclusive
from common.progress import say, step
from common.project import Project
from patchstack.series import load_toml

BRANCH = "refs/heads/upstream"


@dataclass(frozen=True)
class Pin:
    """django-upstream/pin.toml: which archive, and what is left out of it."""

    name: str
    version: str
    sha256: str
    size: int
    leave_out: tuple[str, ...]
    date: datetime
    # Of the official wheel, which ./scripts/stack wheel changes.
    wheel_sha256: str = ""


def load_pin(project: Project) -> Pin:
    """Return the pin. Raise StackError if the file is missing or malformed."""
    table = load_toml(project.pin, project)
    try:
        return Pin(**table | {"leave_out": tuple(table["leave_out"])})
    except (KeyError, TypeError) as error:
        shown = project.shown(project.pin)
        raise StackError(f"{shown}: {error}", f"git diff -- {shown}") from error


def kept(project: Project, pin: Pin) -> Path:
    """Return where the user's cache keeps the archive."""
    return project.cache / "upstream" / f"{pin.name}-{pin.version}.tar.gz"


def differs(archive: Path, pin: Pin) -> str | None:
    """Return how the file differs from the pinned one, None if it does not.

    A pin without a sha256 takes any.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if pin.sha256 in (found, ""):
        return None
    return (
        f"{archive} is not {pin.name} {pin.version}: it has {archive.stat().st_size}"
        f" bytes and sha256 {found}, the pin says {pin.size} and {pin.sha256}"
    )


def keep(project: Project, pin: Pin, archive: Path) -> Path:
    """Check an archive, keep a copy in the user's cache, return the copy."""
    if why := differs(archive, pin):
        raise StackError(why, "./scripts/stack fetch (without --sdist: from the index)")
    path = kept(project, pin)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copied beside it and renamed: two runs at once never see half a file.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(archive.read_bytes())
    return Path(file.name).replace(path)


def pip_download(folder: str, *wanted: str) -> str:
    """Have pip fetch what is wanted to the folder; return the errors it printed."""
    # Django only: its dependencies are locked elsewhere.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--dest", folder, *wanted]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def download(project: Project, pin: Pin) -> Path:
    """Fetch the archive with pip, check it, keep it, return its path."""
    with tempfile.TemporaryDirectory() as folder:
        with step(f"fetching {pin.name} {pin.version}"):
            wanted = ("--no-binary", pin.name, f"{pin.name}=={pin.version}")
            said = pip_download(folder, *wanted)
        for found in Path(folder).glob("*.tar.gz"):
            return keep(project, pin, found)
    lines = said.strip().splitlines() or ["pip gave no reason"]
    why = [line for line in lines if "ERROR" in line] or lines
    raise StackError(
        f"{pin.name} {pin.version} could not be fetched and is not in the cache:"
        f" {why[-1]}",
        "connect to the network and run ./scripts/stack fetch, or give the file:"
        " ./scripts/stack fetch --sdist PATH",
    )


def archive(project: Project, pin: Pin) -> Path:
    """Return the archive from the user's cache, else from the package index."""
    path = kept(project, pin)
    if path.exists():
        why = differs(path, pin)
        if why is None:
            return path
        say(f"{why}; it is removed from the cache")
        path.unlink()
    return download(project, pin)


def make_base(archive: Path, pin: Pin, into: Path) -> None:
    """Make the bare repository ``into`` with upstream as its one commit.

    The commit depends on the archive and the pin alone.
    """
    date = f"{int(pin.date.timestamp())} +0000"
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (tree,) = Path(folder).iterdir()
        for name in pin.leave_out:
            path = tree / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        into.mkdir(parents=True)
        git = Git(into, bare=True)
        git.run("init", "--bare", "--quiet", "--template=")  # No sample hooks.
        work = ("--work-tree", str(tree))
        # Forced: what an ignore file of the archive names is part of it, too.
        git.run(*work, "add", "--all", "--force", ".")
        commit = git.run(
            *("commit-tree", git.out("write-tree")),
            *("-m", f"{pin.name} {pin.version}"),
            env={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
        )
        git.run("update-ref", BRANCH, commit.decode().strip())
        git.run("symbolic-ref", "HEAD", BRANCH)
        (into / "index").unlink(missing_ok=True)


def base(project: Project) -> str:
    """Return the id of the base commit, making its repository if needed."""
    pin = load_pin(project)
    git = Git(project.base, bare=True)
    stamp = project.base / "archive"

    def made() -> bool:
        return stamp.exists() and stamp.read_text() == repr(pin)

    if not made():
        with exclusive(project.lock):
            if not made():
                _make(project, pin, stamp)
    return git.out("rev-parse", f"{BRANCH}^{{commit}}")


def _make(project: Project, pin: Pin, stamp: Path) -> None:
    file = archive(project, pin)
    with step(f"making the base commit of {pin.name} {pin.version}"):
        fresh = project.base.with_name(f"{project.base.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_base(file, pin, fresh)
        # Last, so that an interrupted run is not taken for a whole one.
        (fresh / stamp.name).write_text(repr(pin))
        shutil.rmtree(project.base, ignore_errors=True)
        fresh.rename(project.base)


def base_tree(project: Project) -> str:
    return Git(project.base, bare=True).out("rev-parse", f"{base(project)}^{{tree}}")
