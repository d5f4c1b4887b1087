"""The base of all families of servers, and the search for installed programs."""

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from databases.place import Place

MACOS = sys.platform == "darwin"
# Package managers put servers here; not every PATH has these folders.
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
    """This machine does not have the database: why, and what would change that."""

    def __init__(self, reason: str, command: str) -> None:
        super().__init__(f"{reason}; {command}")
        self.reason = reason
        self.command = command


@dataclass(frozen=True)
class Program:
    """An installed server: ``path`` is its program, or the archive of a wheel.

    ``prefix`` goes before the path, ``options`` behind all others.
    """

    version: tuple[int, ...]
    path: Path
    prefix: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.version))


def install(packages: str, brew: str = "") -> str:
    """Return the command that installs packages of Debian, on macOS of Homebrew."""
    return (
        f"brew install {brew or packages}" if MACOS else f"apt-get install {packages}"
    )


def version_in(text: str) -> tuple[int, ...]:
    """Return the first dotted number; () if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def shown_version(*command: str | Path) -> str:
    """Return the output of a program's --version; "" if it cannot run."""
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


def executables(names: Iterable[str], patterns: Iterable[str] = ()) -> list[Path]:
    """Return the programs of these names, each once.

    Look in the folders that match ``patterns``, then on PATH, then where servers
    usually are. Links are not followed: redis-server is a link to a program that does
    what its own name says.
    """
    folders = [each for text in patterns for each in sorted(Path("/").glob(text[1:]))]
    usual = [*os.environ.get("PATH", "").split(os.pathsep), *SERVER_FOLDERS]
    folders += [Path(text) for text in usual if text.startswith("/")]
    found: dict[Path, Path] = {}
    for path in (folder / name for folder in folders for name in names):
        if shutil.which(path):
            found.setdefault(path.resolve(), path)
    return list(found.values())


class Family:
    """One kind of server. Subclasses say how; nothing here knows a product.

    In what starts a server, {folder} stands for its private folder, {port} for its
    port, and in ``file`` and ``url`` {password} for its password.
    """

    name: str
    label: str
    minimum: tuple[int, ...] = ()
    driver: str
    driver_command = "./scripts/stack setup"
    install_command: str
    # Schemes of its URLs beside its name.
    schemes: tuple[str, ...] = ()
    # The names of the server program, and folders in which to look for it, too.
    servers: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    # A regular expression that its output of --version matches.
    banner = ""
    # The URL where no server is needed; {reported} is the version of Oracle that a
    # stand-in is to report.
    built_in = ""
    # The name and the text of a file that only the server can read, for passwords:
    # all users can read a command line.
    file: tuple[str, str] | None = None
    # The program and its options that prepare the folder, if one does.
    setup = ""
    # The options of the server, and one more for root.
    serve: str
    as_root = ""
    url: str
    stop_signal: int = signal.SIGTERM

    def version(self, url: str) -> str:
        """Connect (within 5 s) and ask; raise what the driver raises."""
        raise NotImplementedError

    def module(self) -> ModuleType:
        """Return the Python driver; Unavailable with the command that installs it."""
        try:
            return importlib.import_module(self.driver)
        except ImportError as error:
            raise Unavailable(
                f"the Python driver {self.driver} cannot be imported ({error})",
                self.driver_command,
            ) from None

    def too_old(self, version: tuple[int, ...]) -> str | None:
        """Say why Django refuses this version; None if it does not."""
        if version >= self.minimum:
            return None
        shown, least = (".".join(map(str, each)) for each in (version, self.minimum))
        return f"{self.label} {shown} is older than the minimum, {least}"

    def programs(self) -> list[Program]:
        """Return the installed servers, oldest first."""
        paths = executables(self.servers, self.folders)
        shown = [(shown_version(path), path) for path in paths]
        found = [
            Program(version_in(text), path)
            for text, path in shown
            if version_in(text) and re.search(self.banner, text)
        ]
        return sorted(found, key=lambda program: program.version)

    def user(self) -> str | None:
        """Return the user to run as when root; None: as ourselves."""
        return None

    def start(
        self, program: Program, place: Place, password: str, port: int
    ) -> tuple[subprocess.Popen[str], str]:
        """Prepare the folder and start the server in it; see Place.start()."""
        facts = {"folder": place.folder, "port": port}

        def words(text: str) -> list[str]:
            found = [word.format_map(facts) for word in text.split()]
            root = [self.as_root] if self.as_root and os.geteuid() == 0 else []
            return [*found, *root, *program.options]

        if self.file:
            name, text = self.file
            place.write(name, text.format(password=password))
        if self.setup:
            tool, *options = words(self.setup)
            place.run([*program.prefix, self.tool(program, tool), *options])
        server = [*program.prefix, str(program.path), *words(self.serve)]
        return place.start(server, int(self.stop_signal))

    def tool(self, program: Program, *names: str) -> str:
        """Return the first program of these names that came with the server."""
        near = program.path.parent, program.path.parent.parent / "bin"
        if found := executables(names, map(str, near)):
            return str(found[0])
        raise Unavailable(f"{names[0]} is not installed", self.install_command)

    def settle(self, program: Program, url: str, folder: Path) -> None:
        """Give a running private server what the tests need of it."""
