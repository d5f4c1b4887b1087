"""Processes that outlive a function call: is it still that one, end it, guard it.

Run as a program (``process.py FOLDER``) this file is the guard of one private
server: it waits on its standard input and, when the pipe closes because the tool
is gone for whatever reason (SIGKILL too), ends the server and removes its folder.
A parent-death signal would do less: Linux only, tied to the thread that started
the server, and the folder would stay. So this file may import nothing but the
standard library.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 5.0  # seconds between asking a server to end and making it


def born(pid: int) -> str | None:
    """When the process began, as an opaque text; None if it does not run.

    Together with the pid it names one process: a pid alone is used again. A
    zombie does not run.
    """
    return from_proc(pid) if sys.platform == "linux" else from_ps(pid)


def from_proc(pid: int) -> str | None:
    """born() by Linux' /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold anything; the state follows it, and the
    # start time in ticks since the machine came up is the 19th after that.
    state, *fields = stat.rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if state in "ZX" else f"{boot} {fields[18]}"


def from_ps(pid: int) -> str | None:
    """born() by the ps of every Unix, to the second."""
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        check=False,
    )
    state, _, since = shown.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else since.strip()


def stop(pid: int, birth: str, how: int, grace: float = GRACE) -> bool:
    """End that very process with a signal, by SIGKILL if it is still there later.

    It leads a process group, and the group gets the signal: mariadb-install-db is
    a script, whose child would go on alone. True if it ran. A pid that now belongs
    to another process is left alone.
    """
    if born(pid) != birth:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, how)
    deadline = time.monotonic() + grace
    while born(pid) == birth:
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            deadline += grace
        time.sleep(0.01)
    return True


def remove(folder: Path) -> None:
    """Remove a folder in which the last programs may be dying still."""
    for _ in range(200):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.01)


class Guard:
    """The tool's end of the pipe to a guard process."""

    def __init__(self, folder: Path) -> None:
        # -I and -S: nothing of the user's environment, and a start in 10 ms.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def watch(self, pid: int, birth: str, how: int) -> None:
        """From now on the guard ends this process if the tool disappears."""
        self._tell(f"{pid} {how} {birth}")

    def dismiss(self) -> None:
        """The guard goes and leaves everything as it is."""
        self._tell("done")
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()


def main(folder: str) -> None:
    """Guard until told otherwise; see the top of this file."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watched: list[tuple[int, int, str]] = []
    for line in sys.stdin:
        if line.strip() == "done":
            return
        pid, how, birth = line.strip().split(maxsplit=2)
        watched.append((int(pid), int(how), birth))
    for number, sign, birth in reversed(watched):
        stop(number, birth, sign)
    remove(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1])
