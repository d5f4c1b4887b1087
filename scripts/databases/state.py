"""What db-up left running: one JSON file for each server, for its owner's eyes."""

import json
import os
from pathlib import Path
from typing import Any

from common.errors import StackError

FOLDER = Path(__file__).parents[2] / ".cache" / "servers"


def file(name: str) -> Path:
    return FOLDER / f"{name}.json"


def read(name: str) -> dict[str, Any] | None:
    """The entry; None if there is none that we may read and understand."""
    try:
        entry = json.loads(file(name).read_text())
    except (OSError, ValueError):
        return None
    return entry if isinstance(entry, dict) else None


def write(name: str, entry: dict[str, Any]) -> None:
    """Keep an entry; it holds a password. StackError if the folder is not ours."""
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        fresh = file(name).with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(entry, indent=1) + "\n")
        fresh.replace(file(name))
    except OSError as error:
        raise StackError(
            f"{FOLDER} cannot be written: {error.strerror}",
            f"ls -ld {FOLDER.parent} {FOLDER}",
        ) from None


def forget(name: str) -> None:
    file(name).unlink(missing_ok=True)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def keep_log(name: str, log: Path) -> Path:
    """Copy the log of a server whose folder is about to go; where it now is."""
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        kept = FOLDER / f"{name}.log"
        kept.write_bytes(log.read_bytes())
    except OSError:
        kept = log.parents[1] / f"dps-{name}-{os.getpid()}.log"
        kept.write_bytes(log.read_bytes())
    return kept
