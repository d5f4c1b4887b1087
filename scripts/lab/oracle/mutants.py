"""Mistakes, planted in a good MERGE, that the checks must find.

A check that would not notice a mistake shows nothing by its silence. So these are
in every run, and one that is not caught where it must be is a finding.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lab.oracle import checks

GRAMMARS = ("oceanbase", "antlr")
POSTGRESQL = "standin-postgres"

# Two columns in ON and in SET, an array of two rows.
GOOD = "Total: two rows, update two on the constraint"

AS = ("no_as", *GRAMMARS)
DUAL = ("from_dual", *GRAMMARS)
SET = ("something_to_set", *GRAMMARS)

# Mistake: what it replaces, by what, and all that must catch it: static checks,
# grammars, and the stand-in that would have to execute it.
MUTANTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    # Oracle itself takes it.
    "a table before a column of SET": (
        r'^(MERGE INTO ("[^"]+").* UPDATE SET )',
        r"\1\2.",
        ("set_unqualified", POSTGRESQL),
    ),
    "AS before the alias of the source": (
        r'\) (\w+|"\w+") ON \(',
        r") AS \1 ON (",
        ("source_named", *AS),
    ),
    "AS before an alias of the target": (r'^(MERGE INTO "[^"]+")', r"\1 AS target", AS),
    "no alias of the source": (
        r'\) (?:\w+|"\w+") ON \(',
        ") ON (",
        ("source_named",),
    ),
    "ON without parentheses": (
        r" ON \((.*?)\) WHEN ",
        r" ON \1 WHEN ",
        ("on_in_parentheses", *GRAMMARS),
    ),
    "WHEN MATCHED AND": ("MATCHED THEN", "MATCHED AND 1 = 1 THEN", SET),
    # ORA-38104; no grammar can know.
    "a column of ON in SET": (
        r'( ON \("[^"]+"\.("[^"]+").* UPDATE SET )',
        r"\1\2 = NULL, ",
        ("set_not_compared",),
    ),
    "ON CONFLICT": ("$", " ON CONFLICT DO NOTHING", GRAMMARS),
    "DO NOTHING": ("UPDATE SET .*? WHEN", "DO NOTHING WHEN", SET),
    "SELECT without FROM DUAL": (r" FROM DUAL\)", ")", DUAL),
    # Valid, but with a text for each number of rows.
    "a row more by UNION ALL": (
        r"USING \((SELECT .*?) FROM DUAL\)",
        r"USING (\1 FROM DUAL UNION ALL \1 FROM DUAL)",
        ("one_row",),
    ),
    "a semicolon at the end": ("$", ";", ("no_semicolon", *GRAMMARS)),
    "VALUES as the source": (
        r'USING \(.*\) (\w+|"\w+") ON \(',
        r"USING (VALUES (:arg0, :arg1)) \1 (col_0, col_1) ON (",
        ("source_selected", "source_named", *GRAMMARS),
    ),
    "WHEN MATCHED without THEN": ("WHEN MATCHED THEN", "WHEN MATCHED", SET),
    "nothing to set": ("UPDATE SET .*? WHEN", "UPDATE SET WHEN", SET),
}


BLOB, CLOB = "DB_TYPE_BLOB of 4,000: b'x'...", "DB_TYPE_CLOB of 4,001: 'x'..."
# Mistake in the binds of a row of an array, the first or the second: a column's place,
# its new bind, and the static check that must catch it. What the driver itself must
# refuse is in wire.py, too.
BOUND: Mapping[str, tuple[int, Mapping[int, str], str]] = {
    "a subclass of bytes": (2, {0: "Bytes of 2,001: b'x'..."}, "known_types"),
    "a LOB in ON": (0, {0: CLOB, 1: CLOB}, "no_lob_in_on"),
    "RAW of 2,001 bytes": (
        2,
        {0: "bytes of 2,001: b'x'...", 1: "NULL"},
        "short_values",
    ),
    "a str in a column of BLOBs": (2, {0: BLOB, 1: "str 'x'"}, "one_type_in_an_array"),
    "an array that mixes types": (3, {1: "str '1'"}, "one_type_in_an_array"),
}


def planted_binds(statement: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return mistake → an array of two rows with it.

    ON compares the first bind; it has been converted as it has to be for a number.
    """
    sql = re.sub(r"TO_\w+\((:arg[0-2])\)", r"\1", statement["sql"])
    found = {}
    for name, (place, changes, _) in BOUND.items():
        rows = [dict(row) for row in statement["binds"]]
        for row, bind in changes.items():
            rows[row][f"arg{place}"] = bind
        found[name] = {**statement, "sql": sql, "binds": rows}
    return found


def planted(sql: str, catcher: str = "") -> dict[str, str]:
    """Return mistake → a good MERGE with it; those that ``catcher`` must catch.

    ValueError if there is no place for one.
    """
    found = {}
    for name, (pattern, replacement, caught_by) in MUTANTS.items():
        if catcher and catcher not in caught_by:
            continue
        found[name] = re.sub(pattern, replacement, sql, count=1)
        if found[name] == sql:
            raise ValueError(f"{name}: there is no place for it in {sql}")
    return found


def missed(
    planted: Mapping[str, str], by: Sequence[str], caught: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return a line for each mistake that one of ``by`` had to catch and did not.

    ``caught`` has what caught each mistake.
    """
    return [
        f"{each} lets a mutant pass: {name}: {planted[name]}"
        for name, (_, _, caught_by) in MUTANTS.items()
        for each in caught_by
        if each in by and each not in caught[name]
    ]


def findings(good: Mapping[str, Any]) -> list[str]:
    """Return a line for each mistake that a static check had to catch and did not."""
    each = planted(good["sql"])
    caught = {name: checks.problems(sql) for name, sql in each.items()}
    return missed(each, [*checks.CHECKS], caught) + [
        f"{BOUND[name][2]} lets a mutant pass: {name}: {statement['binds']}"
        for name, statement in planted_binds(good).items()
        if BOUND[name][2] not in checks.bound_problems(statement)
    ]
