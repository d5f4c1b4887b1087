"""What an operation is, and the supply of keys that it works on."""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

from lab.variants import PATCHED, STOCK

type Call = Callable[[], object]
type Prepare = Callable[[Any], Call]

COUNTERS = 10


def into_no_table(keys: list[str]) -> None:
    raise RuntimeError("these keys belong to no table")


def key(number: int) -> str:
    """Return the key of entry ``number``.

    A digest, as in Django's own page and fragment caches: keys written one
    after another lie anywhere in the index.
    """
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False)
    return f"page.{digest.hexdigest()}"


@dataclass
class Supply:
    """A filled table and endless supplies of its keys; part of one process.

    ``store`` is what the calls go through: the cache, the model. ``insert`` writes
    rows for keys into the table.
    """

    store: Any
    rows: int
    seed: int
    calls: int = 0  # in the coming block
    added: list[str] = field(default_factory=list)
    insert: Callable[[list[str]], None] = into_no_table
    keys: list[str] = field(init=False)
    _existing: Iterator[str] = field(init=False)
    _unused: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = [key(number) for number in range(self.rows)]
        random.Random(self.seed).shuffle(self.keys)
        self._existing = cycle(self.keys)
        self._unused = count(self.rows)

    def existing(self) -> Iterator[str]:
        """Yield the keys of the table, shuffled, round and round."""
        return self._existing

    def new(self) -> Iterator[str]:
        """Yield one key that was never in the table for each call of the block."""
        return iter(self._fresh(self.calls))

    def absent(self) -> Iterator[str]:
        """Yield keys that nothing ever writes."""
        return cycle([key(-number) for number in range(1, 1_001)])

    def batches(self, size: int) -> Iterator[list[str]]:
        """Yield ``size`` keys of the table for each call of the block."""
        return iter(
            [[next(self._existing) for _ in range(size)] for _ in range(self.calls)]
        )

    def consumed(self, size: int = 1) -> list[str]:
        """Return keys of rows made for the block, ``size`` for each of its calls."""
        keys = self._fresh(self.calls * size)
        self.insert(keys)
        return keys

    def _fresh(self, number: int) -> list[str]:
        """Return keys that were never in the table; what is under them goes again."""
        keys = [key(next(self._unused)) for _ in range(number)]
        self.added += keys
        return keys


def nothing_lacks(connection: Any) -> str:
    return ""


@dataclass(frozen=True)
class Operation:
    """One thing that is measured.

    ``per`` is the number of entries that one call handles, ``table`` the kind of
    table it works on. ``lacks`` says why this Django or its database cannot do it,
    nothing if it can; ``instead`` is the operation that a stock Django without it
    runs. ``unlogged`` are the statements per call that go past Django's query log.
    ``sides`` are the variants that it is measured on, ``limit_of`` the operation
    that cannot be faster than this one. A block of one that is ``bounded``, for
    whose calls rows are made, handles no more entries than the longest block has
    calls: more would make another table of it.
    """

    name: str
    per: int
    prepare: Prepare
    table: str
    lacks: Callable[[Any], str] = nothing_lacks
    instead: str = ""
    unlogged: int = 0
    sides: tuple[str, ...] = ()
    limit_of: str = ""
    bounded: bool = False

    def meant(self, lacking: Mapping[str, str]) -> str:
        """Return the operation to run where ``lacking`` (name → why) cannot be.

        Nothing if there is none.
        """
        found = [name for name in (self.name, self.instead) if name not in lacking]
        return found[0] if found else ""


class Operations(dict[str, Operation]):
    """The operations on one kind of table, by name."""

    def __init__(self, table: str, sides: tuple[str, ...] = (STOCK, PATCHED)) -> None:
        super().__init__()
        self._table = table
        self._sides = sides

    def operation(
        self,
        name: str,
        per: int = 1,
        *,
        lacks: Callable[[Any], str] = nothing_lacks,
        instead: str = "",
        unlogged: int = 0,
        sides: tuple[str, ...] = (),
        limit_of: str = "",
        bounded: bool = False,
    ) -> Callable[[Prepare], Prepare]:
        """Return the decorator that makes a function an operation.

        Without ``sides`` it is measured on those of the table.
        """

        def register(prepare: Prepare) -> Prepare:
            self[name] = Operation(
                name=name,
                per=per,
                prepare=prepare,
                table=self._table,
                lacks=lacks,
                instead=instead,
                unlogged=unlogged,
                sides=sides or self._sides,
                limit_of=limit_of,
                bounded=bounded,
            )
            return prepare

        return register
