from django.apps import AppConfig


class Golden(AppConfig):  # type: ignore[misc]
    """The label is the prefix of the tables in golden/."""

    name = "lab.oracle"
    label = "golden"
