"""The models of the worker's Django; their code notes that it ran.

catalogue.py says the same of them without Django: which fields, keys and rows.
"""

import json
import uuid
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import connection, models
from django.db.models import F, Q, UniqueConstraint, Value
from django.db.models.functions import Lower
from django.db.models.query_utils import DeferredAttribute
from django.utils import timezone

from lab.fuzz.events import next_number, note, shown

POSTGRESQL = connection.vendor == "postgresql"


def in_transaction() -> str:
    return "in a transaction" if connection.in_atomic_block else "on its own"


def serial() -> int:
    """A default of the project's: it counts, and may look at the connection."""
    number = next_number()
    note("default", number, in_transaction())
    return number


def numbered_uuid() -> uuid.UUID:
    number = next_number()
    note("default uuid", number)
    return uuid.UUID(int=0xD1FF << 64 | number)


# Django may know the callables that have no side effects by their module.
numbered_uuid.__module__ = "uuid"


class Plain(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    text = models.CharField(max_length=10, null=True)


class PlainProxy(Plain):
    class Meta:
        proxy = True


class Natural(models.Model):
    code = models.CharField(max_length=8, primary_key=True)
    n = models.IntegerField(default=0)
    text = models.TextField(null=True)


class Identified(models.Model):
    id = models.UUIDField(primary_key=True, default=numbered_uuid)
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)


class Composite(models.Model):
    pk = models.CompositePrimaryKey("tenant", "number")
    tenant = models.IntegerField()
    number = models.IntegerField()
    n = models.IntegerField(default=0)
    text = models.CharField(max_length=10, null=True)


class Together(models.Model):
    a = models.CharField(max_length=10, db_column="first")
    b = models.IntegerField(db_column="the second")
    n = models.IntegerField(default=0)

    class Meta:
        unique_together = (("a", "b"),)


class Total(models.Model):
    a = models.CharField(max_length=10)
    b = models.IntegerField(null=True)
    n = models.IntegerField(default=0)

    class Meta:
        constraints = (UniqueConstraint(fields=["a", "b"], name="total_ab"),)


class Loose(UniqueConstraint):
    """A constraint of the project's that is weaker than Django thinks."""

    def create_sql(self, model: Any, schema_editor: Any) -> None:
        return None

    constraint_sql = create_sql


class Partial(models.Model):
    """What looks unique and is not, or not always."""

    some = models.CharField(max_length=10, default="")
    active = models.BooleanField(default=False)
    late = models.CharField(max_length=10, default="")
    lower = models.CharField(max_length=10, default="")
    loose = models.CharField(max_length=10, default="")
    n = models.IntegerField(default=0)

    class Meta:
        constraints = (
            UniqueConstraint(
                fields=["some"], condition=Q(active=True), name="partial_some"
            ),
            UniqueConstraint(
                fields=["late"],
                deferrable=models.Deferrable.DEFERRED,
                name="partial_late",
            ),
            UniqueConstraint(Lower("lower"), name="partial_lower"),
            Loose(fields=["loose"], name="partial_loose"),
        )


class Nulls(models.Model):
    tag = models.CharField(max_length=10, null=True, unique=True)
    code = models.CharField(max_length=10, null=True)
    n = models.IntegerField(default=0)

    class Meta:
        constraints = (
            UniqueConstraint(fields=["code"], nulls_distinct=False, name="nulls_code"),
        )


class Stamps(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    made = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)
    seen = models.DateTimeField(default=timezone.now)
    day = models.DateField(null=True, unique=True)
    at = models.TimeField(null=True)


class Defaulted(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(db_default=7)
    text = models.CharField(max_length=10, db_default="db")


class Counted(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    number = models.IntegerField(default=serial)
    n = models.IntegerField(default=0)


class Generated(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    text = models.CharField(max_length=10, null=True)
    twice = models.GeneratedField(
        expression=F("n") * 2, output_field=models.IntegerField(), db_persist=True
    )


class Invalid(models.Model):
    """The new row, or what SQLite computes from it, need not be a date at all."""

    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    text = (models.DateField if POSTGRESQL else models.TextField)(null=True)
    day = models.GeneratedField(
        expression=F("text"), output_field=models.DateField(), db_persist=True
    )


class InvalidDefault(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    day = models.DateField(
        db_default=Value("2026-02-28" if POSTGRESQL else "2026-02-31")
    )


class Owner(models.Model):
    name = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    plains = models.ManyToManyField(Plain, related_name="owners")
    notes = GenericRelation("Note")


class Item(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    owner = models.ForeignKey(Owner, models.CASCADE, null=True, related_name="items")
    home = models.ForeignKey(
        Plain, models.CASCADE, null=True, to_field="slug", related_name="guests"
    )
    place = models.IntegerField(default=0)
    n = models.IntegerField(default=0)

    class Meta:
        unique_together = (("owner", "place"),)


class Profile(models.Model):
    owner = models.OneToOneField(Owner, models.CASCADE)
    n = models.IntegerField(default=0)


class Badge(models.Model):
    owner = models.OneToOneField(Owner, models.CASCADE, primary_key=True)
    n = models.IntegerField(default=0)


class Note(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
    about = GenericForeignKey()
    kind = models.CharField(max_length=10)
    n = models.IntegerField(default=0)

    class Meta:
        unique_together = (("content_type", "object_id", "kind"),)


class Ordered(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    owner = models.ForeignKey(Owner, models.CASCADE)
    n = models.IntegerField(default=0)

    class Meta:
        order_with_respect_to = "owner"


class Doc(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    data = models.JSONField(null=True, unique=True)
    n = models.IntegerField(default=0)


class Numbers(models.Model):
    amount = models.DecimalField(max_digits=8, decimal_places=2, unique=True)
    ratio = models.FloatField(null=True, unique=True)
    big = models.BigIntegerField(null=True, unique=True)
    span = models.DurationField(null=True, unique=True)
    flag = models.BooleanField(default=False)
    small = models.PositiveSmallIntegerField(default=1)
    n = models.IntegerField(default=0)


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


class Attachment(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    file = models.FileField(max_length=40, storage=Kept())
    n = models.IntegerField(default=0)


class Prop(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)

    @property
    def level(self) -> Any:
        return self.n

    @level.setter
    def level(self, value: Any) -> None:
        note("level set", shown(value), in_transaction())
        self.n = value

    @property
    def doubled(self) -> Any:
        return self.n * 2


class Checked(models.Model):
    slug = models.CharField(max_length=5, unique=True)
    n = models.IntegerField(default=0)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(n__gte=0), name="checked"),)


class Collated(models.Model):
    slug = models.CharField(
        max_length=20, unique=True, db_collation=None if POSTGRESQL else "NOCASE"
    )
    n = models.IntegerField(default=0)


class Odd(models.Model):
    """Fields named as the arguments of the methods."""

    defaults = models.CharField(max_length=20, unique=True)
    create_defaults = models.CharField(max_length=20, default="")
    n = models.IntegerField(default=0)


class ActiveQuerySet(models.QuerySet):
    def large(self) -> Any:
        return self.filter(n__gte=5)


class ActiveManager(models.Manager):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(active=True)


class Managed(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    active = models.BooleanField(default=True)
    n = models.IntegerField(default=0)

    objects = ActiveManager.from_queryset(ActiveQuerySet)()
    every = models.Manager()


class CreatingQuerySet(models.QuerySet):
    def create(self, **kwargs: Any) -> Any:
        note("create", sorted(kwargs), in_transaction())
        return super().create(**{"text": "made", **kwargs})


class Creating(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    text = models.CharField(max_length=10, null=True)

    objects = CreatingQuerySet.as_manager()


class BaseManager(models.Manager):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(hidden=False)


class Based(models.Model):
    """save() does not reach a row that the base manager leaves out."""

    slug = models.CharField(max_length=20, unique=True)
    hidden = models.BooleanField(default=False)
    n = models.IntegerField(default=0)

    objects = models.Manager()
    rest = BaseManager()

    class Meta:
        base_manager_name = "rest"


class Ignored(models.Model):
    """A trigger ignores every UPDATE of a row whose n is 4."""

    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)


class Selected(models.Model):
    """The same trigger, and the option made for it."""

    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)

    class Meta:
        select_on_save = True


class Triggered(models.Model):
    """A trigger writes ``stamp`` on every UPDATE."""

    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    stamp = models.IntegerField(default=0)


class Unmanaged(models.Model):
    """The table lacks the unique index."""

    id = models.IntegerField(primary_key=True)
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)

    class Meta:
        managed = False
        db_table = "fuzz_unmanaged"


class SlugField(models.CharField):
    def pre_save(self, model_instance: Any, add: bool) -> Any:
        note("pre_save", add, in_transaction())
        value = f"{model_instance.slug}-{model_instance.n}"
        setattr(model_instance, self.attname, value)
        return value


class Slugged(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    path = SlugField(max_length=40, default="")


class ShoutField(models.CharField):
    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        note("from_db_value", shown(value))
        return value and value.upper()


class Converted(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    text = ShoutField(max_length=10, null=True)


class FormattedField(models.CharField):
    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        return f"UPPER({sql})", params


class Formatted(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    text = FormattedField(max_length=10, null=True)


class Described:
    """A descriptor of the project's, as those of encrypted fields."""

    def __init__(self, field: Any) -> None:
        self.field = field

    def __set__(self, instance: Any, value: Any) -> None:
        note("described", shown(value), in_transaction())
        instance.__dict__[self.field.attname] = value

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return self if instance is None else instance.__dict__[self.field.attname]


class DescribedField(models.IntegerField):
    descriptor_class = Described


class LateAttribute(DeferredAttribute):
    """A descriptor that is not Django's but derived from it."""

    def __set__(self, instance: Any, value: Any) -> None:
        note("late", shown(value), in_transaction())
        instance.__dict__[self.field.attname] = value


class LateField(models.IntegerField):
    descriptor_class = LateAttribute


class Descriptors(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = DescribedField(default=0)
    late = LateField(default=0)


class Decoder(json.JSONDecoder):
    def decode(self, text: str, *args: Any) -> Any:
        note("decoded", text)
        return super().decode(text, *args)


class Decoded(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)
    data = models.JSONField(null=True, decoder=Decoder)


class Loaded(models.Model):
    """The recipe of Django's documentation for from_db()."""

    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)

    @classmethod
    def from_db(cls, db: Any, field_names: Any, values: Any, **kwargs: Any) -> Any:
        note("from_db", *map(shown, values))
        made = super().from_db(db, field_names, values, **kwargs)
        made._loaded = dict(zip(field_names, values, strict=True))
        return made


class Started(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        note("__init__", shown(self.n), in_transaction())
        self._first = self.n


class Saved(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)

    def save(self, *args: Any, **kwargs: Any) -> None:
        note("save", sorted(kwargs.get("update_fields") or ()), in_transaction())
        super().save(*args, **kwargs)


class Guarded(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "n":
            note("__setattr__", shown(value), in_transaction())
        super().__setattr__(name, value)


class Parent(models.Model):
    slug = models.CharField(max_length=20, unique=True)
    n = models.IntegerField(default=0)


class Child(Parent):
    code = models.CharField(max_length=10, unique=True)
    extra = models.IntegerField(default=0)
