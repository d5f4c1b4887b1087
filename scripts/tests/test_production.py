"""The guide for site owners: its commands, on a small site, in their order."""

import os
import re
import secrets
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.errors import StackError
from common.project import Project
from databases import urls
from patchstack import upstream, wheel

from .conftest import here
from .console import in_text

GUIDE = Project.here().drafts / "production.md"
# Lines that show which version runs.
OFFICIAL, PATCHED = "6.1.3", r"6\.1\.3\+stack\.\d+\.g[0-9a-f]{8}"


class Site:
    """A site in a virtual environment of its own, first with the official Django."""

    def __init__(self, folder: Path, found: Path, database: dict[str, object]) -> None:
        self.folder = folder / "site"
        self.folder.mkdir(parents=True)
        self.environment = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("PYTHON", "PIP_", "DJANGO_"))
        }
        self.environment |= {
            "PATH": f"{folder / 'venv/bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_FIND_LINKS": str(found),
            "PIP_NO_INDEX": "1",
        }
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        # What Django needs, and the drivers.
        (packages,) = folder.glob("venv/lib/*/site-packages")
        (packages / "tools.pth").write_text(sysconfig.get_path("purelib") + "\n")
        self.run(f"python -m pip install Django=={OFFICIAL}")
        self.run("python -m django startproject site1 .")
        with (self.folder / "site1/settings.py").open("a") as settings:
            backend = "django.core.cache.backends.db.DatabaseCache"
            caches = {"default": {"BACKEND": backend, "LOCATION": "cache_table"}}
            settings.write(f"DATABASES = {{'default': {database!r}}}\n")
            settings.write(f"CACHES = {caches!r}\n")

    def run(self, line: str) -> str:
        done = subprocess.run(
            line,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def python(self, code: str) -> str:
        """Run code with the settings of the site; return what it prints."""
        imports = (
            "from django.core.cache import cache\nfrom django.db import connection"
        )
        (self.folder / "code.py").write_text(f"{imports}\n{code}\n")
        return self.run(
            "python manage.py shell -v 0 -c \"exec(open('code.py').read())\""
        )

    def server(self, sql: str) -> None:
        """Execute a statement without a database."""
        self.python(f"with connection._nodb_cursor() as c: c.execute({sql!r})")


@pytest.fixture(params=["sqlite", "postgres"])
def site(
    request: pytest.FixtureRequest, real: Project, tmp_path: Path
) -> Iterator[Site]:
    try:
        official = wheel.official(real, upstream.load_pin(real))
        made = wheel.make(real, tmp_path / "dist")
    except StackError as error:
        pytest.skip(str(error))
    with ExitStack() as stack:
        name = f"site_{secrets.token_hex(4)}"
        database: dict[str, object] = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(tmp_path / "db.sqlite3"),
        }
        if request.param != "sqlite":
            url = stack.enter_context(here(request.param)).url
            database = urls.databases(url, name)["default"]
        site = Site(tmp_path, official.parent, database)
        site.environment["WHEEL"] = str(made)
        if request.param != "sqlite":
            site.server(f"CREATE DATABASE {name}")
            stack.callback(site.server, f"DROP DATABASE {name}")
        yield site


def test_the_commands_of_the_guide(site: Site) -> None:
    text = GUIDE.read_text("utf-8")
    (measure,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (site.folder / "measure.py").write_text(measure)
    site.run("python manage.py createcachetable")
    site.python("cache.set('kept', ['a value'], None)")
    printed = {}
    for line in in_text(text):
        printed[line] = site.run(line)
        if "pip install" not in line:
            assert site.python("print(cache.get('kept'))") == "['a value']\n", line
    assert re.fullmatch(PATCHED, printed["python -m django --version"].strip())
    assert (
        "ALTER TABLE"
        in printed["python manage.py createcachetable --upgrade --dry-run"]
    )
    measured = printed[
        "python manage.py shell --verbosity 0 --command"
        " \"exec(open('measure.py').read())\""
    ]
    assert re.fullmatch(r"get +\d+ µs\nset +\d+ µs\nincr +\d+ µs\n", measured)
    assert site.run("python -m django --version").strip() == OFFICIAL
