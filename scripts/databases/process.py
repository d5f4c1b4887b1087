"""Recognize a process, end it, and start one that a guard ends.

Run as a program (``process.py FOLDER SIGNAL USER COMMAND…``) this file is the guard
of a program: it starts it, prints its pid, and ends with the status of the program.
When the pipe to its standard input closes, because the tool closes it or is gone for
whatever reason (SIGKILL too), it ends the program and removes the folder. A line on
the pipe dismisses it. A parent-death signal would do less: Linux only, tied to the
thread that started the server, and the folder would stay. So this file may import
nothing but the standard library.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

GRACE = 5.0  # seconds between asking a server to end and killing it


def born(pid: int) -> str | None:
    """Return when the process began, as an opaque text; None if it does not run.

    Together with the pid it names one process: the system uses a pid again. A zombie
    does not run.
    """
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in parentheses, may hold anything; the state follows it, and the
        # start time in ticks since the machine came up is the 19th after that.
        state, *fields = stat.rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if state in "ZX" else f"{boot} {fields[18]}"
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        check=False,
    )
    state, _, since = shown.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else since.strip()


def stop(pid: int, birth: str, how: int) -> bool:
    """End that very process with a signal, by SIGKILL if it is still there later.

    It leads a process group, and the group gets the signal: mariadb-install-db is
    a script, whose child would go on alone. Return whether it ran. A pid that now
    belongs to another process is left alone.
    """
    if born(pid) != birth:
        return False
    deadline = time.monotonic()
    while born(pid) == birth:
        if time.monotonic() >= deadline:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, how)
            how, deadline = signal.SIGKILL, deadline + GRACE
        time.sleep(0.01)
    return True


def remove(folder: Path) -> None:
    """Remove a folder in which the last programs may be dying still."""
    for _ in range(200):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.01)


def guard(folder: Path, how: int, user: str | None, command: list[str]) -> None:
    """Start the program and guard it; see the top of this file."""
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        start_new_session=True,
    )
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    birth = born(program.pid) or "ended at once"
    print(program.pid, birth, flush=True)
    is_alone = threading.Event()

    def end_with_it() -> None:
        code = program.wait()
        if not is_alone.is_set():
            os._exit(abs(code))

    threading.Thread(target=end_with_it, daemon=True).start()
    if not sys.stdin.readline():
        is_alone.set()
        stop(program.pid, birth, how)
        remove(folder)


if __name__ == "__main__":
    guard(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None, sys.argv[4:])
