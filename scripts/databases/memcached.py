"""memcached."""

import contextlib
import os

from databases import urls
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

# What it may take, in MiB; it takes that as it needs it.
MEMORY = 1_024


class Memcached(LocalFamily):
    name = "memcached"
    label = "memcached"
    driver = "pymemcache"
    install_command = "brew install memcached" if MACOS else "apt-get install memcached"

    def programs(self) -> list[Program]:
        found = []
        for server in executables(["memcached"], folders()):
            if version := version_in(shown_version(str(server))):
                found.append(Program(version, server))
        return found

    def prepare(self, program: Program, place: Place, password: str) -> Program:
        return program

    def command(self, program: Program, place: Place, port: int) -> list[str]:
        root = ["-u", "nobody"] if os.geteuid() == 0 else []
        return [
            str(program.path),
            *root,
            *("-l", "127.0.0.1"),
            *("-p", str(port)),
            # No UDP.
            *("-U", "0", "-m", str(MEMORY)),
        ]

    def url(self, password: str, port: int) -> str:
        # Its text protocol knows no passwords.
        return f"memcached://127.0.0.1:{port}"

    def version(self, url: str) -> str:
        client = self.module().Client(
            urls.cache(url)["LOCATION"], connect_timeout=5, timeout=5
        )
        with contextlib.closing(client):
            return bytes(client.version()).decode()
