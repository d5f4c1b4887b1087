"""Redis, or Valkey, which answers as Redis does."""

import contextlib

from databases.family import MACOS, Family, Program
from databases.place import Place


class Redis(Family):
    name = "redis"
    label = "Redis"
    driver = "redis"
    install_command = "brew install redis" if MACOS else "apt-get install redis-server"
    schemes = ("rediss",)
    servers = ("redis-server", "valkey-server")

    def prepare(self, program: Program, place: Place, password: str) -> None:
        # In a file, as everybody can read a command line.
        place.write("redis.conf", f'requirepass {password}\nsave ""\nappendonly no\n')

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        options = {"port": port, "bind": "127.0.0.1", "dir": place.folder}
        return [
            str(program.path),
            str(place.folder / "redis.conf"),
            *(w for name, value in options.items() for w in (f"--{name}", str(value))),
        ]

    def url(self, password: str, port: int) -> str:
        return f"redis://:{password}@127.0.0.1:{port}/0"

    def version(self, url: str) -> str:
        client = self.module().Redis.from_url(
            url, socket_timeout=5, socket_connect_timeout=5
        )
        with contextlib.closing(client):
            return str(client.info("server")["redis_version"])
