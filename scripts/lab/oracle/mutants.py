"""Mistakes, planted in a good MERGE, that the checks must find.

A check that would not notice a mistake shows nothing by its silence. So these are
in every run, and one that is not caught where it must be is a finding.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.oracle import checks

GRAMMARS = ("oceanbase", "antlr")
POSTGRESQL = "standin-postgres"

# Two columns in ON and in SET, two rows.
GOOD = "Total: two rows, update two on the constraint"


@dataclass(frozen=True)
class Mutant:
    """A mistake: the first match of ``pattern`` becomes ``replacement``.

    ``caught_by`` names all that must catch it: static checks, grammars, and the
    stand-in that would have to execute it.
    """

    name: str
    pattern: str
    replacement: str
    caught_by: tuple[str, ...]

    def plant(self, sql: str) -> str:
        """Return the statement with the mistake.

        ValueError if there is no place for it.
        """
        changed = re.sub(self.pattern, self.replacement, sql, count=1)
        if changed == sql:
            raise ValueError(f"{self.name}: there is no place for it in {sql}")
        return changed


MUTANTS: Sequence[Mutant] = (
    Mutant(
        # Oracle itself takes it.
        "a table before a column of SET",
        r'^(MERGE INTO ("[^"]+").* UPDATE SET )',
        r"\1\2.",
        ("set_unqualified", POSTGRESQL),
    ),
    Mutant(
        "AS before the alias of the source",
        r"\) (\w+) ON \(",
        r") AS \1 ON (",
        ("no_as", "source_named", *GRAMMARS),
    ),
    Mutant(
        "AS before an alias of the target",
        r'^(MERGE INTO "[^"]+")',
        r"\1 AS target",
        ("no_as", *GRAMMARS),
    ),
    Mutant(
        "no alias of the source",
        r"\) \w+ ON \(",
        ") ON (",
        ("source_named",),
    ),
    Mutant(
        "ON without parentheses",
        r" ON \((.*?)\) WHEN ",
        r" ON \1 WHEN ",
        ("on_in_parentheses", *GRAMMARS),
    ),
    Mutant(
        "WHEN MATCHED AND",
        "WHEN MATCHED THEN",
        "WHEN MATCHED AND 1 = 1 THEN",
        ("something_to_set", *GRAMMARS),
    ),
    Mutant(
        # ORA-38104; no grammar can know.
        "a column of ON in SET",
        r'( ON \("[^"]+"\.("[^"]+").* UPDATE SET )',
        r"\1\2 = excluded.col_0, ",
        ("set_not_compared",),
    ),
    Mutant(
        "ON CONFLICT",
        "$",
        " ON CONFLICT DO NOTHING",
        GRAMMARS,
    ),
    Mutant(
        "DO NOTHING",
        "UPDATE SET .*? WHEN",
        "DO NOTHING WHEN",
        ("something_to_set", *GRAMMARS),
    ),
    Mutant(
        "the first SELECT without FROM DUAL",
        " FROM DUAL UNION",
        " UNION",
        ("from_dual", *GRAMMARS),
    ),
    Mutant(
        "the last SELECT without FROM DUAL",
        r" FROM DUAL\)",
        ")",
        ("from_dual", *GRAMMARS),
    ),
    Mutant(
        "a semicolon at the end",
        "$",
        ";",
        ("no_semicolon", *GRAMMARS),
    ),
    Mutant(
        "VALUES as the source",
        r"USING \(.*\) (\w+) ON \(",
        r"USING (VALUES (:arg0, :arg1)) \1 (col_0, col_1) ON (",
        ("source_selected", "source_named", *GRAMMARS),
    ),
    Mutant(
        "WHEN MATCHED without THEN",
        "WHEN MATCHED THEN",
        "WHEN MATCHED",
        ("something_to_set", *GRAMMARS),
    ),
    Mutant(
        "nothing to set",
        "UPDATE SET .*? WHEN",
        "UPDATE SET WHEN",
        ("something_to_set", *GRAMMARS),
    ),
)


def planted(sql: str) -> dict[str, str]:
    """Return the mutants of a good MERGE, by their names."""
    return {mutant.name: mutant.plant(sql) for mutant in MUTANTS}


def missed(
    planted: Mapping[str, str], by: Sequence[str], caught: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return a line for each mutant that one of ``by`` had to catch and did not.

    ``caught`` has what caught each mutant.
    """
    return [
        f"{each} lets a mutant pass: {mutant.name}: {planted[mutant.name]}"
        for mutant in MUTANTS
        for each in mutant.caught_by
        if each in by and each not in caught[mutant.name]
    ]


def findings(good: str) -> list[str]:
    """Return a line for each mutant that a static check had to catch and did not."""
    each = planted(good)
    names = [check.__name__ for check in checks.CHECKS]
    return missed(
        each, names, {key: [*checks.problems(sql)] for key, sql in each.items()}
    )
