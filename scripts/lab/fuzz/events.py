"""What happened during one scenario, in order; part of a worker's process."""

import re
from itertools import count

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
EVENTS: list[str] = []
_numbers = count(1)


def without_addresses(text: str) -> str:
    return ADDRESS.sub("0x…", text)


def note(*parts: object) -> None:
    EVENTS.append(without_addresses(" ".join(map(str, parts))))


def start() -> None:
    """Forget the scenario before, so that each counts from one."""
    global _numbers
    EVENTS.clear()
    _numbers = count(1)


def next_number() -> int:
    return next(_numbers)


def shown(value: object) -> str:
    """Return a value as text without what differs from process to process."""
    return f"{type(value).__qualname__} {without_addresses(repr(value))}"
