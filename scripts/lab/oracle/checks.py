"""What must be true of the text of every MERGE that Django sends to Oracle.

Each check takes a statement and returns what is wrong with it, or None. They know
the statement's shape, not the language: for that see the grammars.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

MAX_BINDS = 65_535

TOKEN = re.compile(
    r"""
    "[^"]*"             # a quoted name
    | '(?:[^']|'')*'    # a string
    | :?\w+             # a word, a number, a bind
    | \S
    """,
    re.VERBOSE,
)
CLAUSES = ("USING", "ON", "WHEN")


@dataclass(frozen=True)
class Token:
    """A word in capitals, a quoted name, a literal, a bind or a sign.

    ``depth`` is the number of parentheses around it, ``opener`` what stands before
    the innermost of them.
    """

    text: str
    depth: int = 0
    opener: str = ""


def tokens(sql: str) -> list[Token]:
    """Split a statement.

    >>> [each.text for each in tokens('on ("T"."A b" = :arg0)')]
    ['ON', '(', '"T"', '.', '"A b"', '=', ':arg0', ')']
    """
    found: list[Token] = []
    openers: list[str] = []
    for text in TOKEN.findall(sql):
        if text == ")" and openers:
            openers.pop()
        literal = text[0] in "\"':"
        word = text if literal else text.upper()
        found.append(Token(word, len(openers), openers[-1] if openers else ""))
        if text == "(":
            openers.append(found[-2].text if found[1:] else "")
    return found


def clause(sql: str, *words: str) -> list[Token]:
    """Return what follows these words in the clause that they begin; [] if none does.

    >>> merge = "MERGE INTO t USING (s) x ON (a) WHEN MATCHED THEN UPDATE SET b = c"
    >>> [each.text for each in clause(merge, "WHEN", "MATCHED")]
    ['THEN', 'UPDATE', 'SET', 'B', '=', 'C']
    """
    parts: list[list[Token]] = [[]]
    for token in tokens(sql):
        if token.depth == 0 and token.text in CLAUSES:
            parts.append([])
        parts[-1].append(token)
    for part in parts:
        if tuple(token.text for token in part[: len(words)]) == words:
            return part[len(words) :]
    return []


def inside(part: Sequence[Token]) -> list[Token]:
    """Return what is in the parentheses with which the tokens begin; [] without."""
    if not part or part[0].text != "(":
        return []
    return list(takewhile(lambda token: token.depth > part[0].depth, part[1:]))


def behind(part: Sequence[Token]) -> list[Token]:
    """Return what follows the parentheses with which the tokens begin."""
    return list(part[len(inside(part)) + 2 :])


def split(part: Sequence[Token], at: str) -> list[list[Token]]:
    """Split tokens at a sign or word that is in no parentheses among them."""
    found: list[list[Token]] = [[]]
    for token in part:
        if token.text == at and token.depth == part[0].depth:
            found.append([])
        else:
            found[-1].append(token)
    return found


def assignments(sql: str) -> list[list[Token]]:
    """Return the assignments of UPDATE SET; [[]] for a SET without any."""
    part = clause(sql, "WHEN", "MATCHED", "THEN", "UPDATE", "SET")
    return split(
        list(takewhile(lambda token: token.text not in ("WHERE", "DELETE"), part)), ","
    )


def left_side(assignment: Sequence[Token]) -> list[str]:
    return [
        token.text for token in takewhile(lambda each: each.text != "=", assignment)
    ]


def alias(sql: str) -> str | None:
    """Return the name by which the target is known in the statement."""
    target = clause(sql, "MERGE", "INTO")
    return target[-1].text if target else None


def compared(sql: str) -> set[str]:
    """Return the target's columns that the condition of ON names."""
    part = [token.text for token in clause(sql, "ON")]
    target = alias(sql)
    return {
        column
        for table, dot, column in zip(part, part[1:], part[2:], strict=False)
        if (table, dot) == (target, ".")
    }


def no_as(sql: str) -> str | None:
    """Oracle takes no AS before the alias of a table or subquery."""
    wrong = any(each.text == "AS" and each.opener != "CAST" for each in tokens(sql))
    return "AS before an alias" if wrong else None


def on_in_parentheses(sql: str) -> str | None:
    """The condition of ON is in parentheses, as a whole."""
    part = clause(sql, "ON")
    whole = inside(part) and not behind(part)
    return None if whole else "ON without parentheses around its condition"


def set_unqualified(sql: str) -> str | None:
    """The columns of SET have no table: PostgreSQL and others refuse one."""
    for assignment in assignments(sql):
        if "." in left_side(assignment):
            return f"SET {''.join(left_side(assignment))} has a table"
    return None


def set_not_compared(sql: str) -> str | None:
    """A column that ON names cannot be set (ORA-38104)."""
    names = {side[-1] for each in assignments(sql) if (side := left_side(each))}
    both = sorted(names & compared(sql))
    return f"{', '.join(both)} in ON and in SET" if both else None


def something_to_set(sql: str) -> str | None:
    """WHEN MATCHED is there only if it sets something."""
    wrong = clause(sql, "WHEN", "MATCHED") and not all(assignments(sql))
    return "WHEN MATCHED without THEN UPDATE SET and a column" if wrong else None


def from_dual(sql: str) -> str | None:
    """Every SELECT of the source has FROM DUAL: only 23ai can do without."""
    for select in split(inside(clause(sql, "USING")), "UNION"):
        if [token.text for token in select[-2:]] != ["FROM", "DUAL"]:
            return "a SELECT without FROM DUAL"
    return None


def source_selected(sql: str) -> str | None:
    """The source is a query in parentheses."""
    source = inside(clause(sql, "USING"))
    selected = source and source[0].text == "SELECT"
    return None if selected else "the source is not (SELECT ...)"


def source_named(sql: str) -> str | None:
    """An alias, and nothing else, follows the source."""
    names = [token.text for token in behind(clause(sql, "USING"))]
    named = len(names) == 1 and re.fullmatch(r'\w+|"[^"]+"', names[0])
    return None if named else "no alias behind the source"


def no_semicolon(sql: str) -> str | None:
    """The driver takes one statement without its end (ORA-00933)."""
    wrong = any(each.text == ";" for each in tokens(sql))
    return "a semicolon" if wrong else None


def few_binds(sql: str) -> str | None:
    """A bind counts each time that it occurs."""
    number = sum(each.text.startswith(":") for each in tokens(sql))
    return f"{number:,} binds" if number > MAX_BINDS else None


type Check = Callable[[str], str | None]

CHECKS: Sequence[Check] = (
    no_as,
    on_in_parentheses,
    set_unqualified,
    set_not_compared,
    something_to_set,
    source_selected,
    from_dual,
    source_named,
    no_semicolon,
    few_binds,
)


def problems(sql: str) -> dict[str, str]:
    """Return what is wrong with a MERGE, by the name of the check that says so."""
    return {
        check.__name__: found for check in CHECKS if (found := check(sql)) is not None
    }
