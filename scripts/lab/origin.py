"""Where a result comes from: the machine, its software, this checkout."""

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.git import Git, GitError


def machine() -> dict[str, object]:
    """Return what a figure depends on: system, processor, memory, Python.

    Memory is in GiB, None where the system does not tell.
    """
    system, cpu, memory = platform.system(), platform.machine(), None
    with suppress(OSError, KeyError):
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        model = next(line for line in lines if line.startswith("model name"))
        cpu = " ".join(model.partition(":")[2].split())
    with suppress(AttributeError, ValueError, OSError):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = round(total / 2**30, 1)
    return {
        "platform": f"{system}, {platform.machine()}",
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "memory_gib": memory,
        "python": platform.python_version(),
    }


def commit(root: Path) -> str:
    """Return the commit of a checkout, with "+" if files have changed.

    "unknown" without git, as in an archive of this repository.
    """
    git = Git(root)
    try:
        found = git.out("rev-parse", "--short=12", "HEAD")
        return found + ("+" if git.dirty(untracked=False) else "")
    except GitError:
        return "unknown"


def origin(root: Path) -> dict[str, Any]:
    """Return when (UTC), by which commit and on which machine something is measured.

    ``root`` is the folder of the checkout that measures.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(root),
        "machine": machine(),
    }


def head(kind: str, form: int, root: Path) -> dict[str, object]:
    """Return the beginning of each JSON file of results.

    ``kind`` and ``form`` tell a reader what is in it; ``root`` as in origin().
    """
    return {"kind": kind, "format": form, **origin(root)}
