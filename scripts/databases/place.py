"""The temporary folder of one private server, and the programs that run in it."""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

from databases import process

# A Unix socket's path may have 103 bytes on macOS and 107 on Linux. What we add
# to the parent folder is at most 45 of them.
LONGEST_PARENT = 55
# Above lie the ports that the system hands to outgoing connections (from 32768
# on Linux, 49152 on macOS); one of those can be taken at any moment.
PORTS = range(10240, 32768)


class Died(Exception):
    """A program in a server's folder ended, or never became ready."""


def tail(log: Path, lines: int = 4) -> str:
    """The last lines that say something, as one line."""
    try:
        text = log.read_text(errors="replace")
    except OSError as error:
        return f"no log: {error.strerror}"
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(said[-lines:])[-700:] or "the log is empty"


def free_port() -> int:
    """A port that nothing listens on just now; the next moment it may be taken."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Died(f"no free port on 127.0.0.1 between {PORTS[0]} and {PORTS[-1]}")


def open_to_all(folder: Path) -> bool:
    """Whether every user may enter the folder and all that lie above it."""
    folder = folder.resolve()
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))


def parent_folder() -> Path:
    """Where servers' folders go: the system's temporary folder, or /tmp.

    /tmp when the other is too long for a socket's path, or when root, whose
    server may run as another user, has a private one.
    """
    usual = Path(tempfile.gettempdir()).resolve()
    fits = len(os.fsencode(usual)) <= LONGEST_PARENT
    if fits and (os.geteuid() != 0 or open_to_all(usual)):
        return usual
    return Path("/tmp")


def environment(folder: Path) -> dict[str, str]:
    """What a server's program sees: nothing that could point it elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PATH" or name.startswith("LD_")
    }
    return kept | {"HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C"}


class Place:
    """A fresh folder, its log, a guard, and what was started there.

    ``how`` is the signal that ends the server. ``user`` owns the folder and runs
    the programs (only root can ask for that). Programs run in a session of their
    own, so that Ctrl-C in the terminal reaches the tool, which then ends them in
    order.
    """

    def __init__(self, name: str, how: int, user: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"dps-{name}-", dir=parent_folder()))
        self.log = self.folder / "log"
        self.user = user
        self._how = how
        self._started: list[tuple[subprocess.Popen[bytes], str, int]] = []
        self._guard = process.Guard(self.folder)
        if user:
            shutil.chown(self.folder, user)

    def write(self, name: str, text: str) -> Path:
        """A file that only the server's user can read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        if self.user:
            shutil.chown(path, self.user)
        return path

    def start(self, command: list[str]) -> tuple[subprocess.Popen[bytes], str]:
        """Start the server; the process, and when it began."""
        return self._start(command, self._how)

    def _start(
        self, command: list[str], how: int
    ) -> tuple[subprocess.Popen[bytes], str]:
        # Waits for a line before it becomes the program: a tool that is killed
        # before the guard knows the pid leaves nothing behind either.
        on_word = ["/bin/sh", "-c", 'read -r go && exec "$0" "$@" </dev/null']
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                [*on_word, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment(self.folder),
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
                start_new_session=True,
            )
        birth = process.born(started.pid) or "ended at once"
        self._started.append((started, birth, how))
        self._guard.watch(started.pid, birth, how)
        assert started.stdin is not None
        with contextlib.suppress(BrokenPipeError), started.stdin as stdin:
            stdin.write(b"go\n")
        return started, birth

    def run(self, command: list[str], seconds: float = 120) -> None:
        """Run a program to its end; Died if it fails or takes too long."""
        started, _ = self._start(command, signal.SIGKILL)
        name = Path(command[0]).name
        try:
            if code := started.wait(seconds):
                raise Died(f"{name} failed with {code}: {tail(self.log)}")
        except subprocess.TimeoutExpired:
            raise Died(f"{name} took over {seconds:.0f} s: {tail(self.log)}") from None

    def leave(self) -> None:
        """Let the server go on without us."""
        self._guard.dismiss()

    def close(self) -> None:
        """End everything that was started here, and remove the folder."""
        for started, birth, how in reversed(self._started):
            if started.poll() is None:
                process.stop(started.pid, birth, how)
            started.wait()
        process.remove(self.folder)
        self._guard.dismiss()
