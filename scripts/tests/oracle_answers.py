"""A server with two answers, for python-oracledb's own code of thin mode.

The messages are those that oracledb 26.1.0 reads (impl/thin/messages/base.pyx). How a
server would answer is not known from them; which calls the driver makes is.
"""

import socket
import threading
from collections.abc import Iterator, Sequence

# Functions of the protocol, and options of the first.
EXECUTE, FETCH, EXECUTE_AGAIN = 94, 5, 78
DEFINE, WITH_ROWS = 0x10, 0x40
NUMBERS = {"VARCHAR": 1, "RAW": 23, "BLOB": 113}
NO_MORE_ROWS = 1403
NONE = b"\0"
CURSOR = 7

type Column = tuple[str, str]


def number(value: int) -> bytes:
    """Return a number after its length.

    >>> number(0), number(4000)
    (b'\\x00', b'\\x02\\x0f\\xa0')
    """
    content = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(content)]) + content


def short(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def described(columns: Sequence[Column]) -> bytes:
    """Return the message that describes the columns of a query."""
    return b"".join(
        [b"\x10", NONE * 2, number(len(columns)), NONE]
        + [
            bytes([NUMBERS[kind]])
            + NONE * 3
            + number(4000)
            + NONE * 5
            + bytes([kind == "VARCHAR"])  # the form of its characters
            + number(4000)
            + NONE
            + b"\1\0"
            + number(len(name))
            + short(name.encode())
            + NONE * 10
            for name, kind in columns
        ]
        + [NONE * 6]
    )


def row(columns: Sequence[Column]) -> bytes:
    """Return the message of a row. A BLOB is sent as LONG RAW, as it was defined."""
    values = [short(b"x") + NONE * 2 * (kind == "BLOB") for _, kind in columns]
    return b"\6" + NONE * 7 + b"\7" + b"".join(values)


def end(error: int = 0) -> bytes:
    """Return the message that ends an answer."""
    text = short(b"ORA") if error else b""
    place = NONE * 6 + number(CURSOR) + NONE * 21
    return b"\4" + place + number(error) + NONE * 3 + text


class Answers:
    """A server of one connection; ``calls`` are what it was asked."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.calls: list[str] = []
        self._described = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, self._server, connection.makefile("rb") as reader:
            while head := reader.read(8):
                # A call has flags, its kind, its function, and two other numbers.
                call = reader.read(int.from_bytes(head[:2], "big") - 8)[3:]
                data = NONE * 2 + b"".join(self._answer(call[0], call[2:]))
                size = (len(data) + 8).to_bytes(2, "big")
                connection.sendall(size + b"\0\0\6\0\0\0" + data)

    def _answer(self, function: int, rest: bytes) -> Iterator[bytes]:
        rest = rest[1 + rest[0] :]
        options = int.from_bytes(rest[1 : 1 + rest[0]], "big")
        if function == EXECUTE:
            self.calls.append("define" if options & DEFINE else "execute")
        else:
            self.calls.append({FETCH: "fetch", EXECUTE_AGAIN: "execute"}[function])
        if function == EXECUTE and not self._described:
            self._described = True
            yield described(self.columns)
        # The rows of LOBs are not sent before they are defined.
        has_lobs = any(kind == "BLOB" for _, kind in self.columns)
        with_rows = options & WITH_ROWS and not has_lobs
        if function != EXECUTE or with_rows:
            yield row(self.columns)
            yield end(NO_MORE_ROWS)
        else:
            yield end()
