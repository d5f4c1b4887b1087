"""What an unfinished benchmark has measured: written after each round, gone on with.

An identity says what must be the same for that: the options, the ids of the trees,
the database, the machine … A run knows more of it the farther it has come.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import StackError
from lab.bench.rounds import Lane

KIND = "bench-partial"
FORMAT = 1

type Identity = Mapping[str, Any]


@dataclass
class Partial:
    """The file of a run. ``name`` is what people read for its path.

    ``final`` is that of the whole run, ``again`` the command that begins it anew.
    ``saved`` is what an interrupted run left to go on with, None if this run begins,
    ``rounds`` those of it, or of this run, that are in the file.
    """

    path: Path
    name: str
    final: Path
    again: str
    saved: Mapping[str, Any] | None = None
    rounds: int = 0

    @property
    def resumed(self) -> int:
        """How often the run has been gone on with."""
        return self.saved["resumed"] + 1 if self.saved else 0

    def check(self, identity: Identity) -> None:
        """Raise StackError if what is to be gone on with is another run."""
        if self.saved and (why := differences(self.saved["identity"], identity)):
            raise another(self.name, why, self.again)

    def load(self, lanes: Sequence[Lane]) -> int:
        """Fill the lanes with what was saved; return the rounds that are done."""
        assert self.saved is not None
        at = {(each["operation"], each["rows"]): each for each in self.saved["lanes"]}
        for lane in lanes:
            lane.load(at[lane.operation.name, lane.rows])
        return self.rounds

    def keep(self, identity: Identity, lanes: Sequence[Lane], rounds: int) -> None:
        """Write the file anew, whole or not at all."""
        data = {
            "kind": KIND,
            "format": FORMAT,
            "identity": identity,
            "resumed": self.resumed,
            "rounds": rounds,
            "lanes": [lane.to_json() for lane in lanes],
        }
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(data), "utf-8")
            fresh.replace(self.path)
        except OSError as error:
            raise StackError(
                f"{self.name} cannot be written: {error.strerror}"
            ) from None
        self.rounds = rounds


def standing(
    files: Mapping[str, Partial], whole: tuple[str, int], identity: Identity
) -> dict[str, bool]:
    """Find out what there is to go on with; name of a database → whether it is done.

    ``whole`` is the kind and format of a final file. A database that was not begun
    is left out. StackError if all are, or if what was interrupted is another run.
    """
    found = {}
    for name, file in files.items():
        saved = read(file.path, (KIND, FORMAT))
        why = differences(saved["identity"], identity) if saved else ""
        if saved and not why:
            file.saved, file.rounds = saved, saved["rounds"]
            found[name] = False
            continue
        final = read(file.final, whole)
        if final and not differences(final, identity):
            found[name] = True
        elif why:
            raise another(file.name, why, file.again)
    if not found:
        names = ", ".join(file.name for file in files.values())
        again = next(file.again for file in files.values())
        raise StackError(f"--resume: nothing to go on with, no {names}", again)
    return found


def another(name: str, why: str, again: str) -> StackError:
    return StackError(f"--resume: {name} is of another run: {why}", again)


def read(path: Path, kind: tuple[str, int]) -> dict[str, Any] | None:
    """Return what is in a JSON file of this kind and format; None if that is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if isinstance(data, dict) and (data.get("kind"), data.get("format")) == kind:
        return data
    return None


def differences(before: Identity, now: Identity) -> str:
    """Return in words what of ``now`` was not so before; nothing if all was.

    >>> differences({"ids": {"stock": "a"}, "date": 1}, {"ids": {"stock": "b"}})
    'ids stock was "a" and is "b"'
    """
    # As it would stand in the file: tuples are lists there.
    first, *others = [*_differ("", before, json.loads(json.dumps(now)))] or [""]
    return f"{first}; {len(others)} more" if others else first


def _differ(what: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        # At the top stands what is known by now.
        names = {**before, **now} if what else now
        for name in names:
            inner = f"{what} {name}".strip()
            yield from _differ(inner, before.get(name), now.get(name))
    elif before != now:
        yield f"{what} was {json.dumps(before)} and is {json.dumps(now)}"
