"""A TCP proxy that makes a server as far away as one in another place."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from queue import SimpleQueue
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import quote, urlencode, urlsplit

from common.errors import StackError
from databases import urls

PORTS = {"postgres": 5432, "postgresql": 5432, "oracle": 1521}
MYSQL = 3306
CHUNK = 65_536  # bytes

type Parcels = SimpleQueue[tuple[float, bytes]]


@contextmanager
def farther(url: str, milliseconds: float) -> Iterator[str]:
    """Yield a URL that reaches the same server, each round trip so much longer.

    Half of it is added to each direction. The proxy itself and the system's timer
    add some 0.3 ms more. StackError for a database that is not reached by TCP.
    """
    address = urls.split(url)
    if address.scheme == "sqlite" or address.host.startswith("/"):
        raise StackError(
            f"latency: {urls.hide(url)} is not reached by TCP",
            "name a server by host and port, or leave --latency out",
        )
    server = address.host, address.port or PORTS.get(address.scheme, MYSQL)
    with delayed(server, milliseconds / 2_000) as (host, port):
        login = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}"
        path = quote(address.name, safe="")
        options = f"?{urlencode(address.options)}" if address.options else ""
        yield f"{address.scheme}://{login}@{host}:{port}/{path}{options}"


@contextmanager
def farther_cache(url: str, milliseconds: float) -> Iterator[str]:
    """Yield a URL for ``farther`` of a Redis or memcached server."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    delay = milliseconds / 2_000
    with delayed((parts.hostname, parts.port), delay) as (host, port):
        near = f"{parts.hostname}:{parts.port}"
        yield url.replace(near, f"{host}:{port}")


@contextmanager
def delayed(server: tuple[str, int], seconds: float) -> Iterator[tuple[str, int]]:
    """Yield the address of a proxy that holds back what it carries, both ways."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            connect(self.request, server, seconds)

    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        thread = Thread(target=proxy.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            host, port = proxy.server_address[:2]
            yield str(host), port
        finally:
            proxy.shutdown()
            thread.join()


class Proxy(ThreadingTCPServer):
    daemon_threads = True


def connect(client: socket.socket, server: tuple[str, int], seconds: float) -> None:
    """Carry bytes between a client and a server until both have said all."""
    try:
        other = socket.create_connection(server)
    except OSError:
        # A refused connection looks to the client like one that ends at once.
        return
    with closing(other):
        for end in (client, other):
            # Else the system holds small packets back for longer than we do.
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threads = [
            thread
            for source, target in ((client, other), (other, client))
            for thread in carry(source, target, seconds)
        ]
        for thread in threads:
            thread.join()


def carry(
    source: socket.socket, target: socket.socket, seconds: float
) -> tuple[Thread, Thread]:
    """Start what reads from one end and what writes to the other end, later.

    Two threads, so that what comes close together is late by one delay only.
    """
    parcels: Parcels = SimpleQueue()
    threads = (
        Thread(target=collect, args=[source, parcels, seconds], daemon=True),
        Thread(target=deliver, args=[parcels, target], daemon=True),
    )
    for thread in threads:
        thread.start()
    return threads


def collect(source: socket.socket, parcels: Parcels, seconds: float) -> None:
    """Read parcels and note when each is due; an empty one is the end."""
    while True:
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        parcels.put((time.monotonic() + seconds, data))
        if not data:
            return


def deliver(parcels: Parcels, target: socket.socket) -> None:
    """Write each parcel when it is due."""
    with suppress(OSError):
        while True:
            due, data = parcels.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
