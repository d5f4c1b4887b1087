"""MySQL and MariaDB: the servers that Django's MySQL backend talks to."""

import contextlib
import getpass
import signal
import subprocess
from pathlib import Path
from typing import Any

from common.progress import say
from common.project import user_cache
from databases import urls
from databases.debian import launcher
from databases.family import (
    Family,
    Program,
    Unavailable,
    install,
    shown_version,
    version_in,
)

ZONES = Path("/usr/share/zoneinfo")
# The same zones again, with other leap seconds or none: twice the time to load.
OTHER_ZONES = {"posix", "right", "posixrules"}
# SQL, a statement a line: the user django, who may do everything.
ACCOUNTS = """\
CREATE USER IF NOT EXISTS django@'%' IDENTIFIED BY '{password}';
GRANT ALL ON *.* TO django@'%' WITH GRANT OPTION;
"""
SERVE = """
    --no-defaults --datadir={folder}/data --socket={folder}/sock --pid-file={folder}/pid
    --port={port} --bind-address=127.0.0.1 --skip-name-resolve --skip-log-bin
    --character-set-server=utf8mb4 --max-connections=200 --innodb-doublewrite=OFF
    --innodb-buffer-pool-size=256M --innodb-flush-log-at-trx-commit=0
    --innodb-flush-method=nosync
"""


class MySQLFamily(Family):
    """The common part of MariaDB and MySQL."""

    driver = "MySQLdb"
    driver_command = (
        install(
            "default-libmysqlclient-dev pkg-config gcc python3-dev",
            brew="mysql-client pkgconf",
        )
        + " && ./scripts/stack setup"
    )
    # Both servers refuse root unless told so; the folder is root's own.
    as_root = "--user=root"
    # The data is thrown away. An orderly end takes MySQL 3 s, and longer while it
    # starts.
    stop_signal = signal.SIGKILL
    zone_programs: tuple[str, ...]

    def version(self, url: str) -> str:
        with contextlib.closing(self.connect(url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT VERSION()")
            shown = str(cursor.fetchone()[0])
        # A MariaDB server may put 5.5.5- before its version, for old clients.
        return shown.removeprefix("5.5.5-")

    def settle(self, program: Program, url: str, folder: Path) -> None:
        """Load the time zones: without them Django skips its tests of them."""
        try:
            tool = self.tool(program, *self.zone_programs)
            entries = [each for each in ZONES.iterdir() if each.name not in OTHER_ZONES]
        except (Unavailable, OSError) as error:
            say(f"{self.name}: tests of time zones are skipped: {error}")
            return
        # Not from the tzdata wheel: its files have 64-bit data only, which these
        # programs do not read, so that every zone would be UTC.
        zones = folder / "zones"
        zones.mkdir()
        for path in entries:
            (zones / path.name).symlink_to(path)
        statements = subprocess.run(
            [*program.prefix, tool, str(zones)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            check=False,
        ).stdout
        with contextlib.closing(self.connect(url, "mysql")) as connection:
            cursor = connection.cursor()
            cursor.execute("SET autocommit = 0")
            cursor.execute(statements)
            while cursor.nextset():
                pass
            connection.commit()

    def connect(self, url: str, name: str = "") -> Any:
        address = urls.split(url)
        where: dict[str, Any] = {"host": address.host, "port": address.port or 3306}
        if address.host.startswith("/"):
            where = {"unix_socket": address.host}
        return self.module().connect(
            user=address.user,
            password=address.password,
            connect_timeout=5,
            charset="utf8mb4",
            database=name,
            **where,
        )


class MariaDB(MySQLFamily):
    name = "mariadb"
    label = "MariaDB"
    minimum = (10, 11)
    install_command = install("mariadb-server-core mariadb-client", brew="mariadb")
    schemes = ("mysql",)
    servers = ("mariadbd", "mysqld")
    banner = "MariaDB"
    folders = ("/opt/homebrew/opt/mariadb*/bin", "/usr/local/opt/mariadb*/bin")
    zone_programs = ("mariadb-tzinfo-to-sql", "mysql_tzinfo_to_sql")
    file = "init.sql", ACCOUNTS
    # Root through the socket only, which lies in a private folder: with the other
    # method it could log in over TCP, unasked.
    setup = f"""
        mariadb-install-db --no-defaults --datadir={{folder}}/data --skip-test-db
        --auth-root-authentication-method=socket --skip-name-resolve
        --auth-root-socket-user={getpass.getuser()}
    """
    serve = f"""
        {SERVE} --init-file={{folder}}/init.sql --sync-binlog=0
        --collation-server=utf8mb4_general_ci
    """
    url = "mariadb://django:{password}@127.0.0.1:{port}/"


class MySQL(MySQLFamily):
    """MySQL from the system, or out of a Debian package.

    The package is there only after ``db-up mysql --unpack``.
    """

    name = "mysql"
    label = "MySQL"
    minimum = (8, 4)
    install_command = (
        "on Debian ./scripts/stack db-up mysql --unpack; else install MySQL"
        " or set TEST_MYSQL_URL"
    )
    servers = ("mysqld",)
    # On Debian mysqld is a link to mariadbd.
    banner = "Ver (?!.*MariaDB)"
    folders = ("/opt/homebrew/opt/mysql*/bin", "/usr/local/opt/mysql*/bin")
    zone_programs = ("mysql_tzinfo_to_sql",)
    # root@localhost comes without a password, so it is locked.
    file = "init.sql", f"ALTER USER root@localhost ACCOUNT LOCK;\n{ACCOUNTS}"
    # The folder of --secure-file-priv is compiled in and need not exist, and the
    # tests load no files.
    serve = f"""
        {SERVE} --secure-file-priv=NULL --mysqlx=OFF --innodb-redo-log-capacity=64M
    """
    setup = f"mysqld {serve} --initialize-insecure --init-file={{folder}}/init.sql"
    url = "mysql://django:{password}@127.0.0.1:{port}/"

    def programs(self) -> list[Program]:
        """Return the programs of the system, then the unpacked one."""
        usr = unpacked_root() / "usr"
        server, prefix = usr / "sbin" / "mysqld", launcher(usr.parent)
        version = version_in(shown_version(*prefix, server)) if prefix else ()
        options = (
            f"--basedir={usr}",
            f"--lc-messages-dir={usr}/share/mysql",
            f"--character-sets-dir={usr}/share/mysql/charsets",
            f"--plugin-dir={usr}/lib/mysql/plugin",
        )
        unpacked = [Program(version, server, prefix, options)] if version else []
        return [*super().programs(), *unpacked]

    def settle(self, program: Program, url: str, folder: Path) -> None:
        if program.version >= (9, 6):
            # MD5() and SHA1(), which left the server then and which Django uses.
            with contextlib.closing(self.connect(url)) as connection:
                connection.cursor().execute(
                    "INSTALL COMPONENT 'file://component_classic_hashing'"
                )
        super().settle(program, url, folder)


def unpacked_root() -> Path:
    """Return where ``db-up mysql --unpack`` puts MySQL and later runs find it."""
    return user_cache() / "mysql-root"
