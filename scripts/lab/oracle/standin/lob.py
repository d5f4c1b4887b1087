"""LOBs that have their content with them."""

import oracledb


class Lob(oracledb.LOB):
    """A LOB as Django uses it: an instance of oracledb's class that can be read."""

    def __init__(self, content: str | bytes) -> None:
        self._content = content

    def __del__(self) -> None:
        """Nothing is held at a server, as oracledb's own LOBs do."""

    def read(self, offset: int = 1, amount: int | None = None) -> str | bytes:
        begin = offset - 1
        return self._content[begin : None if amount is None else begin + amount]

    def size(self) -> int:
        return len(self._content)
