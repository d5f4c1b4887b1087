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
from common.progress import step
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

    @property
    def timestamp(self) -> str:
        """The date as git takes it."""
        return f"{int(self.date.timestamp())} +0000"


def load_pin(project: Project) -> Pin:
    """Return the pin. Raise StackError if the file is missing or malformed."""
    table = load_toml(project.pin, project)
    shown = project.shown(project.pin)
    try:
        return Pin(
            name=table["name"],
            version=table["version"],
            sha256=table["sha256"],
            size=table["size"],
            leave_out=tuple(table["leave_out"]),
            date=table["date"],
        )
    except KeyError as error:
        raise StackError(f"{shown} lacks {error}", f"edit {shown}") from error


def check(archive: Path, pin: Pin) -> None:
    """Raise StackError unless the file is the pinned one, byte for byte."""
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != pin.sha256:
        raise StackError(
            f"{archive} is not {pin.name} {pin.version}: it has"
            f" {archive.stat().st_size} bytes and sha256 {found},"
            f" the pin says {pin.size} and {pin.sha256}",
            f"rm '{archive}' && ./scripts/stack fetch",
        )


def cached(project: Project, pin: Pin) -> Path | None:
    """Return the archive kept from an earlier time, checked; None without one."""
    path = project.cache / "upstream" / f"{pin.name}-{pin.version}.tar.gz"
    if not path.exists():
        return None
    check(path, pin)
    return path


def keep(project: Project, pin: Pin, archive: Path) -> Path:
    """Check an archive, keep a copy in the user's cache, return the copy."""
    check(archive, pin)
    path = project.cache / "upstream" / f"{pin.name}-{pin.version}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Copied beside it and renamed: two runs at once never see half a file.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(archive.read_bytes())
    Path(file.name).replace(path)
    return path


def download(project: Project, pin: Pin) -> Path:
    """Fetch the archive with pip, check it, keep it, return its path."""
    with tempfile.TemporaryDirectory() as folder:
        with step(f"fetching {pin.name} {pin.version}"):
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet"),
                    "--no-deps",  # Django only; its dependencies are locked elsewhere.
                    # The source archive; build tools may still come as wheels.
                    *("--no-binary", pin.name),
                    *("--dest", folder),
                    f"{pin.name}=={pin.version}",
                ],
                capture_output=True,
                text=True,
                check=False,
            )
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
            why = (lines or done.stderr.strip().splitlines() or ["pip gave no reason"])[
                -1
            ]
            raise StackError(
                f"{pin.name} {pin.version} could not be fetched and is not kept from"
                f" an earlier time: {why}",
                "connect to the network and run ./scripts/stack fetch, or give the"
                " file: ./scripts/stack fetch --sdist PATH",
            )
        return keep(project, pin, archives[0])


def make_base(archive: Path, pin: Pin, into: Path) -> str:
    """Make the bare repository ``into`` with upstream as its one commit.

    The commit depends on the archive and the pin alone. Return its id.
    """
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
        commit = (
            git.run(
                "commit-tree",
                git.out("write-tree"),
                stdin=f"{pin.name} {pin.version}\n".encode(),
                env={
                    "GIT_AUTHOR_DATE": pin.timestamp,
                    "GIT_COMMITTER_DATE": pin.timestamp,
                },
            )
            .decode()
            .strip()
        )
        git.run("update-ref", BRANCH, commit)
        git.run("symbolic-ref", "HEAD", BRANCH)
        (into / "index").unlink(missing_ok=True)
    return commit


def base(project: Project) -> str:
    """Return the id of the base commit, making its repository if needed.

    The archive comes from the user's cache, else from the package index.
    """
    pin = load_pin(project)
    git = Git(project.base, bare=True)
    stamp = project.base / "archive"
    if stamp.exists() and stamp.read_text() == repr(pin):
        return git.out("rev-parse", f"{BRANCH}^{{commit}}")
    archive = cached(project, pin) or download(project, pin)
    with step(f"making the base commit of {pin.name} {pin.version}"):
        fresh = project.base.with_name(f"{project.base.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        commit = make_base(archive, pin, fresh)
        # Last, so that an interrupted run is not taken for a whole one.
        (fresh / "archive").write_text(repr(pin))
        shutil.rmtree(project.base, ignore_errors=True)
        fresh.rename(project.base)
    return commit


def base_tree(project: Project) -> str:
    return Git(project.base, bare=True).out("rev-parse", f"{base(project)}^{{tree}}")
