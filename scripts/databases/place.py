"""The temporary folder of one private server, and the programs that run in it."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from databases import process

# A Unix socket's path may have 103 bytes on macOS and 107 on Linux. We add at
# most 45 of them to the parent folder.
LONGEST_PARENT = 55
# Above lie the ports that the system gives to outgoing connections (from 32768
# on Linux, 49152 on macOS): it may take one of those at any moment.
PORTS = range(10240, 32768)


class Died(Exception):
    """A program in a server's folder ended, or never became ready."""


def tail(log: Path) -> str:
    """Return the last lines that say something, as one line."""
    text = log.read_text(errors="replace") if log.exists() else "the log is gone"
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(said[-4:])[-700:] or "the log is empty"


def free_port() -> int:
    """Return a port that nothing listens on now."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Died(f"no free port on 127.0.0.1 between {PORTS[0]} and {PORTS[-1]}")


def parent_folder() -> Path:
    """Return where servers' folders go: the system's temporary folder, or /tmp.

    /tmp when the other is too long for a socket's path, or when root, whose
    server may run as another user, has a private one.
    """
    usual = Path(tempfile.gettempdir()).resolve()
    is_open = all(each.stat().st_mode & 0o001 for each in (usual, *usual.parents))
    fits = len(os.fsencode(usual)) <= LONGEST_PARENT
    return usual if fits and (os.geteuid() or is_open) else Path("/tmp")


class Place:
    """A fresh folder, its log, and the guards of what was started there.

    ``user`` owns the folder and runs the programs (only root can ask for that).
    Programs and guards run in sessions of their own, so that Ctrl-C in the terminal
    reaches the tool, which then ends them in order.
    """

    def __init__(self, name: str, user: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"dps-{name}-", dir=parent_folder()))
        self.log = self.folder / "log"
        self.log.touch()
        self.user = user
        self._guards: list[subprocess.Popen[str]] = []
        if user:
            shutil.chown(self.folder, user)

    def write(self, name: str, text: str) -> Path:
        """Write a file that only the server's user can read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        if self.user:
            shutil.chown(path, self.user)
        return path

    def start(self, command: list[str], how: int) -> tuple[subprocess.Popen[str], str]:
        """Start a program that the signal ``how`` ends.

        Return its guard, which ends with it, and a line: its pid, when it began.
        """
        # Nothing in the environment could point the program elsewhere.
        kept = {n: v for n, v in os.environ.items() if n == "PATH" or n[:3] == "LD_"}
        home = {"HOME": str(self.folder), "TMPDIR": str(self.folder), "LC_ALL": "C"}
        # -I and -S: nothing of the user's environment, and a start in 10 ms.
        guard = [sys.executable, "-I", "-S", process.__file__, str(self.folder)]
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                [*guard, str(int(how)), self.user or "", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                env=kept | home,
                text=True,
                start_new_session=True,
            )
        self._guards.append(started)
        assert started.stdout is not None
        if line := started.stdout.readline().strip():
            return started, line
        raise Died(f"{command[0]} cannot run: {tail(self.log)}")

    def run(self, command: list[str], seconds: float = 120) -> None:
        """Run a program to its end; Died if it fails or takes too long."""
        started, _ = self.start(command, signal.SIGKILL)
        name = Path(command[0]).name
        try:
            if code := started.wait(seconds):
                raise Died(f"{name} failed with {code}: {tail(self.log)}")
        except subprocess.TimeoutExpired:
            raise Died(f"{name} took over {seconds:.0f} s: {tail(self.log)}") from None

    def keep_log(self) -> Path:
        """Copy the log out of the folder, which is about to go; return the copy."""
        return Path(shutil.copyfile(self.log, self.folder.with_suffix(".log")))

    def leave(self) -> None:
        """Let the server go on without us."""
        self._guards[-1].communicate("leave\n")

    def close(self) -> None:
        """End everything that was started here, and remove the folder."""
        for started in reversed(self._guards):
            started.communicate()
        process.remove(self.folder)
