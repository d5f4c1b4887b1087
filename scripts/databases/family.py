"""What every family of servers has in common: find it, start it, ask its version."""

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from databases.place import Place

MACOS = sys.platform == "darwin"
# Where package managers put servers that are not on everybody's PATH.
SERVER_FOLDERS = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/libexec",
    "/opt/homebrew/bin",
    "/opt/homebrew/sbin",
    "/opt/local/sbin",
)


class Unavailable(Exception):
    """This database cannot be had here: why, and what would make it run."""

    def __init__(self, reason: str, command: str) -> None:
        super().__init__(f"{reason}; {command}")
        self.reason = reason
        self.command = command


@dataclass(frozen=True)
class Program:
    """An installed server.

    ``path`` is the server program, for PostgreSQL the folder of its programs or
    the wheel's archive. ``prefix`` goes before a program of it to run that.
    """

    version: tuple[int, ...]
    path: Path
    origin: str = "system"
    prefix: tuple[str, ...] = ()

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.version))


def version_in(text: str) -> tuple[int, ...]:
    """The first dotted number; () if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def shown_version(*command: str) -> str:
    """What a program says to --version; empty if it cannot run."""
    try:
        return subprocess.run(
            [*command, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def folders(*patterns: str) -> list[Path]:
    """PATH, the usual folders of servers, and the patterns' matches."""
    named = [*os.environ.get("PATH", "").split(os.pathsep), *SERVER_FOLDERS]
    found = [Path(folder) for folder in named if folder.startswith("/")]
    for pattern in patterns:
        found += sorted(Path("/").glob(pattern.removeprefix("/")))
    return found


def executables(names: Iterable[str], where: Iterable[Path]) -> list[Path]:
    """The programs of these names, each once, in order.

    As found, links not followed: redis-server is a link to a program that does
    what its own name says.
    """
    wanted = tuple(names)
    paths = (folder / name for folder in where for name in wanted)
    found: dict[Path, Path] = {}
    for path in paths:
        if shutil.which(path) is not None:
            found.setdefault(path.resolve(), path)
    return list(found.values())


class Family(ABC):
    """One kind of server. Subclasses say how; nothing here knows a product."""

    name: ClassVar[str]
    label: ClassVar[str]
    minimum: ClassVar[tuple[int, ...]] = ()
    driver: ClassVar[str]
    driver_command: ClassVar[str] = "./scripts/stack setup"
    install_command: ClassVar[str]

    @abstractmethod
    def version(self, url: str) -> str:
        """Connect (within 5 s) and ask; whatever the driver raises if it fails."""

    def built_in(self, reported: str) -> str | None:
        """The URL where no server is needed; None where one is.

        ``reported`` is the version of Oracle that a stand-in is to report.
        """
        return None

    def module(self) -> ModuleType:
        """The Python driver; Unavailable with the command that installs it."""
        try:
            return importlib.import_module(self.driver)
        except ImportError as error:
            raise Unavailable(
                f"the Python driver {self.driver} cannot be imported ({error})",
                self.driver_command,
            ) from None

    def too_old(self, version: tuple[int, ...]) -> str | None:
        """Why Django would refuse this version; None if it would not."""
        if version >= self.minimum:
            return None
        return (
            f"{self.label} {'.'.join(map(str, version))} is older than "
            f"Django's minimum, {'.'.join(map(str, self.minimum))}"
        )


class LocalFamily(Family):
    """A family whose servers can be started from installed programs."""

    stop_signal: ClassVar[int] = signal.SIGTERM

    @abstractmethod
    def programs(self) -> list[Program]:
        """The installed servers, oldest first."""

    @abstractmethod
    def prepare(self, program: Program, place: Place, password: str) -> Program:
        """Make the data folder; the program that shall run on it."""

    @abstractmethod
    def command(self, program: Program, place: Place, port: int) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def url(self, password: str, port: int) -> str:
        """How to reach the server that command() started."""

    def settle(self, program: Program, place: Place, url: str) -> tuple[str, ...]:
        """What a running private server still needs; notes on what it lacks."""
        return ()

    def user(self) -> str | None:
        """The user to run as when root; None: as ourselves."""
        return None
