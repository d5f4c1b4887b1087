"""Let python-oracledb itself encode what Django sends: ``python -m lab.oracle.wire``.

The driver's own compiled code of thin mode checks and encodes all binds and LOBs. It
writes them to a socket whose other end reads, and has nothing to say. What a server
would answer stays unknown. JSON goes out: the number of calls, the bytes, and a line
for each call that the driver refused.

This reaches into the driver, as it is in 26.1.0. Where its internals are others, there
is Unlike.
"""

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import oracledb

from lab.oracle.standin.connection import Connection, Cursor, Lob, Variable

SHOWN = 200  # characters of a statement
# What the driver says when the other end has nothing to say.
CLOSED = "DPY-4011"


class Unlike(Exception):
    """The driver has other internals."""


class Sink:
    """A server that reads all that comes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.received = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection:
                connection.shutdown(socket.SHUT_WR)
                while data := connection.recv(1 << 16):
                    self.received += len(data)


def implementation() -> Any:
    """Return the driver's side of a connection, which leaves the logging in out."""
    base: Any = getattr(import_module("oracledb.thin_impl"), "ThinConnImpl", None)
    if not hasattr(base, "_connect"):
        raise Unlike(f"oracledb {oracledb.__version__} connects in another way")

    class Implementation(base):  # type: ignore[misc]
        def _connect(self) -> Any:
            """Open the socket; the rest, which is kept, would talk to a server."""
            self.rest = super()._connect()
            yield next(self.rest)

        def create_temp_lob_impl(self, kind: Any) -> Any:
            """Return a LOB without a locator: no server has given one."""
            creation = super().create_temp_lob_impl(kind)
            next(creation)
            try:
                next(creation)
            except StopIteration as end:
                return end.value
            yield

    return Implementation()


class Session(oracledb.Connection):
    """A connection of the driver to a Sink. It is of use for one call."""

    def __init__(self, port: int) -> None:
        impl = implementation()
        params = oracledb.ConnectParams(
            user="u", password="p", host="127.0.0.1", port=port, disable_oob=True
        )
        try:
            impl.prepare_connect_args(None, None, params, {})
            for operation in impl.connect():
                operation.process()
        except (AttributeError, TypeError) as error:
            raise Unlike(f"oracledb {oracledb.__version__}: {error}") from None
        self._impl, self._pool = impl, None


class Wire:
    """The driver, and what it wrote."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.calls = 0

    def refusal(self, call: Callable[[Any], object]) -> str | None:
        """Return what the driver says of a call of its connection, None if it sends
        it.
        """
        self.calls += 1
        try:
            call(Session(self.sink.port))
        except (oracledb.Error, TypeError, ValueError) as error:
            said = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            return None if CLOSED in said else said
        return "the driver sent nothing"

    def sends(
        self,
        sql: str,
        rows: Any,
        sizes: Sequence[Any] | Mapping[str, Any] = (),
        **options: bool,
    ) -> str | None:
        """Return what the driver says of execute() or, with ``rows`` in a list and
        options, of executemany(); None if it sends it.
        """

        def call(session: Any) -> None:
            cursor = session.cursor()
            if isinstance(sizes, Mapping):
                cursor.setinputsizes(**sizes)
            elif sizes:
                cursor.setinputsizes(*sizes)
            if options:
                cursor.executemany(sql, own(rows, cursor), **options)
            else:
                cursor.execute(sql, own(rows, cursor))

        return self.refusal(call)


def own(value: Any, cursor: Any) -> Any:
    """Return binds with the driver's own LOBs and variables in the place of doubles."""
    if isinstance(value, dict):
        return {key: own(each, cursor) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(own(each, cursor) for each in value)
    if isinstance(value, Lob):
        return cursor.connection.createlob(value.kind)
    if isinstance(value, Variable):
        return cursor.var(value.kind, arraysize=value.arraysize)
    return value


class Bytes(bytes):
    """What Django's Oracle_blob was."""


INSERT = "INSERT INTO T VALUES (:a, :b)"
BLOB, CLOB = oracledb.DB_TYPE_BLOB, oracledb.DB_TYPE_CLOB
# What the driver must refuse, as otherwise nothing is shown by what it sends.
MISTAKES: Mapping[str, Callable[[Wire], str | None]] = {
    "a subclass of bytes": lambda wire: wire.sends(INSERT, [Bytes(b"a"), 1]),
    "a LOB of a subclass of bytes": lambda wire: wire.refusal(
        lambda session: session.createlob(BLOB, Bytes(b"a"))
    ),
    "a str in a column of BLOBs": lambda wire: wire.sends(
        INSERT, [[Lob(b"", BLOB), 1], ["a", 2]], batcherrors=True
    ),
    "an array that mixes types": lambda wire: wire.sends(
        INSERT, [[1, 1], ["a", 2]], batcherrors=False
    ),
    "an array of CLOB and BLOB": lambda wire: wire.sends(
        INSERT, [[Lob(b"", BLOB), 1], [Lob("", CLOB), 2]], batcherrors=False
    ),
    "a tuple of rows": lambda wire: wire.sends(INSERT, ((1, 1),), batcherrors=False),
}


class WiredCursor(Cursor):
    """A double that lets the driver send each call, too."""

    wire: Wire
    refused: list[str]

    def execute(self, sql: str, parameters: Any = None) -> Cursor:
        self._send(sql, parameters)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, **options: bool) -> None:
        self._send(sql, parameters, **{"batcherrors": False} | options)
        super().executemany(sql, parameters, **options)

    def _send(self, sql: str, parameters: Any, **options: bool) -> None:
        if said := self.wire.sends(sql, parameters, self._sizes, **options):
            self.refused.append(f"{said}: {sql[:SHOWN]}")


def main(names: list[str]) -> None:
    from lab.oracle import statements

    wire = Wire()
    refused: list[str] = []
    found = {name: mistake(wire) for name, mistake in MISTAKES.items()}

    class WiredConnection(Connection):
        def cursor(self) -> Cursor:
            cursor = WiredCursor(self)
            cursor.wire, cursor.refused = wire, refused
            return cursor

        def createlob(self, kind: Any, content: Any = None) -> Lob:
            call = lambda session: session.createlob(kind, content)  # noqa: E731
            if content and (said := wire.refusal(call)):
                refused.append(f"{said}: createlob({kind.name})")
            return super().createlob(kind, content)

    wire.calls = wire.sink.received = 0
    statements.compiled(names, WiredConnection)
    told = {
        "version": oracledb.__version__,
        "calls": wire.calls,
        "bytes": wire.sink.received,
        "refused": refused,
        "missed": [name for name, said in found.items() if said is None],
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Unlike as reason:
        json.dump({"unlike": str(reason)}, sys.stdout)
