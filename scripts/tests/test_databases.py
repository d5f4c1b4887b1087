"""Database URLs, settings, targets, and real private servers."""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import USAGE, StackError
from databases import compose, debian, postgresql, process, servers, urls
from databases.family import Program
from databases.place import PORTS, Died, Place, free_port, open_to_all
from databases.servers import running
from databases.targets import FAMILIES, Target, Unavailable, resolve, targets

SCRIPTS = Path(__file__).parents[1]
LOCAL = ["postgres", "postgres18", "mariadb", "mysql", "redis", "memcached"]
ROOT = os.geteuid() == 0
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


LOGIN = {"USER": "user", "PASSWORD": "p@ss", "HOST": "db", "PORT": "5433"}
SOCKET = LOGIN | {"PASSWORD": "", "HOST": "/run/x", "PORT": ""}
UTF8 = {"TEST": {"CHARSET": "utf8mb4"}}


def of_oracle(service: str) -> dict[str, object]:
    spaces = {"TBLSPACE": "test_x_tbls", "TBLSPACE_TMP": "test_x_tmp"}
    test = {"USER": "test_x"} | spaces
    return {"USER": "system", "PASSWORD": "pw", "NAME": service, "TEST": test}


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("sqlite:///:memory:", {"NAME": ":memory:"}),
        (
            "sqlite:///some/file.db",
            {"NAME": "some/file_x.db", "TEST": {"NAME": "some/file_test_x.db"}},
        ),
        (
            "sqlite:////tmp/a%20b.db",
            {"NAME": "/tmp/a b_x.db", "TEST": {"NAME": "/tmp/a b_test_x.db"}},
        ),
        ("postgres://user:p%40ss@db:5433/precious", LOGIN | {"NAME": "x"}),
        (
            "postgresql://user@[::1]/n?sslmode=require",
            SOCKET | {"HOST": "::1", "NAME": "x", "OPTIONS": {"sslmode": "require"}},
        ),
        (
            "postgres://user@/name?host=/run/x&port=5434",
            SOCKET | {"NAME": "x", "PORT": "5434"},
        ),
        (
            "mysql://user@/name?unix_socket=/run/x",
            SOCKET | {"NAME": "x"} | UTF8,
        ),
        ("mariadb://user:p%40ss@db:5433/", LOGIN | {"NAME": "x"} | UTF8),
        ("oracle://system:pw@db/FREEPDB1", of_oracle("db:1521/FREEPDB1")),
        ("oracle://system:pw@[::1]:1522/XE", of_oracle("[::1]:1522/XE")),
    ],
)
def test_a_url_names_a_server_and_never_the_database(
    url: str, entry: dict[str, object]
) -> None:
    found = urls.databases(url, "x")
    engine = {"ENGINE": urls.ENGINES[url.partition(":")[0]]}
    assert found["default"] == entry | engine
    assert list(found) == ["default", "other"]
    assert "x_other" in str(found["other"]) or url == urls.DEFAULT


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "ftp://host/file",
        "sqlite:///",
        "sqlite://host/file",
        "postgres:///name",
        "postgres://user:secret@host:port/name",
        "postgres://user:secret@host:99999/name",
        "postgres://user@/name?host=/run&port=x",
        "mysql://user:secret@/name",
        "oracle://user:secret@host:1521",
        "postgres://[::1/name",
    ],
)
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
        *((wrong, None) for wrong in ("", "redis://", "http://h", "memcached://h:x")),
    ],
)
def test_the_url_of_a_cache(url: str, location: str | None) -> None:
    if location:
        assert urls.cache(url)["LOCATION"] == location
        return
    with pytest.raises(StackError):
        urls.cache(url)


@pytest.mark.parametrize("given", [True, False])
def test_settings(given: bool) -> None:
    variables = {
        "STACK_DATABASE_URL": "mariadb://u:p@127.0.0.1:3307/",
        "STACK_DATABASE_NAME": "run1",
        "STACK_REDIS_URL": "redis://127.0.0.1:6380/0",
        "STACK_MEMCACHED_URL": "memcached://127.0.0.1:11212",
        "STACK_RESULTS": "/tmp/results.json",
    }
    program = (
        "import json, sys, databases.settings as s;"
        "json.dump({n: getattr(s, n) for n in dir(s) if n.isupper()}, sys.stdout)"
    )
    found = json.loads(
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ
            | {"PYTHONPATH": str(SCRIPTS)}
            | (variables if given else {}),
            capture_output=True,
            check=True,
        ).stdout
    )
    other = found["DATABASES"]["other"]
    engine, name = ("mysql", "run1_other") if given else ("sqlite3", ":memory:")
    assert (other["ENGINE"], other["NAME"]) == (f"django.db.backends.{engine}", name)
    caches = ["default", "redis", "memcached"] if given else ["default"]
    assert list(found["CACHES"]) == caches
    assert found["USE_TZ"] is False
    assert ("TEST_RUNNER" in found) is given


def test_targets_in_order() -> None:
    names = [target.name for target in targets()]
    newer = [name for name in names if re.fullmatch(r"postgres\d+", name)]
    assert len(newer) <= 1
    assert [name for name in names if name not in newer] == (
        ["sqlite", "postgres", "mariadb", "mysql", "oracle", "redis", "memcached"]
    )


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


def test_versions_that_django_refuses(fake: Any) -> None:
    fake("postgres", "echo 'postgres (PostgreSQL) 14.2'")
    fake("initdb", "")
    with pytest.raises(Unavailable, match=r"14\.2 is older than .*, 15"):
        resolve("postgres14").usable()
    assert resolve("postgres").program != resolve("postgres14").program
    old = Target("mysql", "mysql", Program((8, 0, 36), Path("/usr/sbin/mysqld")))
    with pytest.raises(Unavailable, match=r"8\.0\.36 is older than .*, 8\.4"):
        old.usable()


def test_mariadb_is_not_taken_for_mysql(
    fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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


def test_ports_are_below_those_of_outgoing_connections() -> None:
    assert free_port() in PORTS
    assert max(PORTS) < 32768


def test_sqlite_and_names_that_do_not_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(resolve("sqlite")) as database:
        assert database.source == "built in"
        assert database.alive()
        first, second = database.environment(), database.environment()
    assert first["STACK_DATABASE_URL"] == second["STACK_DATABASE_URL"]
    assert first["STACK_DATABASE_NAME"] != second["STACK_DATABASE_NAME"]
    monkeypatch.setenv("TEST_SQLITE_URL", "sqlite:////tmp/some.db")
    with running(resolve("sqlite")) as database:
        assert (database.url, database.source) == ("sqlite:////tmp/some.db", "dsn")


@pytest.mark.slow
@pytest.mark.parametrize("name", LOCAL)
def test_a_server_answers_and_is_gone_afterwards(name: str) -> None:
    target = here(name)
    family = FAMILIES[target.family]
    with pytest.raises(ZeroDivisionError), running(target) as database:
        assert database.source == "private"
        assert database.alive()
        assert database.version.startswith(target.usable().dotted)
        if not target.is_cache:
            # Nobody gets in without the password, root least of all.
            password = urls.split(database.url).password
            for login in ("django:wrong", "root:"):
                with pytest.raises(Exception, match=r"denied|locked|password"):
                    family.version(database.url.replace(f"django:{password}", login))
        raise ZeroDivisionError
    assert gone(database.pid, database.folder)
    assert not database.alive()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mariadb", "mysql"])
def test_time_zones_and_rights(name: str) -> None:
    target = here(name)
    with running(target) as database:
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
            cursor.execute("CREATE DATABASE x")
            cursor.execute(
                "SELECT @@character_set_database, MD5('a'),"
                " CONVERT_TZ('2020-01-01 00:00:00', 'UTC', 'Europe/Zurich')"
            )
            charset, _, zone = cursor.fetchone()
            assert (charset, str(zone)) == ("utf8mb4", "2020-01-01 01:00:00")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres", "postgres18"])
def test_icu_collations_or_stand_ins(name: str) -> None:
    target = here(name)
    with (
        running(target) as database,
        FAMILIES["postgresql"].module().connect(database.url, dbname="template1") as c,
    ):
        found = c.execute("SELECT FROM pg_collation WHERE collname = 'sv-x-icu'")
        assert found.rowcount == 1


# What a shell starts in the background ignores Ctrl-C, and so do its children.
CHILD = """
import json, signal, sys, time
from databases.servers import running
from databases.targets import resolve
signal.signal(signal.SIGINT, signal.default_int_handler)
with running(resolve(sys.argv[1])) as database:
    print(json.dumps([database.pid, database.folder]), flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def child(name: str, *prefix: str) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """Run a server in a process in a group of its own, as a tool would."""
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.skipif(not ROOT, reason="all tests here run as an ordinary user")
def test_as_an_ordinary_user() -> None:
    here("postgres")
    assert open_to_all(postgresql.shared_folder().parent)
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to become another user with")
    interpreter = Path(sys.executable)
    for path in [interpreter, interpreter.resolve(), SCRIPTS, *map(Path, sys.path)]:
        if path.exists() and not open_to_all(path.parent):
            pytest.skip(f"the user nobody may not enter {path.parent}")
    user = pwd.getpwnam("nobody")
    ids = f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"
    with child("postgres", "setpriv", *ids, "env", "HOME=/tmp") as (tool, pid, folder):
        assert folder.stat().st_uid == user.pw_uid
        tool.send_signal(signal.SIGINT)
        tool.wait(30)
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


UP = "from databases import servers; servers.LEFT = servers.Path({!r}); servers.up([{!r}])"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_db_up_outlives_the_tool_until_db_down(name: str) -> None:
    target = here(name)
    subprocess.run(
        [sys.executable, "-c", UP.format(str(servers.LEFT), name)],
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
    import yaml  # type: ignore[import-untyped]

    found = yaml.safe_load(compose.FILE.read_text())["services"]
    names = {target.name for target in targets()} | {"postgres18"}
    assert set(compose.urls()) == names - {"sqlite"}
    for name, service in found.items():
        assert service["profiles"] == [name]
        assert "test" in service["healthcheck"]
        assert re.search(r":\d+\.\d+", service["image"]), "pinned"
    for name, url in compose.urls().items():
        [port] = found[name]["ports"]
        host, published, _ = port.split(":")
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
    program = fake("docker", "exit 1")
    assert not DOCKER_ANSWERS()
    fake("docker", "exit 0")
    assert DOCKER_ANSWERS()
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


def test_the_launcher_of_an_unpacked_root(tmp_path: Path) -> None:
    assert debian.launcher(tmp_path) == ()
    libraries = tmp_path / "usr" / "lib" / "aarch64-linux-gnu"
    libraries.mkdir(parents=True)
    loader = tmp_path / "usr" / "lib" / "ld-linux-aarch64.so.1"
    loader.touch()
    program, option, paths = debian.launcher(tmp_path)
    assert (program, option) == (str(loader), "--library-path")
    assert paths.split(":")[0] == str(libraries)
