"""Errors as oracledb raises them."""

from collections.abc import Mapping

import oracledb
from oracledb import errors

# What Oracle says, by the numbers that an engine's errors are given here.
TEXTS: Mapping[int, str] = {
    1: "unique constraint violated",
    54: "resource busy and acquire with NOWAIT specified or timeout expired",
    60: "deadlock detected while waiting for resource",
    900: "invalid SQL statement",
    904: "invalid identifier",
    918: "column ambiguously specified",
    932: "inconsistent datatypes",
    942: "table or view does not exist",
    955: "name is already used by an existing object",
    1400: "cannot insert NULL",
    1438: "value larger than specified precision allowed for this column",
    1476: "divisor is equal to zero",
    1722: "invalid number",
    1861: "literal does not match format string",
    2290: "check constraint violated",
    2291: "integrity constraint violated - parent key not found",
    2292: "integrity constraint violated - child record found",
    12899: "value too large for column",
    30926: "unable to get a stable set of rows in the source tables",
}
# Violations that Oracle finds at COMMIT, where constraints are deferred.
DEFERRABLE = (1, 2291, 2292)


class EngineError(Exception):
    """A statement failed: the number of Oracle's error, 0 if there is none like it,
    and the engine's own text.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def driver_error(code: int, message: str) -> oracledb.Error:
    """An exception of oracledb with its own error object, whose class it chooses."""
    error = errors._Error(message=message, code=code)
    raised: oracledb.Error = error.exc_type(error)
    return raised


def oracle_error(error: EngineError, label: str) -> oracledb.Error:
    """What oracledb would raise; ``label`` names the engine."""
    return driver_error(error.code, _message(error, label))


def commit_error(error: EngineError, label: str) -> oracledb.Error:
    """What oracledb would raise at COMMIT."""
    if error.code not in DEFERRABLE:
        return oracle_error(error, label)
    return driver_error(
        2091, f"ORA-02091: transaction rolled back\n{_message(error, label)}"
    )


def _message(error: EngineError, label: str) -> str:
    said = f"{label}: {error.text}"
    if not error.code:
        return said
    return f"ORA-{error.code:05}: {TEXTS[error.code]} ({said})"
