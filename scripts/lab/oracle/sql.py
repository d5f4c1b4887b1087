"""Text of SQL without a parser: what is quoted, in brackets, or a bind."""

import re
from collections.abc import Callable

QUOTED = r"""(?P<text>'(?:[^']|'')*')|(?P<other>"[^"]*"|--[^\n]*|/\*.*?\*/)"""
TEXTS = re.compile(QUOTED, re.DOTALL)
BINDS = re.compile(rf"{QUOTED}|:(?P<bind>[A-Za-z]\w*)", re.DOTALL)

# The text between brackets. Python's patterns are not recursive.
INSIDE = r"[^()]*+"
for _ in range(8):
    INSIDE = rf"""(?:"[^"]*"|[^()"]++|\({INSIDE}\))*+"""
ARGUMENT = rf"""(?:"[^"]*"|[^()",]++|\({INSIDE}\))*+"""


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

    return TEXTS.sub(number, sql), texts


def unmask(sql: str, texts: list[str]) -> str:
    return re.sub(r"'#(\d+)'", lambda found: texts[int(found[1])], sql)


def binds(sql: str) -> list[str]:
    """Return the names of the binds in order, a repeated one repeatedly.

    >>> binds("SELECT :arg0, ':no' FROM t WHERE a = :arg0")
    ['arg0', 'arg0']
    """
    return [found["bind"] for found in BINDS.finditer(sql) if found["bind"]]


def is_dml(sql: str) -> bool:
    """Return whether a statement changes rows, by its first word as the driver does."""
    return bool(re.match(r"\s*(?:INSERT|UPDATE|DELETE|MERGE)\b", sql, re.IGNORECASE))


def fill(sql: str, literal: Callable[[str], str]) -> str:
    """Put a literal in the place of each bind.

    >>> fill("SELECT :a, ':b' FROM t", {"a": "1"}.__getitem__)
    "SELECT 1, ':b' FROM t"
    """
    return BINDS.sub(
        lambda found: literal(found["bind"]) if found["bind"] else found[0], sql
    )
