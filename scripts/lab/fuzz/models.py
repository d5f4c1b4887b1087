"""The models of a worker's Django, from models.toml; their code notes that it ran."""

import json
import tomllib
from collections.abc import Callable, Mapping
from datetime import date, datetime  # noqa: F401
from functools import partial
from operator import attrgetter  # noqa: F401
from pathlib import Path
from time import time as seconds  # noqa: F401
from typing import Any
from uuid import UUID

from django.contrib.contenttypes import fields as generic
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import connection, models
from django.db.models.functions import Lower  # noqa: F401
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone  # noqa: F401

from lab.fuzz.events import next_number, note, shown
from lab.fuzz.values import KINDS, texts

SQLITE = connection.vendor == "sqlite"
POSTGRESQL = connection.vendor == "postgresql"

Char = partial(models.CharField, max_length=10)
Text = partial(models.CharField, max_length=10, null=True)
Slug = partial(models.CharField, max_length=20, unique=True)
Integer = partial(models.IntegerField, default=0)
Key = partial(models.ForeignKey, on_delete=models.CASCADE)


def in_transaction() -> str:
    return "in a transaction" if connection.in_atomic_block else "on its own"


def noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that notes its call and then is the original."""

    def noted(*args: Any, **kwargs: Any) -> Any:
        note(name, in_transaction())
        return original(*args, **kwargs)

    return noted


class Bare(models.Model):
    n = Integer()

    class Meta:
        abstract = True


class Keyed(Bare):
    slug = Slug()

    class Meta:
        abstract = True


class Metaclass(models.base.ModelBase):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        note("__call__", shown(made.n), in_transaction())
        return made


class Made(Keyed, metaclass=Metaclass):
    class Meta:
        abstract = True


class Behind:
    """A mixin whose __init__() runs after that of Model."""

    def __init__(self) -> None:
        note("mixin", shown(self.__dict__.get("n")), in_transaction())
        super().__init__()


def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
    note("__new__", *map(shown, args), sorted(kwargs), in_transaction())
    return object.__new__(cls)


def get_attribute(instance: Any, name: str) -> Any:
    if name == "text":
        note("__getattribute__", in_transaction())
    return models.Model.__getattribute__(instance, name)


def from_db(cls: Any, db: Any, names: Any, values: Any, **kwargs: Any) -> Any:
    """Load as the recipe in Django's documentation does."""
    note("from_db", *map(shown, values))
    made = models.Model.from_db.__func__(cls, db, names, values, **kwargs)
    made._loaded = dict(zip(names, values, strict=True))
    return made


def init(instance: Any, *args: Any, **kwargs: Any) -> None:
    models.Model.__init__(instance, *args, **kwargs)
    note("__init__", shown(instance.n), in_transaction())
    instance._first = instance.n


def set_n(instance: Any, value: Any) -> None:
    note("level set", shown(value), in_transaction())
    instance.n = value


def set_attribute(instance: Any, name: str, value: Any) -> None:
    if name == "n":
        note("__setattr__", shown(value), in_transaction())
    models.Model.__setattr__(instance, name, value)


def serial() -> int:
    """A default of a project: it counts, and may look at the connection."""
    number = next_number()
    note("default", number, in_transaction())
    return number


def numbered_uuid() -> UUID:
    number = next_number()
    note("default uuid", number)
    return UUID(int=0xD1FF << 64 | number)


# Django may know the callables that have no side effects by their module.
numbered_uuid.__module__ = "uuid"


class Loose(models.UniqueConstraint):
    """A constraint of a project that is weaker than Django thinks."""

    def create_sql(self, model: Any, schema_editor: Any) -> None:
        return None

    constraint_sql = create_sql


class Kept(Storage):
    """Files in memory, under names that do not depend on chance."""

    files: dict[str, bytes] = {}  # noqa: RUF012

    def _save(self, name: str, content: Any) -> str:
        note("file saved", name, in_transaction())
        self.files[name] = content.read()
        return name

    def _open(self, name: str, mode: str = "rb") -> Any:
        return ContentFile(self.files[name], name)

    def exists(self, name: str) -> bool:
        return name in self.files

    def get_alternative_name(self, file_root: str, file_ext: str) -> str:
        return f"{file_root}_{len(self.files)}{file_ext}"


class LargeQuerySet(models.QuerySet):
    def large(self) -> Any:
        return self.filter(n__gte=5)


class Active(models.Manager):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(active=True)


class CreatingQuerySet(models.QuerySet):
    def create(self, **kwargs: Any) -> Any:
        note("create", sorted(kwargs), in_transaction())
        return super().create(**{"text": "made", **kwargs})


class SlugField(models.CharField):
    def pre_save(self, model_instance: Any, add: bool) -> Any:
        note("pre_save", add, in_transaction())
        value = f"{model_instance.slug}-{model_instance.n}"
        setattr(model_instance, self.attname, value)
        return value


class ShoutField(models.CharField):
    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        note("from_db_value", shown(value))
        return value and value.upper()


class FormattedField(models.CharField):
    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        return f"UPPER({sql})", params


class Tracker:
    """A descriptor that takes the place of Django's, as that of a field tracker."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else instance.__dict__["level"]

    def __set__(self, instance: Any, value: Any) -> None:
        note("tracked", shown(value), in_transaction())
        instance.__dict__["level"] = value


class CountingField(models.IntegerField):
    def get_default(self) -> int:
        return serial()


class PreparingField(models.IntegerField):
    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        note("get_db_prep_save", shown(value), in_transaction())
        return super().get_db_prep_save(value, connection)


class Late(DeferredAttribute):
    """A descriptor that is not Django's but derived from it."""

    def __set__(self, instance: Any, value: Any) -> None:
        note(type(self).__name__, shown(value), in_transaction())
        instance.__dict__[self.field.attname] = value


class Described:
    """A descriptor of a project, as those of encrypted fields."""

    def __init__(self, field: Any) -> None:
        self.field = field

    __set__ = Late.__set__

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return self if instance is None else instance.__dict__[self.field.attname]


class LateField(models.IntegerField):
    descriptor_class = Late


class DescribedField(models.IntegerField):
    descriptor_class = Described


class Decoder(json.JSONDecoder):
    def decode(self, text: str, *args: Any) -> Any:
        note("decoded", text)
        return super().decode(text, *args)


OPTIONS = ("_base", "_meta", "_keys", "_kinds", "_managers")
TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
WILD = TABLES.pop("_wild")
NAMES = vars(generic) | vars(models) | globals()


def define(name: str, table: Mapping[str, Any]) -> Any:
    """Return the model of one table of models.toml."""
    members = {
        key: eval(value[0], NAMES)
        for key, value in table.items()
        if key not in OPTIONS and value[0]
    }
    meta = eval(f"dict({table.get('_meta', '')})", NAMES)
    bases = eval(f"({table.get('_base', 'Keyed')},)", NAMES)
    members |= {"__module__": __name__, "Meta": type("Meta", (), meta)}
    return type(name, bases, members)


for _name, _table in TABLES.items():
    NAMES[_name] = define(_name, _table)
NAMES["Tracked"].level = Tracker()


def where(feature: str, one: Any, other: Any) -> Any:
    """Return ``one`` if the database has the feature, else the other."""
    return one if getattr(connection.features, feature) else other


def own_models() -> list[Any]:
    return [NAMES[name] for name in TABLES]


def kind(field: Any) -> str:
    """Return a name in KINDS, or "fk:Model.column" of a foreign key."""
    if field.remote_field:
        model, column = field.remote_field.model, field.target_field.attname
        return (
            "ContentType" if model is ContentType else f"fk:{model.__name__}.{column}"
        )
    if field.generated:
        field = field.output_field
    if isinstance(field, models.AutoField):
        return "IntegerField"
    # The values of a TextField are a CharField's.
    names: list[str] = [
        each.__name__ for each in (*type(field).__mro__, models.CharField)
    ]
    return next(name for name in names if name in KINDS)


def rows(model: Any) -> list[dict[str, str]]:
    """Return the rows at the start, column → expression."""
    opts = model._meta.concrete_model._meta
    columns = {"slug": "'a', 'b', 'c'"} if issubclass(model, Keyed) else {}
    columns["n"] = "1, 4, 6"
    for key, value in TABLES[opts.object_name].items():
        if key not in OPTIONS and len(value) == 2:
            field = opts.get_field(key)
            related = kind(field).startswith("fk:")
            columns[field.attname if related else key] = value[1]
    values = zip(*map(texts, columns.values()), strict=False)
    return [dict(zip(columns, row, strict=True)) for row in values]


def described(model: Any) -> dict[str, Any]:
    """Return the facts about a model for random calls: kinds of fields, keys, rows."""
    opts, table = model._meta, TABLES[model.__name__]
    fields = [each for each in opts.concrete_fields if each.name != "parent_ptr"]
    kinds = {each.name: kind(each) for each in fields} | table.get("_kinds", {})
    keys = [
        *([each.name] for each in fields if each.unique),
        *opts.unique_together,
        *([[each.name for each in opts.pk_fields]] if len(opts.pk_fields) > 1 else []),
        *(each.fields for each in opts.total_unique_constraints),
        *(each.split() for each in table.get("_keys", [])),
        *([] if opts.pk.name == "id" else [["pk"]]),
    ]
    start = [{"id": str(number)} | row for number, row in enumerate(rows(model), 1)]
    for row in start:
        pk = [row.get(each.attname, row["id"]) for each in opts.pk_fields]
        row["pk"] = pk[0] if len(pk) == 1 else f"[{', '.join(pk)}]"
    return {
        "kinds": kinds
        | dict.fromkeys(sorted(opts._property_names - {"pk"}), "property"),
        "keys": keys,
        "rows": start,
        "pk": "IntegerField" if opts.pk.remote_field else kind(opts.pk),
        "tame": model.__name__ not in WILD,
        "managers": table.get("_managers", ["objects"]),
    }


def catalogue() -> dict[str, Any]:
    return {model.__name__: described(model) for model in own_models()}
