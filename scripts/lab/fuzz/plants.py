"""Bugs to plant in a copy of the patched Django, from plants.toml."""

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.errors import StackError
from lab.fuzz.check import HELP, Pair, Report, opened
from patchstack import trees

FILE = Path(__file__).with_name("plants.toml")
KEYS = ("called", "file", "old", "new")  # of a group of plants


@dataclass(frozen=True)
class Plant:
    """A replacement of text that has to be there exactly once.

    ``database`` names the only one where the bug can be seen, "" for all of them.
    """

    name: str
    file: str
    old: str
    new: str
    database: str = ""


def load() -> list[Plant]:
    data: dict[str, Any] = tomllib.loads(FILE.read_text("utf-8"))
    found = []
    for group in data.pop("groups"):
        for name in group["names"].split():
            found.append(Plant(*(group[key].replace("NAME", name) for key in KEYS)))
    for file, plants in data.items():
        found += [Plant(name, file, *texts) for name, texts in plants.items()]
    return found


PLANTS = load()


def chosen(name: str) -> list[Plant]:
    """Return the plants of that name, or "all"; StackError if there is none."""
    found = [plant for plant in PLANTS if name in ("all", plant.name)]
    if not found:
        names = "\n  ".join(plant.name for plant in PLANTS)
        raise StackError(f'there is no plant "{name}"; there are:\n  {names}', HELP)
    return found


@contextmanager
def planted(copy: Path, plant: Plant) -> Iterator[Path]:
    """Have the bug in the copy; StackError if the text is not there once."""
    path = copy / plant.file
    before = path.read_text("utf-8") if path.is_file() else ""
    if before.count(plant.old) != 1:
        raise StackError(
            f'plant "{plant.name}" is out of date: {plant.file} has its text'
            f" {before.count(plant.old)} times",
            f"edit {FILE}",
        )
    _write(path, before.replace(plant.old, plant.new))
    try:
        yield copy
    finally:
        _write(path, before)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    # Of the same size and the same second, another text would not be noticed.
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def search(
    plants: Sequence[Plant], stock: Path, patched: Path, url: str, *check: Any
) -> Iterator[tuple[str, Report]]:
    """Yield a report on the patched Django, named "", then one on each plant.

    ``check`` are the arguments of Pair.check(). There are no others if the first report
    has a difference.
    """
    with (
        TemporaryDirectory(prefix="plants-") as name,
        opened("stock", stock, url) as one,
    ):
        copy = trees.copied(patched, Path(name)) if plants else patched
        for plant in (None, *plants):
            with (
                planted(copy, plant) if plant else nullcontext(),
                opened("patched", copy, url) as other,
            ):
                report = Pair(one, other).check(*check)
            yield plant.name if plant else "", report
            if not plant and report.difference:
                return
