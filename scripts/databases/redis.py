"""Redis (or Valkey, which answers as Redis does)."""

import contextlib

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


class Redis(LocalFamily):
    name = "redis"
    label = "Redis"
    driver = "redis"
    install_command = "brew install redis" if MACOS else "apt-get install redis-server"

    def programs(self) -> list[Program]:
        found = []
        for server in executables(["redis-server", "valkey-server"], folders()):
            if version := version_in(shown_version(str(server))):
                found.append(Program(version, server))
        return found

    def prepare(self, program: Program, place: Place, password: str) -> Program:
        # In a file, as a command line can be read by everybody.
        place.write("redis.conf", f'requirepass {password}\nsave ""\nappendonly no\n')
        return program

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        return [
            str(program.path),
            str(place.folder / "redis.conf"),
            *("--port", str(port)),
            *("--bind", "127.0.0.1"),
            *("--dir", str(place.folder)),
        ]

    def url(self, password: str, port: int) -> str:
        return f"redis://:{password}@127.0.0.1:{port}/0"

    def version(self, url: str) -> str:
        client = self.module().Redis.from_url(
            url, socket_timeout=5, socket_connect_timeout=5
        )
        with contextlib.closing(client):
            return str(client.info("server")["redis_version"])
