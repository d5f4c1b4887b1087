"""Make .venv with the locked dependencies; nothing to do if it is up to date.

requirements.lock is what the verbs from fetch to test need. --lab adds
requirements-lab.lock: what bench, load, race, stress, fuzz, coverage, report and
the tool's own tests need. Hashes are checked. Downloads stay in the user's cache,
so that the next checkout needs no network. mysqlclient is built here and needs a
compiler and the client library of MariaDB or MySQL; without it MariaDB and MySQL
are reported as not run.
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

MAIN, LAB = "requirements.lock", "requirements-lab.lock"
# Built from source, and needed for two databases only.
BUILT = "mysqlclient"
NOT_BUILT = (
    "mysqlclient was not built, so MariaDB and MySQL will not run ({why})\n"
    "  next: apt-get install gcc pkg-config libmariadb-dev python3-dev"
    " (macOS: brew install mariadb-connector-c pkgconf), then"
    " ./scripts/stack setup --again"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lab", action="store_true", help="with the laboratory")
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


def install(project: Project, name: str, wheels: Path) -> None:
    """Install a lock into .venv from ``wheels``, which keeps what is downloaded.

    Raise StackError.
    """
    python = project.venv / "bin" / "python"
    text = (project.root / name).read_text(encoding="utf-8")
    needed = blocks(text)
    built = needed.pop(BUILT, None)
    wheels.mkdir(parents=True, exist_ok=True)
    listed = wheels / name
    listed.write_text("".join(needed.values()), encoding="utf-8")
    complete = wheels / f"complete-{digest(text)}"
    # The locks name every dependency: pip need not look for more.
    locked = ("--no-deps", "--require-hashes", "--requirement", str(listed))
    here = ("--no-index", "--find-links", str(wheels))
    if not complete.exists():
        with step(f"fetching {len(needed)} packages of {name}"):
            why = pip(
                python,
                *("download", "--only-binary", ":all:", "--dest", str(wheels)),
                *locked,
            )
        if why:
            raise StackError(
                f"the dependencies could not be fetched: {why}",
                "connect to the network and run ./scripts/stack setup",
            )
        complete.touch()
    with step("installing them"):
        why = pip(python, "install", *here, *locked)
    if why:
        shutil.rmtree(wheels)
        raise StackError(
            f"the dependencies could not be installed: {why}", "./scripts/stack setup"
        )
    if built:
        build(python, built, wheels, here)


def build(python: Path, block: str, wheels: Path, here: tuple[str, ...]) -> None:
    """Build the package of a block, unless its wheel is kept, and install it."""
    release = block.split()[0]
    if not list(wheels.glob(f"{release.replace('==', '-')}-*.whl")):
        listed = wheels / f"{BUILT}.txt"
        listed.write_text(block, encoding="utf-8")
        with step(f"building {BUILT}"):
            why = pip(
                python,
                *("wheel", "--require-hashes", "--no-deps"),
                *("--wheel-dir", str(wheels), "--requirement", str(listed)),
            )
        if why:
            say(NOT_BUILT.format(why=why))
            return
    pip(python, "install", *here, "--no-deps", release)


def make_venv(project: Project) -> None:
    """Make .venv with nothing in it. Raise StackError."""
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


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run(args: argparse.Namespace, project: Project) -> int:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}-{sys.platform}"
    wheels = project.cache / "wheels" / python
    for name in (MAIN, LAB) if args.lab else (MAIN,):
        stamp = project.venv / f"installed-{name}"
        now = digest((project.root / name).read_text(encoding="utf-8"))
        if stamp.exists() and stamp.read_text() == now and not args.again:
            continue
        if name == MAIN:
            make_venv(project)
        install(project, name, wheels)
        stamp.write_text(now)
    return OK
