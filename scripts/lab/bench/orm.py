"""The model of the ORM's operations. Django is imported where it is used."""

from functools import cache
from typing import Any

TABLE = "bench_item"


@cache
def item_model() -> Any:
    """Return the model ``Item``, which belongs to no installed application."""
    from django.db import models

    class Item(models.Model):  # type: ignore[misc,unused-ignore]
        name = models.CharField(max_length=100, unique=True)
        v = models.IntegerField()
        updated = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "bench"
            db_table = TABLE

    return Item
