"""The ways in which a stored value is damaged."""

import base64
import pickle
import random
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from lab.stress.stored import Format, Payload

GONE, CHANGED = "stress_gone", "stress_changed"  # modules that are never there


@dataclass(frozen=True)
class Victim:
    """A row and what its value is to be replaced by is made of.

    ``stored`` stands for ``value`` in the table. ``gone`` and ``changed`` are what
    the same cache stored for an object whose module is gone, and for one whose
    module lacks it.
    """

    key: str
    value: object
    stored: Payload
    gone: Payload
    changed: Payload
    format: Format
    chance: random.Random


def truncated(victim: Victim) -> Payload:
    return victim.stored[: victim.chance.randrange(len(victim.stored) or 1)]


def random_bytes(victim: Victim) -> Payload:
    size = len(victim.format.bytes_of(victim.stored)) or 1
    return victim.format.of_bytes(victim.chance.randbytes(size))


def other_format(victim: Victim) -> Payload:
    """Return base64 where there is none, and what is none where there should be."""
    if victim.format.binary:
        return base64.b64encode(pickle.dumps(victim.value))
    return f"{victim.key}: no base64!"


def compressed_twice(victim: Victim) -> Payload:
    once = zlib.compress(victim.format.bytes_of(victim.stored))
    return victim.format.of_bytes(zlib.compress(once))


def module_gone(victim: Victim) -> Payload:
    return victim.gone


def attribute_gone(victim: Victim) -> Payload:
    return victim.changed


def empty(victim: Victim) -> Payload:
    return victim.stored[:0]


WAYS: Mapping[str, Callable[[Victim], Payload]] = {
    "truncated": truncated,
    "random bytes": random_bytes,
    "other format": other_format,
    "compressed twice": compressed_twice,
    "module gone": module_gone,
    "attribute gone": attribute_gone,
    "empty": empty,
}


@contextmanager
def passing() -> Iterator[tuple[Any, Any]]:
    """Yield two objects that nobody can unpickle after the block.

    The module of one is gone then; that of the other stays, without its class.
    """
    made = []
    for name in (GONE, CHANGED):
        module = ModuleType(name)
        kind = type("Passing", (), {"__module__": name})
        setattr(module, kind.__name__, kind)
        sys.modules[name] = module
        made.append(kind())
    try:
        yield made[0], made[1]
    finally:
        del sys.modules[GONE]
        del sys.modules[CHANGED].Passing
