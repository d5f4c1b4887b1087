"""memcached, whose text protocol knows no passwords."""

import contextlib

from databases import urls
from databases.family import Family, install

# MiB that it may take at most.
MEMORY = 1_024


class Memcached(Family):
    name = "memcached"
    label = "memcached"
    driver = "pymemcache"
    install_command = install("memcached")
    servers = ("memcached",)
    # -U 0: no UDP.
    serve = f"-l 127.0.0.1 -p {{port}} -U 0 -m {MEMORY}"
    as_root = "--user=nobody"
    url = "memcached://127.0.0.1:{port}"

    def version(self, url: str) -> str:
        client = self.module().Client(
            urls.cache(url)["LOCATION"], connect_timeout=5, timeout=5
        )
        with contextlib.closing(client):
            return bytes(client.version()).decode()
