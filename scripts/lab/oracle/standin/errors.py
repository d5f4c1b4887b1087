"""Errors as oracledb raises them."""

from collections.abc import Mapping

import oracledb
from oracledb import errors

# What Oracle says, by the number that an engine's error gets here.
TEXTS: Mapping[int, str] = {
    1: "unique constraint violated",
    54: "resource busy and acquire with NOWAIT specified or timeout expired",
    60: "deadlock detected while waiting for resource",
    900: "invalid SQL statement",
    904: "invalid identifier",
    910: "specified length too long for its datatype",
    918: "column ambiguously specified",
    932: "inconsistent datatypes",
    942: "table or view does not exist",
    955: "name is already used by an existing object",
    1400: "cannot insert NULL",
    1438: "value larger than specified precision allowed for this column",
    1476: "divisor is equal to zero",
    1722: "invalid number",
    1861: "literal does not match format string",
    2091: "transaction rolled back",
    2290: "check constraint violated",
    2291: "integrity constraint violated - parent key not found",
    2292: "integrity constraint violated - child record found",
    12899: "value too large for column",
    30926: "unable to get a stable set of rows in the source tables",
}
# Oracle finds these at COMMIT where constraints are deferred.
DEFERRABLE = (1, 2291, 2292)


def driver_error(message: str, code: int = 0) -> oracledb.Error:
    """Return an exception of oracledb; its own error object chooses the class."""
    error = errors._Error(message=message, code=code)
    raised: oracledb.Error = error.exc_type(error)
    return raised


def oracle_error(code: int, said: str = "") -> oracledb.Error:
    """Return Oracle's error of this number, 0 if there is none like the engine's.

    ``said`` is the engine's own text.
    """
    if code:
        said = f"ORA-{code:05}: {TEXTS[code]}" + (f" ({said})" if said else "")
    return driver_error(said, code)


def commit_error(error: oracledb.Error) -> oracledb.Error:
    """Return what oracledb raises at COMMIT for an error."""
    [found] = error.args
    if found.code not in DEFERRABLE:
        return error
    return driver_error(f"ORA-02091: {TEXTS[2091]}\n{found.message}", 2091)
