"""Backends from PyPI make the same INSERTs on stock and on patched Django.

``python -m lab.oracle.backends ENGINE`` prints the statements of one, as JSON: shape →
SQL and parameters, or the error. No server and no driver is needed: a double that has
everything stands for the driver.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from common.errors import last_line
from common.files import make_whole
from common.progress import step
from common.project import user_cache
from databases.family import Unavailable
from databases.urls import DEFAULT
from lab.client import environment
from lab.oracle import child

# Engine: package, modules of its driver, what a server would tell the wrapper.
BACKENDS: Mapping[str, tuple[str, tuple[str, ...], Mapping[str, Any]]] = {
    "mssql": (
        "mssql-django==2.0.0",
        ("pyodbc", "mssql_python"),
        {"sql_server_version": 2022, "to_azure_sql_db": False},
    ),
    "django_cockroachdb": (
        "django-cockroachdb==6.1.1",
        (),
        {"cockroachdb_version": (26, 1, 0), "pg_version": 130000},
    ),
    "django_snowflake": (
        "django-snowflake==6.1",
        ("snowflake", "snowflake.connector"),
        {},
    ),
    "django_firebird": (
        "django-firebird==5.1.1",
        ("firebird", "firebird.driver", "firebird.driver.types"),
        {},
    ),
    "django_redshift_backend": (
        "django-redshift-backend==5.0.0",
        ("psycopg2", "psycopg2.extensions", "psycopg2.extras"),
        {"pg_version": 80002},
    ),
}
MODELS = ("Several", "Pair", "Total", "Defaults", "OnlyKey")
ROWS = {"returning": 1, "two rows": 2, "ignore conflicts": 2}
SHAPES = tuple(f"{model}: {rows}" for model in MODELS for rows in ROWS)
# Firebird's cannot insert two rows without columns.
LEAST = 13


def installed() -> Path:
    """Return the folder of the packages, in the user's cache; install them if need be.

    Unavailable without a network.
    """
    pins = [package for package, *_ in BACKENDS.values()]

    def install(fresh: Path) -> None:
        # Without what they need: they are to use the Django of a tree.
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet"]
        pip += ["--retries=1", "--only-binary=:all:", "--target", str(fresh)]
        with step("installing five backends from PyPI"):
            done = subprocess.run(
                [*pip, *pins], capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise Unavailable(
                f"pip cannot install the backends: {last_line(done.stderr)}",
                f"with a network: pip install {' '.join(pins)}",
            )

    name = hashlib.sha256(" ".join(pins).encode()).hexdigest()[:16]
    folder = user_cache() / "backends" / name
    make_whole(folder, install)
    return folder


def compiled(tree: Path, engine: str) -> dict[str, str]:
    """Return shape → statement of a backend on the Django in a tree."""
    env = environment(tree, DEFAULT)
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}:{installed()}"
    found: dict[str, str] = child.told(
        "backends",
        engine,
        env=env,
        task=f"{engine} compiled nothing on the Django in {tree}",
        then="./scripts/stack setup",
    )
    return found


def differences(stock: Path, patched: Path) -> list[str]:
    """Return a line for each shape of a backend whose statement is another one, and
    for each backend that compiles too few.
    """
    found = []
    for engine in BACKENDS:
        before, after = compiled(stock, engine), compiled(patched, engine)
        found += [
            f"{engine}: {shape}: {before[shape]} on stock, {after[shape]} on patched"
            for shape in SHAPES
            if before[shape] != after[shape]
        ]
        good = sum(sql.startswith("[") for sql in before.values())
        if good < LEAST:
            found.append(f"{engine}: {good} of {len(SHAPES)} shapes compile on stock")
    return found


def statement(wrapper: Any, shape: str) -> str:
    """Compile a shape of INSERT."""
    from django.db.models.constants import OnConflict
    from django.db.models.sql import InsertQuery

    from lab.oracle import cases, models

    name, _, rows = shape.partition(": ")
    model = getattr(models, name)
    given = {"Several": cases.SEVERAL[0], "Total": cases.TOTALS[0]}.get(name, {})
    opts = model._meta
    conflict = OnConflict.IGNORE if rows.startswith("ignore") else None
    query = InsertQuery(model, on_conflict=conflict)
    fields = [field for field in opts.local_concrete_fields if not field.primary_key]
    query.insert_values(fields, [model(**given) for _ in range(ROWS[rows])])
    compiler = query.get_compiler(connection=wrapper)
    if rows == "returning":
        compiler.returning_fields = [opts.pk]
    return repr(compiler.as_sql())


def main(engine: str) -> None:
    _, modules, known = BACKENDS[engine]
    for module in modules:
        double = MagicMock(name=module, __version__="9.9.9", version="9.9.9")
        double.__path__ = []
        double.__spec__ = ModuleSpec(module, None)
        sys.modules[module] = double
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {}, "other": {"ENGINE": engine, "NAME": "x"}},
        INSTALLED_APPS=["lab.oracle"],
        USE_TZ=False,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()
    from django.db import connections

    wrapper = connections["other"]
    vars(wrapper).update(known)
    found = {}
    for shape in SHAPES:
        try:
            found[shape] = statement(wrapper, shape)
        except Exception as error:
            found[shape] = f"{type(error).__name__}: {error}"
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
