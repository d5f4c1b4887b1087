"""Make .venv with the locked dependencies; nothing to do if it is there.

requirements.lock is installed with its hashes checked. What was downloaded is
kept in the user's cache, so that the next checkout needs no network.
mysqlclient is built here and needs a compiler and MariaDB's or MySQL's client
library; without them MariaDB and MySQL are reported as not run. The caches of
requirements-peers.lock, which the bench compares with, come without the Django
that they depend on.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from common.errors import OK, StackError
from common.progress import say, step
from common.project import Project

LOCKS = ("requirements.lock", "requirements-peers.lock")
# Built from source, and wanted for two databases only.
OPTIONAL = ("mysqlclient",)
NOT_BUILT = (
    "{name} was not built, so MariaDB and MySQL will not run ({why})\n"
    "  next: apt-get install gcc pkg-config libmariadb-dev python3-dev"
    " (macOS: brew install mariadb-connector-c pkgconf), then"
    " ./scripts/stack setup --again"
)
NOT_FETCHED = (
    "{name} was not fetched, so the bench will not compare with it ({why})\n"
    "  next: connect to the network and run ./scripts/stack setup --again"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--again", action="store_true", help="make .venv anew")


def blocks(lock: str) -> dict[str, str]:
    """Return the lock's text for each package.

    >>> blocks("a==1 \\\\\\n    --hash=x\\nb==2 \\\\\\n    --hash=y\\n")["b"]
    'b==2 \\\\\\n    --hash=y\\n'
    """
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if line.strip().startswith("#"):
            continue
        if not line.startswith(" ") and "==" in line:
            name = line.split("==")[0]
        found[name] = found.get(name, "") + line
    return found


def pip(python: Path, *args: str) -> str | None:
    """Run pip; return None, or the line that says why it failed."""
    done = subprocess.run(
        [str(python), "-m", "pip", *args, "--quiet", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines()]
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    return (errors or [line for line in lines if line] or ["pip gave no reason"])[0]


def install(project: Project, python: Path, wheels: Path) -> None:
    """Install the locks into the environment of ``python``. Raise StackError."""
    lock, peers = (
        blocks((project.root / name).read_text(encoding="utf-8")) for name in LOCKS
    )
    optional = {name: lock.pop(name) for name in OPTIONAL if name in lock} | peers
    wheels.mkdir(parents=True, exist_ok=True)
    wanted = wheels / "wanted.txt"
    wanted.write_text("".join(lock.values()))
    complete = wheels / "complete"
    if not complete.exists():
        with step("fetching the locked dependencies"):
            why = pip(
                python,
                *("download", "--require-hashes", "--only-binary", ":all:"),
                *("--dest", str(wheels), "--requirement", str(wanted)),
            )
        if why:
            raise StackError(
                f"the dependencies could not be fetched: {why}",
                "connect to the network and run ./scripts/stack setup",
            )
        complete.touch()
    here = ("--no-index", "--find-links", str(wheels))
    with step("installing them"):
        why = pip(
            python, "install", *here, "--require-hashes", "--requirement", str(wanted)
        )
    if why:
        shutil.rmtree(wheels)
        raise StackError(
            f"the dependencies could not be installed: {why}", "./scripts/stack setup"
        )
    for name, text in optional.items():
        wanted = wheels / f"{name}.txt"
        wanted.write_text(text)
        if not list(wheels.glob(f"{name.replace('-', '_')}-*.whl")):
            with step(f"{'fetching' if name in peers else 'building'} {name}"):
                why = pip(
                    python,
                    *("wheel", "--require-hashes", "--no-deps"),
                    *("--wheel-dir", str(wheels), "--requirement", str(wanted)),
                )
            if why:
                text = NOT_FETCHED if name in peers else NOT_BUILT
                say(text.format(name=name, why=why))
                continue
        pip(python, "install", *here, "--no-deps", name)


def run(args: argparse.Namespace, project: Project) -> int:
    stamp = project.venv / "installed-from"
    locks = b"".join((project.root / name).read_bytes() for name in LOCKS)
    wanted = hashlib.sha256(locks).hexdigest()
    if not args.again and stamp.exists() and stamp.read_text() == wanted:
        return OK
    began = sys.executable
    if Path(sys.prefix).resolve() == project.venv.resolve():
        # Made anew with the Python that made it, not with itself.
        began = getattr(sys, "_base_executable", sys.executable)
    with step(f"making .venv with Python {sys.version.split()[0]}"):
        shutil.rmtree(project.venv, ignore_errors=True)
        done = subprocess.run(
            [began, "-m", "venv", str(project.venv)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        shutil.rmtree(project.venv, ignore_errors=True)
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        raise StackError(
            f"{began} cannot make a virtual environment",
            f"apt-get install {name}-venv, or set PYTHON to another Python",
        )
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}-{sys.platform}"
    wheels = project.cache / "wheels" / f"{wanted[:16]}-{tag}"
    install(project, project.venv / "bin" / "python", wheels)
    stamp.write_text(wanted)
    return OK
