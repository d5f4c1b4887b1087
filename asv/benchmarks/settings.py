import json
import os

# As JSON, what Django takes for a database. The tables of the benchmarks stay there.
DATABASES = {
    "default": json.loads(
        os.environ.get("BENCHMARKS_DATABASE")
        or '{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}'
    )
}

INSTALLED_APPS = [
    "benchmarks.model_benchmarks.model_bulk_create_conflicts",
    "benchmarks.query_benchmarks.query_get_or_create_miss",
    "benchmarks.query_benchmarks.query_update_or_create",
    "benchmarks.query_benchmarks.query_upsert",
]

SECRET_KEY = "for benchmarks only"
