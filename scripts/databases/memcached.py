"""memcached."""

import contextlib
import os

from databases import urls
from databases.family import MACOS, Family, Program
from databases.place import Place

# What it may take, in MiB; it takes that as it needs it.
MEMORY = 1_024


class Memcached(Family):
    name = "memcached"
    label = "memcached"
    driver = "pymemcache"
    install_command = "brew install memcached" if MACOS else "apt-get install memcached"
    servers = ("memcached",)

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        # -U 0: no UDP.
        options = f"-l 127.0.0.1 -p {port} -U 0 -m {MEMORY}".split()
        root = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [str(program.path), *options, *root]

    def url(self, password: str, port: int) -> str:
        # Its text protocol knows no passwords.
        return f"memcached://127.0.0.1:{port}"

    def version(self, url: str) -> str:
        client = self.module().Client(
            urls.cache(url)["LOCATION"], connect_timeout=5, timeout=5
        )
        with contextlib.closing(client):
            return bytes(client.version()).decode()
