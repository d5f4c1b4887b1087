"""Oracle: a server that the user names, or that docker compose starts."""

import contextlib

from databases import urls
from databases.family import Family


class Oracle(Family):
    name = "oracle"
    label = "Oracle"
    minimum = (19,)
    driver = "oracledb"
    install_command = (
        "start docker, or set TEST_ORACLE_DSN=oracle://user:password@host:1521/service"
    )

    def version(self, url: str) -> str:
        address = urls.split(url)
        connection = self.module().connect(
            user=address.user,
            password=address.password,
            dsn=urls.easy_connect(address),
            tcp_connect_timeout=5,
        )
        with contextlib.closing(connection):
            return str(connection.version)
