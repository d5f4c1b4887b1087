"""Read options of the command line; a wrong one is a StackError."""

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import StackError
from common.files import write_whole
from common.progress import say

if TYPE_CHECKING:
    from databases.targets import Target

MEASURED = ("sqlite", "postgresql", "mariadb", "mysql", "oracle")


@dataclass(frozen=True)
class Reader:
    """Reads the options of one verb; ``help`` is the command that explains them."""

    help: str

    def whole(self, text: str, what: str, least: int = 1) -> int:
        """Return a whole number that is not less than ``least``."""
        try:
            found = int(text.replace("_", ""))
        except ValueError:
            raise StackError(
                f"{what}: {text!r} is not a whole number", self.help
            ) from None
        if found < least:
            raise StackError(f"{what}: {text} is less than {least}", self.help)
        return found

    def wholes(self, text: str, what: str) -> tuple[int, ...]:
        """Return the whole numbers between commas, each once; at least one."""
        return tuple(self.whole(each, what) for each in self.names(text, what))

    def names(self, text: str, what: str) -> tuple[str, ...]:
        """Return the names between commas, each once; at least one."""
        parts = [part.strip() for part in text.split(",")]
        if found := tuple(dict.fromkeys(filter(None, parts))):
            return found
        raise StackError(f"{what}: nothing is named", self.help)

    def positive(self, text: str, what: str) -> float:
        """Return a number greater than zero."""
        try:
            found = float(text)
        except ValueError:
            raise StackError(f"{what}: {text!r} is not a number", self.help) from None
        if not 0 < found < math.inf:
            raise StackError(f"{what}: {text} is not greater than zero", self.help)
        return found

    def targets(
        self, asked: Iterable[str] | None, able: Collection[str] = MEASURED
    ) -> list["Target"]:
        """Return the databases of those names, each once; SQLite without names.

        "all" stands for the oldest of each family. The verb can run on the
        families in ``able``.
        """
        from databases.targets import resolve, targets

        oldest = [t.name for t in targets() if t.family in able and t.major is None]
        chosen: list[str] = []
        for name in asked or ["sqlite"]:
            chosen += oldest if name == "all" else [name]
        found = [resolve(name) for name in dict.fromkeys(chosen)]
        for target in found:
            if target.family not in MEASURED:
                raise StackError(f"--db: {target.name} is not a database", self.help)
            if target.family not in able:
                raise StackError(
                    f"--db: {target.name} is not one of {', '.join(able)}", self.help
                )
        return found


def write(data: Mapping[str, Any], path: Path, root: Path) -> None:
    """Write a JSON file and say so; StackError if that fails."""
    try:
        write_whole(path, json.dumps(data, indent=1) + "\n")
    except OSError as error:
        raise StackError(f"{path} cannot be written: {error.strerror}") from None
    say(f"written: {path.relative_to(root) if path.is_relative_to(root) else path}")
