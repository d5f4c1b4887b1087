"""What must be true of the text of every MERGE that Django sends to Oracle.

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

    def between(self, start: str, end: str) -> str:
        """Return what is between two patterns in the text; empty without them."""
        found = re.search(f"{start}(.*?){end}", self.text)
        return found[1] if found else ""

    @property
    def source(self) -> str:
        """What is in the parentheses of USING."""
        found = re.search(rf" USING \(({INSIDE})\)", self.text)
        return found[1] if found else ""

    @property
    def assignments(self) -> list[list[str]]:
        """The assignments of UPDATE SET, split at "="; [[""]] for a SET of none."""
        if "WHEN MATCHED" not in self.outline:
            return []
        update = "WHEN MATCHED THEN UPDATE SET (.*?) ?(?:WHERE |WHEN NOT|$)"
        found = re.search(update, self.outline)
        parts = found[1].split(",") if found else [""]
        return [part.strip().split(" = ") for part in parts]

    @property
    def compared(self) -> set[str]:
        """The target's columns that the condition of ON names."""
        target = self.between("MERGE INTO .*?", " USING").split(" ")[-1]
        return set(re.findall(rf'{target}\.("\d+")', self.between(" ON ", " WHEN ")))


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


# Name: what is wrong, and whether it is so.
CHECKS: Mapping[str, tuple[str, Callable[[Merge], object]]] = {
    "no_as": (
        "AS before the alias of a table or subquery",
        lambda merge: re.search(
            r"\bAS\b", re.sub(rf"\bCAST\({INSIDE}\)", "", merge.text)
        ),
    ),
    "on_in_parentheses": (
        "ON without parentheses around its condition",
        lambda merge: " ON () WHEN " not in merge.outline,
    ),
    # Oracle takes one, PostgreSQL and others do not.
    "set_unqualified": (
        "a table before a column of SET",
        lambda merge: any("." in left for left, *_ in merge.assignments),
    ),
    # ORA-38104
    "set_not_compared": (
        "a column in ON and in SET",
        lambda merge: any(
            left.split(".")[-1] in merge.compared for left, *_ in merge.assignments
        ),
    ),
    "something_to_set": (
        "WHEN MATCHED without THEN UPDATE SET and a column",
        lambda merge: [""] in merge.assignments,
    ),
    "source_selected": (
        "the source is not (SELECT ...)",
        lambda merge: " USING (SELECT " not in merge.text,
    ),
    # Only 23ai can do without.
    "from_dual": (
        "a SELECT without FROM DUAL",
        lambda merge: (
            not all(
                select.endswith(" FROM DUAL")
                for select in merge.source.split(" UNION ")
            )
        ),
    ),
    "source_named": (
        "no alias, and nothing else, behind the source",
        lambda merge: not re.search(r' USING \(\) (\w+|"\d+") ON ', merge.outline),
    ),
    # ORA-00933: the driver takes one statement without its end.
    "no_semicolon": ("a semicolon", lambda merge: ";" in merge.text),
    "few_binds": (
        f"more than {MAX_BINDS:,} binds",
        lambda merge: len(binds(merge.text)) > MAX_BINDS,
    ),
}


def problems(sql: str) -> dict[str, str]:
    """Return what is wrong with a MERGE, by the name of the check that says so."""
    merge = parsed(sql)
    return {name: text for name, (text, is_wrong) in CHECKS.items() if is_wrong(merge)}
