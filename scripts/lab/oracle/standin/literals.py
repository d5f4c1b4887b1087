"""Python values as SQL literals that carry their type."""

import datetime
import decimal
from typing import NamedTuple

from lab.oracle.standin.connection import Lob
from lab.oracle.standin.errors import driver_error


class Forms(NamedTuple):
    """The literals that engines write differently; ``{}`` is the value.

    Hexadecimal digits in ``raw`` and ``blob``, a text literal in ``clob``, and in
    ``interval`` the sign, the days and the time of day.
    """

    raw: str
    blob: str
    clob: str
    interval: str


def literal(value: object, forms: Forms) -> str:
    """Write a value in SQL; oracledb.NotSupportedError where the driver raises it."""
    match value:
        case None | "" | b"":
            return "NULL"  # To Oracle an empty text is one.
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float() | decimal.Decimal():
            if isinstance(value, decimal.Decimal):
                number = format(value, "f")
            else:
                number = repr(float(value) if isinstance(value, float) else int(value))
            # Two minus signs in a row would begin a comment.
            return f"({number})" if number.startswith("-") else number
        case datetime.datetime():
            return f"TIMESTAMP '{value.replace(tzinfo=None).isoformat(' ')}'"
        case datetime.date():
            return f"DATE '{value.isoformat()}'"
        case datetime.timedelta():
            sign = "-" if value < datetime.timedelta(0) else ""
            minutes, seconds = divmod(abs(value).seconds, 60)
            hours, minutes = divmod(minutes, 60)
            fraction = abs(value).microseconds
            time = f"{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}"
            return forms.interval.format(sign=sign, days=abs(value).days, time=time)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bytes():
            return forms.raw.format(value.hex())
        case Lob(content=bytes() as content):
            return forms.blob.format(content.hex())
        case Lob(content=str() as content):
            return forms.clob.format("'" + content.replace("'", "''") + "'")
    kind = type(value).__name__
    raise driver_error(f'DPY-3002: Python value of type "{kind}" is not supported')
