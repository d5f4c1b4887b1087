"""Files that are there whole, or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a file, and its folder if need be, by way of another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
