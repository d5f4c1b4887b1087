"""What every engine needs, and what Oracle refuses and no engine does."""

import re

from lab.oracle.standin.errors import driver_error
from lab.oracle.standin.translation import Replace, Whole

# The longest texts in tables where MAX_STRING_SIZE is STANDARD, as it is unless
# somebody changes it. Django asks, and uses no collations where it is.
LONGEST = {"VARCHAR2": 4000, "NVARCHAR2": 2000}


def check_lengths(sql: str) -> None:
    """Raise oracledb's error for a type of text that is too long for Oracle."""
    for kind, length in re.findall(r"\b(N?VARCHAR2)\((\d+)\)", sql):
        if int(length) > LONGEST[kind]:
            raise driver_error(
                910, "ORA-00910: specified length too long for its datatype"
            )


NOTHING_TO_DO = (
    Whole(
        r"ALTER SESSION SET (?:NLS_|TIME_ZONE)",
        (),
        "formats and zone of dates and times: they travel as typed values here",
    ),
    Whole(
        r"DECLARE\s+i INTEGER;\s+BEGIN\s+SELECT COUNT\(1\) INTO i FROM USER_SEQUENCES",
        (),
        "drops the sequence of an old AutoField: identity columns have none",
    ),
    Whole(
        r"ALTER TABLE \S+ (?:DISABLE|ENABLE) CONSTRAINT ",
        (),
        "foreign keys around a TRUNCATE: the engine's rule for that has them",
    ),
)
ANY_IN_LIST = Replace(
    r" = ANY\((?!SELECT\b)", " IN (", "to compare with ANY of a list is Oracle's own"
)
# Django's PL/SQL block that moves an identity past the values in its column.
RESET = (
    r"DECLARE\s+table_value integer;.+"
    r"SELECT NVL\(MAX\((?P<column>\S+)\), 0\) INTO table_value FROM (?P<table>\S+);"
)
