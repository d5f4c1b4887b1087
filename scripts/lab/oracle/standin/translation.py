"""Oracle's SQL made another engine's, by rules that are data."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from lab.oracle.standin.scan import argument_end, mask, outer_where, unmask


class Rule(ABC):
    """A change to a statement whose text literals are masked."""

    @abstractmethod
    def apply(self, sql: str) -> str:
        """The statement with everything changed that the rule means."""


@dataclass(frozen=True)
class Replace(Rule):
    """Put ``by`` in the place of what a regular expression matches."""

    pattern: str
    by: str
    reason: str

    def apply(self, sql: str) -> str:
        return re.sub(self.pattern, self.by, sql, flags=re.DOTALL)


@dataclass(frozen=True)
class Call(Rule):
    """Write calls of a function with one argument in another form.

    >>> Call("TO_X", "CAST({} AS X)", "").apply("TO_X(f(:a, 1)), TO_X(:a, :b)")
    'CAST(f(:a, 1) AS X), TO_X(:a, :b)'
    """

    name: str
    form: str
    reason: str

    def apply(self, sql: str) -> str:
        found = re.compile(rf"\b{re.escape(self.name)}(?=\()")
        done = 0
        parts = []
        for call in found.finditer(sql):
            if call.start() < done:
                continue
            end = argument_end(sql, call.end())
            if end < 0:
                continue
            argument = self.apply(sql[call.end() + 1 : end])
            parts += [sql[done : call.start()], self.form.format(argument)]
            done = end + 1
        return "".join([*parts, sql[done:]])


@dataclass(frozen=True)
class Rewrite(Rule):
    """A change that takes a function."""

    function: Callable[[str], str]
    reason: str

    def apply(self, sql: str) -> str:
        return self.function(sql)


@dataclass(frozen=True)
class Whole:
    """Statements in the place of a whole one; none: there is nothing to do.

    They are templates of ``re.Match.expand``.
    """

    pattern: str
    into: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Dialect:
    """How an engine differs from Oracle. The first rule for whole statements that
    matches is taken, then all the others in turn.
    """

    wholes: tuple[Whole, ...]
    rules: tuple[Rule, ...]


@lru_cache(maxsize=200)
def translate(sql: str, dialect: Dialect) -> tuple[str, ...]:
    """The statements that do what one of Oracle does; binds stay as they are."""
    masked, texts = mask(sql.strip())
    statements = [masked]
    for whole in dialect.wholes:
        if found := re.match(whole.pattern, masked, re.DOTALL):
            statements = [found.expand(template) for template in whole.into]
            break
    return tuple(
        unmask(_changed(statement, dialect.rules), texts) for statement in statements
    )


def _changed(sql: str, rules: tuple[Rule, ...]) -> str:
    for rule in rules:
        sql = rule.apply(sql)
    return sql


_RETURNING = re.compile(
    r"(?P<statement>.+) RETURNING (?P<columns>.+) INTO (?P<binds>:\w+(?:, :\w+)*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Returning:
    """A statement without its RETURNING ... INTO, and what that named."""

    statement: str
    columns: str
    binds: tuple[str, ...]


def split_returning(sql: str) -> Returning | None:
    """Take RETURNING ... INTO off; None if there is none.

    >>> split_returning('INSERT INTO T VALUES (:a) RETURNING T."ID" INTO :b')
    Returning(statement='INSERT INTO T VALUES (:a)', columns='T."ID"', binds=('b',))
    """
    masked, texts = mask(sql)
    found = _RETURNING.fullmatch(masked)
    if found is None:
        return None
    names = tuple(name.strip(" :") for name in found["binds"].split(","))
    return Returning(unmask(found["statement"], texts), found["columns"], names)


_MATCHED = re.compile(
    r"WHEN MATCHED THEN UPDATE SET (?P<update>.+?)(?P<rest> WHEN NOT MATCHED THEN|$)",
    re.DOTALL,
)


def condition_first(sql: str) -> str:
    """Move the condition of a MERGE's update to where standard SQL has it.

    >>> condition_first("MERGE … WHEN MATCHED THEN UPDATE SET A = 1 WHERE B < 2")
    'MERGE … WHEN MATCHED AND B < 2 THEN UPDATE SET A = 1'
    """
    if not sql.startswith("MERGE "):
        return sql

    def moved(found: re.Match[str]) -> str:
        update = found["update"]
        at = outer_where(update)
        if at < 0:
            return found[0]
        condition = update[at:].removeprefix("WHERE").strip()
        return (
            f"WHEN MATCHED AND {condition} THEN UPDATE SET {update[:at].strip()}"
            f"{found['rest']}"
        )

    return _MATCHED.sub(moved, sql)
