"""MySQL, and what it shares with MariaDB."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from databases import cache, urls
from databases.debian import launcher
from databases.family import (
    MACOS,
    LocalFamily,
    Program,
    executables,
    folders,
    shown_version,
    version_in,
)
from databases.place import Place

ZONES = Path("/usr/share/zoneinfo")
# The same zones again, with other leap seconds or none: twice the time to load.
OTHER_ZONES = {"posix", "right", "posixrules"}


# What --unpack takes: no stable release of Debian has MySQL.
SUITE = "sid"
PACKAGE = "mysql-server-core"


class MySQLProtocol(LocalFamily):
    """Servers that Django's MySQL backend talks to."""

    driver = "MySQLdb"
    driver_command = (
        "brew install mysql-client pkgconf && ./scripts/stack setup"
        if MACOS
        else "apt-get install default-libmysqlclient-dev pkg-config gcc python3-dev "
        "&& ./scripts/stack setup"
    )
    # Nobody wants the data: an orderly end takes MySQL 3 s, and a server that is
    # still starting puts it off.
    stop_signal = signal.SIGKILL
    server_names: tuple[str, ...]
    zone_programs: tuple[str, ...]
    homebrew: str

    def belongs(self, shown: str) -> bool:
        """Whether a program that says this of itself is of this family."""
        raise NotImplementedError

    def programs(self) -> list[Program]:
        where = folders(
            f"/opt/homebrew/opt/{self.homebrew}*/bin",
            f"/usr/local/opt/{self.homebrew}*/bin",
        )
        found = []
        for server in executables(self.server_names, where):
            shown = shown_version(str(server))
            # On Debian mysqld is a link to mariadbd.
            if self.belongs(shown) and (version := version_in(shown)):
                found.append(Program(version, server))
        return sorted(found, key=lambda program: program.version)

    def url(self, password: str, port: int) -> str:
        return f"{self.name}://django:{password}@127.0.0.1:{port}/"

    def version(self, url: str) -> str:
        with contextlib.closing(self._connect(url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT VERSION()")
            shown = str(cursor.fetchone()[0])
        # Some MariaDB servers put 5.5.5- before their version, for old clients.
        return shown.removeprefix("5.5.5-")

    def settle(self, program: Program, place: Place, url: str) -> tuple[str, ...]:
        """Load the time zones: without them Django skips its tests of them."""
        near = program.path.parent, program.path.parent.parent / "bin"
        found = executables(self.zone_programs, [*near, *folders()])
        if not found:
            return (f"no {self.zone_programs[0]}: tests of time zones are skipped",)
        if not ZONES.is_dir():
            return (f"no {ZONES}: tests of time zones are skipped",)
        # Not from the tzdata wheel: its files have 64-bit data only, which these
        # programs do not read, so that every zone would be UTC.
        zones = place.folder / "zones"
        zones.mkdir()
        for path in ZONES.iterdir():
            if path.name not in OTHER_ZONES:
                (zones / path.name).symlink_to(path)
        statements = subprocess.run(
            [*program.prefix, str(found[0]), str(zones)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=place.folder,
            check=False,
        ).stdout
        with contextlib.closing(self._connect(url, database="mysql")) as connection:
            cursor = connection.cursor()
            cursor.execute("SET autocommit = 0")
            cursor.execute(statements)
            while cursor.nextset():
                pass
            connection.commit()
            cursor.execute(
                "SELECT CONVERT_TZ('2020-01-01 00:00:00', 'UTC', 'Europe/Zurich')"
                " = '2020-01-01 01:00:00'"
            )
            if cursor.fetchone()[0] != 1:
                return (f"{found[0].name} cannot read {ZONES}: wrong time zones",)
        return ()

    def _connect(self, url: str, **more: str) -> Any:
        address = urls.split(url)
        where: dict[str, Any] = {"host": address.host}
        if address.host.startswith("/"):
            where = {"unix_socket": address.host}
        elif address.port:
            where["port"] = address.port
        return self.module().connect(
            user=address.user,
            password=address.password,
            connect_timeout=5,
            charset="utf8mb4",
            **where,
            **more,
        )


def as_root() -> list[str]:
    """Both servers refuse root unless it is spelt out; the folder is root's own."""
    return ["--user=root"] if os.geteuid() == 0 else []


def listening(place: Place, port: int) -> list[str]:
    """The options that MariaDB and MySQL have in common."""
    return [
        f"--socket={place.folder / 'sock'}",
        f"--pid-file={place.folder / 'pid'}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--max-connections=200",
        "--innodb-buffer-pool-size=256M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=nosync",
    ]


def accounts(password: str) -> str:
    """SQL, a statement a line: the user django, who may do everything."""
    return (
        f"CREATE USER IF NOT EXISTS django@'%' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO django@'%' WITH GRANT OPTION;\n"
    )


class MySQL(MySQLProtocol):
    """MySQL from the system, or out of a Debian package.

    The latter only where somebody asked for it: ``db-up mysql --unpack``.
    """

    name = "mysql"
    label = "MySQL"
    minimum = (8, 4)
    install_command = (
        "brew install mysql"
        if MACOS
        else "on Debian ./scripts/stack db-up mysql --unpack; else install MySQL "
        "or set TEST_MYSQL_URL"
    )
    server_names = ("mysqld",)
    zone_programs = ("mysql_tzinfo_to_sql",)
    homebrew = "mysql"

    def belongs(self, shown: str) -> bool:
        return "Ver " in shown and "MariaDB" not in shown

    def programs(self) -> list[Program]:
        """The system's, then one that was unpacked earlier."""
        found = super().programs()
        root = unpacked_root()
        server = root / "usr" / "sbin" / "mysqld"
        prefix = launcher(root)
        if prefix and (version := version_in(shown_version(*prefix, str(server)))):
            found.append(Program(version, server, "unpacked", prefix))
        return found

    def prepare(self, program: Program, place: Place, password: str) -> Program:
        # root@localhost comes without a password: nobody may log in as that.
        first = "ALTER USER root@localhost ACCOUNT LOCK;\n" + accounts(password)
        place.run(
            [
                *self._server(program, place),
                "--initialize-insecure",
                f"--init-file={place.write('init.sql', first)}",
            ]
        )
        return program

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        return [*self._server(program, place), *listening(place, port)]

    def settle(self, program: Program, place: Place, url: str) -> tuple[str, ...]:
        if program.version >= (9, 6):
            # MD5() and SHA1(), which left the server then and which Django uses.
            with contextlib.closing(self._connect(url)) as connection:
                connection.cursor().execute(
                    "INSTALL COMPONENT 'file://component_classic_hashing'"
                )
        return super().settle(program, place, url)

    def _server(self, program: Program, place: Place) -> list[str]:
        command = [
            *program.prefix,
            str(program.path),
            "--no-defaults",
            *as_root(),
            f"--datadir={place.folder / 'data'}",
            # Compiled-in folder that need not exist, and the tests load no files.
            "--secure-file-priv=NULL",
            "--mysqlx=OFF",
            "--disable-log-bin",
            "--innodb-doublewrite=OFF",
            "--innodb-redo-log-capacity=64M",
        ]
        if program.origin == "unpacked":
            usr = program.path.parent.parent
            command += [
                f"--basedir={usr}",
                f"--lc-messages-dir={usr}/share/mysql",
                f"--character-sets-dir={usr}/share/mysql/charsets",
                f"--plugin-dir={usr}/lib/mysql/plugin",
            ]
        return command


def unpacked_root() -> Path:
    """Where ``db-up mysql --unpack`` puts MySQL and every later run finds it."""
    return cache.user_folder() / "mysql-root"
