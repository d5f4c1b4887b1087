"""Redis, or Valkey, which answers as Redis does."""

import contextlib

from databases.family import Family, install


class Redis(Family):
    name = "redis"
    label = "Redis"
    driver = "redis"
    install_command = install("redis-server", brew="redis")
    schemes = ("rediss",)
    servers = ("redis-server", "valkey-server")
    file = "redis.conf", 'requirepass {password}\nsave ""\nappendonly no\n'
    serve = "{folder}/redis.conf --port {port} --bind 127.0.0.1 --dir {folder}"
    url = "redis://:{password}@127.0.0.1:{port}/0"

    def version(self, url: str) -> str:
        client = self.module().Redis.from_url(
            url, socket_timeout=5, socket_connect_timeout=5
        )
        with contextlib.closing(client):
            return str(client.info("server")["redis_version"])
