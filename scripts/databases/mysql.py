"""MySQL and MariaDB: the servers that Django's MySQL backend talks to."""

import contextlib
import getpass
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from common.progress import say
from common.project import user_cache
from databases import urls
from databases.debian import launcher
from databases.family import (
    MACOS,
    Family,
    Program,
    Unavailable,
    executables,
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


class MySQLFamily(Family):
    """What MariaDB and MySQL share."""

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
    zone_programs: tuple[str, ...]

    def url(self, password: str, port: int) -> str:
        return f"{self.name}://django:{password}@127.0.0.1:{port}/"

    def version(self, url: str) -> str:
        with contextlib.closing(self._connect(url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT VERSION()")
            shown = str(cursor.fetchone()[0])
        # Some MariaDB servers put 5.5.5- before their version, for old clients.
        return shown.removeprefix("5.5.5-")

    def settle(self, program: Program, place: Place, url: str) -> None:
        """Load the time zones: without them Django skips its tests of them."""
        found = beside(program, self.zone_programs)
        if not found or not ZONES.is_dir():
            missing = ZONES if found else self.zone_programs[0]
            say(f"{self.name}: no {missing}: tests of time zones are skipped")
            return
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

    def options(self, program: Program, place: Place) -> list[str]:
        """Return the options with which a program finds its data."""
        # Both servers refuse root unless told so; the folder is root's own.
        root = ["--user=root"] if os.geteuid() == 0 else []
        return ["--no-defaults", *root, f"--datadir={place.folder / 'data'}"]

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        return [
            *program.prefix,
            str(program.path),
            *self.options(program, place),
            f"--socket={place.folder / 'sock'}",
            f"--pid-file={place.folder / 'pid'}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
            "--max-connections=200",
            "--innodb-buffer-pool-size=256M",
            "--innodb-doublewrite=OFF",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
        ]

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


def beside(program: Program, names: tuple[str, ...]) -> list[Path]:
    """Return the programs of these names, those that came with the server first."""
    near = program.path.parent, program.path.parent.parent / "bin"
    return executables(names, map(str, near))


def accounts(password: str) -> str:
    """Return SQL, a statement a line: the user django, who may do everything."""
    return (
        f"CREATE USER IF NOT EXISTS django@'%' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO django@'%' WITH GRANT OPTION;\n"
    )


class MariaDB(MySQLFamily):
    name = "mariadb"
    label = "MariaDB"
    minimum = (10, 11)
    install_command = (
        "brew install mariadb"
        if MACOS
        else "apt-get install mariadb-server-core mariadb-client"
    )
    schemes = ("mysql",)
    servers = ("mariadbd", "mysqld")
    folders = ("/opt/homebrew/opt/mariadb*/bin", "/usr/local/opt/mariadb*/bin")
    zone_programs = ("mariadb-tzinfo-to-sql", "mysql_tzinfo_to_sql")

    def belongs(self, shown: str) -> bool:
        return "MariaDB" in shown

    def prepare(self, program: Program, place: Place, password: str) -> None:
        found = beside(program, ("mariadb-install-db", "mysql_install_db"))
        if not found:
            raise Unavailable(
                "mariadb-install-db is not installed", self.install_command
            )
        place.write("init.sql", accounts(password))
        place.run(
            [
                str(found[0]),
                *self.options(program, place),
                # Root through the socket only, which lies in a private folder:
                # with the other method it could log in over TCP, unasked.
                "--auth-root-authentication-method=socket",
                f"--auth-root-socket-user={getpass.getuser()}",
                "--skip-test-db",
                "--skip-name-resolve",
            ]
        )

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        return [
            *super().command(program, place, port),
            f"--init-file={place.folder / 'init.sql'}",
            "--collation-server=utf8mb4_general_ci",
            "--sync-binlog=0",
        ]


class MySQL(MySQLFamily):
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
    servers = ("mysqld",)
    folders = ("/opt/homebrew/opt/mysql*/bin", "/usr/local/opt/mysql*/bin")
    zone_programs = ("mysql_tzinfo_to_sql",)

    def belongs(self, shown: str) -> bool:
        # On Debian mysqld is a link to mariadbd.
        return "Ver " in shown and "MariaDB" not in shown

    def programs(self) -> list[Program]:
        """Return those of the system, then one that was unpacked earlier."""
        found = super().programs()
        root = unpacked_root()
        server, prefix = root / "usr" / "sbin" / "mysqld", launcher(root)
        if prefix and (version := version_in(shown_version(*prefix, server))):
            found.append(Program(version, server, prefix))
        return found

    def options(self, program: Program, place: Place) -> list[str]:
        found = [
            *super().options(program, place),
            # Compiled-in folder that need not exist, and the tests load no files.
            "--secure-file-priv=NULL",
            "--mysqlx=OFF",
            "--innodb-redo-log-capacity=64M",
        ]
        if program.prefix:
            usr = program.path.parent.parent
            found += [
                f"--basedir={usr}",
                f"--lc-messages-dir={usr}/share/mysql",
                f"--character-sets-dir={usr}/share/mysql/charsets",
                f"--plugin-dir={usr}/lib/mysql/plugin",
            ]
        return found

    def prepare(self, program: Program, place: Place, password: str) -> None:
        # root@localhost comes without a password: nobody may log in as that.
        first = "ALTER USER root@localhost ACCOUNT LOCK;\n" + accounts(password)
        place.run(
            [
                *program.prefix,
                str(program.path),
                *self.options(program, place),
                "--initialize-insecure",
                f"--init-file={place.write('init.sql', first)}",
            ]
        )

    def settle(self, program: Program, place: Place, url: str) -> None:
        if program.version >= (9, 6):
            # MD5() and SHA1(), which left the server then and which Django uses.
            with contextlib.closing(self._connect(url)) as connection:
                connection.cursor().execute(
                    "INSTALL COMPONENT 'file://component_classic_hashing'"
                )
        super().settle(program, place, url)


def unpacked_root() -> Path:
    """Return where ``db-up mysql --unpack`` puts MySQL and later runs find it."""
    return user_cache() / "mysql-root"
