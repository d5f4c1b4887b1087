"""Unpack a program of another Debian suite into a folder, without root.

``unpack("sid", "mysql-server-core", into)`` fetches the package and everything that
it depends on, the C library included, with apt's own configuration (mirror, proxies,
keys) but with package lists of its own, and unpacks them without running any of the
packages' scripts. Nothing on the system changes. The C library's own loader in the
folder runs what lies there: see launcher().

This is an opt-in (``./scripts/stack db-up mysql --unpack``): it downloads about
120 MB and leaves 330 MB in the user's cache folder. sid moves on: the package can
be missing or broken there on any day.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from common.errors import StackError
from common.progress import step

# How to reach the archive stays as the system has it. The index of sid is at times
# older than it may be: signatures and hashes are checked all the same, and a
# throw-away test server can do without the guard against an old index replayed.
CONFIG = """\
#clear APT::Update;
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State "{work}/state";
Dir::State::lists "{work}/lists";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Cache::archives "{work}/archives";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
"""


def launcher(root: Path) -> tuple[str, ...]:
    """Return the words before a program in an unpacked root that run it.

    The words are its loader and its libraries, as those of the system may be older.
    Empty if the root has no C library.
    """
    loaders = sorted(root.glob("usr/lib*/ld-linux*.so.*"))
    folders = sorted(root.glob("usr/lib/*-linux-gnu*"))
    if not loaders or not folders:
        return ()
    private = [each / "mysql" / "private" for each in (*folders, root / "usr" / "lib")]
    return str(loaders[0]), "--library-path", ":".join(map(str, [*folders, *private]))


def unpack(suite: str, package: str, into: Path) -> None:
    """Fetch and unpack; ``into`` appears only when it is whole.

    StackError if this is no Debian, the suite cannot be reached, or it does not
    have the package.
    """
    tools = all(map(shutil.which, ("apt-get", "dpkg-deb")))
    if not tools or platform.freedesktop_os_release().get("ID") != "debian":
        raise StackError(
            f"packages can be unpacked on Debian only, this is {platform.platform()}",
            "install the server, or name one in the environment",
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix="new-") as folder:
        work, root = Path(folder), Path(folder, "root")
        for name in ("lists/partial", "archives/partial", "state", "cache", "root"):
            (work / name).mkdir(parents=True)
        (work / "status").touch()
        (work / "sources.list").write_text(f"deb {_archive(suite)} main\n")
        config = work / "apt.conf"
        config.write_text(CONFIG.format(work=work))
        with step(f"reading the package lists of Debian {suite}"):
            _apt(config, suite, "--error-on=any", "update")
        with step(f"fetching {package} of Debian {suite}"):
            _apt(config, suite, "--download-only", "install", package)
        with step(f"unpacking into {into}"):
            for archive in sorted((work / "archives").glob("*.deb")):
                subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
        root.chmod(0o755)
        if into.exists():
            shutil.rmtree(into)
        root.rename(into)


def _archive(suite: str) -> str:
    """Return the suite in the archive and with the key that apt here uses."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME")
    # The origin is known only after an apt-get update.
    for which in ("Origin: Debian", f"Release: {codename}"):
        asked = ("Created-By: Packages", "Component: main", which)
        shown = subprocess.run(
            ["apt-get", "indextargets", *asked, "--format=$(SIGNED_BY)\t$(REPO_URI)"],
            capture_output=True,
            text=True,
            check=False,
        )
        for line in shown.stdout.splitlines():
            key, uri = line.split("\t")
            # A key that is not named is among those that apt trusts anyway.
            signed = f"[signed-by={key}] " if key.startswith("/") else ""
            return f"{signed}{uri} {suite}"
    raise StackError(
        "apt's configuration names no Debian archive", "apt-get indextargets"
    )


def _apt(config: Path, suite: str, *words: str) -> None:
    done = subprocess.run(
        ["apt-get", f"--config-file={config}", "--quiet=2", "--yes", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"LC_ALL": "C"},
        check=False,
    )
    if done.returncode:
        lines = done.stderr.splitlines()
        problems = [line for line in lines if line.startswith(("E:", "W:"))]
        said = " | ".join(problems[-3:]) or f"it ended with {done.returncode}"
        raise StackError(
            f"apt-get cannot {words[-1]} from Debian {suite}: {said}",
            "try again later, or install the server, or name one in the environment",
        )
