"""The bytes that a table takes on disk, as its database counts them."""

from typing import Any

# What leaves no room that a table could do without, and brings the statistics
# that sizes are read from up to date.
COMPACT = {
    "sqlite": ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"),
    "postgresql": ("VACUUM FULL ANALYZE {}",),
    "mysql": ("OPTIMIZE TABLE {}", "ANALYZE TABLE {}"),
}


def on_disk(connection: Any, table: str) -> int:
    """Compact a table and return its bytes with its indexes and long values."""
    quoted = connection.ops.quote_name(table)
    with connection.cursor() as cursor:
        for statement in COMPACT[connection.vendor]:
            cursor.execute(statement.format(quoted))
            # OPTIMIZE TABLE and ANALYZE TABLE report by rows.
            if cursor.description:
                cursor.fetchall()
        return READ[connection.vendor](cursor, table)


def sqlite_bytes(cursor: Any, table: str) -> int:
    """Return the bytes of the pages of a table."""
    cursor.execute(
        "SELECT 1 FROM pragma_compile_options"
        " WHERE compile_options = 'ENABLE_DBSTAT_VTAB'"
    )
    if cursor.fetchone():
        cursor.execute(
            "SELECT SUM(pgsize) FROM dbstat WHERE name IN"
            " (SELECT name FROM sqlite_schema WHERE tbl_name = %s)",
            [table],
        )
    else:
        # The file, which holds nothing else.
        cursor.execute(
            "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        )
    return int(cursor.fetchone()[0])


def postgresql_bytes(cursor: Any, table: str) -> int:
    cursor.execute("SELECT pg_total_relation_size(to_regclass(%s))", [table])
    return int(cursor.fetchone()[0])


def mysql_bytes(cursor: Any, table: str) -> int:
    if not cursor.db.mysql_is_mariadb:
        # Else it answers with what it saw within the last day.
        cursor.execute("SET SESSION information_schema_stats_expiry = 0")
    cursor.execute(
        "SELECT data_length + index_length FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        [table],
    )
    return int(cursor.fetchone()[0])


READ = {
    "sqlite": sqlite_bytes,
    "postgresql": postgresql_bytes,
    "mysql": mysql_bytes,
}
