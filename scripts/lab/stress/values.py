"""Values that show whether they are whole, and who wrote them.

A key holds records, which name the key and their origin, or numbers from a range
of its own.
"""

import random
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from lab.calls import KEY

RANGE = 10**12  # of the numbers of a key


class Origin(NamedTuple):
    """Record ``number`` of writer ``writer``, from 0."""

    writer: int
    number: int

    def __str__(self) -> str:
        return f"record {self.number} of writer {self.writer}"


def record(key: str, origin: Origin, size: int) -> dict[str, Any]:
    """Return a value of about ``size`` bytes; zlib can compress half of them."""
    chance = random.Random(f"{key} {origin}")
    body = chance.randbytes(size // 2) + key.encode() * (size // 2 // len(key))
    return {"key": key, **origin._asdict(), "size": size, "body": body}


def origin(key: str, value: object) -> Origin | str:
    """Return the origin of the record of a key, or the finding about its value."""
    match value:
        case None:
            return f"{key}: get() misses"
        case {"key": str(of), "writer": int(writer), "number": int(n), "size": size}:
            found = Origin(writer, n)
            if value != record(of, found, size):
                return f"{key}: a torn record"
            return found if of == key else f"{key}: a value of {of}"
    return f"{key}: no record but {value!r:.60}"


def base(key: str) -> int:
    """Return the number that a key of numbers begins at."""
    return (int(key.removeprefix(KEY)) + 1) * RANGE


def wrong_number(key: str, value: object) -> str:
    """Return the finding about the number of a key, empty if it is right."""
    whole = type(value) is int and 0 <= value - base(key) < RANGE
    return "" if whole else f"{key}: not its number but {value!r:.60}"


def unwritten(
    seen: Collection[Origin],
    last: Mapping[int, int],
    refused: Collection[Origin],
    undone: Collection[Origin],
) -> list[str]:
    """Name the records that were read, but cannot have been written.

    ``last``: writer → the number of its last record. ``refused`` are the records
    whose add() returned False, ``undone`` those whose transaction was rolled back.
    """
    never = {each for each in seen if not 0 <= each.number <= last.get(each.writer, -1)}
    return [
        f"read: {each}, {what}"
        for what, wrong in (
            ("which nobody made", never),
            ("whose add() returned False", {*refused}),
            ("whose transaction was rolled back", {*undone}),
        )
        for each in sorted(wrong.intersection(seen))
    ]
