"""Static checks of every MERGE that Django sends to Oracle, and of all binds.

The checks know the statement's shape, not the language: for that see the grammars.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lab.oracle.sql import ARGUMENT, INSIDE, binds, mask

MAX_BINDS = 65_535
# Of an array: an array needs memory for as many of its longest values.
MAX_ROWS = 1_000
# The longest values in a select list, in bytes, where MAX_STRING_SIZE is STANDARD.
LONGEST = {"bytes": 2_000, "str": 4_000}
# Each type of a bind that statements.shown() names: the group that shares a column.
GROUPS = {
    **dict.fromkeys(("int", "float", "Decimal", "bool"), "number"),
    **dict.fromkeys(("date", "datetime", "Oracle_datetime"), "time"),
    "timedelta": "interval",
    "str": "text",
    "bytes": "raw",
    "DB_TYPE_BLOB": "BLOB",
    **dict.fromkeys(("DB_TYPE_CLOB", "DB_TYPE_NCLOB"), "CLOB"),
}
# What converts a bind in a select list: the group of its result.
CONVERSIONS = {
    "TO_NUMBER": "number",
    "TO_NCLOB": "CLOB",
    "TO_BLOB": "BLOB",
    "TO_DATE": "time",
    "TO_TIMESTAMP": "time",
    "CAST": "interval",
}
LOBS = ("BLOB", "CLOB")


@dataclass(frozen=True)
class Merge:
    """A statement in capitals, with "1" for each name and '#1' for each text.

    ``outline`` has () in the place of what is in brackets.
    """

    text: str
    outline: str

    @property
    def source(self) -> str:
        """The text in the parentheses of USING."""
        found = re.search(rf" USING \(({INSIDE})\)", self.text)
        return found[1] if found else ""

    @property
    def updated(self) -> list[str]:
        """The left sides of UPDATE SET, and "" for one that is missing."""
        if "WHEN MATCHED" not in self.outline:
            return []
        update = "WHEN MATCHED THEN UPDATE SET (.*?) ?(?:WHERE |WHEN NOT|$)"
        found = re.search(update, self.outline)
        parts = found[1].split(",") if found else [""]
        return [part.strip().partition(" = ")[0] for part in parts]

    @property
    def compared(self) -> set[str]:
        """The target's columns that the condition of ON names."""
        found = re.search(r"(\S+) USING .* ON (.*) WHEN MATCHED", self.text)
        return {*re.findall(rf'{found[1]}\.("\d+")', found[2])} if found else {*()}


def parsed(sql: str) -> Merge:
    """Take a statement apart.

    >>> parsed('MERGE INTO "A b" USING (SELECT f(:a)) x ON (:a)').outline
    'MERGE INTO "0" USING () X ON ()'
    """
    names: dict[str, str] = {}
    text = re.sub(
        r'"[^"]*"',
        lambda name: names.setdefault(name[0], f'"{len(names)}"'),
        mask(sql)[0],
    ).upper()
    return Merge(text, re.sub(rf"\({INSIDE}\)", "()", text))


CHECKS: Mapping[str, Callable[[Merge], object]] = {
    "no_as": lambda merge: (
        not re.search(r"\bAS\b", re.sub(rf"\bCAST\({INSIDE}\)", "", merge.text))
    ),
    "on_in_parentheses": lambda merge: " ON () WHEN " in merge.outline,
    # Oracle takes a table before a column of SET, PostgreSQL and others do not.
    "set_unqualified": lambda merge: not any("." in left for left in merge.updated),
    # A column in ON cannot be set (ORA-38104).
    "set_not_compared": lambda merge: (
        not any(left.split(".")[-1] in merge.compared for left in merge.updated)
    ),
    # WHEN MATCHED is there only if it sets something.
    "something_to_set": lambda merge: "" not in merge.updated,
    "source_selected": lambda merge: merge.source.startswith("SELECT "),
    # Only 23ai can do without.
    "from_dual": lambda merge: all(
        select.endswith(" FROM DUAL") for select in merge.source.split(" UNION ")
    ),
    # An alias, and nothing else, follows the source.
    "source_named": lambda merge: re.search(
        r' USING \(\) (\w+|"\d+") ON ', merge.outline
    ),
    # The driver takes one statement without its end (ORA-00933).
    "no_semicolon": lambda merge: ";" not in merge.text,
    "few_binds": lambda merge: len(binds(merge.text)) <= MAX_BINDS,
    # More rows are an array of binds, so that the text is the same.
    "one_row": lambda merge: not re.search(r"\bUNION\b", merge.text),
}


@dataclass(frozen=True)
class Sent:
    """A statement with the binds of its rows, or of those on file, as texts."""

    sql: str
    rows: Sequence[Mapping[str, str]]
    number: int

    @cached_property
    def selects(self) -> list[list[str]]:
        """The items of each SELECT of binds: "TO_NUMBER(:arg0) col_0"."""
        found = re.search(rf"\((SELECT (?!\*){INSIDE})\)", mask(self.sql)[0])
        each = found[1].split(" UNION ALL ") if found else []
        items = [re.sub("^SELECT | FROM DUAL$", "", select) for select in each]
        found_items = (re.findall(ARGUMENT, row) for row in items)
        return [[item.strip() for item in row if item.strip()] for row in found_items]

    def types(self, name: str) -> set[str]:
        """Return the groups of a bind's values, "" for a type that is unknown."""
        return {
            GROUPS.get(type_name(row[name]), "")
            for row in self.rows
            if row.get(name, "NULL") != "NULL" and not row[name].startswith("OUT ")
        }

    def item_types(self, item: str) -> set[str]:
        """Return the groups of an item of a SELECT."""
        if found := re.match(r"(\w+)\(", item):
            return {CONVERSIONS.get(found[1].upper(), "")}
        return {group for name in binds(item) for group in self.types(name)}


def type_name(shown: str) -> str:
    """Return the type of a bind.

    >>> type_name("str of 4,000: 'x'..."), type_name("date as DB_TYPE_DATE 2026-01-02")
    ('str', 'date')
    """
    return shown.partition(" ")[0]


def size(shown: str) -> int:
    """Return the length of a bind, 0 for a short one.

    >>> size("bytes of 40,000: b'x'..."), size("int 7")
    (40000, 0)
    """
    found = re.match(r"\w+(?: as \w+)? of ([\d,]+): ", shown)
    return int(found[1].replace(",", "")) if found else 0


def sent(statement: Mapping[str, Any]) -> Sent:
    """Take a statement of a golden file."""
    given = statement["binds"]
    rows = given if isinstance(given, list) else [given]
    return Sent(statement["sql"], rows, statement.get("rows", 1))


def _each(sent: Sent) -> list[str]:
    return [shown for row in sent.rows for shown in row.values()]


def _short(sent: Sent) -> bool:
    """Return whether all binds are short enough for where they are.

    A plain VALUES takes longer bytes.
    """
    if not sent.selects:
        return True
    return all(
        size(each) <= LONGEST.get(type_name(each), size(each)) for each in _each(sent)
    )


def _no_lob_in_on(sent: Sent) -> bool:
    found = re.search(r"\) (\S+) ON \((.*?)\) WHEN ", mask(sent.sql)[0])
    if found is None or not sent.selects:
        return True
    compared = set(re.findall(rf"{re.escape(found[1])}\.(\w+)", found[2]))
    return not any(
        sent.item_types(item) & {*LOBS}
        for item in sent.selects[0]
        if item.rpartition(" ")[2] in compared
    )


def _one_type_in_a_union(sent: Sent) -> bool:
    columns = zip(*sent.selects, strict=False) if len(sent.selects) > 1 else ()
    return all(
        len({group for item in column for group in sent.item_types(item)}) <= 1
        for column in columns
    )


BOUND: Mapping[str, Callable[[Sent], object]] = {
    # The driver's own types, as subclasses may be refused.
    "known_types": lambda sent: all(
        type_name(each) in {*GROUPS, "NULL", "OUT"} for each in _each(sent)
    ),
    # The driver takes the type of an array from its first value.
    "one_type_in_an_array": lambda sent: all(
        len(sent.types(name)) <= 1 for name in sent.rows[0]
    ),
    "one_type_in_a_union": _one_type_in_a_union,
    # ORA-00932.
    "no_lob_in_on": _no_lob_in_on,
    # ORA-01461 and the like.
    "short_values": _short,
    "few_rows": lambda sent: sent.number <= MAX_ROWS,
}


def problems(sql: str) -> list[str]:
    """Return the names of the checks that a MERGE does not pass."""
    merge = parsed(sql)
    return [name for name, holds in CHECKS.items() if not holds(merge)]


def bound_problems(statement: Mapping[str, Any]) -> list[str]:
    """Return the names of the checks that the binds of a statement do not pass."""
    taken = sent(statement)
    return [name for name, holds in BOUND.items() if not holds(taken)]


def texts(statements: Sequence[Mapping[str, Any]]) -> dict[Any, set[str]]:
    """Return shape → texts of the arrays of a call, where one shape has one text.

    A shape is the beginning of a text, which binds are LOBs, and which items are none.
    """
    found: dict[Any, set[str]] = {}
    for statement in statements:
        if "rows" in statement:
            taken = sent(statement)
            head = re.match(r'\w+ INTO "[^"]+"', taken.sql)
            types = tuple(
                (name, bool(taken.types(name) & {*LOBS})) for name in taken.rows[0]
            )
            nulls = [not binds(item) for row in taken.selects for item in row]
            shape = (head and head[0], types, *nulls)
            found.setdefault(shape, set()).add(taken.sql)
    return found
