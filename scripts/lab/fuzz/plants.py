"""Bugs to plant in a copy of the patched Django: the test has to find each.

Most take one condition away, one after another, since a condition that nothing
fails without is one that nobody can trust.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

from common.errors import StackError

UPSERT = "django/db/models/upsert.py"
QUERY = "django/db/models/query.py"
OPTIONS = "django/db/models/options.py"


@dataclass(frozen=True)
class Plant:
    """A replacement of text that has to be there exactly once.

    ``database`` names the only one where the bug can be seen, if it is not seen
    on every one; ``harmless`` says why nothing can be seen at all: no bug then,
    but a condition that another one backs up.
    """

    name: str
    file: str
    old: str
    new: str
    database: str = ""
    harmless: str = ""


def never(name: str, harmless: str = "") -> Plant:
    """Return a bug: the condition of that name never applies."""
    old = f"def {name}("
    new = f"def {name}(*args):\n    return False\n\n\ndef unused_{name}("
    return Plant(name, UPSERT, old, new, harmless=harmless)


def unseen(name: str, harmless: str = "") -> Plant:
    """Return a bug: nothing is raised for the obstacle of that name."""
    old = f'raise Obstacle("{name}")'
    return Plant(name, UPSERT, old, "pass", harmless=harmless)


def without(
    name: str,
    text: str,
    *,
    file: str = UPSERT,
    harmless: str = "",
    database: str = "",
) -> Plant:
    """Return a bug: this text is missing."""
    return Plant(f"without {name}", file, text, "", database, harmless)


def without_state(name: str, text: str, harmless: str = "") -> Plant:
    return without(f"query set's {name}", f"        or {text}\n", harmless=harmless)


def without_method(name: str, harmless: str = "") -> Plant:
    return without(f"{name}()", f'    "{name}",\n', harmless=harmless)


def swapped(name: str, old: str, new: str, file: str = UPSERT, **more: str) -> Plant:
    return Plant(name, file, old, new, **more)


# The bugs that earlier versions of the patch had.
ONCE: Sequence[Plant] = (
    swapped(
        "bad defaults fail on a miss",
        'raise Obstacle("cannot_build_query") from e',
        "raise",
    ),
    swapped(
        "callables evaluated twice",
        "                    params = dict(resolve_callables(params))\n"
        "                    return self.create(**params), True\n"
        "        except upsert.Obstacle as obstacle:",
        "                    params = dict(resolve_callables(params))\n"
        "                    try:\n"
        "                        return self.create(**params), True\n"
        "                    except IntegrityError:\n"
        "                        return None\n"
        "        except upsert.Obstacle as obstacle:",
        QUERY,
    ),
    swapped(
        "what an UPDATE raises leaks",
        'raise upsert.Obstacle("update_fails") from e',
        "raise",
        QUERY,
    ),
    swapped(
        "IntegrityError for NotUpdated",
        "                    self._update_object(obj, update_defaults)\n"
        "                    return obj, False\n"
        "            raise\n",
        "                    raise\n            raise\n",
        QUERY,
    ),
    swapped(
        "from_db() sees the new row",
        '"_do_update", "from_db.__func__")',
        '"_do_update")',
    ),
)
CONDITIONS: Sequence[Plant] = (
    never("has_multiple_tables", "the columns of the parent make the UPDATE fail"),
    never("has_order_with_respect_to"),
    never("has_custom_pre_save"),
    never("has_custom_default"),
    never("has_custom_descriptor"),
    never("has_returned_conversion"),
    never("has_generated_conversion"),
    never("has_distant_related_objects"),
    never("overrides_create_methods"),
    never("has_receivers"),
    never("has_custom_params"),
    never("is_unmanaged"),
    never("selects_on_save"),
    never("has_custom_base_manager"),
    never("has_custom_pre_save_on_update"),
    never("has_custom_select_format"),
    never("has_custom_conversion"),
    never("overrides_update_methods"),
    never("overrides_queryset_methods"),
    never("has_queryset_state"),
    unseen("lookup_is_not_unique", "the WHERE is looked at as well"),
    unseen("query_has_joins"),
    unseen("query_is_not_unique"),
    unseen("name_is_not_a_field"),
    unseen("no_defaults", "an UPDATE of nothing fails"),
    unseen("default_is_not_concrete"),
    unseen("default_is_callable"),
    unseen("default_is_ambiguous", harmless="the last one wins, as in stock"),
    unseen("default_is_related_expression"),
    unseen("default_has_custom_pre_save"),
    unseen("default_is_misplaced_instance"),
    unseen("default_is_unsaved_instance"),
    unseen("default_replaces_related_object"),
    unseen("default_needs_conversion"),
)
METHODS: Sequence[Plant] = (
    *map(
        without_method,
        (
            "__init__",
            "__setattr__",
            "save",
            "save_base",
            "_save_parents",
            "_save_table",
            "_prepare_related_fields_for_save",
            "_assign_returned_values",
            "_get_pk_val",
            "_is_pk_set",
            "get",
            "get_or_create",
            "select_for_update",
            "filter",
            "order_by",
            "_filter_or_exclude",
            "_filter_or_exclude_inplace",
            "_chain",
            "_clone",
            "_fetch_all",
            "_extract_model_params",
            "__len__",
        ),
    ),
    without_method("_set_pk_val", "the property pk refers to it by itself"),
    without_method("using", "nothing calls it"),
    without_method("_update", "save() calls that of the base manager"),
    without_method("__iter__", "get() does not iterate"),
)
STATES: Sequence[Plant] = (
    swapped("query set's class of query", "query.__class__ is not Query", "False"),
    without_state("slice", "query.is_sliced"),
    without_state("combinator", "bool(query.combinator)"),
    without_state("distinct", "query.distinct"),
    without_state("select_related", "query.select_related is not False"),
    without_state("annotations", "bool(query.annotations)"),
    without_state("extra", "bool(query.extra)"),
    without_state("extra tables", "bool(query.extra_tables)"),
    without_state("explain", "query.explain_info is not None"),
    without_state("deferred", "query.deferred_loading != Query.deferred_loading"),
    without_state("iterable", "queryset._iterable_class is not ModelIterable"),
    without_state("prefetch", "bool(queryset._prefetch_related_lookups)"),
    without_state("cloning", "not queryset._cloning_enabled"),
    without_state("values", "bool(query.values_select)", "the iterable differs too"),
    without_state("fields", "queryset._fields is not None", "the iterable differs too"),
    without_state(
        "group_by", "query.group_by is not None", "there are annotations too"
    ),
    without_state(
        "default columns", "not query.default_cols", "the iterable differs too"
    ),
)
PINNED: Sequence[Plant] = (
    swapped("pinned by OR", "where.connector != AND or where.negated", "where.negated"),
    swapped(
        "pinned by NOT",
        "where.connector != AND or where.negated",
        "where.connector != AND",
    ),
    swapped(
        "pinned by any where",
        "where.__class__ is not WhereNode or where",
        "where",
        harmless="Django derives no class from WhereNode",
    ),
    swapped(
        "pinned by any lookup",
        "elif child.__class__ in EXACT_LOOKUPS and child.rhs",
        'elif hasattr(child, "rhs_is_direct_value") and child.rhs',
    ),
    swapped(
        "pinned by an expression",
        "elif child.__class__ in EXACT_LOOKUPS and child.rhs_is_direct_value():",
        "elif child.__class__ in EXACT_LOOKUPS:",
    ),
    swapped(
        "pinned tuple by a query",
        "child.__class__ is TupleExact and child.rhs_is_direct_value()",
        "child.__class__ is TupleExact",
        harmless="a query has to be limited to one row",
    ),
    swapped(
        "constraints of the project",
        "if constraint.__class__ is UniqueConstraint\n            and constraint",
        "if constraint",
        OPTIONS,
    ),
    without(
        "deferrable constraints",
        "            and constraint.deferrable is None\n",
        file=OPTIONS,
    ),
    without(
        "opclasses",
        "            and not constraint.opclasses\n",
        file=OPTIONS,
        harmless="Django's databases have none with another equality",
    ),
    swapped(
        "conditional constraints",
        "in opts.total_unique_constraints\n            if constraint.__class__",
        "in opts.constraints\n            if constraint.__class__",
        OPTIONS,
    ),
)
VALUES: Sequence[Plant] = (
    swapped(
        "without auto_now",
        'if getattr(field, "auto_now", False) and field not in excluded:',
        "if False:",
    ),
    swapped(
        "without routers",
        "        router.routers\n        or not isinstance",
        "        not isinstance",
    ),
    swapped(
        "class of instance",
        "not isinstance(value, field.remote_field.model._meta.concrete_model)",
        "False",
    ),
    without(
        "unsaved instance",
        "        or value._state.adding\n",
        harmless="its database is another too, None",
    ),
    without("instance's database", "        or value._state.db != using\n"),
    without("generated", "field.generated or "),
    without(
        "known related objects",
        "        set_known_related_objects(obj, get_known_related_objects(self))\n",
        file=QUERY,
    ),
    swapped(
        "without peers",
        "if self._fetch_mode.track_peers:\n            obj._state",
        "if False:\n            obj._state",
        QUERY,
    ),
)
TRANSACTIONS: Sequence[Plant] = (
    swapped(
        "savepoint",
        "needs_savepoint = not in_autocommit and connection",
        "needs_savepoint = False and connection",
        QUERY,
        database="postgresql",
    ),
    swapped(
        "autocommit off",
        "not connection.in_atomic_block\n            and not in_autocommit",
        "False",
        QUERY,
        database="sqlite",
    ),
    swapped(
        "transaction of create()",
        "not needs_savepoint and not (in_autocommit and is_plain)",
        "False",
        QUERY,
    ),
    swapped(
        "the second UPDATE",
        "obj, False\n            except upsert.Obstacle:",
        "obj, True\n            except upsert.Obstacle:",
        QUERY,
        harmless="it needs a lost race, see ./scripts/stack race",
    ),
    swapped(
        "lone INSERT in a transaction",
        "not connection.in_atomic_block\n"
        "                and connection.get_autocommit()\n"
        "                and self._creates",
        "self._creates",
        QUERY,
    ),
    without(
        "create()",
        "self.__class__.create is QuerySet.create\n            and ",
        file=QUERY,
    ),
    without(
        "obstacle of create()",
        "            and self.model._meta._create_obstacle is None\n",
        file=QUERY,
    ),
    swapped(
        "callable as a parameter",
        "    callable(value)\n        or ",
        "    False\n        or ",
    ),
    swapped(
        "expression as a parameter",
        'or hasattr(value, "resolve_expression")\n        or (name',
        "or (name",
    ),
    swapped(
        "property as a parameter",
        "(field := names.get(name)) is None or not field.concrete",
        "False",
    ),
)
TARGETS: Sequence[Plant] = (
    without(
        "target's size",
        "        or len(attnames) != len(lookup)\n",
        harmless="the names are looked at too",
    ),
    without(
        "target's filters", "        or len(attnames) != len(query.where.children)\n"
    ),
    without("target's key", "        or attnames not in opts._total_unique_attnames\n"),
    swapped(
        "target's value",
        "            params.get(name) is not value\n            or (name",
        "            (name",
    ),
    without(
        "target's attname",
        "            or (name != field.attname and field.attname in params)\n",
    ),
    without(
        "target's name",
        "            or (name != field.name and field.name in params)\n",
        harmless="the value of the attname is set last",
    ),
    without(
        "target's rounding",
        "            or not is_stored_exactly(field, value)\n",
        database="postgresql",
    ),
    swapped(
        "target's length",
        "            field.max_length is None or len(value) <= field.max_length\n",
        "            True\n",
        database="postgresql",
    ),
    without("target's type", "isinstance(value, str) and "),
    swapped(
        "fetch mode of inserts",
        "obj._state.fetch_mode = self._fetch_mode\n        return obj\n\n    async",
        "return obj\n\n    async",
        QUERY,
    ),
)
PLANTS: Sequence[Plant] = (
    *ONCE,
    *CONDITIONS,
    *METHODS,
    *STATES,
    *PINNED,
    *VALUES,
    *TRANSACTIONS,
    *TARGETS,
)


@contextmanager
def planted(copy: Path, plant: Plant) -> Iterator[Path]:
    """Have the bug in the copy; StackError if the text is not there once."""
    path = copy / plant.file
    before = path.read_text("utf-8") if path.is_file() else ""
    if before.count(plant.old) != 1:
        raise StackError(
            f'plant "{plant.name}" is out of date: {plant.file} has its text'
            f" {before.count(plant.old)} times",
            "edit scripts/lab/fuzz/plants.py",
        )
    _write(path, before.replace(plant.old, plant.new))
    try:
        yield copy
    finally:
        _write(path, before)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    # Of the same size and the same second, another text would not be noticed.
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
