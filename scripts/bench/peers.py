"""Other caches that keep their entries in the database, on stock Django."""

from collections.abc import Collection
from dataclasses import dataclass
from importlib import metadata

from bench.client import Worker
from bench.variants import PATCHED, STOCK
from patchstack.progress import say

DATABASE_CACHE = "django.core.cache.backends.db.DatabaseCache"


@dataclass(frozen=True)
class Peer:
    """``name`` is that of its package, ``backend`` its class.

    ``databases`` are the display names of those that it runs on.
    """

    name: str
    backend: str
    databases: tuple[str, ...]


PEERS = (Peer("django-mysql", "django_mysql.cache.MySQLCache", ("MySQL", "MariaDB")),)
CACHES = (STOCK, PATCHED, *(peer.name for peer in PEERS))


@dataclass(frozen=True)
class Found:
    """``versions``: name of a peer → its version; ``absent``: name → why."""

    peers: tuple[Peer, ...]
    absent: dict[str, str]

    @property
    def versions(self) -> dict[str, str]:
        return {peer.name: metadata.version(peer.name) for peer in self.peers}

    def backend(self, variant: str) -> str:
        """Return the class of the cache that a variant measures."""
        backends = {peer.name: peer.backend for peer in self.peers}
        return backends.get(variant, DATABASE_CACHE)


def find(worker: Worker, database: str, names: Collection[str] = CACHES) -> Found:
    """Return the peers, of these names, that run on a database.

    ``worker`` is one on the Django that they would run on.
    """
    peers, absent = [], {}
    for peer in PEERS:
        if peer.name not in names or database not in peer.databases:
            continue
        if why := worker.ask("import_error", backend=peer.backend)["why"]:
            absent[peer.name] = f"{why}; ./scripts/stack setup installs it"
            say(f"{peer.name}: not run: {absent[peer.name]}")
        else:
            peers.append(peer)
    return Found(tuple(peers), absent)
