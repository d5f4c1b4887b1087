"""The proxy that makes round trips longer: real sockets, real servers."""

import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from common.errors import StackError
from databases import urls
from databases.place import free_port
from databases.servers import private, running
from databases.targets import FAMILIES, Unavailable, resolve
from lab.bench import proxy
from lab.bench.proxy import delayed, delayed_cache, delayed_url


def echo(client: socket.socket) -> None:
    """Send everything back, and say goodbye when the client has said all."""
    while data := client.recv(4_096):
        client.sendall(data)
    client.sendall(b"bye")


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """Serve one client on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            client, _ = listener.accept()
            with client:
                serve(client)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(20)
        assert not thread.is_alive()


def everything(client: socket.socket) -> bytes:
    """Read until the other side has said all."""
    client.settimeout(20)
    return b"".join(iter(lambda: client.recv(65_536), b""))


def test_all_bytes_come_through_in_order_and_so_does_each_end() -> None:
    data = random.Random(1).randbytes(3_000_000)
    with (
        serving(echo) as server,
        delayed(server, 0.005) as address,
        socket.create_connection(address) as client,
    ):

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        assert everything(client) == data + b"bye"
        thread.join()


def test_the_delayed_server_answers_later() -> None:
    with (
        serving(echo) as one,
        serving(echo) as two,
        delayed(one, 0.5) as far,
        delayed(two, 0) as near,
        socket.create_connection(far) as first,
        socket.create_connection(near) as second,
    ):
        first.sendall(b"far")
        second.sendall(b"near")
        ready, _, _ = select.select([first, second], [], [], 20)
        assert ready == [second]
        first.shutdown(socket.SHUT_WR)
        second.shutdown(socket.SHUT_WR)
        assert everything(first) == b"farbye"
        assert everything(second) == b"nearbye"


def test_a_server_that_hangs_up_or_is_not_there() -> None:
    with (
        serving(lambda client: client.sendall(b"no")) as server,
        delayed(server, 0) as address,
        socket.create_connection(address) as client,
    ):
        assert everything(client) == b"no"
    with (
        delayed(("127.0.0.1", free_port()), 0) as address,
        socket.create_connection(address) as client,
    ):
        assert everything(client) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("postgres://me:p%40ss@db.example:6000/my%2Fdb", ("db.example", 6000)),
        ("postgres:///base?host=db.example&sslmode=disable", ("db.example", 5432)),
        ("mariadb://me:x@db.example/", ("db.example", 3306)),
        ("oracle://me:x@db.example/service", ("db.example", 1521)),
    ],
)
def test_only_the_place_in_a_url_changes(
    monkeypatch: pytest.MonkeyPatch, url: str, server: tuple[str, int]
) -> None:
    asked = []

    @contextmanager
    def recorded(server: tuple[str, int], seconds: float) -> Iterator[tuple[str, int]]:
        asked.append((server, seconds))
        yield "127.0.0.1", 4711

    monkeypatch.setattr(proxy, "delayed", recorded)
    with delayed_url(url, 3) as slow:
        before, after = urls.split(url), urls.split(slow)
    assert asked == [(server, 0.0015)]
    assert (after.host, after.port) == ("127.0.0.1", 4711)
    for part in ("scheme", "user", "password", "name", "options"):
        assert getattr(after, part) == getattr(before, part)


@pytest.mark.parametrize(
    "url", ["sqlite:///:memory:", "postgres://me:x@/base?host=/run/postgresql"]
)
def test_what_is_not_reached_by_tcp(url: str) -> None:
    with (
        pytest.raises(StackError, match="is not reached by TCP"),
        delayed_url(url, 1),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis", "memcached"])
def test_a_real_server(name: str) -> None:
    target = resolve(name)
    use, longer = (
        (private, delayed_cache) if target.is_cache else (running, delayed_url)
    )
    try:
        with use(target) as server, longer(server.url, 1) as url:
            assert url != server.url
            assert FAMILIES[target.family].version(url) == server.version
    except Unavailable as error:
        pytest.skip(str(error))
