"""Errors as oracledb raises them."""

from collections.abc import Mapping

import oracledb
from oracledb import errors

# Oracle's number: what it says, and the engines' codes for it, mostly SQLSTATEs.
ERRORS: Mapping[int, tuple[str, str]] = {
    1: ("unique constraint violated", "23505"),
    54: ("resource busy and acquire with NOWAIT specified", "55P03 HYT00"),
    60: ("deadlock detected while waiting for resource", "40001 40P01"),
    900: ("invalid SQL statement", "42000 42001 42601"),
    904: ("invalid identifier", "42703 42883 42S22"),
    910: ("specified length too long for its datatype", ""),
    918: ("column ambiguously specified", "42702 90059"),
    932: ("inconsistent datatypes", "42804"),
    942: ("table or view does not exist", "42P01 42S02 42S03 42S04"),
    955: ("name is already used by an existing object", "42P07 42S01"),
    1400: ("cannot insert NULL", "23502"),
    1438: ("value larger than specified precision allowed for this column", "22003"),
    1476: ("divisor is equal to zero", "22012"),
    1722: ("invalid number", "22018 22P02"),
    1861: ("literal does not match format string", "22007"),
    2091: ("transaction rolled back", ""),
    2290: ("check constraint violated", "23513 23514"),
    2291: ("integrity constraint violated - parent key not found", "23506"),
    2292: ("integrity constraint violated - child record found", "23503"),
    12899: ("value too large for column", "22001"),
    30926: ("unable to get a stable set of rows in the source tables", "21000"),
}
NUMBERS = {
    code: number for number, (_, codes) in ERRORS.items() for code in codes.split()
}
# Errors of a statement, not of a row of its values: no batch goes on after them.
STATEMENTS = (0, 54, 60, 900, 904, 910, 918, 932, 942, 955)
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
    if not code:
        return driver_error(said)
    more = f" ({said})" if said else ""
    return driver_error(f"ORA-{code:05}: {ERRORS[code][0]}{more}", code)


def commit_error(error: oracledb.Error) -> oracledb.Error:
    """Return the exception of oracledb for an error at COMMIT."""
    [found] = error.args
    if found.code not in DEFERRABLE:
        return error
    return driver_error(f"ORA-02091: {ERRORS[2091][0]}\n{found.message}", 2091)
