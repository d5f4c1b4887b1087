"""Other caches, on stock Django: of the database, of files, of a server."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from common.errors import StackError
from common.progress import say
from databases import memcached, urls
from databases.family import Unavailable
from lab.bench.registry import key
from lab.bench.values import pickled
from lab.client import Worker
from lab.load.proxy import farther_cache
from lab.variants import PATCHED, STOCK

DATABASE_CACHE = "django.core.cache.backends.db.DatabaseCache"
DISKCACHE = "diskcache.DjangoCache"
REDIS = "django.core.cache.backends.redis.RedisCache"
MEMCACHED = "django.core.cache.backends.memcached.PyMemcacheCache"

# What a server takes for an entry beside the value and the key, at most: bytes,
# and a factor for the sizes that it rounds up to.
OVERHEAD = 100
ROUNDED = 1.25


@dataclass(frozen=True)
class Peer:
    """``name`` is that of its package or of its server, ``backend`` its class.

    ``databases`` are the display names of those that it keeps its entries in. One
    without any keeps them in the server ``server``, without that in files.
    """

    name: str
    backend: str
    databases: tuple[str, ...] = ()
    server: str = ""


PEERS = (
    Peer("django-mysql", "django_mysql.cache.MySQLCache", ("MySQL", "MariaDB")),
    Peer("diskcache", DISKCACHE),
    Peer("redis", REDIS, server="redis"),
    Peer("memcached", MEMCACHED, server="memcached"),
)
NAMES = tuple(peer.name for peer in PEERS)
CACHES = (STOCK, PATCHED, *NAMES)


@dataclass(frozen=True)
class Found:
    """``versions``: name of a peer → its version; ``absent``: name → why."""

    peers: tuple[Peer, ...]
    versions: Mapping[str, str]
    absent: Mapping[str, str]

    def backend(self, variant: str) -> str:
        """Return the class of the cache that a variant measures."""
        backends = {peer.name: peer.backend for peer in self.peers}
        return backends.get(variant, DATABASE_CACHE)


def of_database(database: str) -> list[str]:
    """Return the names of the peers that keep their entries in a database."""
    return [peer.name for peer in PEERS if database in peer.databases]


def find(
    worker: Worker, database: str, names: Collection[str], out: Mapping[str, str]
) -> Found:
    """Return the peers, of these names, that can run beside a database.

    ``worker`` is one on the Django that they would run on; ``out``: name → why
    one is not to be run.
    """
    peers, versions, absent = [], {}, {}
    for peer in PEERS:
        if peer.name not in names:
            continue
        if peer.databases and database not in peer.databases:
            why = f"it keeps its entries in {' or '.join(peer.databases)}"
        elif peer.name in out:
            why = out[peer.name]
        elif why := worker.ask("import_error", backend=peer.backend)["why"]:
            why += "; ./scripts/stack setup installs it"
        if why:
            absent[peer.name] = why
            say(f"{peer.name}: not run: {why}")
            continue
        peers.append(peer)
        if not peer.server:
            versions[peer.name] = metadata.version(peer.name)
    return Found(tuple(peers), versions, absent)


def unfit(rows: int, values: str, max_entries: int | None) -> dict[str, str]:
    """Return the peers that cannot do the same with so many entries, and why."""
    size = len(pickled(values)) + len(key(0)) + OVERHEAD
    needed = round(rows * size * ROUNDED / 2**20)
    found = {}
    for peer in PEERS:
        if not peer.databases and max_entries is not None:
            found[peer.name] = "it has no MAX_ENTRIES"
        elif peer.server and needed > memcached.MEMORY:
            found[peer.name] = (
                f"{rows:,} entries take about {needed:,} MiB of memory,"
                f" more than {memcached.MEMORY:,}"
            )
    return found


@contextmanager
def site(
    peer: Peer, rows: int, folder: Path, latency: float
) -> Iterator[tuple[str, str]]:
    """Yield where a peer is to keep so many entries, and the version of its server.

    The place is "" for the database of its worker. A server is a private one, as
    many milliseconds farther away as ``latency`` says. Unavailable or StackError if
    it is not to be had.
    """
    if peer.databases:
        yield "", ""
    elif not peer.server:
        yield str(folder / f"{peer.name}_{rows}"), ""
    else:
        from databases.servers import private
        from databases.targets import resolve

        with ExitStack() as stack:
            server = stack.enter_context(private(resolve(peer.server)))
            url = server.url
            if latency:
                url = stack.enter_context(farther_cache(url, latency))
            yield urls.cache(url)["LOCATION"], server.version


def settle(
    found: Found, stack: ExitStack, rows: Sequence[int], folder: Path, latency: float
) -> tuple[Found, dict[str, dict[int, str]]]:
    """Give each peer a place for each number of rows, until the stack is left.

    Returns those that have one, and name → rows → the place.
    """
    peers, versions, absent = [], {**found.versions}, {**found.absent}
    places: dict[str, dict[int, str]] = {}
    for peer in found.peers:
        its: dict[int, str] = {}
        try:
            for number in rows:
                place, version = stack.enter_context(
                    site(peer, number, folder, latency)
                )
                its[number] = place
        except (Unavailable, StackError) as error:
            absent[peer.name] = " ".join(str(error).split())
            say(f"{peer.name}: not run: {absent[peer.name]}")
            continue
        peers.append(peer)
        places[peer.name] = its
        if version:
            versions[peer.name] = version
    return Found(tuple(peers), versions, absent), places
