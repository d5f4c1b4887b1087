"""Static checks of every MERGE that Django sends to Oracle.

The checks know the statement's shape, not the language: for that see the grammars.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.oracle.sql import INSIDE, binds, mask

MAX_BINDS = 65_535


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
}


def problems(sql: str) -> list[str]:
    """Return the names of the checks that a MERGE does not pass."""
    merge = parsed(sql)
    return [name for name, holds in CHECKS.items() if not holds(merge)]
