import os
from functools import cache

import django
from django.conf import settings
from django.core.management import call_command


def bench_setup(migrate=False):
    """Set Django up, once; with ``migrate``, make the tables of the models, too."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    # The models call this while Django is being set up.
    if not settings.configured:
        django.setup()
    if migrate:
        _migrate()


@cache
def _migrate():
    call_command("migrate", run_syncdb=True, verbosity=0)


def count_statements(call, *args, **kwargs):
    """Return how many statements a call sends, BEGIN and COMMIT included."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        call(*args, **kwargs)
    return len(queries)


class Isolated:
    """
    Base of the benchmarks of what changes what the next run would find.

    As a run is timed by itself, setup() comes before each.
    """

    number = 1
    repeat = (5, 50, 5.0)
    warmup_time = 0
