"""The one exception that a user may see, and the exit codes of every verb."""

from collections.abc import Sequence

OK = 0
FINDINGS = 1
USAGE = 2
WAITING = 3


class StackError(Exception):
    """An error for the user: the facts, then the exact next command.

    ``code`` is the exit status: ``USAGE`` for a wrong or impossible request,
    ``WAITING`` for a state that only the user can resolve.
    """

    def __init__(self, facts: str, then: str | None = None, code: int = USAGE) -> None:
        super().__init__(facts)
        self.facts = facts
        self.then = then
        self.code = code

    def __str__(self) -> str:
        return f"{self.facts}\n  next: {self.then}" if self.then else self.facts


def few(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and say how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def last_line(printed: str) -> str:
    """Return the last line that a failed program printed."""
    return (printed.strip().splitlines() or ["it said nothing"])[-1]
