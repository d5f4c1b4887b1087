"""Which binds python-oracledb takes, as rules in Python for both doubles.

Read in its source distributions 2.3.0 and 26.1.0. Where the two differ, the rule is the
stricter one: 2.3.0 also makes LOBs of texts and bytes in a column of LOBs. Files:
impl/base/cursor.pyx and bind_var.pyx (arrays and sizes), metadata.pyx from_value() (the
type of a value; var.pyx in 2.3.0), connection.pyx _check_value(), and the encoding,
which is impl/base/converters.pyx in 26.1.0 and impl/thin/messages.pyx in 2.3.0. Thick
mode takes what thin mode takes, and more: the rules here are thin mode's.

The rules are stricter where the driver would silently send something else: it decodes
bytes in a column of texts and for a CLOB, encodes texts in a column of bytes and for a
BLOB, takes the type of the first value in the place of one that setinputsizes() gave
and that does not fit, and makes any value of a column of booleans one.
"""

import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import oracledb

from lab.oracle.standin.errors import driver_error

NUMBERS = (
    oracledb.DB_TYPE_NUMBER,
    oracledb.DB_TYPE_BINARY_INTEGER,
    oracledb.DB_TYPE_BINARY_DOUBLE,
    oracledb.DB_TYPE_BINARY_FLOAT,
)
TEXTS = (
    oracledb.DB_TYPE_CHAR,
    oracledb.DB_TYPE_VARCHAR,
    oracledb.DB_TYPE_NCHAR,
    oracledb.DB_TYPE_NVARCHAR,
    oracledb.DB_TYPE_LONG,
    oracledb.DB_TYPE_LONG_NVARCHAR,
)
RAWS = (oracledb.DB_TYPE_RAW, oracledb.DB_TYPE_LONG_RAW)
DATES = (
    oracledb.DB_TYPE_DATE,
    oracledb.DB_TYPE_TIMESTAMP,
    oracledb.DB_TYPE_TIMESTAMP_LTZ,
    oracledb.DB_TYPE_TIMESTAMP_TZ,
)
LOBS = (oracledb.DB_TYPE_CLOB, oracledb.DB_TYPE_NCLOB, oracledb.DB_TYPE_BLOB)
# A Python type, which a caller of var() and setinputsizes() may give: the driver's.
OF_PYTHON = {
    int: oracledb.DB_TYPE_NUMBER,
    float: oracledb.DB_TYPE_NUMBER,
    decimal.Decimal: oracledb.DB_TYPE_NUMBER,
    str: oracledb.DB_TYPE_VARCHAR,
    bytes: oracledb.DB_TYPE_RAW,
    bool: oracledb.DB_TYPE_BOOLEAN,
    datetime.date: oracledb.DB_TYPE_DATE,
    datetime.datetime: oracledb.DB_TYPE_TIMESTAMP,
    datetime.timedelta: oracledb.DB_TYPE_INTERVAL_DS,
}
# The type of a value: the first whose Python types have it.
OF_VALUES = (
    (bool, oracledb.DB_TYPE_BOOLEAN),
    (str, oracledb.DB_TYPE_VARCHAR),
    (bytes, oracledb.DB_TYPE_RAW),
    ((int, float, decimal.Decimal), oracledb.DB_TYPE_NUMBER),
    (datetime.date, oracledb.DB_TYPE_DATE),
    (datetime.timedelta, oracledb.DB_TYPE_INTERVAL_DS),
)
# What each group of types takes, besides None.
TAKEN = (
    (NUMBERS, (int, float, decimal.Decimal)),
    (TEXTS, (str,)),
    (RAWS, (bytes,)),
    (DATES, (datetime.date,)),
    ((oracledb.DB_TYPE_INTERVAL_DS,), (datetime.timedelta,)),
    (LOBS, (oracledb.LOB,)),
    ((oracledb.DB_TYPE_BOOLEAN,), (bool, int)),
)
# Thick mode refuses buffers for an array from this size on (DPI-1015).
MOST_BYTES = 2**31


def type_of(value: object) -> Any:
    """Return the driver's type of a value; oracledb's error if it has none.

    >>> type_of(b"a").name, type_of(datetime.datetime(2026, 1, 2)).name
    ('DB_TYPE_RAW', 'DB_TYPE_DATE')
    """
    if value is None:
        return oracledb.DB_TYPE_VARCHAR
    if isinstance(value, oracledb.LOB):
        return value.type
    for types, found in OF_VALUES:
        if isinstance(value, types):
            return found
    kind = type(value).__name__
    raise driver_error(f'DPY-3002: Python value of type "{kind}" is not supported')


def declared(size: Any) -> Any:
    """Return the driver's type that an argument of setinputsizes() or var() names."""
    if isinstance(size, list):
        raise driver_error("DPY-3001: arrays of PL/SQL are not in this double")
    if isinstance(size, int):
        return oracledb.DB_TYPE_VARCHAR
    if isinstance(size, oracledb.DbType):
        return size
    if isinstance(size, type(oracledb.STRING)):
        return size.dbtypes[0] if hasattr(size, "dbtypes") else size
    if not isinstance(size, type):
        raise driver_error("DPY-2007: expected a type")
    if size not in OF_PYTHON:
        raise driver_error(f"DPY-3003: Python type {size} is not supported")
    return OF_PYTHON[size]


def check(value: object, kind: Any) -> None:
    """Raise oracledb's error unless a value can be in a column of the driver's type."""
    if value is None:
        return
    taken = next((python for kinds, python in TAKEN if kind in kinds), ())
    if not isinstance(value, taken):
        raise driver_error(
            f"DPY-3013: unsupported Python type {type(value).__name__} for database"
            f" type {kind.name}"
        )
    if isinstance(value, oracledb.LOB) and value.type is not kind:
        raise driver_error(
            f"DPY-3014: LOB is of type {value.type.name} but must be of type"
            f" {kind.name}"
        )
    if kind in RAWS:
        check_exact(value)


def check_exact(value: object) -> None:
    """Raise TypeError for a subclass of bytes.

    The code that encodes is compiled for bytes alone: convert_bytes_to_oracle_data()
    and write_bytes_with_length(), in 2.3.0 the latter alone.
    """
    if type(value) is not bytes:
        raise TypeError(f"Expected bytes, got {type(value).__name__}")


def check_lob(kind: Any, content: object) -> None:
    """Raise what createlob() raises: connection.py and impl/thin/lob.pyx write(), of
    which lob.py converts what is refused here.
    """
    if kind not in LOBS:
        raise TypeError(
            "parameter should be one of oracledb.DB_TYPE_CLOB, oracledb.DB_TYPE_BLOB or"
            " oracledb.DB_TYPE_NCLOB"
        )
    if not content:
        return
    if kind is not oracledb.DB_TYPE_BLOB:
        if not isinstance(content, str):
            raise TypeError("only strings can be written to CLOBs and NCLOBS")
    elif not isinstance(content, bytes):
        raise TypeError("only bytes can be written to BLOBs")
    else:
        check_exact(content)


def check_rows(rows: Sequence[Mapping[str, Any]], sizes: Mapping[str, Any]) -> None:
    """Raise oracledb's error unless one type in each column takes the values of all
    rows.

    It is the one of setinputsizes(), else the one of the first value that is not None.
    Binds that are variables have a type of their own.
    """
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if any(hasattr(value, "receive") for value in values):
            continue
        given = [value for value in values if value is not None]
        if sizes.get(name) is not None:
            kind = declared(sizes[name])
        else:
            kind = type_of(given[0]) if given else None
        for value in given:
            check(value, kind)
        longest = max(map(length, given), default=0)
        if longest * len(rows) >= MOST_BYTES:
            raise driver_error(f"DPI-1015: array size of {len(rows)} is too large")


def length(value: object) -> int:
    """Return the bytes that a value needs in the buffer of an array."""
    if isinstance(value, str):
        return len(value) * 4
    return len(value) if isinstance(value, bytes) else 0
