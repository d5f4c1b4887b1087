"""The one settings module for Django's runtests.py and for benchmark workers.

It reads STACK_DATABASE_URL (SQLite in memory when absent), STACK_DATABASE_NAME
(the base of the test databases' names), STACK_REDIS_URL and STACK_MEMCACHED_URL
(no such cache when absent), and STACK_RESULTS (a path: record the results there).
"""

import importlib
import os

from databases import urls

_database = os.environ.get("STACK_DATABASE_URL") or urls.DEFAULT
DATABASES = urls.databases(_database, os.environ.get("STACK_DATABASE_NAME") or "django")
if urls.split(_database).scheme in urls.STANDINS:
    importlib.import_module(urls.DOUBLE).install(_database)

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
for _alias in ("redis", "memcached"):
    if _url := os.environ.get(f"STACK_{_alias.upper()}_URL"):
        CACHES[_alias] = urls.cache(_url)

if os.environ.get("STACK_RESULTS"):
    TEST_RUNNER = "suite.runner.RecordingRunner"

# As in Django's tests/test_sqlite.py: any key will do, and a fast hasher.
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = False
