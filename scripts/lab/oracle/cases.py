"""The calls whose INSERTs are compiled."""

import datetime
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lab.oracle import models

type Row = dict[str, Any]
type Options = dict[str, Any]

SAVE: Options | None = None
INSERT: Options = {}
IGNORE: Options = {"ignore_conflicts": True}


def update(how: str) -> Options:
    """Return the options of an update.

    >>> update("value count on kind day")["unique_fields"]
    ['kind', 'day']
    """
    fields, _, on = how.partition(" on ")
    target = {"unique_fields": on.split()} if on else {}
    return {"update_conflicts": True, "update_fields": fields.split()} | target


@dataclass(frozen=True)
class Case:
    """A call of bulk_create() with ``options``, or of save() without.

    ``refused`` is the number of statements that end with a unique violation; such
    cases, and ``big`` ones, are for Oracle alone.
    """

    name: str  # It begins with the model's.
    rows: Sequence[Row]
    options: Options | None
    refused: int = 0
    big: bool = False

    @property
    def oracle_only(self) -> bool:
        return self.big or bool(self.refused)

    @property
    def model(self) -> Any:
        return getattr(models, self.name.partition(":")[0])

    def run(self, using: str) -> None:
        objs = [self.model(**row) for row in self.rows]
        if self.options is None:
            [obj] = objs
            obj.save(using=using, force_insert=True)
        else:
            self.model.objects.using(using).bulk_create(objs, **self.options)


A_UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
B_UUID = uuid.UUID("87654321-4321-8765-4321-876543218765")

FULL: Row = (
    {"integer": -7, "small": 8, "big": 2**40, "positive": 9, "positive_small": 10}
    | {"positive_big": 2**41, "boolean": True, "char": "a 'quoted' word"}
    | {"slug": "a-slug", "url": "https://example.org/?a=1&b=%20"}
    | {"email": "ann@example.org", "file": "a/file.txt", "file_path": "/a/path"}
    | {"text": "naïve ☃ 100%", "date": datetime.date(2026, 1, 2)}
    | {"moment": datetime.datetime(2026, 1, 2, 3, 4, 5, 678)}
    | {"time": datetime.time(3, 4, 5, 678)}
    | {"duration": datetime.timedelta(days=-1, seconds=2, microseconds=3)}
    | {"decimal": Decimal("1234.567"), "real": 0.1, "uuid": A_UUID}
    | {"json": {"a": [1, None, "☃"]}, "binary": b"\x00\xff%s"}
    | {"address": "2001:db8::1", "code_id": "first", "only_id": 1}
)
OTHER: Row = (
    FULL
    | {"integer": 7, "boolean": False, "char": "another"}
    | {"date": datetime.date(1, 1, 1), "moment": datetime.datetime(9999, 12, 31)}
    | {"decimal": Decimal("-0.001"), "real": 1e125, "uuid": B_UUID, "json": "text"}
    | {"binary": b"", "address": "192.0.2.1", "code_id": "second", "only_id": 2}
)
NULLS: Row = dict.fromkeys(FULL)
TEXTS = ("char", "slug", "url", "email", "file", "file_path", "text")
EMPTY: Row = NULLS | dict.fromkeys(TEXTS, "")
EQUAL: Row = (
    NULLS
    | dict.fromkeys(("integer", "small", "big", "json", "only_id"), 1)
    | {"boolean": True, "char": "1", "text": "1", "decimal": Decimal(1)}
    | {"real": 1.0, "binary": b"1"}
)


def sized(size: int, only: int = 1) -> Row:
    """Return a row whose text, document and bytes have this many bytes."""
    document = {"a": "x" * (size - len('{"a": ""}'))}
    values = {"text": "x" * size, "json": document, "binary": b"x" * size}
    return FULL | values | {"only_id": only}


ROWS: Mapping[str, Sequence[Row]] = {
    "one row": [FULL],
    "two rows": [FULL, OTHER],
    "NULLs": [NULLS],
    "a row and NULLs": [FULL, NULLS],
    "empty strings": [EMPTY, NULLS],
    "equal values": [EQUAL, EQUAL | {"only_id": True}],
    # A string is bound as it is up to 4,000 bytes, raw bytes up to 32,767.
    "long values": [
        *(sized(4_000, 1), sized(4_001, 2), sized(32_768, 3), FULL | {"only_id": 4}),
        # Not many characters, but many bytes.
        NULLS | {"text": "☃" * 1_334, "json": "☃" * 1_334},
    ],
    "a long value": [sized(40_000)],
}


def keyed(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with primary keys."""
    return [{"id": number} | row for number, row in enumerate(rows, 1)]


def each(
    model: str,
    rows: Mapping[str, Sequence[Row]],
    updates: Mapping[str, str],
    *,
    save: bool = True,
    big: bool = False,
) -> Iterator[Case]:
    """Yield a case that saves a row, then for all rows one that inserts, one for each
    update and one that ignores conflicts.
    """
    options = {f", update {name}": update(how) for name, how in updates.items()}
    options = {"": INSERT} | options | {", ignore": IGNORE}
    if save:
        yield Case(f"{model}: save", next(iter(rows.values()))[:1], SAVE)
    for name, objs in rows.items():
        for how, chosen in options.items():
            yield Case(f"{model}: {name}{how}", objs, chosen, big=big)


def everything() -> Iterator[Case]:
    def case(name: str, rows: Sequence[Row], options: Options | None) -> Case:
        return Case(f"Everything: {name}", rows, options)

    two = ROWS["two rows"]
    yield case("save", [FULL], SAVE)
    yield case("save a long value", [sized(40_000)], SAVE)
    for name, rows in ROWS.items():
        yield case(name, rows, INSERT)
        on_id = update(f"{' '.join(FULL)} on id")
        yield case(f"{name}, update on id", keyed(rows), on_id)
    for name in ("two rows", "a row and NULLs", "long values"):
        yield case(f"{name}, ignore", ROWS[name], IGNORE)
    yield case("with keys", keyed(two), INSERT)
    yield case("with keys, ignore", keyed(two), IGNORE)
    on_only = update("char text json binary on only")
    yield case("two rows, update on only", two, on_only)


def pairs(*values: tuple[int | None, str | None]) -> list[Row]:
    return [{"number": one, "label": two, "value": "v"} for one, two in values]


def several(number: int, email: str | None, token: uuid.UUID | None) -> Row:
    given = {"number": number, "email": email, "token": token}
    return given | {"slug": f"slug-{number}", "code_id": "first", "value": "v"}


DAY = datetime.date(2026, 1, 2)
TOTALS = [{"kind": 1, "day": DAY, "value": "a"}, {"kind": 2, "day": DAY, "value": "b"}]
SEVERAL = [several(1, "a@example.org", A_UUID), several(2, "", None)]
SEVERAL += [several(3, None, B_UUID)]
TWICE = [SEVERAL[0], SEVERAL[0], SEVERAL[0] | {"slug": "other"}]
CODES = [{"code": "a", "name": "A"}, {"code": "b", "name": ""}]
MORE_CODES = [CODES[0], {"code": "b", "name": "B"}]
PARTS = [{"tenant": 1, "number": 2, "value": "a"}]
PARTS += [{"tenant": 1, "number": 3, "value": "b"}]
ON_PARTS = {"on its parts": "value on tenant number"}
MANY = [{"tenant": 1, "number": n, "value": "a"} for n in range(21_846)]
LOOSE = [{"word": "a", "lower": "b", "value": "c"}]
RENAMED = [{"key": 1, "value": "a", "order": 1}, {"key": 2, "value": "b", "order": 1}]
PERCENT = [{"share": 1, "value": "50%"}, {"share": 2, "value": "%s"}]
MOMENT = datetime.datetime(2026, 1, 2)
NAMES: Mapping[str, Sequence[Row]] = {
    "defaults": [{"name": "a"}, {"name": "b"}],
    "other defaults": [{"name": "a", "number": 1}, {"name": "b", "moment": MOMENT}],
}

CASES: Sequence[Case] = [
    *everything(),
    Case("Pair: save", pairs((1, "")), SAVE),
    *each(
        "Pair",
        {
            "one row": pairs((1, "a")),
            "half NULL": pairs((1, None), (2, ""), (None, "a")),
            "NULLs": pairs((None, None), (None, "")),
            "the same twice": pairs((1, "a"), (1, "a")),
            "the same half NULL": pairs((1, None), (1, "")),
        },
        {
            "on both": "value on number label",
            "on both, the other way": "value on label number",
        },
        save=False,
    ),
    *each(
        "Total",
        {"one row": TOTALS[:1], "two rows": TOTALS},
        {
            "on the constraint": "value on kind day",
            "two on the constraint": "count value on kind day",
            "part of the target": "day value on kind day",
            "nothing but the target": "kind on kind day",
            "on what is not unique": "count on value",
            "on part of the constraint": "value on kind",
            "without a target": "value",
        },
        save=False,
    ),
    *each(
        "Total",
        {"with keys": keyed(TOTALS)},
        {
            "on id": "kind day value count on id",
            "on pk": "value on pk",
            "on the constraint": "value on kind day",
        },
        save=False,
    ),
    Case("Total: no keys, update on id", TOTALS, update("value on id")),
    *each(
        "Several",
        {"three rows": SEVERAL},
        {
            "on slug": "value email on slug",
            "on email": "value slug on email",
            "on unique_together": "value on code number",
            "on the constraint": "value slug on number token",
        },
        save=False,
    ),
    *each("Several", {"with keys": keyed(SEVERAL)}, {}, save=False),
    Case("Several: the same twice, ignore", TWICE, IGNORE),
    Case("Several: the same twice, update on slug", TWICE, update("value on slug")),
    *each(
        "Code", {"two rows": CODES}, {"on code": "name on code", "on pk": "name on pk"}
    ),
    *each("Composite", {"two rows": PARTS}, ON_PARTS),
    *each("OnlyKey", {"no keys": [{}, {}], "with keys": [{"id": 1}, {"id": 2}]}, {}),
    *each(
        "Loose",
        {"one row": LOOSE},
        {"on a conditional constraint": "value on word"},
        save=False,
    ),
    *each("Renamed", {"two rows": RENAMED}, {"on key": "value order on key"}),
    *each("Percent", {"two rows": PERCENT}, {"on share": "value on share"}),
    *each("Defaults", NAMES, {"on name": "number moment on name"}),
    Case("Code: refused", MORE_CODES, INSERT, 1),
    *(
        Case(f"Code: refused {times}, {how}", MORE_CODES, options, refused)
        for times, refused in (("once", 1), ("twice", 2))
        for how, options in (
            ("update on code", update("name on code")),
            ("ignore", IGNORE),
        )
    ),
    *each("Composite", {"21,846 rows": MANY}, ON_PARTS, save=False, big=True),
]
