"""The bytes that a table takes on disk, as its database counts them."""

from typing import Any

# Statements that leave no room which a table could do without, and bring the
# statistics about sizes up to date; then the query, with the name of the table.
COMPACT = {
    "sqlite": ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"),
    "postgresql": ("VACUUM FULL ANALYZE {}",),
    "mysql": ("OPTIMIZE TABLE {}", "ANALYZE TABLE {}"),
}
BYTES = {
    # Of the file, which holds nothing but the table and a page of the schema.
    "sqlite": "SELECT (page_count - 1) * page_size"
    " FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_total_relation_size(to_regclass('{0}'))",
    "mysql": "SELECT data_length + index_length FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = '{0}'",
}


def on_disk(connection: Any, table: str) -> int:
    """Compact a table and return its bytes with its indexes and long values."""
    vendor = connection.vendor
    with connection.cursor() as cursor:
        for statement in COMPACT[vendor]:
            cursor.execute(statement.format(connection.ops.quote_name(table)))
            # OPTIMIZE TABLE and ANALYZE TABLE report by rows.
            if cursor.description:
                cursor.fetchall()
        if vendor == "mysql" and not connection.mysql_is_mariadb:
            # Else it answers from a cache that is up to a day old.
            cursor.execute("SET SESSION information_schema_stats_expiry = 0")
        cursor.execute(BYTES[vendor].format(table))
        return int(cursor.fetchone()[0])
