"""Values that tell by themselves whether they are whole, and who wrote them.

Each kind belongs to its keys: a record says its key, its writer and which of the
writer's records it is; a number says its key by its millions of millions.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.race.worker import KEY

# What may be added to a number before it looks like that of the next key.
ROOM = 10**12


@dataclass(frozen=True, order=True)
class Origin:
    """Record ``count`` of writer ``writer``; both begin at 0."""

    writer: int
    count: int

    def __str__(self) -> str:
        return f"{self.count} of writer {self.writer}"


class Broken(Exception):
    """A value that is not what any writer wrote for its key."""


def names(count: int, start: int = 0) -> list[str]:
    return [f"{KEY}{number}" for number in range(start, start + count)]


def number_of(key: str) -> int:
    return int(key.removeprefix(KEY))


def digest(key: str, origin: Origin, body: bytes) -> str:
    head = f"{key} {origin.writer} {origin.count} ".encode()
    return hashlib.sha256(head + body).hexdigest()


def record(key: str, origin: Origin, size: int) -> dict[str, Any]:
    """Return a value of about ``size`` bytes, of which half can be compressed."""
    chance = random.Random(f"{key} {origin}")
    body = chance.randbytes(size // 2) + key.encode() * (size // 2 // len(key))
    return {
        "key": key,
        "writer": origin.writer,
        "count": origin.count,
        "body": body,
        "digest": digest(key, origin, body),
    }


def origin(key: str, value: object) -> Origin:
    """Return where a record read from ``key`` comes from; Broken if it is torn."""
    match value:
        case {
            "key": str() as said,
            "writer": int() as writer,
            "count": int() as count,
            "body": bytes() as body,
            "digest": str() as given,
        }:
            found = Origin(writer, count)
            if digest(said, found, body) != given:
                raise Broken(f"{key}: its checksum is wrong")
            if said != key:
                raise Broken(f"{key}: a value of {said}")
            return found
    raise Broken(f"{key}: no record but {value!r:.60}")


def base(key: str) -> int:
    """Return the number that a key of numbers begins at."""
    return (number_of(key) + 1) * ROOM


def added(key: str, value: object) -> int:
    """Return what was added to the number of a key; Broken if it is not of the key."""
    if type(value) is not int:
        raise Broken(f"{key}: no number but {value!r:.60}")
    if not 0 <= (more := value - base(key)) < ROOM:
        raise Broken(f"{key}: the number {value}")
    return more


def unwritten(
    seen: Iterable[Origin],
    last: Mapping[int, int],
    refused: Iterable[Origin],
    undone: Iterable[Origin] = (),
) -> list[str]:
    """Say which records that were read cannot have been written.

    ``last`` is the last count of each writer; ``refused`` are the records whose
    add() returned False, ``undone`` those of transactions that were rolled back.
    """
    read = set(seen)
    never = {each for each in read if not 0 <= each.count <= last.get(each.writer, -1)}
    return [
        *(f"read: record {each}, which nobody made" for each in sorted(never)),
        *(
            f"read: record {each}, whose add() returned False"
            for each in sorted(read & set(refused))
        ),
        *(
            f"read: record {each}, whose transaction was rolled back"
            for each in sorted(read & set(undone))
        ),
    ]
