"""Locks between processes, and steps that no signal may cut in two."""

import fcntl
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from common.errors import WAITING, StackError
from common.progress import say

_mutex = threading.RLock()
_held: set[Path] = set()


@contextmanager
def exclusive(file: Path, patience: float = 60) -> Iterator[None]:
    """Hold the lock on ``file``, against other processes and threads.

    Say who holds it, wait ``patience`` seconds, then raise StackError. A thread
    that holds the lock may take it again.
    """
    with _mutex:
        if file in _held:
            yield
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+", encoding="utf-8") as handle:
            _acquire(handle, patience)
            handle.truncate(0)
            handle.write(f"process {os.getpid()} ({shlex.join(sys.argv[1:3])})")
            handle.flush()
            _held.add(file)
            try:
                yield
            finally:
                _held.discard(file)


def _acquire(handle: IO[str], patience: float) -> None:
    deadline: float | None = None
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read() or "another command"
            if deadline is None:
                say(f"waiting for {holder} in this checkout ...")
                deadline = time.monotonic() + patience
            elif time.monotonic() > deadline:
                raise StackError(
                    f"{holder} is still at work in this checkout",
                    "give the same command again when it has ended",
                    WAITING,
                ) from None
            time.sleep(0.1)
        else:
            return


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the block ends, from child processes too."""
    signals = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
