"""The folder for programs that are unpacked once and kept."""

import os
from pathlib import Path

from databases.place import open_to_all

NAME = "django-patch-stack"


def user_folder() -> Path:
    """$XDG_CACHE_HOME or ~/.cache, and our name; not created."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(given) if given.startswith("/") else Path.home() / ".cache"
    return base / NAME


def shared_folder() -> Path:
    """A cache folder whose contents another user can run; created.

    Root's own is usually closed to the user that runs PostgreSQL for root.
    """
    folder = user_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and not open_to_all(folder):
        folder = Path("/var/cache") / NAME
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    return folder
