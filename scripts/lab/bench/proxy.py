"""A TCP proxy that makes each round trip to a server longer."""

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread
from urllib.parse import quote, urlencode, urlsplit

from common.errors import StackError
from databases import urls

PORTS = {"postgres": 5432, "postgresql": 5432, "oracle": 1521}
MYSQL = 3306
CHUNK = 65_536  # bytes


@contextmanager
def delayed_url(url: str, milliseconds: float) -> Iterator[str]:
    """Yield a URL that reaches the same server with longer round trips.

    Each direction adds half of the delay. The proxy itself and the system's timer
    add about 0.3 ms more. StackError for a database that is not reached by TCP.
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
def delayed_cache(url: str, milliseconds: float) -> Iterator[str]:
    """Yield the URL of a Redis or memcached server with longer round trips."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    with delayed((parts.hostname, parts.port), milliseconds / 2_000) as (host, port):
        yield url.replace(f"{parts.hostname}:{parts.port}", f"{host}:{port}")


@contextmanager
def delayed(server: tuple[str, int], seconds: float) -> Iterator[tuple[str, int]]:
    """Yield the address of a proxy that delays what it carries, both ways."""
    ready: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event, tuple[str, int]]]
    ready = SimpleQueue()

    async def carry(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while data := await source.read(CHUNK):
                loop.call_later(seconds, to.write, data)
        await asyncio.sleep(seconds)
        with suppress(OSError, RuntimeError):
            to.write_eof()
            await to.drain()

    async def connect(
        source: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        try:
            answers, other = await asyncio.open_connection(*server)
        except OSError:
            # A client sees a refused connection as one that ends at once.
            client.close()
            return
        await asyncio.gather(carry(source, other), carry(answers, client))
        other.close()
        client.close()

    async def serve() -> None:
        stop = asyncio.Event()
        async with await asyncio.start_server(connect, "127.0.0.1", 0) as listening:
            host, port = listening.sockets[0].getsockname()
            ready.put((asyncio.get_running_loop(), stop, (host, port)))
            await stop.wait()
            listening.close()

    def loop_with_microseconds() -> asyncio.AbstractEventLoop:
        # The usual loop waits in whole milliseconds.
        return asyncio.SelectorEventLoop(selectors.SelectSelector())

    thread = Thread(
        target=lambda: asyncio.run(serve(), loop_factory=loop_with_microseconds),
        daemon=True,
    )
    thread.start()
    loop, stop, address = ready.get()
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
