"""MariaDB, from the system."""

import getpass

from databases.family import MACOS, Program, Unavailable, executables, folders
from databases.mysql import MySQLProtocol, accounts, as_root, listening
from databases.place import Place


class MariaDB(MySQLProtocol):
    name = "mariadb"
    label = "MariaDB"
    minimum = (10, 11)
    install_command = (
        "brew install mariadb"
        if MACOS
        else "apt-get install mariadb-server-core mariadb-client"
    )
    server_names = ("mariadbd", "mysqld")
    zone_programs = ("mariadb-tzinfo-to-sql", "mysql_tzinfo_to_sql")
    homebrew = "mariadb"

    def belongs(self, shown: str) -> bool:
        return "MariaDB" in shown

    def prepare(self, program: Program, place: Place, password: str) -> Program:
        near = program.path.parent, program.path.parent.parent / "bin"
        installers = executables(
            ["mariadb-install-db", "mysql_install_db"], [*near, *folders()]
        )
        if not installers:
            raise Unavailable("no mariadb-install-db is here", self.install_command)
        place.write("init.sql", accounts(password))
        place.run(
            [
                str(installers[0]),
                "--no-defaults",
                *as_root(),
                f"--datadir={place.folder / 'data'}",
                # Root through the socket only, which lies in a private folder:
                # with the other method it could log in over TCP, unasked.
                "--auth-root-authentication-method=socket",
                f"--auth-root-socket-user={getpass.getuser()}",
                "--skip-test-db",
                "--skip-name-resolve",
            ]
        )
        return program

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        return [
            str(program.path),
            "--no-defaults",
            *as_root(),
            f"--datadir={place.folder / 'data'}",
            f"--init-file={place.folder / 'init.sql'}",
            "--collation-server=utf8mb4_general_ci",
            "--skip-log-bin",
            "--sync-binlog=0",
            "--innodb-doublewrite=0",
            *listening(place, port),
        ]
