"""What a driver, which has no Django, knows of models.py: fields, keys and rows.

Values are JSON; a dictionary stands for what JSON lacks (see values.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One model. ``kinds``: field → kind of value, of pools.GOOD or "fk:Model".

    ``keys`` are sets of fields that find a row; ``rows`` the rows at the start.
    ``tame``: the patched Django takes its own path for this model.
    """

    kinds: Mapping[str, str]
    keys: Sequence[tuple[str, ...]]
    rows: Sequence[Mapping[str, Any]]
    tame: bool = True
    managers: Sequence[str] = ("objects",)


def slugs(*rows: Mapping[str, Any], **kinds: str) -> dict[str, Any]:
    """Return what most models share: slug and n, rows "a", "b" and "c"."""
    given = rows or ({}, {}, {})
    return {
        "kinds": {"slug": "char", "n": "int", **kinds},
        "keys": (("slug",), ("id",)),
        "rows": tuple(
            {"slug": slug, "n": n, **row}
            for slug, n, row in zip("abc", (1, 4, 6), given, strict=True)
        ),
    }


CATALOGUE: Mapping[str, Entry] = {
    "Plain": Entry(**slugs({"text": "old"}, {}, {"text": ""}, text="char", id="int")),
    "PlainProxy": Entry(**slugs(text="char", id="int") | {"rows": ()}),
    "Natural": Entry(
        kinds={"code": "char", "n": "int", "text": "char"},
        keys=(("code",), ("pk",)),
        rows=(
            {"code": "a", "n": 1, "text": "old"},
            {"code": "b", "n": 4},
            {"code": "", "n": 6},
        ),
    ),
    "Identified": Entry(
        **slugs(
            {"id": {"$": "uuid", "of": 1}},
            {"id": {"$": "uuid", "of": 2}},
            {"id": {"$": "uuid", "of": 3}},
            id="uuid",
        )
    ),
    "Composite": Entry(
        kinds={"tenant": "int", "number": "int", "n": "int", "text": "char"},
        keys=(("tenant", "number"), ("pk",)),
        rows=(
            {"tenant": 1, "number": 1, "n": 1, "text": "old"},
            {"tenant": 1, "number": 2, "n": 4},
            {"tenant": 2, "number": 1, "n": 6},
        ),
    ),
    "Together": Entry(
        kinds={"a": "char", "b": "int", "n": "int", "id": "int"},
        keys=(("a", "b"), ("id",)),
        rows=(
            {"a": "a", "b": 1, "n": 1},
            {"a": "a", "b": 2, "n": 4},
            {"a": "b", "b": 1, "n": 6},
        ),
    ),
    "Total": Entry(
        kinds={"a": "char", "b": "int", "n": "int", "id": "int"},
        keys=(("a", "b"), ("id",)),
        rows=(
            {"a": "a", "b": 1, "n": 1},
            {"a": "a", "b": None, "n": 4},
            {"a": "a", "b": None, "n": 6},
        ),
    ),
    "Partial": Entry(
        kinds={
            "some": "char",
            "active": "bool",
            "late": "char",
            "lower": "char",
            "loose": "char",
            "n": "int",
            "id": "int",
        },
        keys=(("some",), ("some", "active"), ("late",), ("lower",), ("loose",)),
        rows=(
            {
                "some": "a",
                "active": False,
                "late": "a",
                "lower": "a",
                "loose": "a",
                "n": 1,
            },
            {
                "some": "a",
                "active": True,
                "late": "b",
                "lower": "b",
                "loose": "b",
                "n": 4,
            },
            {
                "some": "a",
                "active": False,
                "late": "c",
                "lower": "c",
                "loose": "b",
                "n": 6,
            },
        ),
        tame=False,
    ),
    "Nulls": Entry(
        kinds={"tag": "char", "code": "char", "n": "int", "id": "int"},
        keys=(("tag",), ("code",), ("id",)),
        rows=(
            {"tag": "a", "code": "a", "n": 1},
            {"tag": None, "code": "b", "n": 4},
            {"tag": None, "code": None, "n": 6},
        ),
    ),
    "Stamps": Entry(
        **slugs(
            {
                "day": {"$": "date", "of": "2026-01-02"},
                "at": {"$": "time", "of": "10:11:12"},
            },
            {"day": {"$": "date", "of": "2026-01-03"}},
            {},
            id="int",
            day="date",
            at="time",
            seen="datetime",
            made="datetime",
            changed="datetime",
        )
    ),
    "Defaulted": Entry(**slugs({"text": "old"}, {}, {}, text="char", id="int")),
    "Counted": Entry(
        **slugs({"number": 1}, {"number": 2}, {"number": 3}, number="int", id="int")
    ),
    "Generated": Entry(**slugs(twice="int", text="char", id="int")),
    "Invalid": Entry(
        **slugs({"text": "2026-01-02"}, {}, {}, text="date", day="date", id="int"),
        tame=False,
    ),
    "InvalidDefault": Entry(
        **slugs(*({"day": "2026-01-02"},) * 3, day="date", id="int"), tame=False
    ),
    "Owner": Entry(
        kinds={"name": "char", "n": "int", "id": "int"},
        keys=(("name",), ("id",)),
        rows=({"name": "a", "n": 1}, {"name": "b", "n": 4}, {"name": "c", "n": 6}),
    ),
    "Item": Entry(
        kinds={
            "slug": "char",
            "n": "int",
            "owner": "fk:Owner",
            "home": "fk:Plain",
            "place": "int",
            "id": "int",
        },
        keys=(("slug",), ("id",), ("owner", "place")),
        rows=(
            {"slug": "a", "n": 1, "owner_id": 1, "home_id": "a", "place": 1},
            {"slug": "b", "n": 4, "owner_id": 1, "home_id": None, "place": 2},
            {"slug": "c", "n": 6, "owner_id": None, "home_id": "b", "place": 1},
        ),
    ),
    "Profile": Entry(
        kinds={"owner": "fk:Owner", "n": "int", "id": "int"},
        keys=(("owner",), ("id",)),
        rows=({"owner_id": 1, "n": 1}, {"owner_id": 2, "n": 4}),
    ),
    "Badge": Entry(
        kinds={"owner": "fk:Owner", "n": "int"},
        keys=(("owner",), ("pk",)),
        rows=({"owner_id": 1, "n": 1}, {"owner_id": 2, "n": 4}),
    ),
    "Note": Entry(
        kinds={
            "content_type": "type",
            "object_id": "int",
            "kind": "char",
            "n": "int",
            "id": "int",
        },
        keys=(("content_type", "object_id", "kind"), ("id",)),
        rows=(
            {
                "content_type": {"$": "type", "of": "Owner"},
                "object_id": 1,
                "kind": "a",
                "n": 1,
            },
            {
                "content_type": {"$": "type", "of": "Owner"},
                "object_id": 1,
                "kind": "b",
                "n": 4,
            },
            {
                "content_type": {"$": "type", "of": "Plain"},
                "object_id": 1,
                "kind": "a",
                "n": 6,
            },
        ),
    ),
    "Ordered": Entry(
        **slugs(
            {"owner_id": 1},
            {"owner_id": 1},
            {"owner_id": 2},
            owner="fk:Owner",
            _order="int",
            id="int",
        )
    ),
    "Doc": Entry(
        **slugs({"data": {"$": "json", "of": {"a": 1}}}, {}, {}, data="json", id="int")
        | {"keys": (("slug",), ("id",), ("data",))}
    ),
    "Numbers": Entry(
        kinds={
            "amount": "decimal",
            "ratio": "float",
            "big": "big",
            "span": "duration",
            "flag": "bool",
            "small": "int",
            "n": "int",
            "id": "int",
        },
        keys=(("amount",), ("ratio",), ("big",), ("span",), ("id",)),
        rows=(
            {
                "amount": {"$": "decimal", "of": "1.23"},
                "ratio": 0.5,
                "big": 2**40,
                "n": 1,
            },
            {
                "amount": {"$": "decimal", "of": "1.24"},
                "span": {"$": "duration", "of": 90},
                "n": 4,
            },
            {"amount": {"$": "decimal", "of": "0.00"}, "flag": True, "n": 6},
        ),
    ),
    "Attachment": Entry(
        **slugs({"file": "one.txt"}, {"file": ""}, {}, file="file", id="int")
    ),
    "Prop": Entry(**slugs(level="property", doubled="property", id="int")),
    "Checked": Entry(**slugs(id="int")),
    "Collated": Entry(**slugs(id="int")),
    "Odd": Entry(
        kinds={
            "defaults": "char",
            "create_defaults": "char",
            "n": "int",
            "id": "int",
        },
        keys=(("defaults",), ("id",)),
        rows=({"defaults": "a", "n": 1}, {"defaults": "b", "n": 4}),
    ),
    "Managed": Entry(
        **slugs({}, {"active": False}, {}, active="bool", id="int"),
        managers=("objects", "every"),
    ),
    "Creating": Entry(**slugs(text="char", id="int")),
    "Triggered": Entry(**slugs(stamp="int", id="int")),
    "Ignored": Entry(**slugs(id="int")),
    "Selected": Entry(**slugs(id="int"), tame=False),
    "Based": Entry(
        **slugs({}, {"hidden": True}, {}, hidden="bool", id="int"), tame=False
    ),
    "Unmanaged": Entry(
        kinds={"id": "int", "slug": "char", "n": "int"},
        keys=(("slug",), ("id",)),
        rows=(
            {"id": 1, "slug": "a", "n": 1},
            {"id": 2, "slug": "b", "n": 4},
            {"id": 3, "slug": "b", "n": 6},
        ),
        tame=False,
    ),
    "Slugged": Entry(**slugs(path="char", id="int"), tame=False),
    "Converted": Entry(
        **slugs({"text": "old"}, {}, {}, text="char", id="int"), tame=False
    ),
    "Formatted": Entry(
        **slugs({"text": "old"}, {}, {}, text="char", id="int"), tame=False
    ),
    "Descriptors": Entry(**slugs(late="int", id="int"), tame=False),
    "Decoded": Entry(
        **slugs({"data": {"$": "json", "of": {"a": 1}}}, {}, {}, data="json", id="int"),
        tame=False,
    ),
    "Loaded": Entry(**slugs(id="int"), tame=False),
    "Started": Entry(**slugs(id="int"), tame=False),
    "Saved": Entry(**slugs(id="int"), tame=False),
    "Guarded": Entry(**slugs(id="int"), tame=False),
    "Parent": Entry(**slugs(id="int")),
    "Child": Entry(
        kinds={
            "slug": "char",
            "n": "int",
            "code": "char",
            "extra": "int",
            "id": "int",
        },
        keys=(("slug",), ("code",), ("pk",)),
        rows=(
            {"slug": "x", "n": 1, "code": "a", "extra": 1},
            {"slug": "y", "n": 4, "code": "b", "extra": 4},
        ),
        tame=False,
    ),
}

# Related managers: (model of the instance, its accessor) → model that it manages.
RELATED: Mapping[tuple[str, str], str] = {
    ("Owner", "items"): "Item",
    ("Owner", "ordered_set"): "Ordered",
    ("Owner", "notes"): "Note",
    ("Owner", "plains"): "Plain",
    ("Plain", "guests"): "Item",
    ("Plain", "owners"): "Owner",
}

# Rows of many-to-many tables at the start: model, its row, accessor, other rows.
LINKS: Sequence[tuple[str, int, str, tuple[int, ...]]] = (
    ("Owner", 1, "plains", (1, 2)),
)
