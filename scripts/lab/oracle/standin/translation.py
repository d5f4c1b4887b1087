"""Oracle's SQL made another engine's, by rules that are data.

A rule is a pattern and its replacement, as for re.sub(). It sees a statement whose
text literals are masked.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from lab.oracle.sql import ARGUMENT, mask, unmask

type Rule = tuple[str, str | Callable[[re.Match[str]], str]]
type Whole = tuple[str, ...]


class Dialect(NamedTuple):
    """How an engine differs from Oracle.

    The first of ``wholes`` whose pattern matches has the statements in the place of a
    whole one; none, if there is nothing to do. Then all ``rules`` apply in turn.
    """

    wholes: tuple[Whole, ...]
    rules: tuple[Rule, ...]


def call(name: str, form: str) -> Rule:
    """Return the rule that writes calls with one argument in another form.

    >>> re.sub(*call("TO_X", "CAST({} AS X)"), "TO_X(f(:a, 1)), TO_X(:a, :b)")
    'CAST(f(:a, 1) AS X), TO_X(:a, :b)'
    """
    return rf"\b{re.escape(name)}\(({ARGUMENT})\)", form.format(r"\1")


def conversions(**types: str) -> list[Rule]:
    """Return the rules that write conversions of one argument as CAST."""
    return [call(name, f"CAST({{}} AS {kind})") for name, kind in types.items()]


NOTHING_TO_DO: tuple[Whole, ...] = (
    # Formats and zone of dates and times: they travel as typed values here.
    (r"ALTER SESSION SET (?:NLS_|TIME_ZONE)",),
    # Drops the sequence of an old AutoField: identity columns have none.
    (r"DECLARE\s+i INTEGER;\s+BEGIN\s+SELECT COUNT\(1\) INTO i FROM USER_SEQUENCES",),
    # Foreign keys around a TRUNCATE: the engine's rule for that has them.
    (r"ALTER TABLE \S+ (?:DISABLE|ENABLE) CONSTRAINT ",),
)
BOTH: tuple[Rule, ...] = (
    # The engines compare texts of any length.
    call("DBMS_LOB.SUBSTR", "({})"),
    # To compare with ANY of a list is Oracle's own.
    (r" = ANY\((?!SELECT\b)", " IN ("),
    # The engines' LIKE is by character.
    (r"\bLIKEC\b", "LIKE"),
)
# Django's PL/SQL block that moves an identity past the values in its column.
RESET = (
    r"DECLARE\s+table_value integer;.+"
    r"SELECT NVL\(MAX\((?P<column>\S+)\), 0\) INTO table_value FROM (?P<table>\S+);"
)


@lru_cache(maxsize=200)
def translate(sql: str, dialect: Dialect) -> tuple[str, ...]:
    """Return the statements that do what one of Oracle does; binds stay as they are."""
    masked, texts = mask(sql.strip())
    statements = [masked]
    for pattern, *into in dialect.wholes:
        if found := re.match(pattern, masked, re.DOTALL):
            statements = [found.expand(template) for template in into]
            break
    return tuple(unmask(_changed(each, dialect.rules), texts) for each in statements)


def _changed(sql: str, rules: tuple[Rule, ...]) -> str:
    for pattern, replacement in rules:
        before = None
        while sql != before:  # Calls may be nested.
            before, sql = sql, re.sub(pattern, replacement, sql, flags=re.DOTALL)
    return sql


def split_returning(sql: str) -> tuple[str, str, list[str]]:
    """Take RETURNING ... INTO off; return its columns and binds, if there is one.

    >>> split_returning('INSERT INTO T VALUES (:a) RETURNING T."ID" INTO :b')
    ('INSERT INTO T VALUES (:a)', 'T."ID"', ['b'])
    """
    masked, texts = mask(sql)
    pattern = r"(.+) RETURNING (.+) INTO (:\w+(?:, :\w+)*)"
    if found := re.fullmatch(pattern, masked, re.DOTALL):
        statement, columns, binds = found.groups()
        return unmask(statement, texts), columns, re.findall(r"\w+", binds)
    return sql, "", []
