"""Unpack programs of another Debian suite into a folder, without root.

``unpack("sid", ["mysql-server-core"], into)`` fetches the package and everything
that it depends on, the C library included, with apt's own configuration (mirror,
proxies, keys) but with package lists of its own, and unpacks them without running
any of the packages' scripts. Nothing on the system changes. What lies in the
folder is run by the C library's own loader there: see launcher().

This is an opt-in (``./scripts/stack db-up mysql --unpack``): it downloads about
120 MB and leaves 330 MB in the user's cache folder. sid moves on: the package can
be missing or broken there on any day.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from common.errors import StackError
from common.progress import say, step

TOOLS = ("apt-get", "apt-config", "dpkg", "dpkg-deb")


def possible() -> bool:
    """Whether this is a Debian with the tools that unpack() needs."""
    return all(map(shutil.which, TOOLS)) and _os_release().get("ID") == "debian"


def launcher(root: Path) -> tuple[str, ...]:
    """What goes before a program in an unpacked root to run it.

    Its loader and the libraries beside it: those of the system may be older.
    Empty if the root has no C library.
    """
    loaders = [
        path
        for folder in ("usr/lib64", "usr/lib", "lib64", "lib")
        for path in sorted((root / folder).glob("ld-linux*.so.*"))
    ]
    folders = [
        str(path)
        for pattern in ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*")
        for path in sorted(root.glob(pattern))
        if path.is_dir()
    ]
    if not loaders or not folders:
        return ()
    private = [f"{folder}/mysql/private" for folder in folders]
    paths = [*folders, *private, str(root / "usr/lib/mysql/private")]
    return str(loaders[0]), "--library-path", ":".join(paths)


def unpack(suite: str, packages: list[str], into: Path) -> None:
    """Fetch and unpack; ``into`` appears only when it is whole.

    StackError if this is no Debian, the suite cannot be reached, or it does not
    have a package.
    """
    if not possible():
        raise StackError(
            f"packages can be unpacked on Debian only, this is {platform.platform()}",
            "install the server, or name one in the environment",
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix="new-") as work:
        fresh = Path(work)
        config = _configure(fresh, suite)
        _update(config, suite)
        with step(f"fetching {' '.join(packages)} of Debian {suite}"):
            _apt(config, suite, "--download-only", "install", *packages)
        root = fresh / "root"
        root.mkdir()
        with step(f"unpacking into {into}"):
            for package in sorted((fresh / "cache" / "archives").glob("*.deb")):
                subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        root.chmod(0o755)
        if into.exists():
            shutil.rmtree(into)
        root.rename(into)


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def mirror() -> tuple[str, str]:
    """The archive that this Debian's apt uses, and the key it is signed with.

    The second is empty where apt's configuration names no key for the archive.
    """
    shown = subprocess.run(
        [
            *("apt-get", "indextargets", "Created-By: Packages", "--format"),
            "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)\t$(LABEL)\t$(SIGNED_BY)",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    codename = _os_release().get("VERSION_CODENAME")
    for line in shown.splitlines():
        uri, release, component, origin, label, key = line.split("\t")
        # Origin and label are known only after an apt-get update.
        ours = (origin, label) == ("Debian", "Debian") or release == codename
        if component == "main" and ours:
            return uri, "" if key.startswith("$(") else key
    raise StackError(
        "apt's configuration names no Debian archive", "apt-get indextargets"
    )


def _configure(work: Path, suite: str) -> Path:
    """An apt.conf whose every folder lies in ``work``."""
    uri, key = mirror()
    for folder in (
        "lists/partial",
        "cache/archives/partial",
        "state",
        "etc/apt.conf.d",
        "etc/preferences.d",
        "etc/sources.list.d",
    ):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    keys = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = key or (str(keys) if keys.exists() else "")
    option = f"[signed-by={signed}] " if signed else ""
    (work / "etc" / "sources.list").write_text(f"deb {option}{uri} {suite} main\n")
    system = subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True, check=True
    ).stdout
    # How to reach the archive is the user's own: proxies, timeouts, certificates.
    reach = [line for line in system.splitlines() if line.startswith("Acquire::")]
    trust = [line for line in system.splitlines() if line.startswith("Dir::Etc::trust")]
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    folders = {
        "Dir::Etc": work / "etc",
        "Dir::State": work / "state",
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
    }
    config = work / "apt.conf"
    config.write_text(
        "\n".join(
            [
                *reach,
                *(f'{name} "{folder}";' for name, folder in folders.items()),
                *(_absolute(line) for line in trust),
                f'APT::Architecture "{architecture}";',
                'APT::Install-Recommends "false";',
                # The lists and packages belong to us, not to apt's own user.
                'APT::Sandbox::User "";',
                'Debug::NoLocking "true";',
                'Acquire::Languages "none";',
                "",
            ]
        )
    )
    return config


def _absolute(line: str) -> str:
    """A Dir::Etc setting of the system, as seen from another Dir::Etc."""
    return re.sub(r'"(?!/)(?=[^"])', '"/etc/apt/', line, count=1)


def _update(config: Path, suite: str) -> None:
    """Fetch the lists; an expired index is taken, after saying so.

    sid's index is at times older than it may be. Signatures and hashes are
    checked all the same; what is given up is the guard against an old index
    replayed, which a throw-away test server can do without.
    """
    try:
        with step(f"reading the package lists of Debian {suite}"):
            _apt(config, suite, "update")
    except StackError as error:
        if "expired" not in error.facts and "Valid-Until" not in error.facts:
            raise
        say(f"the index of {suite} has expired; taking it for test servers only")
        with config.open("a") as file:
            file.write('Acquire::Check-Valid-Until "false";\n')
        _apt(config, suite, "update")


def _apt(config: Path, suite: str, *words: str) -> None:
    done = subprocess.run(
        ["apt-get", "--quiet=2", "--yes", "--error-on=any", *words]
        if words == ("update",)
        else ["apt-get", "--quiet=2", "--yes", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"APT_CONFIG": str(config), "LC_ALL": "C"},
        check=False,
    )
    if done.returncode:
        problems = [
            line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))
        ]
        said = " | ".join(problems[-3:]) or f"it ended with {done.returncode}"
        raise StackError(
            f"apt-get cannot {words[-1]} from Debian {suite}: {said}",
            "try again later, or install the server, or name one in the environment",
        )
