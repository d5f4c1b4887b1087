"""Numbers that processes share, in a file that each maps into its memory."""

import mmap
import time
from pathlib import Path

SIZE = 8  # bytes of a number
PAUSE = 0.00005  # seconds
PATIENCE = 60  # seconds for the slowest process


def create(path: Path, count: int) -> Path:
    """Write the file of ``count`` numbers, all 0, in the place of one that is there."""
    path.unlink(missing_ok=True)
    path.write_bytes(bytes(count * SIZE))
    return path


class Numbers:
    """The numbers of a file. Each is written by one process only."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        # Aligned, so that no reader sees half of one.
        self._view = memoryview(self._map).cast("Q")

    def __getitem__(self, index: int) -> int:
        return self._view[index]

    def __setitem__(self, index: int, number: int) -> None:
        self._view[index] = number

    def least(self) -> int:
        return min(self._view)

    def close(self) -> None:
        self._view.release()
        self._map.close()


class Barrier:
    """Where process ``number`` of as many as there are numbers waits for the rest."""

    def __init__(self, path: Path, number: int) -> None:
        self._numbers = Numbers(path)
        self._number = number

    def wait(self) -> None:
        """Return when all have come as often as this one; RuntimeError if one hangs."""
        mine = self._numbers[self._number] + 1
        self._numbers[self._number] = mine
        latest = time.monotonic() + PATIENCE
        while self._numbers.least() < mine:
            time.sleep(PAUSE)
            if time.monotonic() > latest:
                raise RuntimeError(f"a process did not come for {PATIENCE} s")

    def close(self) -> None:
        self._numbers.close()
