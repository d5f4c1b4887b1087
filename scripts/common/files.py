"""Files and folders that are there whole, or not at all."""

import tempfile
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a file, and its folder if need be, by way of another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def make_whole(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder that ``fill`` has made elsewhere, unless it is there."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as work:
        fresh = Path(work) / "fresh"
        fill(fresh)
        # Another run may have been faster.
        if not folder.is_dir():
            fresh.rename(folder)
