"""The process that runs scenarios on one Django: ``python -m lab.fuzz.worker``."""

from datetime import datetime

import django
from django.conf import settings
from django.utils import timezone

from lab.bench import worker


class Clock:
    """What stands for timezone.now; the same in every process.

    Django may know the callables that have no side effects by their module.
    """

    __module__ = "django.utils.timezone"

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, 12)

    def __call__(self) -> datetime:
        return self.moment


def main() -> None:
    # Before the models are loaded: they have it as a default.
    timezone.now = clock = Clock()
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "lab.fuzz"]
    django.setup()
    from lab.fuzz.calls import Scenarios

    Scenarios.clock = clock
    worker.main(Scenarios)


if __name__ == "__main__":
    main()
