"""Reach a server for a target: the user's, one that db-up left, or one of our own.

``running(target)`` is for one run and ends what it started, however the run ends:
its ``finally`` on an exception or Ctrl-C, and the guard process (see process.py)
when the tool itself is killed. ``up`` and ``down`` are the verbs db-up and db-down.
"""

import contextlib
import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import StackError
from common.files import write_whole
from common.progress import say, step
from databases import compose, debian, mysql, process, urls
from databases.family import Family, version_in
from databases.place import Died, Place, free_port, tail
from databases.targets import FAMILIES, Target, Unavailable, resolve

READY = 60.0  # seconds
# A JSON file for each server that db-up left running; only its owner may read it.
LEFT = Path(__file__).parents[2] / ".cache" / "servers"
# A server of docker compose that is not ours to end.
UP_ALREADY = "compose, up already"
KEPT = ("url", "version", "pid", "birth", "signal", "folder")


@dataclass(frozen=True)
class Database:
    """A server that answers. ``version`` is what it says itself.

    ``source``: "built in", "dsn", "db-up", "private", "compose" or UP_ALREADY. If
    it is a process of ours, ``signal`` ends ``pid``, which began at ``birth``.
    """

    target: Target
    url: str
    version: str
    source: str
    pid: int | None = None
    birth: str = ""
    signal: int = 0
    folder: str = ""

    def alive(self) -> bool:
        """Tell whether it still runs, or, if it is no process of ours, answers."""
        if self.pid is not None:
            return process.born(self.pid) == self.birth
        try:
            FAMILIES[self.target.family].version(self.url)
        except Exception:
            return False
        return True

    def why_dead(self) -> str:
        """Return the last lines of its log, as one line."""
        if self.folder:
            return tail(Path(self.folder, "log"))
        return f"{urls.hide(self.url)} does not answer"

    def environment(self) -> dict[str, str]:
        """Return the variables of databases.settings, with names for this run alone.

        Add those of a cache and of a database to have both.
        """
        if self.target.is_cache:
            return {f"STACK_{self.target.family.upper()}_URL": self.url}
        return {
            "STACK_DATABASE_URL": self.url,
            "STACK_DATABASE_NAME": f"django_{secrets.token_hex(4)}",
        }


def on_each(
    targets: Iterable[Target], do: Callable[[Target, Database], object]
) -> dict[str, Unavailable]:
    """Do something with each database; return name → why, of those that are missing.

    Unavailable may also be what ``do`` raises.
    """
    missing = {}
    for target in targets:
        try:
            with running(target) as database:
                do(target, database)
        except Unavailable as error:
            say(f"{target.name}: not run: {error.reason}")
            missing[target.name] = error
    return missing


def require(missing: Mapping[str, Unavailable], named: Iterable[str] | None) -> None:
    """Raise StackError, with the next command, if a named database is missing.

    Those of "all" may be missing.
    """
    for name in named or ():
        if why := missing.get(name):
            raise StackError(f"{name}: not run: {why.reason}", why.command)


@contextlib.contextmanager
def running(target: Target) -> Iterator[Database]:
    """Yield a server for the time of the block.

    In this order: built in, a DSN in the environment, a server left by db-up, a
    private one from local programs, docker compose. Unavailable if there is none;
    StackError if the user's DSN is wrong or a server does not start.
    """
    with contextlib.ExitStack() as ending:
        yield _there(target) or _start(target, ending)[0]


@contextlib.contextmanager
def private(target: Target) -> Iterator[Database]:
    """Yield a server from local programs for this caller alone.

    Unavailable if there is no program; StackError if it does not start.
    """
    database, place = _launch(target)
    try:
        yield database
    finally:
        _end(database, place)


def up(names: Iterable[str], unpack: bool = False) -> list[Database]:
    """Return servers that stay; those that are up already stay as they are.

    With ``unpack``, MySQL is first fetched and unpacked from Debian's sid where
    none is installed (see databases.debian); later runs find it by themselves.
    Unavailable or StackError, with the servers before it left running.
    """
    found = []
    for target in [resolve(name) for name in names]:
        if unpack and target.family == "mysql" and not target.is_usable:
            # No stable release of Debian has MySQL.
            debian.unpack("sid", "mysql-server-core", mysql.unpacked_root())
            target = resolve(target.name)
        found.append(_there(target) or _start_and_leave(target))
    return found


def down(names: Iterable[str] = ()) -> list[str]:
    """End servers that db-up left, all of them if none is named; a line for each."""
    lines = []
    for name in list(names) or sorted(path.stem for path in LEFT.glob("*.json")):
        target = resolve(name)
        server = _left(target)
        if server is None:
            lines.append(f"{name}: not up")
            continue
        if server.pid is None:
            compose.stop(name)
            lines.append(f"{name}: stopped")
        elif process.stop(server.pid, server.birth, server.signal):
            lines.append(f"{name}: stopped (pid {server.pid})")
        else:
            lines.append(f"{name}: had ended already")
        _forget(server)
    return lines


def _there(target: Target) -> Database | None:
    """Return a server that needs no starting."""
    family = FAMILIES[target.family]
    if target.dsn:
        return _named_by_user(target, target.dsn)
    if url := family.built_in.format(reported=target.reported):
        version = family.version(url)
        if reason := family.too_old(version_in(version)):
            raise Unavailable(reason, family.install_command)
        return Database(target, url, version, "built in")
    server = _left(target)
    if server is None or server.alive():
        return server
    say(f"{target.name}: the server of db-up has ended: {server.why_dead()}")
    _forget(server)
    return None


def _named_by_user(target: Target, url: str) -> Database:
    """Return the server of a DSN, once it has answered; StackError if it is wrong."""
    family = FAMILIES[target.family]
    shown = f"{target.variable}={urls.hide(url)}"
    again = f"correct or unset {target.variable}"
    try:
        _ = urls.cache(url) if target.is_cache else urls.split(url)
    except StackError as error:
        raise StackError(f"{target.variable}: {error.facts}", error.then) from None
    if url.partition(":")[0] not in (family.name, *family.schemes):
        raise StackError(f"{shown} does not name a {family.label} server", again)
    family.module()
    try:
        version = family.version(url)
    except Exception as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise StackError(f"{shown} does not answer: {said}", again) from None
    real = "mariadb" if "MariaDB" in version else "mysql"
    if target.family in ("mariadb", "mysql") and target.family != real:
        raise StackError(
            f"{shown} is {FAMILIES[real].label} {version}, not {family.label}",
            f"name it in TEST_{real.upper()}_URL",
        )
    if reason := family.too_old(version_in(version)):
        raise StackError(f"{shown}: {reason}", again)
    return Database(target, url, version, "dsn")


def left_file(name: str) -> Path:
    return LEFT / f"{name}.json"


def _left(target: Target) -> Database | None:
    """Return a server of an earlier db-up, dead or alive."""
    try:
        entry = json.loads(left_file(target.name).read_text())
        ours = {key: entry[key] for key in KEPT}
    except (OSError, ValueError, KeyError):
        return None
    return Database(target, source="db-up", **ours)


def _forget(server: Database) -> None:
    """Forget a server of db-up that has ended, and remove its folder."""
    left_file(server.target.name).unlink(missing_ok=True)
    if server.folder:
        process.remove(Path(server.folder))


def _start_and_leave(target: Target) -> Database:
    """Start a server that stays, and write down how to end it."""
    with contextlib.ExitStack() as ending:
        database, place = _start(target, ending)
        if database.source == UP_ALREADY:
            return database
        entry = json.dumps({key: getattr(database, key) for key in KEPT}, indent=1)
        # It holds a password.
        write_whole(left_file(target.name), f"{entry}\n", 0o600)
        ending.pop_all()
    if place:
        place.leave()
    return replace(database, source="db-up")


def _start(
    target: Target, ending: contextlib.ExitStack
) -> tuple[Database, Place | None]:
    """Start a server, for which ``ending`` does what ends it."""
    try:
        database, place = _launch(target)
    except Unavailable:
        if not compose.has(target.name):
            raise
        database = _composed(target)
        if database.source != UP_ALREADY:
            ending.callback(compose.stop, target.name)
        return database, None
    ending.callback(_end, database, place)
    return database, place


def _end(database: Database, place: Place) -> None:
    if not database.alive():
        log = place.keep_log()
        say(f"{database.target.name} died: {tail(log)} (log: {log})")
    place.close()


def _launch(target: Target) -> tuple[Database, Place]:
    """Start a private server; StackError, with the log kept, if that fails."""
    family = FAMILIES[target.family]
    program = target.usable()
    family.module()
    place = Place(target.name, family.user())
    try:
        with step(f"starting {family.label} {program.dotted}"):
            password, port = secrets.token_hex(12), free_port()
            url = family.url.format(password=password, port=port)
            server, line = family.start(program, place, password, port)
            version = _when_ready(family, url, server, place.log)
            family.settle(program, url, place.folder)
    except Died as died:
        log = place.keep_log()
        place.close()
        raise StackError(
            f"{family.label} {program.dotted} does not start: {died}", f"less {log}"
        ) from None
    except BaseException:
        place.close()
        raise
    pid, _, birth = line.partition(" ")
    ours = int(pid), birth, int(family.stop_signal), str(place.folder)
    return Database(target, url, version, "private", *ours), place


def _when_ready(
    family: Family, url: str, server: subprocess.Popen[str], log: Path
) -> str:
    """Return the version, as soon as the server says it; Died if it never does."""
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline:
        if (code := server.poll()) is not None:
            raise Died(f"it ended with {code}: {tail(log)}")
        try:
            return family.version(url)
        except Exception as error:
            last = error
            time.sleep(0.02)
    raise Died(f"no answer in {READY:.0f} s ({last}): {tail(log)}")


def _composed(target: Target) -> Database:
    """Return the server of compose.yaml; start it if it is not up already."""
    family = FAMILIES[target.family]
    family.module()
    with step(f"starting {family.label} with docker compose"):
        ours = compose.start(target.name)
    url = compose.urls()[target.name]
    try:
        version = family.version(url)
    except Exception as error:
        if ours:
            compose.stop(target.name)
        raise StackError(
            f"{family.label} of docker compose does not answer: {error}",
            " ".join(compose.command(target.name, "logs")),
        ) from None
    return Database(target, url, version, "compose" if ours else UP_ALREADY)
