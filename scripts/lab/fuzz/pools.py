"""The values that scenarios are made of, as JSON (see values.py)."""

from collections.abc import Mapping, Sequence
from typing import Any

type Named = dict[str, Any]


def f(name: str, plus: Any = None) -> Named:
    return {"$": "f", "of": name} | ({} if plus is None else {"plus": plus})


def call(name: str, do: str = "", of: Any = None) -> Named:
    return {"$": "call", "name": name, "do": do, "of": of}


# Kind of field → values that it takes, and values that it may not.
GOOD: Mapping[str, Sequence[Any]] = {
    "char": ("x", "b", "new", "", {"$": "safe", "of": "s"}, {"$": "choice", "of": "a"}),
    "int": (9, 0, 1, 5, -3, "4", True, f("n", 1)),
    "big": (9, 2**40, -(2**40)),
    "bool": (True, False),
    "decimal": (
        *({"$": "decimal", "of": each} for each in ("9.50", "1.24", "9.505", "3")),
        f("amount", 1),
    ),
    "float": (0.25, 1, 1e300),
    "duration": ({"$": "duration", "of": 60}, {"$": "duration", "of": 90.5}),
    "date": ({"$": "date", "of": "2026-02-03"}, "2026-02-04"),
    "time": ({"$": "time", "of": "01:02:03"}, "01:02"),
    "datetime": ({"$": "datetime", "of": "2026-02-03T04:05:06"},),
    "uuid": ({"$": "uuid", "of": 77}, str(77).zfill(32)),
    "json": ({"$": "json", "of": {"b": [1, None]}}, 5, "text", True, [1, 2]),
    "file": ("two.txt", {"$": "file", "of": "three.txt"}, ""),
    "property": (5, 6),
    "type": ({"$": "type", "of": "Plain"}, {"$": "type", "of": "Owner"}),
}
ODD: Mapping[str, Sequence[Any]] = {
    "char": ("x" * 60, "n\0ul", 5, f("slug"), {"$": "upper", "of": "slug"}),
    "int": ("bad", 2**70, -(2**70), 2**40, 1.5, "", {"$": "case", "of": 4}, f("slug")),
    "big": (2**70, "bad"),
    "bool": ("bad", 2, None),
    "decimal": (
        {"$": "decimal", "of": "NaN"},
        {"$": "decimal", "of": "1e12"},
        f("amount", 10**12),
        f("ratio"),
        "bad",
        1.1,
    ),
    "float": ({"$": "float", "of": "nan"}, {"$": "float", "of": "inf"}, "bad"),
    "duration": (
        "bad",
        5,
        {"$": "duration", "of": 10**10},
        f("span", {"$": "duration", "of": 86_399_999_999_999}),
    ),
    "date": (
        "bad",
        "2026-02-31",
        {"$": "value", "of": "2026-02-31"},
        f("seen"),
        f("day", {"$": "duration", "of": 10**12}),
        {"$": "datetime", "of": "2026-02-03T04:05:06"},
        5,
    ),
    "time": ("bad", 5),
    "datetime": (
        "bad",
        {"$": "date", "of": "2026-02-03"},
        {"$": "datetime", "of": "2026-02-03T04:05:06+01:00"},
    ),
    "uuid": ("bad", 5),
    "json": ({"$": "bytes", "of": "x"}, {"$": "value", "of": 5}, f("n")),
    "file": (5, {"$": "bytes", "of": "x"}),
    "property": ("bad", None),
    "type": (99, "bad"),
}
ANYWHERE: Sequence[Any] = (
    None,
    call("good", of=5),
    call("text", of="called"),
    call("raises", "raise"),
    call("conflicts", "IntegrityError"),
    call("commits", "commit", 5),
    call("asks", "query", 5),
    {"$": "class", "of": "int"},
    {"$": "class", "of": "str"},
    {"$": "row", "of": "Owner", "at": 1},
    {"$": "row", "of": "Plain", "at": 2},
    {"$": "new", "of": "Owner"},
    {"$": "value", "of": 5},
    {"$": "value", "of": "bad"},
    {"$": "lazy", "of": "lazy"},
    {"$": "lazy", "of": 5},
    {"$": "count", "of": "id"},
    {"$": "subquery", "of": "slug"},
    {"$": "subquery", "of": "n"},
    {"$": "queryset", "of": "Owner"},
    {"$": "bytes", "of": "x"},
    {"$": "json", "of": {"a": 1}},
    [1, 2],
    f("nothing"),
    f("owner__n"),
    f("pk"),
)
# In lookups only a value that stands for itself finds a row.
NOWHERE: Sequence[Any] = (
    None,
    "bad",
    2**70,
    "",
    f("n"),
    f("slug"),
    call("good", of="a"),
    {"$": "value", "of": "a"},
    {"$": "lazy", "of": "a"},
    {"$": "row", "of": "Owner", "at": 1},
    {"$": "row", "of": "Plain", "at": 1},
    {"$": "row", "of": "Owner", "at": 99},
    {"$": "new", "of": "Owner"},
    {"$": "queryset", "of": "Owner"},
    {"$": "subquery", "of": "slug"},
    {"$": "json", "of": {"a": 1}},
    [1],
    {"$": "tuple", "of": [1, 1]},
    {"$": "bytes", "of": "a"},
)

# Values that no row has at the start.
FRESH: Mapping[str, Sequence[Any]] = {
    "char": ("new", "x", "x" * 8, "x" * 21, "A", "new  "),
    "int": (77, "78", 5),
    "big": (77, "78"),
    "bool": (True, False),
    "decimal": (
        {"$": "decimal", "of": "9.50"},
        {"$": "decimal", "of": "1.234"},
        {"$": "decimal", "of": "1.236"},
        "9",
    ),
    "float": (0.25, 0.1 + 0.2),
    "duration": ({"$": "duration", "of": 60},),
    "date": ({"$": "date", "of": "2026-02-03"},),
    "time": ({"$": "time", "of": "01:02:03"},),
    "datetime": ({"$": "datetime", "of": "2026-02-03T04:05:06"},),
    "uuid": ({"$": "uuid", "of": 77}, str(77).zfill(32)),
    "json": ({"$": "json", "of": {"b": 1}}, 5),
    "type": ({"$": "type", "of": "Item"},),
}
# Rows of the models that foreign keys point to: primary key, value of the column.
TARGETS: Mapping[str, Sequence[tuple[int, Any]]] = {
    "fk:Owner": ((1, 1), (2, 2), (3, 3)),
    "fk:Plain": ((1, "a"), (2, "b"), (3, "c")),
}

METHODS = (
    "save",
    "save_base",
    "_save_parents",
    "_save_table",
    "_do_update",
    "_do_insert",
    "_prepare_related_fields_for_save",
    "_assign_returned_values",
    "_get_pk_val",
    "_set_pk_val",
    "_is_pk_set",
    "__setattr__",
    "full_clean",
)
QUERYSET_METHODS = (
    "get",
    "get_or_create",
    "create",
    "filter",
    "select_for_update",
    "order_by",
    "using",
    "_filter_or_exclude",
    "_filter_or_exclude_inplace",
    "_chain",
    "_clone",
    "_fetch_all",
    "_update",
    "_extract_model_params",
    "__len__",
    "__iter__",
    "exclude",
    "count",
    "iterator",
)
AROUND: Sequence[Any] = (
    *(["patch", name] for name in METHODS),
    *(
        ["receiver", name, everybody]
        for name in ("pre_save", "post_save", "pre_init", "post_init")
        for everybody in (False, True)
    ),
    ["router"],
)
