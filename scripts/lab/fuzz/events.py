"""The events of one scenario, in order; part of a worker's process."""

import re
from datetime import datetime
from itertools import count

from django.conf import settings
from django.utils import timezone

# An address in memory, or the name of a database.
VOLATILE = re.compile(r"0x[0-9a-f]{6,}|stack_bench_\w+")
EVENTS: list[str] = []
NOW = [datetime(2026, 1, 1, 12)]  # the one moment that the clock shows
_numbers = count(1)


def without_addresses(text: str) -> str:
    return VOLATILE.sub("0x…", text)


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


def now() -> datetime:
    """Stand for timezone.now, the same in every process."""
    return timezone.make_aware(NOW[0]) if settings.USE_TZ else NOW[0]


# Django may know the callables that have no side effects by their module.
now.__module__ = "django.utils.timezone"
