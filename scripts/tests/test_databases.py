"""Database URLs, settings, targets, and real private servers."""

import contextlib
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]

from common.errors import USAGE, StackError
from databases import compose, debian, process, servers, urls
from databases.family import Program
from databases.place import PORTS, Died, Place, free_port
from databases.servers import running
from databases.targets import FAMILIES, Target, Unavailable, resolve, targets

SCRIPTS = Path(__file__).parents[1]
LOCAL = ["postgres", "postgres18", "mariadb", "mysql", "redis", "memcached"]
DOCKER_ANSWERS = compose.answers


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No DSN of the user's, no server that the user left, no docker."""
    for name in os.environ:
        if name.startswith(("TEST_", "STACK_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(servers, "LEFT", tmp_path / "servers")
    monkeypatch.setattr(compose, "answers", lambda: False)
    yield
    servers.down()


def here(name: str) -> Target:
    """Return the target, or skip the test and say why."""
    target = resolve(name)
    try:
        target.usable()
        FAMILIES[target.family].module()
    except Unavailable as reason:
        pytest.skip(f"{reason.reason}: {reason.command}")
    return target


def gone(pid: int | None, folder: Path | str) -> bool:
    """Tell whether the process and the folder go away, now or in a moment."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if pid and process.born(pid) is None and not Path(folder).exists():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a shell script first on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(name: str, script: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
        program.chmod(0o755)
        return program

    return write


LOGIN: dict[str, Any] = {
    "USER": "user",
    "PASSWORD": "p@ss",
    "HOST": "db",
    "PORT": "5433",
    "NAME": "x",
}
SOCKET = LOGIN | {"PASSWORD": "", "HOST": "/run/x", "PORT": ""}
TLS: dict[str, Any] = {"HOST": "::1", "OPTIONS": {"sslmode": "require"}}
UTF8: dict[str, Any] = {"TEST": {"CHARSET": "utf8mb4"}}
SPACES = {"TBLSPACE": "test_x_tbls", "TBLSPACE_TMP": "test_x_tmp"}
SYSTEM: dict[str, Any] = {
    "USER": "system",
    "PASSWORD": "pw",
    "TEST": {"USER": "test_x"} | SPACES,
}
URLS: dict[str, dict[str, Any]] = {
    urls.DEFAULT: {"NAME": ":memory:"},
    "sqlite:///a/b.db": {"NAME": "a/b_x.db", "TEST": {"NAME": "a/b_test_x.db"}},
    "sqlite:////a%20b.db": {"NAME": "/a b_x.db", "TEST": {"NAME": "/a b_test_x.db"}},
    "postgres://user:p%40ss@db:5433/precious": LOGIN,
    "postgresql://user@[::1]/n?sslmode=require": SOCKET | TLS,
    "postgres://user@/n?host=/run/x&port=5434": SOCKET | {"PORT": "5434"},
    "mysql://user@/name?unix_socket=/run/x": SOCKET | UTF8,
    "mariadb://user:p%40ss@db:5433/": LOGIN | UTF8,
    "oracle://system:pw@db/PDB1": SYSTEM | {"NAME": "db:1521/PDB1"},
    "oracle://system:pw@[::1]:1522/XE": SYSTEM | {"NAME": "[::1]:1522/XE"},
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_names_a_server_and_never_the_database(url: str) -> None:
    found = urls.databases(url, "x")
    engine = {"ENGINE": urls.ENGINES[url.partition(":")[0]]}
    assert found["default"] == URLS[url] | engine
    assert list(found) == ["default", "other"]
    assert "x_other" in str(found["other"]) or url == urls.DEFAULT


MALFORMED = """
    nonsense ftp://host/file sqlite:/// sqlite://host/file postgres:///name
    postgres://user:secret@host:port/name postgres://user:secret@host:99999/name
    postgres://user@/name?host=/run&port=x postgres://[::1/name
    mysql://user:secret@/name oracle://user:secret@host:1521
"""


@pytest.mark.parametrize("url", ["", *MALFORMED.split()])
def test_a_malformed_url(url: str) -> None:
    with pytest.raises(StackError) as caught:
        urls.split(url)
    assert caught.value.code == USAGE
    assert caught.value.then is not None
    assert "\n" not in caught.value.facts
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://:pw@127.0.0.1:6380/1", "redis://:pw@127.0.0.1:6380/1"),
        ("redis://127.0.0.1:6380/0", "redis://127.0.0.1:6380"),
        ("memcached://localhost", "localhost:11211"),
        ("memcached://[::1]:11212", "[::1]:11212"),
    ],
)
def test_the_url_of_a_cache(url: str, location: str) -> None:
    assert urls.cache(url)["LOCATION"] == location


@pytest.mark.parametrize("url", ["", "redis://", "http://h", "memcached://h:x"])
def test_a_malformed_url_of_a_cache(url: str) -> None:
    with pytest.raises(StackError):
        urls.cache(url)


@pytest.mark.parametrize("given", [True, False])
def test_settings(given: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "STACK_DATABASE_URL": "mariadb://u:p@127.0.0.1:3307/",
        "STACK_DATABASE_NAME": "run1",
        "STACK_REDIS_URL": "redis://127.0.0.1:6380/0",
        "STACK_MEMCACHED_URL": "memcached://127.0.0.1:11212",
        "STACK_RESULTS": "/tmp/results.json",
    }
    for name, text in variables.items() if given else ():
        monkeypatch.setenv(name, text)
    found = runpy.run_module("databases.settings")
    other = found["DATABASES"]["other"]
    engine, name = ("mysql", "run1_other") if given else ("sqlite3", ":memory:")
    assert (other["ENGINE"], other["NAME"]) == (f"django.db.backends.{engine}", name)
    caches = ["default", "redis", "memcached"] if given else ["default"]
    assert list(found["CACHES"]) == caches
    assert found["USE_TZ"] is False
    assert ("TEST_RUNNER" in found) is given


def test_names_that_are_not_here() -> None:
    with pytest.raises(StackError, match="postgress") as caught:
        resolve("postgress")
    assert "memcached" in str(caught.value.then)
    with (
        pytest.raises(Unavailable, match="PostgreSQL 99"),
        running(resolve("postgres99")),
    ):
        pass
    with pytest.raises(StackError, match="nosuch"):
        servers.down(["nosuch"])


def test_programs_that_are_not_taken(
    fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake("postgres", "echo 'postgres (PostgreSQL) 14.2'")
    fake("initdb", "")
    with pytest.raises(Unavailable, match=r"14\.2 is older than .*, 15"):
        resolve("postgres14").usable()
    assert resolve("postgres").program != resolve("postgres14").program
    old = Target("mysql", "mysql", Program((8, 0, 36), Path("/usr/sbin/mysqld")))
    with pytest.raises(Unavailable, match=r"8\.0\.36 is older than .*, 8\.4"):
        old.usable()
    server = fake("mysqld", "echo 'mysqld  Ver 10.11.19-MariaDB for Linux'")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    found = resolve("mysql").program
    assert found is None or found.path != server


def test_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    target = here("mariadb")
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    with pytest.raises(Unavailable) as caught, running(target):
        pass
    assert "./scripts/stack setup" in caught.value.command


def test_sqlite_and_names_that_do_not_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(resolve("sqlite")) as database:
        assert database.source == "built in"
        assert database.alive()
        first, second = database.environment(), database.environment()
    assert first["STACK_DATABASE_URL"] == second["STACK_DATABASE_URL"]
    assert first["STACK_DATABASE_NAME"] != second["STACK_DATABASE_NAME"]
    monkeypatch.setenv("TEST_SQLITE_URL", "sqlite:////tmp/named.db")
    with running(resolve("sqlite")) as database:
        assert (database.url, database.source) == ("sqlite:////tmp/named.db", "dsn")


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCAL)
def test_a_server_answers_and_is_gone_afterwards(name: str) -> None:
    target = here(name)
    family = FAMILIES[target.family]
    with contextlib.suppress(ZeroDivisionError), running(target) as database:
        assert database.source == "private"
        assert database.alive()
        assert database.version.startswith(target.usable().dotted)
        # Nobody gets in without the password, root least of all.
        password = urlsplit(database.url).password
        for login in ("django:wrong", "root:") if password else ():
            url = database.url.replace(f"django:{password}", login)
            with pytest.raises(Exception, match=r"denied|locked|password|invalid"):
                family.version(url.replace(f":{password}", ":wrong"))
        raise ZeroDivisionError
    assert gone(database.pid, database.folder)
    assert not database.alive()


ZONE = "SELECT MD5('a'), CONVERT_TZ('2020-01-01', 'UTC', 'Europe/Zurich') IS NOT NULL"
ICU = "SELECT '', count(*) FROM pg_collation WHERE collname = 'sv-x-icu'"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sql"),
    [("mariadb", ZONE), ("mysql", ZONE), ("postgres", ICU), ("postgres18", ICU)],
)
def test_a_server_has_what_the_tests_need(name: str, sql: str) -> None:
    target = here(name)
    with running(target) as database:
        family: Any = FAMILIES[target.family]
        base = "template1" if sql == ICU else "mysql"
        with contextlib.closing(family.connect(database.url, base)) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            assert cursor.fetchone()[1] == 1
            cursor.execute("CREATE TABLE x (n integer)")


# A background process of a shell ignores Ctrl-C, and so do its children.
CHILD = """
import json, signal, sys, time
from databases.servers import running
from databases.targets import resolve
signal.signal(signal.SIGINT, signal.default_int_handler)
with running(resolve(sys.argv[1])) as database:
    print(json.dumps([database.pid, database.folder]), flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis"])
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_tool_that_ends(name: str, sign: signal.Signals) -> None:
    here(name)
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, name],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as tool:
        try:
            assert tool.stdout
            pid, folder = json.loads(tool.stdout.readline())
            assert process.born(pid)
        finally:
            # To the whole group, as the terminal does with Ctrl-C.
            os.killpg(tool.pid, sign)
    assert gone(pid, folder)


def test_a_program_of_the_preparation_leaves_no_child(tmp_path: Path) -> None:
    place = Place("test")
    script = f"sleep 600 & echo $! >{tmp_path}/pid; wait"
    with pytest.raises(Died, match="took over"):
        place.run(["sh", "-c", script], seconds=1)
    sleeper = int((tmp_path / "pid").read_text())
    assert process.born(sleeper)
    place.close()
    assert gone(sleeper, place.folder)


def test_a_server_that_dies_while_it_starts(fake: Any) -> None:
    fake(
        "redis-server",
        """
        if [ "$1" = --version ]; then echo 'Redis server v=0.4.0 sha=0'; exit; fi
        echo 'the disk is on fire'; exit 3
        """,
    )
    with pytest.raises(StackError, match="ended with 3: the disk is on fire") as caught:
        servers.up(["redis"])
    kept = Path(str(caught.value.then).removeprefix("less "))
    assert "the disk is on fire" in kept.read_text()
    kept.unlink()
    assert servers.down() == []


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle(capsys: pytest.CaptureFixture[str]) -> None:
    with running(here("postgres")) as database:
        assert database.pid
        os.kill(database.pid, signal.SIGKILL)
        while database.alive():
            time.sleep(0.01)
        assert "ready to accept connections" in database.why_dead()
        assert "\n" not in database.why_dead()
    said = re.search(r"postgres died: .* \(log: (.*)\)", capsys.readouterr().err)
    assert said
    Path(said[1]).unlink()
    assert gone(database.pid, database.folder)


@pytest.mark.parametrize(
    ("name", "url", "message"),
    [
        ("postgres", "postgres://user:secret@127.0.0.1:{}/name", "not answer"),
        ("mariadb", "mariadb://user:secret@127.0.0.1:{}/name", "not answer"),
        ("mysql", "mysql://user:secret@127.0.0.1:{}/name", "not answer"),
        ("oracle", "oracle://user:secret@127.0.0.1:{}/service", "not answer"),
        ("redis", "redis://:secret@127.0.0.1:{}/0", "not answer"),
        ("memcached", "memcached://127.0.0.1:{}", "not answer"),
        ("redis", "localhost:{}", "not a URL"),
        ("mariadb", "postgres://u:secret@127.0.0.1:{}/x", "not name a MariaDB server"),
    ],
)
def test_a_dsn_that_is_wrong(
    name: str, url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = resolve(name)
    monkeypatch.setenv(target.variable, url.format(free_port()))
    with pytest.raises(StackError, match=message) as caught, running(target):
        pass
    assert target.variable in caught.value.facts
    assert "secret" not in str(caught.value)
    assert "\n" not in caught.value.facts


@pytest.mark.slow
def test_a_dsn_goes_first_and_its_server_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(here("mariadb")) as theirs:
        monkeypatch.setenv("TEST_MARIADB_URL", theirs.url)
        with running(resolve("mariadb")) as database:
            assert (database.source, database.url) == ("dsn", theirs.url)
            assert database.pid is None
            assert database.alive()
        assert theirs.alive()
        url = theirs.url.replace("mariadb:", "mysql:")
        monkeypatch.setenv("TEST_MYSQL_URL", url)
        with pytest.raises(StackError, match="is MariaDB"), running(resolve("mysql")):
            pass
    assert not database.alive()


UP = """
import sys
from databases import servers
servers.LEFT = servers.Path(sys.argv[1])
servers.up(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_db_up_outlives_the_tool_until_db_down(name: str) -> None:
    target = here(name)
    subprocess.run(
        [sys.executable, "-c", UP, str(servers.LEFT), name],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        check=True,
    )
    assert servers.left_file(name).stat().st_mode & 0o077 == 0
    with running(target) as database:
        assert database.source == "db-up"
        assert FAMILIES[target.family].version(database.url) == database.version
    assert servers.up([name]) == [database]
    assert database.alive()
    assert servers.down([name]) == [f"{name}: stopped (pid {database.pid})"]
    assert gone(database.pid, database.folder)
    assert servers.down() == []
    assert servers.down([name]) == [f"{name}: not up"]


@pytest.mark.slow
def test_a_server_of_db_up_that_has_died(capsys: pytest.CaptureFixture[str]) -> None:
    here("redis")
    [first] = servers.up(["redis"])
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    assert gone(first.pid, "/no folder")
    with running(resolve("redis")) as database:
        assert database.source == "private"
    assert "the server of db-up has ended" in capsys.readouterr().err
    assert not Path(first.folder).exists()
    assert servers.down() == []


def test_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "dps-redis-old"
    folder.mkdir()
    with subprocess.Popen(["sleep", "600"]) as innocent:
        entry = {"url": "", "version": "7", "pid": innocent.pid, "birth": "boot 12345"}
        entry |= {"signal": int(signal.SIGKILL), "folder": str(folder)}
        servers.LEFT.mkdir()
        servers.left_file("redis").write_text(json.dumps(entry))
        assert servers.down(["redis"]) == ["redis: had ended already"]
        assert innocent.poll() is None
        innocent.kill()
    assert not folder.exists()
    assert not servers.left_file("redis").exists()


@pytest.mark.parametrize("platform", [sys.platform, "darwin"])
def test_the_birth_of_a_process(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("ps") is None and platform == "darwin":
        pytest.skip("no ps here")
    monkeypatch.setattr(sys, "platform", platform)
    assert process.born(os.getpid())
    assert process.born(os.getpid()) == process.born(os.getpid())
    with subprocess.Popen(["sleep", "0"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        # A zombie, as nobody has asked for its exit status yet.
        assert process.born(ended.pid) is None
    assert process.born(ended.pid) is None


def test_the_compose_file_is_consistent() -> None:
    found = yaml.safe_load(compose.FILE.read_text())["services"]
    names = {target.name for target in targets()} | {"postgres18"}
    assert set(compose.urls()) == names - {"sqlite"}
    assert max(PORTS) < 32768  # Below those of outgoing connections.
    for name, service in found.items():
        assert service["profiles"] == [name]
        assert "test" in service["healthcheck"]
        assert re.search(r":\d+\.\d+", service["image"]), "pinned"
    for name, url in compose.urls().items():
        host, published, _ = found[name]["ports"][0].split(":")
        assert f"{host}:{published}" in url
        assert int(published) in PORTS
        assert urls.cache(url) if resolve(name).is_cache else urls.split(url)


@pytest.mark.slow
def test_docker_is_used_last_and_stopped(
    fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    fake("docker", f'echo "$@" >>{calls}')
    monkeypatch.setattr(compose, "answers", lambda: True)
    with running(here("redis")) as theirs:
        # The fake docker starts nothing: let a real server stand at the address.
        monkeypatch.setattr(compose, "urls", lambda: {"redis": theirs.url})
        with running(Target("redis", "redis")) as database:
            assert database.source == "compose"
            assert "rm" not in calls.read_text()
    common = f"compose --file {compose.FILE} --profile redis "
    assert calls.read_text().splitlines() == [
        f"{common}ps --quiet --status running redis",
        f"{common}up --detach --wait redis",
        f"{common}rm --stop --force --volumes redis",
    ]


def test_docker_without_a_daemon(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (1, 0):
        program = fake("docker", f"exit {status}")
        assert DOCKER_ANSWERS() is not bool(status)
    program.unlink()
    monkeypatch.setenv("PATH", str(program.parent))
    assert not DOCKER_ANSWERS()


def test_nothing_unpacks_where_apt_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="on Debian only"):
        debian.unpack("sid", "mysql-server-core", tmp_path / "root")
    assert not (tmp_path / "root").exists()
