"""The process that runs scenarios on one Django: ``python -m lab.fuzz.worker``."""

import django
from django.conf import settings
from django.utils import timezone

from lab.bench import worker
from lab.fuzz.events import now


def main() -> None:
    # Before the models are loaded: they have it as a default.
    timezone.now = now
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "lab.fuzz"]
    django.setup()
    from lab.fuzz.calls import Scenarios

    worker.main(Scenarios)


if __name__ == "__main__":
    main()
