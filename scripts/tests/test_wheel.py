"""The wheel: the official one but for the files of the patches, and nothing else."""

import csv
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from common.errors import StackError
from common.git import Git
from common.project import Project
from patchstack import build, series, upstream, wheel
from verbs import export
from verbs import wheel as command

from .conftest import CACHE, VERSION, commit, told, verb

INFO = "fake-6.1.3.dist-info/"
VERSION_PY = "def get_version(version=None):\n" + wheel.VERSION_LINE.decode()
FILES = {
    "django/__init__.py": VERSION,
    "django/cache.py": CACHE,
    "django/utils/version.py": VERSION_PY,
    f"{INFO}METADATA": "Name: Fake\nVersion: 6.1.3\n\nVersion: 6.1.3\n",
    f"{INFO}WHEEL": "Wheel-Version: 1.0\n",
}


def keep_official(project: Project, files: dict[str, str]) -> None:
    """Put a wheel where the official one is kept, and pin it."""
    path = project.cache / "upstream" / "fake-6.1.3-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        lines = wheel.record(
            ((name, text.encode()) for name, text in files.items()), f"{INFO}RECORD"
        )
        archive.writestr(f"{INFO}RECORD", lines)
    with project.pin.open("a") as file:
        file.write(f'wheel_sha256 = "{series.sha256(path.read_bytes())}"\n')


def record_of(path: Path) -> dict[str, str]:
    """Return the lines of RECORD by their paths; those of the metadata by names."""
    with zipfile.ZipFile(path) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("/RECORD")]
        rows = list(csv.reader(io.StringIO(archive.read(name).decode())))
        assert [row[0] for row in rows] == archive.namelist()
    return {row[0].rpartition("dist-info/")[2]: ",".join(row[1:]) for row in rows}


def differing(old: dict[str, str], new: dict[str, str]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def test_it_is_the_official_wheel_with_the_files_of_the_patches(
    project: Project, tmp_path: Path
) -> None:
    keep_official(project, FILES)
    assert verb(command, project, "--into", str(tmp_path)) == 0
    (path,) = tmp_path.glob("*.whl")
    lock = (project.patches / "series.lock").read_bytes()
    version = f"6.1.3+stack.2.g{series.sha256(lock)[:8]}"
    assert path.name == f"fake-{version}-py3-none-any.whl"
    official = wheel.official(project, upstream.load_pin(project))
    assert differing(record_of(official), record_of(path)) == {
        "django/cache.py",
        "django/utils/version.py",
        "METADATA",
        "series.lock",
    }
    with zipfile.ZipFile(path) as archive:
        info = f"fake-{version}.dist-info"
        assert archive.read(f"{info}/series.lock") == lock
        assert b"line two\n" in archive.read("django/cache.py")
        metadata = archive.read(f"{info}/METADATA").decode()
        assert metadata == f"Name: Fake\nVersion: {version}\n\nVersion: 6.1.3\n"


def test_two_builds_are_equal(project: Project, tmp_path: Path) -> None:
    keep_official(project, FILES)
    made = [wheel.make(project, tmp_path / name).read_bytes() for name in ("a", "b")]
    assert made[0] == made[1]


def test_patches_that_the_lock_does_not_know_are_refused(
    project: Project, tmp_path: Path
) -> None:
    keep_official(project, FILES)
    path = next(project.patches.glob("0001-*.patch"))
    path.write_bytes(path.read_bytes().replace(b"line two", b"line 2.0"))
    with pytest.raises(StackError, match=f"{path.name} has sha256") as caught:
        wheel.make(project, tmp_path)
    assert "./scripts/stack verify" in told(caught.value)


def test_new_and_deleted_files(project: Project, tmp_path: Path) -> None:
    keep_official(project, FILES)
    (project.src / "django/new.py").write_text("")
    (project.src / "django/cache.py").unlink()
    series_toml = project.patches / "series.toml"
    text = series_toml.read_text()
    series_toml.write_text(
        text + text[text.rindex("[[patch]]") :].replace("second", "third")
    )
    commit(project, "django/__init__.py", "", "", "Moved it.")
    verb(export, project)
    with zipfile.ZipFile(wheel.make(project, tmp_path)) as archive:
        names = archive.namelist()
    assert "django/new.py" in names
    assert "django/cache.py" not in names
    assert names.index("django/new.py") < names.index("django/utils/version.py") + 2


def test_a_version_file_that_has_changed_is_refused() -> None:
    with pytest.raises(StackError, match="has no line"):
        wheel.with_version(b"def get_version(): ...\n", "1")


def test_a_wheel_that_cannot_be_fetched_is_an_error(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(StackError, match="has no wheel_sha256"):
        wheel.make(project, tmp_path)
    keep_official(project, FILES)
    wheel.official(project, upstream.load_pin(project)).unlink()
    with pytest.raises(StackError, match="could not be fetched") as caught:
        wheel.make(project, tmp_path)
    assert "connect to the network" in told(caught.value)


@pytest.fixture(scope="module")
def installed(real: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel of the real series."""
    folder = tmp_path_factory.mktemp("wheel")
    try:
        path = wheel.make(real, folder)
    except StackError as error:
        pytest.skip(str(error))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "--quiet"]
    subprocess.run([*pip, "install", str(path)], check=True)
    return folder


def test_a_site_with_the_wheel(installed: Path) -> None:
    python = installed / "venv/bin/python"

    def run(*words: str | Path, cwd: Path = installed) -> str:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(
            [python, *words],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    (path,) = installed.glob("*.whl")
    assert run("-m", "django", "--version").strip() == path.name.split("-")[1]
    code = "import django; print(django.get_version((1, 2, 0, 'final', 0)))"
    assert run("-c", code).strip() == "1.2"
    run("-m", "pip", "check")
    run("-m", "django", "startproject", "site1")
    run("-m", "django", "startapp", "app", cwd=installed / "site1")
    (installed / "site1/app/tests.py").write_text(
        "from django.contrib.auth.models import Group\n"
        "from django.test import TestCase\n\n\n"
        "class Tests(TestCase):\n"
        "    def test_one_query(self):\n"
        "        Group.objects.create(name='a')\n"
        "        with self.assertNumQueries(3):\n"
        "            Group.objects.update_or_create(name='a', defaults={'name': 'b'})\n"
    )
    run("manage.py", "test", cwd=installed / "site1")


def test_uninstalling_leaves_nothing(installed: Path) -> None:
    python = installed / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "-q", "uninstall", "-y", "Django"], check=True)
    assert [*installed.glob("venv/lib/*/site-packages/[Dd]jango*")] == []


def test_it_differs_from_the_official_wheel_in_the_files_of_the_patches(
    real: Project, installed: Path
) -> None:
    (path,) = installed.glob("*.whl")
    official = wheel.official(real, upstream.load_pin(real))
    made = build.build(real, series.files(real, series.load(real)))
    store = Git(real.base, bare=True)
    base = upstream.base(real)
    paths = store.out("diff", "--name-only", base, made[-1].id, "--", "django")
    assert differing(record_of(official), record_of(path)) == {
        *paths.splitlines(),
        "django/utils/version.py",
        "METADATA",
        "series.lock",
    }
