"""Calls on keys that several callers share; exceptions are counted, not raised."""

import re
from collections import Counter
from collections.abc import Callable

KEY = "key-"
MESSAGE = 80  # characters

# The notes, the class and the start of the message of an exception → how often.
type Errors = Counter[str]


def names(count: int, start: int = 0) -> list[str]:
    return [f"{KEY}{number}" for number in range(start, start + count)]


def start_of(error: Exception) -> str:
    """Return the start of the first line, without the number of the key.

    >>> start_of(ValueError("Duplicate entry 'key-7' for 'name'\\nDETAIL"))
    "Duplicate entry 'key-…' for 'name'"
    """
    first = (str(error).splitlines() or [""])[0]
    return re.sub(rf"{KEY}\d+", f"{KEY}…", first)[:MESSAGE]


def attempt[T](errors: Errors, call: Callable[[], T]) -> T | None:
    """Return what the call returns; count an exception and return None."""
    try:
        return call()
    except Exception as error:
        kind = " ".join([*getattr(error, "__notes__", ()), type(error).__name__])
        errors[f"{kind}: {start_of(error)}"] += 1
        return None
