"""Where a result comes from: the machine, what is installed on it, this checkout."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from common.git import Git, GitError

# What stands between Django and a server: its version can change a figure.
DRIVERS = ("psycopg", "mysqlclient", "oracledb", "redis", "pymemcache")


def machine() -> dict[str, object]:
    """Return what a figure depends on: system, processor, memory, Python, drivers.

    Memory is in GiB, None where the system does not tell.
    """
    return {
        "platform": f"{system()}, {platform.machine()}",
        "cpu": cpu(),
        "cpus": os.cpu_count(),
        "memory_gib": memory(),
        "python": platform.python_version(),
        "drivers": drivers(),
    }


def system() -> str:
    """Return the name of the system: on Linux that of the distribution."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def cpu() -> str:
    """Return the name of the processor, or of its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return " ".join(names[0].split()) if names else platform.machine()


def memory() -> float | None:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return round(total / 2**30, 1)


def drivers() -> dict[str, str]:
    """Return package → version, of those that are installed."""
    found = {}
    for name in DRIVERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit(root: Path) -> str:
    """Return the commit of a checkout, with "+" if it has changes.

    "unknown" if it is none, as in an archive of this repository.
    """
    git = Git(root)
    try:
        found = git.out("rev-parse", "--short=12", "HEAD")
        return found + ("+" if git.dirty(untracked=False) else "")
    except GitError:
        return "unknown"


def origin(root: Path) -> dict[str, Any]:
    """Return when (UTC), by what commit and on what machine something is measured.

    ``root`` is the folder of the checkout that does it.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(root),
        "machine": machine(),
    }


def head(kind: str, form: int, root: Path) -> dict[str, object]:
    """Return what each JSON file of results begins with.

    ``kind`` and ``form`` tell a reader what is in it; ``root`` as in origin().
    """
    return {"kind": kind, "format": form, **origin(root)}
