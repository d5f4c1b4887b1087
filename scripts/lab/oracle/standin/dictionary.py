"""Oracle's data dictionary: the columns of it that Django's backend asks for.

Each engine has views of these names in a schema of its own, so that Django's queries
run as they are. They show the schema that the session is in, as its engine has it:
NOT NULL is no check constraint, and a descending column of an index has its name.
"""

from collections.abc import Mapping

from lab.oracle.standin.engine import Result, Session

SCHEMA = "DICTIONARY"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "user_tables": ("table_name", "default_collation"),
    "user_tab_comments": ("table_name", "comments"),
    "user_views": ("view_name", "default_collation"),
    "user_mviews": ("mview_name", "default_collation"),
    "user_tab_cols": ("table_name", "column_name", "identity_column"),
    "user_tab_identity_cols": ("table_name", "column_name", "sequence_name"),
    "user_constraints": (
        "constraint_name",
        "table_name",
        "constraint_type",
        "r_constraint_name",
        "delete_rule",
        "index_name",
    ),
    "user_cons_columns": ("constraint_name", "table_name", "column_name", "position"),
    "user_indexes": ("index_name", "index_type", "uniqueness"),
    "user_ind_columns": (
        "index_name",
        "table_name",
        "column_name",
        "column_position",
        "descend",
    ),
}

_FOREIGN_KEYS = """
    SELECT child.table_name, child.constraint_name, parent.table_name
    FROM user_constraints child
    JOIN user_constraints parent ON parent.constraint_name = child.r_constraint_name
    WHERE child.constraint_type = 'R'
"""


def views(queries: Mapping[str, str], form: str) -> list[str]:
    """The statements that create the views; ``form`` has view, columns and query."""
    return [
        form.format(view=view, columns=", ".join(columns), query=queries[view])
        for view, columns in COLUMNS.items()
    ]


def answer(session: Session, sql: str, literals: Mapping[str, str]) -> Result | None:
    """The answer to a query that the engines' SQL cannot express; None to others.

    That is one: Django's CONNECT BY for the tables that depend on a table.
    """
    if "CONNECT BY" not in sql:
        return None
    table = next(iter(literals.values())).strip("'").upper()
    rows = session.run(_FOREIGN_KEYS).rows
    return Result(("TABLE_NAME", "CONSTRAINT_NAME"), dependents(rows, table))


def dependents(
    keys: tuple[tuple[str, str, str], ...], table: str
) -> tuple[tuple[str, str], ...]:
    """The foreign keys that lead to a table, over any number of others.

    ``keys`` are table, constraint, and table referred to. The table's own are left
    out, as Django's query does.

    >>> dependents((("B", "B_A", "A"), ("C", "C_B", "B"), ("D", "D_E", "E")), "A")
    (('B', 'B_A'), ('C', 'C_B'))
    """
    reached, new = set[str](), {table}
    while new:
        reached |= new
        new = {child for child, _, parent in keys if parent in new} - reached
    return tuple(
        (child, constraint)
        for child, constraint, parent in keys
        if child != table and parent in reached
    )
