"""The events of one scenario, in order; part of a worker's process."""

import re
from datetime import datetime
from itertools import count

from django.conf import settings
from django.utils import timezone

# An address in memory, the name of a database, or a moment, seldom a whole second.
VOLATILE = re.compile(
    r"0x[0-9a-f]{6,}|stack_bench_\w+|\b1[678]\d{8}\b(\.\d+)?"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|datetime\.datetime\((\d+, ){6}\d+"
)
EVENTS: list[str] = []
NOW = [datetime(2026, 1, 1, 12)]  # the one moment that the clock shows
_numbers = count(1)


def masked(text: str) -> str:
    return VOLATILE.sub("0x…", text)


def note(*parts: object) -> None:
    EVENTS.append(masked(" ".join(map(str, parts))))


def start() -> None:
    """Forget the scenario before, so that each counts from one."""
    global _numbers
    EVENTS.clear()
    _numbers = count(1)


def next_number() -> int:
    return next(_numbers)


def shown(value: object) -> str:
    """Return a value as text without what differs from process to process."""
    return f"{type(value).__qualname__} {masked(repr(value))}"


def now() -> datetime:
    """Stand for timezone.now, the same in every process."""
    return timezone.make_aware(NOW[0]) if settings.USE_TZ else NOW[0]


# Django may know the callables that have no side effects by their module.
now.__module__ = "django.utils.timezone"
