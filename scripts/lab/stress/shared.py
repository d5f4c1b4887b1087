"""Waiting for other processes, and numbers that they share."""

import mmap
import time
from collections.abc import Callable
from pathlib import Path

from common.errors import StackError

SIZE = 8  # bytes of a number
PAUSE = 0.00005  # seconds
PATIENCE = 60  # seconds for the slowest process


def numbers(path: Path, count: int) -> memoryview:
    """Map a file of numbers into memory; they are 0 at first.

    Only one process may write to each number. It stays when the process is killed.
    """
    with path.open("a+b") as file:
        file.truncate(count * SIZE)
        # Aligned, so that no reader sees half of a number.
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")


def wait_for(done: Callable[[], object], who: str) -> None:
    """Return when something is done; StackError if that takes too long."""
    latest = time.monotonic() + PATIENCE
    while not done():
        time.sleep(PAUSE)
        if time.monotonic() > latest:
            raise StackError(f"{who} did not come within {PATIENCE} s")


def meet(counts: memoryview, number: int) -> None:
    """Wait until all processes have come as often as process ``number``."""
    counts[number] += 1
    wait_for(lambda: min(counts) >= counts[number], "a process")
