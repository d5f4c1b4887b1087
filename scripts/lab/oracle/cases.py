"""The calls whose INSERTs are compiled."""

import datetime
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lab.oracle.models import (
    Code,
    Composite,
    Defaults,
    Everything,
    Loose,
    OnlyKey,
    Pair,
    Percent,
    Renamed,
    Several,
    Total,
)

type Row = dict[str, Any]
type Options = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A call of bulk_create() with ``options``, or of save() without.

    ``refused`` is the number of statements that end with a unique violation; such
    cases, and ``big`` ones, are for Oracle alone.
    """

    name: str
    model: Any
    rows: Sequence[Row]
    options: Options | None = field(default_factory=dict)
    refused: int = 0
    big: bool = False

    @property
    def oracle_only(self) -> bool:
        return self.big or bool(self.refused)

    def run(self, using: str) -> None:
        objs = [self.model(**row) for row in self.rows]
        if self.options is None:
            [obj] = objs
            obj.save(using=using, force_insert=True)
        else:
            self.model.objects.using(using).bulk_create(objs, **self.options)


SAVE: Options | None = None
INSERT: Options = {}
IGNORE: Options = {"ignore_conflicts": True}


def update(fields: str, on: str = "") -> Options:
    """Return the options that update these fields, given as words."""
    target = {"unique_fields": on.split()} if on else {}
    return {"update_conflicts": True, "update_fields": fields.split()} | target


A_UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
B_UUID = uuid.UUID("87654321-4321-8765-4321-876543218765")

FULL: Row = {
    "integer": -7,
    "small": 8,
    "big": 2**40,
    "positive": 9,
    "positive_small": 10,
    "positive_big": 2**41,
    "boolean": True,
    "char": "a 'quoted' word",
    "slug": "a-slug",
    "url": "https://example.org/?a=1&b=%20",
    "email": "ann@example.org",
    "file": "a/file.txt",
    "file_path": "/a/path",
    "text": "naïve ☃ 100%",
    "date": datetime.date(2026, 1, 2),
    "moment": datetime.datetime(2026, 1, 2, 3, 4, 5, 678),
    "time": datetime.time(3, 4, 5, 678),
    "duration": datetime.timedelta(days=-1, seconds=2, microseconds=3),
    "decimal": Decimal("1234.567"),
    "real": 0.1,
    "uuid": A_UUID,
    "json": {"a": [1, None, "☃"]},
    "binary": b"\x00\xff%s",
    "address": "2001:db8::1",
    "code_id": "first",
    "only_id": 1,
}
OTHER: Row = {
    **FULL,
    "integer": 7,
    "boolean": False,
    "char": "another",
    "date": datetime.date(1, 1, 1),
    "moment": datetime.datetime(9999, 12, 31),
    "decimal": Decimal("-0.001"),
    "real": 1e300,
    "uuid": B_UUID,
    "json": "text",
    "binary": b"",
    "address": "192.0.2.1",
    "code_id": "second",
    "only_id": 2,
}
NULLS: Row = dict.fromkeys(FULL)
EMPTY: Row = NULLS | dict.fromkeys(
    ("char", "slug", "url", "email", "file", "file_path", "text"), ""
)
EQUAL: Row = NULLS | {
    "integer": 1,
    "small": 1,
    "big": 1,
    "boolean": True,
    "char": "1",
    "text": "1",
    "decimal": Decimal(1),
    "real": 1.0,
    "json": 1,
    "binary": b"1",
    "only_id": 1,
}


def sized(size: int) -> Row:
    """Return a row whose text, document and bytes have this many bytes."""
    document = {"a": "x" * (size - len('{"a": ""}'))}
    return FULL | {"text": "x" * size, "json": document, "binary": b"x" * size}


# A string is bound as it is up to 4,000 bytes, raw bytes up to 32,767.
LENGTHS: Sequence[Row] = [
    sized(4_000) | {"only_id": 1},
    sized(4_001) | {"only_id": 2},
    sized(32_768) | {"only_id": 3},
    FULL | {"only_id": 4},
    # Not many characters, but many bytes.
    NULLS | {"text": "☃" * 1_334, "json": "☃" * 1_334},
]
ROWS: Mapping[str, Sequence[Row]] = {
    "one row": [FULL],
    "two rows": [FULL, OTHER],
    "NULLs": [NULLS],
    "a row and NULLs": [FULL, NULLS],
    "empty strings": [EMPTY, NULLS],
    "equal values": [EQUAL, EQUAL | {"only_id": True}],
    "long values": LENGTHS,
    "a long value": [sized(40_000)],
}
COLUMNS = " ".join(FULL)


def keyed(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with primary keys."""
    return [{"id": number} | row for number, row in enumerate(rows, 1)]


def everything() -> list[Case]:
    return [
        Case("Everything: save", Everything, [FULL], SAVE),
        Case("Everything: save a long value", Everything, [sized(40_000)], SAVE),
        *(Case(f"Everything: {name}", Everything, rows) for name, rows in ROWS.items()),
        *(
            Case(
                f"Everything: {name}, update on id",
                Everything,
                keyed(rows),
                update(COLUMNS, "id"),
            )
            for name, rows in ROWS.items()
        ),
        *(
            Case(f"Everything: {name}, ignore", Everything, ROWS[name], IGNORE)
            for name in ("two rows", "a row and NULLs", "long values")
        ),
        Case("Everything: with keys", Everything, keyed(ROWS["two rows"])),
        Case(
            "Everything: with keys, ignore",
            Everything,
            keyed(ROWS["two rows"]),
            IGNORE,
        ),
        Case(
            "Everything: two rows, update on only",
            Everything,
            ROWS["two rows"],
            update("char text json binary", "only"),
        ),
    ]


def each(
    model: Any, rows: Mapping[str, Sequence[Row]], options: dict[str, Options]
) -> list[Case]:
    """Return a case for each pair of rows and options, after those without."""
    name = model.__name__
    return [
        Case(f"{name}: {which}{how}", model, some, chosen)
        for which, some in rows.items()
        for how, chosen in ({"": INSERT} | options).items()
    ]


def together() -> list[Case]:
    def pair(number: int | None, label: str | None) -> Row:
        return {"number": number, "label": label, "value": "v"}

    rows = {
        "one row": [pair(1, "a")],
        "half NULL": [pair(1, None), pair(2, ""), pair(None, "a")],
        "NULLs": [pair(None, None), pair(None, "")],
        "the same twice": [pair(1, "a"), pair(1, "a")],
        "the same half NULL": [pair(1, None), pair(1, "")],
    }
    options = {
        ", update on both": update("value", "number label"),
        ", update on both, the other way": update("value", "label number"),
        ", ignore": IGNORE,
    }
    return [Case("Pair: save", Pair, [pair(1, "")], SAVE), *each(Pair, rows, options)]


def constrained() -> list[Case]:
    def total(kind: int, value: str) -> Row:
        return {"kind": kind, "day": datetime.date(2026, 1, 2), "value": value}

    rows = [total(1, "a"), total(2, "b")]
    options = {
        ", update on the constraint": update("value", "kind day"),
        ", update two on the constraint": update("count value", "kind day"),
        ", update part of the target": update("day value", "kind day"),
        ", update nothing but the target": update("kind", "kind day"),
        ", update on what is not unique": update("count", "value"),
        ", update on part of the constraint": update("value", "kind"),
        ", update without a target": update("value"),
        ", ignore": IGNORE,
    }
    with_keys = {
        ", update on id": update("kind day value count", "id"),
        ", update on pk": update("value", "pk"),
        ", update on the constraint": update("value", "kind day"),
        ", ignore": IGNORE,
    }
    return [
        *each(Total, {"one row": rows[:1], "two rows": rows}, options),
        *each(Total, {"with keys": keyed(rows)}, with_keys),
        Case(
            "Total: no keys, update on id",
            Total,
            rows,
            update("value", "id"),
        ),
    ]


def several() -> list[Case]:
    def row(number: int, token: uuid.UUID | None, email: str | None) -> Row:
        slug, value = f"slug-{number}", "v"
        given = {"slug": slug, "email": email, "number": number, "token": token}
        return given | {"code_id": "first", "value": value}

    rows = [row(1, A_UUID, "a@example.org"), row(2, None, ""), row(3, B_UUID, None)]
    options = {
        ", update on slug": update("value email", "slug"),
        ", update on email": update("value slug", "email"),
        ", update on unique_together": update("value", "code number"),
        ", update on the constraint": update("value slug", "number token"),
        ", ignore": IGNORE,
    }
    twice = [rows[0], rows[0], rows[0] | {"slug": "other"}]
    return [
        *each(Several, {"three rows": rows}, options),
        *each(Several, {"with keys": keyed(rows)}, {", ignore": IGNORE}),
        Case("Several: the same twice, ignore", Several, twice, IGNORE),
        Case(
            "Several: the same twice, update on slug",
            Several,
            twice,
            update("value", "slug"),
        ),
    ]


def other_keys() -> list[Case]:
    codes: list[Row] = [{"code": "a", "name": "A"}, {"code": "b", "name": ""}]
    composites: list[Row] = [
        {"tenant": 1, "number": 2, "value": "a"},
        {"tenant": 1, "number": 3, "value": "b"},
    ]
    loose: list[Row] = [{"some": "a", "lower": "b", "value": "c"}]
    return [
        Case("Code: save", Code, codes[:1], SAVE),
        *each(
            Code,
            {"two rows": codes},
            {
                ", update on code": update("name", "code"),
                ", update on pk": update("name", "pk"),
                ", ignore": IGNORE,
            },
        ),
        Case("Composite: save", Composite, composites[:1], SAVE),
        *each(
            Composite,
            {"two rows": composites},
            {
                ", update on its parts": update("value", "tenant number"),
                ", ignore": IGNORE,
            },
        ),
        Case("OnlyKey: save", OnlyKey, [{}], SAVE),
        *each(
            OnlyKey,
            {"no keys": [{}, {}], "with keys": [{"id": 1}, {"id": 2}]},
            {", ignore": IGNORE},
        ),
        *each(
            Loose,
            {"one row": loose},
            {
                ", update on a conditional constraint": update("value", "some"),
                ", ignore": IGNORE,
            },
        ),
    ]


def other_columns() -> list[Case]:
    renamed: list[Row] = [
        {"key": 1, "value": "a", "order": 1},
        {"key": 2, "value": "b", "order": 1},
    ]
    percent: list[Row] = [{"share": 1, "value": "50%"}, {"share": 2, "value": "%s"}]
    defaults: Mapping[str, Sequence[Row]] = {
        "defaults": [{"name": "a"}, {"name": "b"}],
        "some defaults": [
            {"name": "a", "number": 1},
            {"name": "b", "moment": datetime.datetime(2026, 1, 2)},
        ],
    }
    return [
        Case("Renamed: save", Renamed, renamed[:1], SAVE),
        *each(
            Renamed,
            {"two rows": renamed},
            {", update on key": update("value order", "key"), ", ignore": IGNORE},
        ),
        Case("Percent: save", Percent, percent[:1], SAVE),
        *each(
            Percent,
            {"two rows": percent},
            {", update on share": update("value", "share"), ", ignore": IGNORE},
        ),
        Case("Defaults: save", Defaults, [{"name": "a"}], SAVE),
        *each(
            Defaults,
            defaults,
            {
                ", update on name": update("number moment", "name"),
                ", ignore": IGNORE,
            },
        ),
    ]


def for_oracle() -> list[Case]:
    codes: list[Row] = [{"code": "a", "name": "A"}, {"code": "b", "name": "B"}]
    on_code = update("name", "code")
    many = [{"tenant": 1, "number": n, "value": "a"} for n in range(21_846)]
    return [
        Case("Code: refused once, update on code", Code, codes, on_code, 1),
        Case("Code: refused twice, update on code", Code, codes, on_code, 2),
        Case("Code: refused once, ignore", Code, codes, IGNORE, 1),
        Case("Code: refused twice, ignore", Code, codes, IGNORE, 2),
        Case("Code: refused", Code, codes, INSERT, 1),
        Case("Composite: 21,846 rows", Composite, many, big=True),
        Case(
            "Composite: 21,846 rows, update on its parts",
            Composite,
            many,
            update("value", "tenant number"),
            big=True,
        ),
        Case("Composite: 21,846 rows, ignore", Composite, many, IGNORE, big=True),
    ]


CASES: Sequence[Case] = [
    *everything(),
    *together(),
    *constrained(),
    *several(),
    *other_keys(),
    *other_columns(),
    *for_oracle(),
]
