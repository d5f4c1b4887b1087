"""Python values as SQL literals that carry their type."""

import datetime
import decimal
from dataclasses import dataclass

from lab.oracle.standin.errors import driver_error
from lab.oracle.standin.lob import Lob


@dataclass(frozen=True)
class Forms:
    """What engines write differently; ``{}`` is the value.

    Hexadecimal digits in ``raw`` and ``blob``, a text literal in ``clob``, and in
    ``interval`` the sign, the days and the time of day.
    """

    raw: str
    blob: str
    clob: str
    interval: str


def literal(value: object, forms: Forms) -> str:
    """The value in SQL; oracledb.NotSupportedError where Oracle's driver raises it."""
    match value:
        case None | "":
            return "NULL"  # To Oracle an empty text is one.
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return _signed(str(int(value)))
        case float():
            return _signed(repr(float(value)))
        case decimal.Decimal():
            return _signed(format(value, "f"))
        case datetime.datetime():
            return f"TIMESTAMP '{value.replace(tzinfo=None).isoformat(' ')}'"
        case datetime.date():
            return f"DATE '{value.isoformat()}'"
        case datetime.timedelta():
            return _interval(value, forms)
        case str():
            return _text(value)
        case bytes() | bytearray() | memoryview():
            return forms.raw.format(bytes(value).hex()) if len(value) else "NULL"
        case Lob():
            content = value.read()
            if isinstance(content, bytes):
                return forms.blob.format(content.hex())
            return forms.clob.format(_text(content))
    kind = type(value).__name__
    raise driver_error(0, f'DPY-3002: Python value of type "{kind}" is not supported')


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _signed(number: str) -> str:
    # Two minus signs in a row would begin a comment.
    return f"({number})" if number.startswith("-") else number


def _interval(value: datetime.timedelta, forms: Forms) -> str:
    sign, length = ("-", -value) if value < datetime.timedelta(0) else ("", value)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    time = f"{hours:02}:{minutes:02}:{seconds:02}.{length.microseconds:06}"
    return forms.interval.format(sign=sign, days=length.days, time=time)
