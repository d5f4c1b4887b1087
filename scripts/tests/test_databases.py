"""Database URLs, settings, targets, and real private servers."""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import USAGE, StackError
from databases import cache, compose, debian, process, servers, state, urls
from databases.family import Program
from databases.place import PORTS, Died, Place, free_port, open_to_all
from databases.servers import Database, running
from databases.targets import FAMILIES, Target, Unavailable, resolve, targets

SCRIPTS = Path(__file__).parents[1]
LOCAL = ["postgres", "postgres18", "mariadb", "mysql", "redis", "memcached"]
ROOT = os.geteuid() == 0
DOCKER_ANSWERS = compose.answers


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No DSN of the user's, no state of the user's, no docker."""
    for name in os.environ:
        if name.startswith(("TEST_", "STACK_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(state, "FOLDER", tmp_path / "servers")
    monkeypatch.setattr(compose, "answers", lambda: False)


def here(name: str) -> Target:
    """The target, or a skip that says why it cannot be had."""
    target = resolve(name)
    try:
        target.usable()
        FAMILIES[target.family].module()
    except Unavailable as reason:
        pytest.skip(f"{reason.reason}: {reason.command}")
    return target


def gone(pid: int, folder: Path) -> bool:
    """Whether the process and the folder go away, now or in a moment."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.born(pid) is None and not folder.exists():
            return True
        time.sleep(0.05)
    return False


def fake(folder: Path, name: str, script: str) -> Path:
    """An executable shell script in a folder of its own."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
    program.chmod(0o755)
    return program


def first_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("sqlite:///:memory:", {"NAME": ":memory:"}),
        ("sqlite:///some/file.db", {"NAME": "some/file.db"}),
        ("sqlite:////tmp/a%20b.db", {"NAME": "/tmp/a b.db"}),
        (
            "postgres://user:p%40ss@db.example:5433/name",
            {
                "USER": "user",
                "PASSWORD": "p@ss",
                "HOST": "db.example",
                "PORT": "5433",
                "NAME": "name",
            },
        ),
        (
            "postgresql://u@[::1]/n?sslmode=require",
            {
                "USER": "u",
                "PASSWORD": "",
                "HOST": "::1",
                "PORT": "",
                "NAME": "n",
                "OPTIONS": {"sslmode": "require"},
            },
        ),
        (
            "postgres://user@/name?host=/run/pg&port=5434",
            {
                "USER": "user",
                "PASSWORD": "",
                "HOST": "/run/pg",
                "PORT": "5434",
                "NAME": "name",
            },
        ),
        (
            "mysql://user@/name?unix_socket=/run/my.sock",
            {
                "USER": "user",
                "PASSWORD": "",
                "HOST": "/run/my.sock",
                "PORT": "",
                "NAME": "name",
            },
        ),
        (
            "mariadb://u:p@127.0.0.1:3307/",
            {
                "USER": "u",
                "PASSWORD": "p",
                "HOST": "127.0.0.1",
                "PORT": "3307",
                "NAME": "",
            },
        ),
        (
            "oracle://system:pw@db/FREEPDB1",
            {"USER": "system", "PASSWORD": "pw", "NAME": "db:1521/FREEPDB1"},
        ),
        (
            "oracle://system:pw@[::1]:1522/XE",
            {"USER": "system", "PASSWORD": "pw", "NAME": "[::1]:1522/XE"},
        ),
    ],
)
def test_url(url: str, entry: dict[str, object]) -> None:
    parsed = urls.parse(url)
    engine = parsed.pop("ENGINE")
    assert parsed == entry
    assert engine == urls.ENGINES[url.partition(":")[0]]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://host/file",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/file",
        "postgres://",
        "postgres:///name",
        "postgres://user:secret@host:port/name",
        "postgres://user:secret@host:99999/name",
        "postgres://user@/name?host=/run&port=x",
        "mysql://user:secret@/name",
        "oracle://user:secret@host:1521",
        "postgres://[::1/name",
    ],
)
def test_malformed_url(url: str) -> None:
    with pytest.raises(StackError) as caught:
        urls.parse(url)
    assert caught.value.code == USAGE
    assert caught.value.then is not None
    assert "\n" not in caught.value.facts
    assert "secret" not in str(caught.value)


def test_test_databases_are_never_those_of_the_url() -> None:
    entries = urls.databases("postgres://u:p@host/precious", "run1")
    assert [entry["NAME"] for entry in entries.values()] == ["run1", "run1_other"]
    entries = urls.databases("sqlite:////tmp/precious.db", "run1")
    assert [entry["NAME"] for entry in entries.values()] == [
        "/tmp/precious_run1.db",
        "/tmp/precious_run1_other.db",
    ]
    assert entries["default"]["TEST"] == {"NAME": "/tmp/precious_test_run1.db"}
    entries = urls.databases("oracle://system:pw@host/XE", "run1")
    assert [entry["NAME"] for entry in entries.values()] == ["host:1521/XE"] * 2
    users = [entry["TEST"]["USER"] for entry in entries.values()]  # type: ignore[index]
    assert users == ["test_run1", "test_run1_other"]


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://:pw@127.0.0.1:6380/1", "redis://:pw@127.0.0.1:6380/1"),
        ("redis://127.0.0.1:6380/0", "redis://127.0.0.1:6380"),
        ("redis://127.0.0.1:6380/?db=0", "redis://127.0.0.1:6380/?db=0"),
        ("memcached://127.0.0.1:11212", "127.0.0.1:11212"),
        ("memcached://localhost", "localhost:11211"),
        ("memcached://[::1]:11212", "[::1]:11212"),
    ],
)
def test_cache_url(url: str, location: str) -> None:
    assert urls.cache(url)["LOCATION"] == location


@pytest.mark.parametrize("url", ["", "redis://", "http://host", "memcached://h:x"])
def test_malformed_cache_url(url: str) -> None:
    with pytest.raises(StackError):
        urls.cache(url)


def settings(**variables: str) -> dict[str, Any]:
    """What the settings module says with these variables, in a fresh process."""
    program = (
        "import json, sys, databases.settings as s;"
        "json.dump({n: getattr(s, n) for n in dir(s) if n.isupper()}, sys.stdout)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | variables | {"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def test_settings_alone() -> None:
    found = settings()
    assert found["DATABASES"]["default"]["ENGINE"] == urls.ENGINES["sqlite"]
    assert list(found["DATABASES"]) == ["default", "other"]
    assert list(found["CACHES"]) == ["default"]
    assert found["USE_TZ"] is False
    assert "TEST_RUNNER" not in found


def test_settings_from_the_environment() -> None:
    found = settings(
        STACK_DATABASE_URL="mariadb://u:p@127.0.0.1:3307/",
        STACK_DATABASE_NAME="run1",
        STACK_REDIS_URL="redis://127.0.0.1:6380/0",
        STACK_MEMCACHED_URL="memcached://127.0.0.1:11212",
        STACK_RESULTS="/tmp/results.json",
    )
    assert found["DATABASES"]["other"] == {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "run1_other",
        "USER": "u",
        "PASSWORD": "p",
        "HOST": "127.0.0.1",
        "PORT": "3307",
        "TEST": {"CHARSET": "utf8mb4"},
    }
    assert list(found["CACHES"]) == ["default", "redis", "memcached"]
    assert found["TEST_RUNNER"] == "suite.runner.RecordingRunner"


def test_targets_in_order() -> None:
    names = [target.name for target in targets()]
    newer = [name for name in names if re.fullmatch(r"postgres\d+", name)]
    assert [name for name in names if name not in newer] == [
        "sqlite",
        "postgres",
        "mariadb",
        "mysql",
        "oracle",
        "redis",
        "memcached",
    ]
    assert len(newer) <= 1


def test_unknown_target() -> None:
    with pytest.raises(StackError) as caught:
        resolve("postgress")
    assert "postgress" in caught.value.facts
    assert "memcached" in str(caught.value.then)


def test_major_version_that_is_not_here() -> None:
    with (
        pytest.raises(Unavailable, match="PostgreSQL 99"),
        running(resolve("postgres99")),
    ):
        pass


def test_too_old_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    fake(programs, "postgres", "echo 'postgres (PostgreSQL) 14.2'")
    fake(programs, "initdb", "")
    first_on_path(monkeypatch, programs)
    with pytest.raises(Unavailable, match=r"14\.2 is older than .*, 15"):
        resolve("postgres14").usable()
    assert resolve("postgres").program != resolve("postgres14").program
    old = Target("mysql", "mysql", Program((8, 0, 36), Path("/usr/sbin/mysqld")))
    with pytest.raises(Unavailable, match=r"8\.0\.36 is older than .*, 8\.4"):
        old.usable()


def test_mariadb_is_not_taken_for_mysql(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = fake(
        tmp_path / "programs", "mysqld", "echo 'mysqld  Ver 10.11.19-MariaDB for Linux'"
    )
    monkeypatch.setenv("PATH", str(server.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    found = resolve("mysql").program
    assert found is None or found.path != server


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    target = here("mariadb")
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    with pytest.raises(Unavailable) as caught, running(target):
        pass
    assert "./scripts/stack setup" in caught.value.command


def test_sqlite_is_built_in() -> None:
    with running(resolve("sqlite")) as database:
        assert database.source == "built in"
        assert database.alive()


def test_ports_are_below_those_of_outgoing_connections() -> None:
    assert free_port() in PORTS
    assert max(PORTS) < 32768


@pytest.mark.parametrize("name", LOCAL)
def test_a_server_answers_and_is_gone_afterwards(name: str) -> None:
    target = here(name)
    with running(target) as database:
        assert database.source == "private"
        assert database.alive()
        assert database.pid is not None
        assert database.folder is not None
        # What the server says, asked again, is what the program said.
        assert FAMILIES[target.family].version(database.url) == database.version
        assert database.version.startswith(target.usable().dotted)
        assert name in repr(database)
    assert gone(database.pid, database.folder)
    assert not database.alive()


@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_time_zones_and_rights(name: str) -> None:
    target = here(name)
    with running(target) as database:
        if database.notes:
            pytest.skip(database.notes[0])
        address = urls.split(database.url)
        connection = (
            FAMILIES[target.family]
            .module()
            .connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password,
            )
        )
        with contextlib.closing(connection):
            cursor = connection.cursor()
            cursor.execute("SELECT 1 FROM mysql.time_zone LIMIT 1")
            assert cursor.fetchone() == (1,)
            cursor.execute("CREATE DATABASE x")
            cursor.execute("SELECT @@character_set_database, MD5('a')")
            assert cursor.fetchone()[0] == "utf8mb4"
        # Nobody else gets in, root without a password least of all.
        for user in ("root", "", "django"):
            with pytest.raises(Exception, match=r"denied|locked"):
                FAMILIES[target.family].module().connect(
                    host=address.host, port=address.port, user=user, password=""
                )


@pytest.mark.parametrize("name", ["postgres", "postgres18"])
def test_icu_collations_or_stand_ins(name: str) -> None:
    target = here(name)
    with running(target) as database:
        module = FAMILIES[target.family].module()
        url = database.url.removesuffix("postgres") + "template1"
        with module.connect(url) as connection:
            found = connection.execute(
                "SELECT count(*) FROM pg_collation WHERE collname = 'sv-x-icu'"
            ).fetchone()
        assert found == (1,)
        with pytest.raises(module.OperationalError, match="password"):
            module.connect(url.replace(urls.split(url).password, "wrong"))


def test_stopped_on_an_exception() -> None:
    target = here("postgres")
    kept: list[Database] = []

    def fail_inside() -> None:
        with running(target) as database:
            kept.append(database)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert kept[0].pid
    assert kept[0].folder
    assert gone(kept[0].pid, kept[0].folder)


# What a shell starts in the background ignores Ctrl-C, and so do its children.
CHILD = """
import json, signal, sys, time
from databases.servers import running
from databases.targets import resolve
signal.signal(signal.SIGINT, signal.default_int_handler)
with running(resolve(sys.argv[1])) as database:
    print(json.dumps([database.pid, str(database.folder)]), flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def child(name: str, *prefix: str) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """A process in a group of its own that runs a server, as a tool would."""
    started = subprocess.Popen(
        [*prefix, sys.executable, "-c", CHILD, name],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line, started.communicate()[1]
        pid, folder = json.loads(line)
        yield started, pid, Path(folder)
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis"])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_tool_that_ends(name: str, sign: signal.Signals) -> None:
    here(name)
    with child(name) as (started, pid, folder):
        assert process.born(pid)
        # To the whole group, as the terminal does with Ctrl-C.
        os.killpg(started.pid, sign)
        started.wait(30)
        assert gone(pid, folder)


def test_as_an_ordinary_user() -> None:
    if not ROOT:
        pytest.skip("every other test here runs as an ordinary user already")
    here("postgres")
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to become another user with")
    interpreter = Path(sys.executable)
    needed = [interpreter, interpreter.resolve(), SCRIPTS, *map(Path, sys.path)]
    for path in needed:
        if path.exists() and not open_to_all(path.parent):
            pytest.skip(f"the user nobody may not enter {path.parent}")
    entry = pwd.getpwnam("nobody")
    prefix = (
        "setpriv",
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
        "env",
        "HOME=/tmp",
    )
    with child("postgres", *prefix) as (started, pid, folder):
        assert folder.stat().st_uid == entry.pw_uid
        started.send_signal(signal.SIGINT)
        started.wait(30)
        assert gone(pid, folder)


def test_roots_shared_cache_is_open() -> None:
    if not ROOT:
        pytest.skip("an ordinary user runs PostgreSQL itself")
    assert open_to_all(cache.shared_folder())


def test_a_program_of_the_preparation_leaves_no_child(tmp_path: Path) -> None:
    place = Place("test", signal.SIGTERM)
    script = f"sleep 600 & echo $! >{tmp_path}/pid; wait"
    with pytest.raises(Died, match="took over"):
        place.run(["sh", "-c", script], seconds=1)
    sleeper = int((tmp_path / "pid").read_text())
    assert process.born(sleeper)
    place.close()
    assert gone(sleeper, place.folder)


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", free_port()))
        yield holder.getsockname()[1]


@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis", "memcached"])
def test_a_port_that_is_lost_to_another(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = here(name)
    with taken_port() as taken:
        ports = iter([taken])
        monkeypatch.setattr(
            servers, "free_port", lambda: next(ports, None) or free_port()
        )
        with running(target) as database:
            assert f":{taken}" not in database.url
            assert database.alive()
    assert next(ports, None) is None


def test_every_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    target = here("redis")
    with taken_port() as taken:
        monkeypatch.setattr(servers, "free_port", lambda: taken)
        with pytest.raises(StackError, match="in use") as caught, running(target):
            pass
    assert "\n" not in caught.value.facts
    assert (state.FOLDER / "redis.log").exists()


def test_a_server_that_dies_while_it_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = fake(
        tmp_path / "programs",
        "redis-server",
        """
        if [ "$1" = --version ]; then echo 'Redis server v=7.4.0 sha=0'; exit; fi
        echo 'the disk is on fire'; exit 3
        """,
    )
    first_on_path(monkeypatch, program.parent)
    with pytest.raises(StackError, match="the disk is on fire") as caught:
        servers.up(["redis"])
    kept = Path(str(caught.value.then).removeprefix("less "))
    assert "the disk is on fire" in kept.read_text()
    assert state.names() == []


def test_a_server_that_dies_in_the_middle(capsys: pytest.CaptureFixture[str]) -> None:
    target = here("postgres")
    with running(target) as database:
        assert database.pid
        os.kill(database.pid, signal.SIGKILL)
        while database.alive():
            time.sleep(0.01)
        assert "ready to accept connections" in database.why_dead()
        assert "\n" not in database.why_dead()
    assert "postgres died" in capsys.readouterr().err
    assert (state.FOLDER / "postgres.log").exists()
    assert database.folder
    assert gone(database.pid, database.folder)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("postgres", "postgres://user:secret@127.0.0.1:{}/name"),
        ("mariadb", "mariadb://user:secret@127.0.0.1:{}/name"),
        ("mysql", "mysql://user:secret@127.0.0.1:{}/name"),
        ("oracle", "oracle://user:secret@127.0.0.1:{}/service"),
        ("redis", "redis://:secret@127.0.0.1:{}/0"),
        ("memcached", "memcached://127.0.0.1:{}"),
    ],
)
def test_a_dsn_that_does_not_answer(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = resolve(name)
    monkeypatch.setenv(target.variable, url.format(free_port()))
    with pytest.raises(StackError) as caught, running(target):
        pass
    assert target.variable in caught.value.facts
    assert "secret" not in str(caught.value)
    assert "\n" not in caught.value.facts


def test_a_malformed_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_REDIS_URL", "localhost:6379")
    with pytest.raises(StackError, match="TEST_REDIS_URL"), running(resolve("redis")):
        pass


def test_a_dsn_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MARIADB_URL", "postgres://u:p@127.0.0.1/x")
    with (
        pytest.raises(StackError, match="does not name a MariaDB"),
        running(resolve("mariadb")),
    ):
        pass


def test_a_dsn_goes_first_and_its_server_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(here("mariadb")) as theirs:
        monkeypatch.setenv("TEST_MARIADB_URL", theirs.url)
        with running(resolve("mariadb")) as database:
            assert database.source == "dsn"
            assert database.url == theirs.url
            assert database.pid is None
            assert database.alive()
        assert theirs.alive()
        url = theirs.url.replace("mariadb:", "mysql:")
        monkeypatch.setenv("TEST_MYSQL_URL", url)
        with pytest.raises(StackError, match="is MariaDB"), running(resolve("mysql")):
            pass
    assert not database.alive()


def test_sqlite_dsn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SQLITE_URL", "sqlite:////tmp/some.db")
    with running(resolve("sqlite")) as database:
        assert database.url == "sqlite:////tmp/some.db"
        assert database.source == "dsn"


def test_environments_do_not_collide() -> None:
    with running(resolve("sqlite")) as database:
        first, second = database.environment(), database.environment()
    assert first["STACK_DATABASE_URL"] == second["STACK_DATABASE_URL"]
    assert first["STACK_DATABASE_NAME"] != second["STACK_DATABASE_NAME"]


@pytest.fixture
def downed() -> Iterator[None]:
    yield
    servers.down()


@pytest.mark.usefixtures("downed")
@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_db_up_and_db_down(name: str) -> None:
    target = here(name)
    [first] = servers.up([name])
    assert first.source == "db-up"
    assert state.file(name).stat().st_mode & 0o077 == 0
    [again] = servers.up([name])
    assert again.pid == first.pid
    with running(target) as database:
        assert database.source == "db-up"
        assert database.url == first.url
    assert first.alive()
    assert servers.down([name]) == [f"{name}: stopped (pid {first.pid})"]
    assert first.pid
    assert first.folder
    assert gone(first.pid, first.folder)
    assert servers.down() == []
    assert servers.down([name]) == [f"{name}: not up"]


@pytest.mark.usefixtures("downed")
def test_db_up_outlives_the_tool() -> None:
    here("redis")
    program = (
        "import pathlib; from databases import servers, state;"
        f"state.FOLDER = pathlib.Path({str(state.FOLDER)!r}); servers.up(['redis'])"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        check=True,
    )
    with running(resolve("redis")) as database:
        assert database.source == "db-up"
        assert database.version


@pytest.mark.usefixtures("downed")
def test_a_server_of_db_up_that_has_died(capsys: pytest.CaptureFixture[str]) -> None:
    here("redis")
    [first] = servers.up(["redis"])
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    with running(resolve("redis")) as database:
        assert database.source == "private"
    assert "the server of db-up has ended" in capsys.readouterr().err
    assert first.folder
    assert not first.folder.exists()
    assert servers.down() == []


def innocent_entry(tmp_path: Path, pid: int) -> dict[str, Any]:
    """What db-up would have written before its pid became another process's."""
    folder = tmp_path / "dps-redis-old"
    folder.mkdir()
    return {
        "url": "redis://:pw@127.0.0.1:1/0",
        "version": "7.4.0",
        "source": "private",
        "pid": pid,
        "birth": "some other boot 12345",
        "signal": int(signal.SIGKILL),
        "folder": str(folder),
        "log": str(folder / "log"),
        "notes": [],
    }


def test_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as innocent:
        try:
            entry = innocent_entry(tmp_path, innocent.pid)
            state.write("redis", entry)
            assert servers.down(["redis"]) == ["redis: had ended already"]
            assert innocent.poll() is None
            assert not Path(entry["folder"]).exists()
            assert state.read("redis") is None
        finally:
            innocent.kill()


def test_down_of_an_unknown_name() -> None:
    with pytest.raises(StackError, match="nosuch"):
        servers.down(["nosuch"])


def test_a_guard_that_is_dismissed_leaves_things_alone(tmp_path: Path) -> None:
    folder = tmp_path / "place"
    folder.mkdir()
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            guard = process.Guard(folder)
            guard.watch(other.pid, process.born(other.pid) or "", signal.SIGKILL)
            guard.dismiss()
            assert folder.exists()
            assert other.poll() is None
        finally:
            other.kill()


@pytest.mark.parametrize(
    "born",
    [
        process.born,
        process.from_ps,
        pytest.param(
            process.from_proc,
            marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only"),
        ),
    ],
)
def test_birth_of_processes(born: Callable[[int], str | None]) -> None:
    if shutil.which("ps") is None and born is process.from_ps:
        pytest.skip("no ps here")
    assert born(os.getpid())
    assert born(os.getpid()) == born(os.getpid())
    with subprocess.Popen(["sleep", "0"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        # A zombie, as nobody has asked for its exit status yet.
        assert born(ended.pid) is None
    assert born(ended.pid) is None


def services() -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    found: dict[str, Any] = yaml.safe_load(compose.FILE.read_text())["services"]
    return found


def test_compose_file_is_consistent() -> None:
    found = services()
    assert set(compose.urls()) == {
        target.name for target in (*targets(), Target("postgres18", "postgresql"))
    } - {"sqlite"}
    for name, service in found.items():
        assert service["profiles"] == [name]
        assert "test" in service["healthcheck"]
        assert re.search(r":\d+\.\d+", service["image"]), "pinned"
    for name, url in compose.urls().items():
        [port] = found[name]["ports"]
        host, published, _ = port.split(":")
        assert f"{host}:{published}" in url
        assert int(published) in PORTS
        target = Target(name, name if name in FAMILIES else "postgresql")
        assert urls.cache(url) if target.is_cache else urls.parse(url)


def test_compose_command() -> None:
    assert compose.command("oracle", "up", "--detach", "--wait") == [
        "docker",
        "compose",
        "--file",
        str(compose.FILE),
        "--profile",
        "oracle",
        "up",
        "--detach",
        "--wait",
        "oracle",
    ]


def test_docker_is_used_last_and_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    program = fake(tmp_path / "programs", "docker", f'echo "$@" >>{calls}')
    first_on_path(monkeypatch, program.parent)
    monkeypatch.setattr(compose, "answers", lambda: True)
    with running(here("redis")) as theirs:
        # The fake docker starts nothing: let a real server stand at the address.
        monkeypatch.setattr(compose, "urls", lambda: {"redis": theirs.url})
        with running(Target("redis", "redis")) as database:
            assert database.source == "compose"
            assert "rm" not in calls.read_text()
    verbs = [line.split()[5:] for line in calls.read_text().splitlines()]
    assert verbs == [
        ["ps", "--quiet", "--status", "running", "redis"],
        ["up", "--detach", "--wait", "redis"],
        ["rm", "--stop", "--force", "--volumes", "redis"],
    ]


def test_docker_without_a_daemon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = fake(tmp_path / "programs", "docker", '[ "$1" = compose ]')
    first_on_path(monkeypatch, program.parent)
    assert not DOCKER_ANSWERS()
    fake(tmp_path / "programs", "docker", "exit 0")
    assert DOCKER_ANSWERS()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert not DOCKER_ANSWERS()


def test_nothing_unpacks_where_apt_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="on Debian only"):
        debian.unpack("sid", ["mysql-server-core"], tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_the_mirror_is_that_of_apt() -> None:
    if not debian.possible():
        pytest.skip("not Debian")
    uri, _ = debian.mirror()
    assert re.match(r"\w+:", uri)


def test_launcher_of_an_unpacked_root(tmp_path: Path) -> None:
    assert debian.launcher(tmp_path) == ()
    libraries = tmp_path / "usr" / "lib" / "aarch64-linux-gnu"
    libraries.mkdir(parents=True)
    loader = tmp_path / "usr" / "lib" / "ld-linux-aarch64.so.1"
    loader.touch()
    program, option, paths = debian.launcher(tmp_path)
    assert (program, option) == (str(loader), "--library-path")
    assert paths.split(":")[0] == str(libraries)
