"""The models whose INSERTs are compiled: every type of column, every kind of key."""

from django.db import models
from django.db.models import Q, UniqueConstraint
from django.db.models.functions import Lower, Now


class Code(models.Model):
    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=50)


class OnlyKey(models.Model):
    """A table of nothing but keys."""


class Everything(models.Model):
    id = models.AutoField(primary_key=True)
    integer = models.IntegerField(null=True)
    small = models.SmallIntegerField(null=True)
    big = models.BigIntegerField(null=True)
    positive = models.PositiveIntegerField(null=True)
    positive_small = models.PositiveSmallIntegerField(null=True)
    positive_big = models.PositiveBigIntegerField(null=True)
    boolean = models.BooleanField(null=True)
    char = models.CharField(max_length=50, null=True)
    slug = models.SlugField(null=True)
    url = models.URLField(null=True)
    email = models.EmailField(null=True)
    file = models.FileField(null=True)
    file_path = models.FilePathField(null=True)
    text = models.TextField(null=True)
    date = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    time = models.TimeField(null=True)
    duration = models.DurationField(null=True)
    decimal = models.DecimalField(max_digits=12, decimal_places=3, null=True)
    real = models.FloatField(null=True)
    uuid = models.UUIDField(null=True)
    json = models.JSONField(null=True)
    binary = models.BinaryField(null=True)
    address = models.GenericIPAddressField(null=True)
    code = models.ForeignKey(Code, models.CASCADE, null=True)
    only = models.OneToOneField(OnlyKey, models.CASCADE, null=True)


class Pair(models.Model):
    number = models.IntegerField(null=True)
    label = models.CharField(max_length=20, null=True)
    value = models.TextField()

    class Meta:
        unique_together = (("number", "label"),)


class Total(models.Model):
    id = models.SmallAutoField(primary_key=True)
    kind = models.IntegerField()
    day = models.DateField()
    value = models.CharField(max_length=20)
    count = models.IntegerField(default=0)

    class Meta:
        constraints = (UniqueConstraint(fields=["kind", "day"], name="total_kind"),)


class Several(models.Model):
    id = models.BigAutoField(primary_key=True)
    slug = models.SlugField(unique=True)
    email = models.EmailField(unique=True, null=True)
    code = models.ForeignKey(Code, models.CASCADE)
    number = models.IntegerField()
    token = models.UUIDField(null=True)
    value = models.CharField(max_length=20)

    class Meta:
        unique_together = (("code", "number"),)
        constraints = (
            UniqueConstraint(fields=["number", "token"], name="several_token"),
        )


class Loose(models.Model):
    """Keys that are not unique, or not always."""

    word = models.CharField(max_length=20)
    lower = models.CharField(max_length=20)
    active = models.BooleanField(default=False)
    value = models.CharField(max_length=20)

    class Meta:
        constraints = (
            UniqueConstraint(fields=["word"], condition=Q(active=True), name="word"),
            UniqueConstraint(Lower("lower"), name="lower"),
        )


class Composite(models.Model):
    pk = models.CompositePrimaryKey("tenant", "number")
    tenant = models.IntegerField()
    number = models.IntegerField()
    value = models.CharField(max_length=20)


class Renamed(models.Model):
    key = models.IntegerField(unique=True, db_column="The Key")
    value = models.CharField(max_length=20, db_column="value")
    order = models.IntegerField(db_column="ORDER")

    class Meta:
        db_table = "Renamed Things"


class Percent(models.Model):
    share = models.IntegerField(unique=True, db_column="share in %")
    value = models.CharField(max_length=20, db_column="per%cent")

    class Meta:
        db_table = "100%"


class Defaults(models.Model):
    name = models.CharField(max_length=20, unique=True)
    number = models.IntegerField(db_default=5)
    moment = models.DateTimeField(db_default=Now())
