"""Other caches, which run on stock Django: of the database, of files, of a server."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from common.errors import StackError
from databases import memcached, urls
from lab.bench.proxy import delayed_cache
from lab.bench.supply import key
from lab.bench.values import pickled

DJANGO = "django.core.cache.backends"
DATABASE_CACHE = f"{DJANGO}.db.DatabaseCache"
DISKCACHE = "diskcache.DjangoCache"

# What a server takes for an entry beside the value and the key, at most: bytes,
# and a factor for the sizes that it rounds up to.
OVERHEAD = 100
ROUNDED = 1.25


@dataclass(frozen=True)
class Peer:
    """Another cache: its name, the class of the cache and its Python package.

    It keeps its entries in the databases of those display names, in a private
    server of its own name, or in files.
    """

    name: str
    backend: str
    package: str
    databases: tuple[str, ...] = ()
    server: bool = False


PEERS = (
    Peer(
        "django-mysql",
        "django_mysql.cache.MySQLCache",
        "django-mysql",
        ("MySQL", "MariaDB"),
    ),
    Peer("diskcache", DISKCACHE, "diskcache"),
    Peer("redis", f"{DJANGO}.redis.RedisCache", "redis", server=True),
    Peer("memcached", f"{DJANGO}.memcached.PyMemcacheCache", "pymemcache", server=True),
)
NAMES = tuple(peer.name for peer in PEERS)


@contextmanager
def place(
    peer: Peer,
    database: str,
    rows: int,
    folder: Path,
    values: str = "dict",
    latency: float = 0,
) -> Iterator[tuple[str, str]]:
    """Yield where a peer keeps its entries, and its version or its server's.

    The place is "" for the database of its worker. Round trips to a server are
    ``latency`` milliseconds longer. StackError if the peer cannot do here what
    Django's cache does, Unavailable without a server.
    """
    if peer.databases and database not in peer.databases:
        raise StackError(f"it keeps its entries in {' or '.join(peer.databases)}")
    size = len(pickled(values)) + len(key(0)) + OVERHEAD
    needed = round(rows * size * ROUNDED / 2**20)
    if peer.server and needed > memcached.MEMORY:
        raise StackError(
            f"{rows:,} entries take about {needed:,} MiB of memory,"
            f" more than {memcached.MEMORY:,}"
        )
    try:
        version = metadata.version(peer.package)
    except metadata.PackageNotFoundError:
        raise StackError(
            f"{peer.package} is not installed; ./scripts/stack setup installs it"
        ) from None
    if not peer.server:
        yield "" if peer.databases else str(folder / f"{peer.name}_{rows}"), version
        return
    from databases.servers import private
    from databases.targets import resolve

    with ExitStack() as stack:
        server = stack.enter_context(private(resolve(peer.name)))
        url = server.url
        if latency:
            url = stack.enter_context(delayed_cache(url, latency))
        yield urls.cache(url)["LOCATION"], server.version
