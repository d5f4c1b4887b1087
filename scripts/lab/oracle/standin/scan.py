"""SQL text without a parser: what is quoted, what is in brackets, what is a bind."""

import re
from collections.abc import Callable, Iterator

_QUOTED = r"""
    (?P<text>'(?:[^']|'')*')
  | (?P<other>"[^"]*" | --[^\n]* | /\*.*?\*/)
"""
_TEXTS = re.compile(_QUOTED, re.VERBOSE | re.DOTALL)
_BINDS = re.compile(rf"{_QUOTED} | :(?P<bind>[A-Za-z]\w*)", re.VERBOSE | re.DOTALL)
_BRACKETS = re.compile(rf"{_QUOTED} | [()] | \bWHERE\b | ,", re.VERBOSE | re.DOTALL)
_MASKED = re.compile(r"'#(\d+)'")


def mask(sql: str) -> tuple[str, list[str]]:
    """Number the text literals, so that no rule changes what is in one.

    The empty one stays: to Oracle it is NULL, which a rule can say.

    >>> mask("SELECT 'TO_DATE(x)', \\"it's\\" FROM t")
    ('SELECT \\'#0\\', "it\\'s" FROM t', ["'TO_DATE(x)'"])
    """
    texts: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found["text"] in (None, "''"):
            return found[0]
        texts.append(found[0])
        return f"'#{len(texts) - 1}'"

    return _TEXTS.sub(number, sql), texts


def unmask(sql: str, texts: list[str]) -> str:
    return _MASKED.sub(lambda found: texts[int(found[1])], sql)


def binds(sql: str) -> list[str]:
    """The names of the binds, in order, a repeated one repeatedly.

    >>> binds("SELECT :arg0, ':no' FROM t WHERE a = :arg0")
    ['arg0', 'arg0']
    """
    return [found["bind"] for found in _BINDS.finditer(sql) if found["bind"]]


def fill(sql: str, literal: Callable[[str], str]) -> str:
    """Put a literal in the place of each bind.

    >>> fill("SELECT :a, ':b' FROM t", {"a": "1"}.__getitem__)
    "SELECT 1, ':b' FROM t"
    """
    return _BINDS.sub(
        lambda found: literal(found["bind"]) if found["bind"] else found[0], sql
    )


def _levels(sql: str, begin: int = 0) -> Iterator[tuple[str, int, int]]:
    """Each bracket, comma and WHERE: what, where, and how deep in brackets.

    A bracket is as deep as what is outside it.
    """
    depth = 0
    for found in _BRACKETS.finditer(sql, begin):
        if found["text"] or found["other"]:
            continue
        depth -= found[0] == ")"
        yield found[0], found.start(), depth
        depth += found[0] == "("


def outer_where(sql: str) -> int:
    """Where the WHERE that is in no brackets begins; -1 without one.

    >>> outer_where("a = (SELECT 1 WHERE x) WHERE y")
    23
    """
    for what, where, depth in _levels(sql):
        if (what, depth) == ("WHERE", 0):
            return where
    return -1


def argument_end(sql: str, begin: int) -> int:
    """Where the bracket at ``begin`` ends; -1 if it holds more than one argument.

    >>> argument_end("f(g(a, b))", 1), argument_end("f(a, b)", 1)
    (9, -1)
    """
    for what, where, depth in _levels(sql, begin):
        if (what, depth) == (",", 1):
            return -1
        if (what, depth) == (")", 0):
            return where
    return -1
