"""Oracle's data dictionary: the columns of it that Django's backend asks for.

Each engine has views of these names in a schema of its own, so that Django's queries
run as they are. They show the schema that the session is in, as its engine has it:
NOT NULL is no check constraint, there are no materialized views, and a descending
column of an index has its name.
"""

import re
from collections.abc import Iterator, Sequence

SCHEMA = "DICTIONARY"
# View and columns: query. {comment} and {index} are the engine's own; so are the
# views of indexes.
QUERIES = {
    "user_tables (table_name, default_collation)": """
        SELECT table_name, NULL FROM information_schema.tables
        WHERE table_schema = CURRENT_SCHEMA AND table_type = 'BASE TABLE'""",
    "user_tab_comments (table_name, comments)": """
        SELECT table_name, {comment} FROM information_schema.tables
        WHERE table_schema = CURRENT_SCHEMA""",
    "user_views (view_name, default_collation)": """
        SELECT table_name, NULL FROM information_schema.views
        WHERE table_schema = CURRENT_SCHEMA""",
    "user_mviews (mview_name, default_collation)": "SELECT NULL, NULL WHERE 1 = 0",
    "user_tab_cols (table_name, column_name, identity_column)": """
        SELECT table_name, column_name, is_identity FROM information_schema.columns
        WHERE table_schema = CURRENT_SCHEMA""",
    "user_tab_identity_cols (table_name, column_name, sequence_name)": """
        SELECT table_name, column_name, column_name FROM information_schema.columns
        WHERE table_schema = CURRENT_SCHEMA AND is_identity = 'YES'""",
    "user_constraints (constraint_name, table_name, constraint_type,"
    " r_constraint_name, delete_rule, index_name)": """
        SELECT c.constraint_name, c.table_name, CASE c.constraint_type
            WHEN 'PRIMARY KEY' THEN 'P' WHEN 'UNIQUE' THEN 'U'
            WHEN 'FOREIGN KEY' THEN 'R' ELSE 'C' END,
            r.unique_constraint_name, r.delete_rule,
            CASE WHEN c.constraint_type <> 'FOREIGN KEY' THEN {index} END
        FROM information_schema.table_constraints c
        LEFT JOIN information_schema.referential_constraints r
            ON r.constraint_name = c.constraint_name
            AND r.constraint_schema = c.constraint_schema
        WHERE c.constraint_schema = CURRENT_SCHEMA
            AND c.constraint_name NOT LIKE '%_not_null'""",
    # In Oracle the columns of a check constraint have no position.
    "user_cons_columns (constraint_name, table_name, column_name, position)": """
        SELECT constraint_name, table_name, column_name, ordinal_position
        FROM information_schema.key_column_usage
        WHERE constraint_schema = CURRENT_SCHEMA
        UNION ALL
        SELECT u.constraint_name, u.table_name, u.column_name, NULL
        FROM information_schema.constraint_column_usage u
        JOIN information_schema.check_constraints c
            ON c.constraint_name = u.constraint_name
            AND c.constraint_schema = u.constraint_schema
        WHERE u.constraint_schema = CURRENT_SCHEMA""",
}
INDEXES = "user_indexes (index_name, index_type, uniqueness)"
INDEX_COLUMNS = (
    "user_ind_columns (index_name, table_name, column_name, column_position, descend)"
)
FOREIGN_KEYS = """
    SELECT child.table_name, child.constraint_name, parent.table_name
    FROM user_constraints child
    JOIN user_constraints parent ON parent.constraint_name = child.r_constraint_name
    WHERE child.constraint_type = 'R'"""


def views(own: dict[str, str], comment: str, index: str) -> Iterator[str]:
    """Yield the statements that make the schema and its views.

    Names are in capitals, as in Oracle, and VARCHAR: a TEXT would be an NCLOB.
    """
    yield f"CREATE SCHEMA {SCHEMA}"
    for view, query in (QUERIES | own).items():
        _, *columns = re.findall(r"\w+", view)
        typed = (
            column
            if column.endswith("position")
            else f"CAST({column} AS VARCHAR)"
            if column == "comments"
            else f"CAST(UPPER({column}) AS VARCHAR)"
            for column in columns
        )
        query = query.format(comment=comment, index=index)
        yield (
            f"CREATE VIEW {SCHEMA}.{view} AS SELECT {', '.join(typed)}"
            f" FROM ({query}) asked ({', '.join(columns)})"
        )


def dependents(
    keys: Sequence[tuple[str, str, str]], table: str
) -> tuple[tuple[str, str], ...]:
    """Return the foreign keys that lead to a table, over any number of others.

    ``keys`` are table, constraint, and table referred to. The table's own are left
    out, as Django's query does.

    >>> keys = [("B", "B_A", "A"), ("C", "C_B", "B"), ("A", "A_C", "C")]
    >>> dependents([*keys, ("D", "D_E", "E")], "A")
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
