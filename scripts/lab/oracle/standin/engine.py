"""The base of the engines: a session that translates Oracle's SQL."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lab.oracle.sql import fill
from lab.oracle.standin import dictionary
from lab.oracle.standin.connection import Result
from lab.oracle.standin.errors import oracle_error
from lab.oracle.standin.literals import Forms, literal
from lab.oracle.standin.translation import Dialect, split_returning, translate

# The longest texts in tables where MAX_STRING_SIZE is STANDARD, the
# default. Django asks, and uses no collations then.
LONGEST = {"VARCHAR2": 4000, "NVARCHAR2": 2000}


def check_lengths(sql: str) -> None:
    """Raise oracledb's error for a type of text that is too long for Oracle."""
    for kind, length in re.findall(r"\b(N?VARCHAR2)\((\d+)\)", sql):
        if int(length) > LONGEST[kind]:
            raise oracle_error(910)


class EngineSession(ABC):
    """One connection to an engine, always in a transaction, as Oracle's are.

    A statement that fails is undone by itself. If a transaction cannot be committed,
    it is rolled back. All raise oracledb's errors.
    """

    forms: ClassVar[Forms]
    dialect: ClassVar[Dialect]
    failure: type[Exception]
    connection: Any

    @abstractmethod
    def failed(self, error: Any) -> Exception:
        """Return oracledb's error for an engine's ``failure``."""

    @abstractmethod
    def run(self, sql: str) -> Result:
        """Execute one statement of the engine's own SQL."""

    @abstractmethod
    def returning(self, statement: str, columns: str) -> str:
        """Return a statement that gives these columns of the rows it changes."""

    def call[T](self, function: Callable[[], T]) -> T:
        try:
            return function()
        except self.failure as error:
            raise self.failed(error) from None

    def commit(self) -> None:
        self.call(self.connection.commit)

    def rollback(self) -> None:
        self.call(self.connection.rollback)

    def close(self) -> None:
        self.call(self.connection.close)

    def execute(
        self,
        sql: str,
        values: Mapping[str, Any],
        sizes: Mapping[str, Any],
        row: int | None = None,
    ) -> Result:
        """Execute a statement of Oracle's, with literals in the place of binds."""
        check_lengths(sql)
        statement, columns, received = split_returning(sql)
        literals = {
            name: literal(value, self.forms)
            for name, value in values.items()
            if name not in received
        }
        if "CONNECT BY" in sql:
            # Django asks so for the tables that depend on one; no engine knows it.
            table = next(iter(values.values())).upper()
            keys: Any = self.run(dictionary.FOREIGN_KEYS).rows
            found = dictionary.dependents(keys, table)
            return Result(("TABLE_NAME", "CONSTRAINT_NAME"), found)
        translated = list(translate(statement, self.dialect))
        if received:
            translated[-1] = self.returning(translated[-1], columns)
        result = Result()
        for each in translated:
            result = self.run(fill(each, literals.__getitem__))
        if not received:
            return result
        for number, name in enumerate(received):
            values[name].receive([row[number] for row in result.rows])
        return Result(count=len(result.rows))
