"""What an engine has to be able to do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from lab.oracle.standin.literals import Forms
from lab.oracle.standin.translation import Dialect


@dataclass(frozen=True)
class Result:
    """What a statement gave. ``columns`` is empty if it was no query; ``count`` is
    the number of rows that it changed.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    count: int = 0


class Session(ABC):
    """One connection to an engine, always in a transaction, as Oracle's are.

    A statement that fails is undone by itself; EngineError tells why.
    """

    @abstractmethod
    def run(self, sql: str) -> Result:
        """Execute one statement of the engine's own SQL."""

    @abstractmethod
    def commit(self) -> None:
        """End the transaction; if it cannot be committed it is rolled back."""

    @abstractmethod
    def rollback(self) -> None:
        """End the transaction."""

    @abstractmethod
    def close(self) -> None:
        """End the connection."""


class Engine(ABC):
    """One database system, and how its SQL differs from Oracle's."""

    label: ClassVar[str]
    forms: ClassVar[Forms]
    dialect: ClassVar[Dialect]

    @abstractmethod
    def connect(self, user: str) -> Session:
        """A session in the database or schema of a user, made if it is new."""

    @abstractmethod
    def returning(self, statement: str, columns: str) -> str:
        """A translated statement as one that gives columns of the rows it changes."""
