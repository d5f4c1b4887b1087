"""Have a server for a target: the user's, one left by db-up, or one of our own.

``running(target)`` is for one run and ends what it started, however the run ends:
its ``finally`` on an exception or Ctrl-C, and the guard process (see process.py)
when the tool itself is killed. ``up`` and ``down`` are the verbs db-up and db-down.
"""

import contextlib
import dataclasses
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import StackError
from common.progress import say, step
from databases import compose, debian, mysql, process, state, urls
from databases.family import LocalFamily, version_in
from databases.place import Died, Place, free_port, tail
from databases.targets import FAMILIES, Target, Unavailable, resolve

# Ports to try before giving up; the log's words for a port that somebody took
# between our look and the server's.
ATTEMPTS = 5
LOST_RACE = ("address already in use", "in use")
READY = 60.0  # seconds


@dataclass(frozen=True)
class Database:
    """A server that answers. ``version`` is what it says itself.

    ``source``: "built in", "dsn", "db-up", "private" or "compose". ``pid`` and
    ``log`` are None where the server is not a process of ours.
    """

    target: Target
    url: str
    version: str
    source: str
    pid: int | None = None
    log: Path | None = None
    notes: tuple[str, ...] = ()
    birth: str | None = None
    folder: Path | None = None

    def alive(self) -> bool:
        """Whether it still runs, or, where it is no process of ours, answers."""
        if self.pid is not None:
            return process.born(self.pid) == self.birth
        try:
            FAMILIES[self.target.family].version(self.url)
        except Exception:
            return False
        return True

    def why_dead(self) -> str:
        """The last lines of its log, as one line."""
        if self.log is None:
            return f"{urls.hide(self.url)} does not answer"
        return tail(self.log)

    def environment(self) -> dict[str, str]:
        """What databases.settings reads, with names that no other run uses.

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
    """Do something with each database; return why others are not to be had, by name.

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
    """Raise StackError, with the next command, if a named one was not to be had.

    Those of "all" may be missing.
    """
    for name in named or ():
        if why := missing.get(name):
            raise StackError(f"{name}: not run: {why.reason}", why.command)


@contextlib.contextmanager
def running(target: Target) -> Iterator[Database]:
    """A server for the time of the block.

    In this order: built in, a DSN in the environment, a server left by db-up, a
    private one from local programs, docker compose. Unavailable if none can be
    had; StackError if the user's DSN is wrong or a server does not start.
    """
    found = _there(target)
    if found:
        yield found
        return
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(private(target))
        except Unavailable:
            if not _in_compose(target):
                raise
            database, ours = _composed(target)
            if ours:
                stack.callback(compose.stop, target.name)
        yield database


@contextlib.contextmanager
def private(target: Target) -> Iterator[Database]:
    """A server that nobody else uses, from local programs, for the time of the block.

    Unavailable if there is no program; StackError if it does not start.
    """
    database, place = _launch(target)
    try:
        yield database
    finally:
        if not database.alive():
            log = state.keep_log(target.name, place.log)
            say(f"{target.name} died: {tail(log)} (log: {log})")
        place.close()


def up(names: Iterable[str], unpack: bool = False) -> list[Database]:
    """Have servers that stay; those that are up already stay as they are.

    With ``unpack``, MySQL is first fetched and unpacked from Debian's sid where
    none is installed (see databases.debian); later runs find it by themselves.
    Unavailable or StackError, with the servers before it left running.
    """
    wanted = [resolve(name) for name in names]
    found = []
    for target in wanted:
        if unpack and target.family == "mysql" and not target.is_usable:
            debian.unpack(mysql.SUITE, [mysql.PACKAGE], mysql.unpacked_root())
            target = resolve(target.name)
        found.append(_there(target) or _left_running(target))
    return found


def down(names: Iterable[str] = ()) -> list[str]:
    """End servers that db-up left, all of them if none is named; a line for each."""
    lines = []
    for name in list(names) or state.names():
        entry = state.read(name)
        if entry is None:
            resolve(name)
            lines.append(f"{name}: not up")
            continue
        if entry["source"] == "compose":
            compose.stop(name)
            lines.append(f"{name}: stopped")
        elif process.stop(entry["pid"], entry["birth"], entry["signal"]):
            lines.append(f"{name}: stopped (pid {entry['pid']})")
        else:
            lines.append(f"{name}: had ended already")
        _clear(name, entry)
    return lines


def _there(target: Target) -> Database | None:
    """A server that needs no starting."""
    family = FAMILIES[target.family]
    if target.dsn:
        return _named_by_user(target, target.dsn)
    if url := family.built_in(target.reported):
        version = family.version(url)
        if reason := family.too_old(version_in(version)):
            raise Unavailable(reason, family.install_command)
        return Database(target, url, version, "built in")
    return _left_by_db_up(target)


def _named_by_user(target: Target, url: str) -> Database:
    """The server of a DSN, once it has answered; StackError if it is no good."""
    family = FAMILIES[target.family]
    shown = f"{target.variable}={urls.hide(url)}"
    again = f"correct or unset {target.variable}"
    try:
        _ = urls.cache(url) if target.is_cache else urls.parse(url)
    except StackError as error:
        raise StackError(f"{target.variable}: {error.facts}", error.then) from None
    if url.partition(":")[0] not in _schemes(target.family):
        raise StackError(f"{shown} does not name a {family.label} server", again)
    family.module()
    try:
        version = family.version(url)
    except Exception as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise StackError(f"{shown} does not answer: {said}", again) from None
    if target.family in ("mariadb", "mysql"):
        other = "mysql" if target.family == "mariadb" else "mariadb"
        if ("MariaDB" in version) != (target.family == "mariadb"):
            raise StackError(
                f"{shown} is {FAMILIES[other].label} {version}, not {family.label}",
                f"name it in TEST_{other.upper()}_URL",
            )
    if reason := family.too_old(version_in(version)):
        raise StackError(f"{shown}: {reason}", again)
    return Database(target, url, version, "dsn")


def _schemes(family: str) -> tuple[str, ...]:
    return {
        "postgresql": ("postgres", "postgresql"),
        "mariadb": ("mariadb", "mysql"),
        "mysql": ("mysql",),
        "redis": ("redis", "rediss"),
    }.get(family, (family,))


def _left_by_db_up(target: Target) -> Database | None:
    """A server of an earlier db-up, if it still runs; forget it if it does not."""
    entry = state.read(target.name)
    if entry is None:
        return None
    database = Database(
        target=target,
        url=entry["url"],
        version=entry["version"],
        source="db-up",
        pid=entry["pid"],
        log=Path(entry["log"]) if entry["log"] else None,
        notes=tuple(entry["notes"]),
        birth=entry["birth"],
        folder=Path(entry["folder"]) if entry["folder"] else None,
    )
    if database.alive():
        return database
    say(f"{target.name}: the server of db-up has ended: {database.why_dead()}")
    _clear(target.name, entry)
    return None


def _clear(name: str, entry: dict[str, object]) -> None:
    """Forget a server of db-up that has ended, and remove its folder."""
    state.forget(name)
    if entry["folder"]:
        process.remove(Path(str(entry["folder"])))


def _left_running(target: Target) -> Database:
    """Start a server that stays, and write down how to end it."""
    try:
        database, place = _launch(target)
    except Unavailable:
        if not _in_compose(target):
            raise
        database, ours = _composed(target)
        if ours:
            _remember(database, signal.SIGTERM)
        return database
    family = FAMILIES[target.family]
    assert isinstance(family, LocalFamily)
    try:
        _remember(database, family.stop_signal)
    except BaseException:
        place.close()
        raise
    place.leave()
    return dataclasses.replace(database, source="db-up")


def _remember(database: Database, how: int) -> None:
    state.write(
        database.target.name,
        {
            "url": database.url,
            "version": database.version,
            "source": database.source,
            "pid": database.pid,
            "birth": database.birth,
            "signal": int(how),
            "folder": str(database.folder) if database.folder else None,
            "log": str(database.log) if database.log else None,
            "notes": database.notes,
        },
    )


def _launch(target: Target) -> tuple[Database, Place]:
    """A private server and its folder; StackError, with the log kept, if it fails."""
    family = FAMILIES[target.family]
    if not isinstance(family, LocalFamily):
        raise Unavailable(
            f"no {family.label} server can be started here", family.install_command
        )
    program = target.usable()
    family.module()
    place = Place(target.name, family.stop_signal, family.user())
    try:
        with step(f"starting {family.label} {program.dotted}"):
            password = secrets.token_hex(12)
            program = family.prepare(program, place, password)
            for attempt in range(1, ATTEMPTS + 1):
                port = free_port()
                url = family.url(password, port)
                said = place.log.stat().st_size if place.log.exists() else 0
                server, birth = place.start(family.command(program, place, port))
                try:
                    version = _when_ready(family, url, server.poll, place.log)
                    break
                except Died:
                    new = place.log.read_bytes()[said:].decode(errors="replace")
                    lost = any(words in new.lower() for words in LOST_RACE)
                    if not lost or attempt == ATTEMPTS:
                        raise
            notes = family.settle(program, place, url)
        database = Database(
            target=target,
            url=url,
            version=version,
            source="private",
            pid=server.pid,
            log=place.log,
            notes=notes,
            birth=birth,
            folder=place.folder,
        )
    except Died as died:
        log = state.keep_log(target.name, place.log)
        place.close()
        raise StackError(
            f"{family.label} {program.dotted} does not start: {died}", f"less {log}"
        ) from None
    except BaseException:
        place.close()
        raise
    return database, place


def _when_ready(
    family: LocalFamily, url: str, ended: Callable[[], int | None], log: Path
) -> str:
    """The version, as soon as the server says it; Died if it never does."""
    deadline = time.monotonic() + READY
    while time.monotonic() < deadline:
        if (code := ended()) is not None:
            raise Died(f"it ended with {code}: {tail(log)}")
        try:
            version = family.version(url)
        except Exception as error:
            last = error
            time.sleep(0.02)
        else:
            # Else it was another's server that answered on a port we lost.
            if ended() is None:
                return version
    raise Died(f"no answer in {READY:.0f} s ({last}): {tail(log)}")


def _in_compose(target: Target) -> bool:
    return target.name in compose.urls() and compose.answers()


def _composed(target: Target) -> tuple[Database, bool]:
    """The server of compose.yaml; True if we started it."""
    ours = not compose.runs(target.name)
    url = compose.urls()[target.name]
    family = FAMILIES[target.family]
    family.module()
    try:
        if ours:
            with step(f"starting {family.label} with docker compose"):
                compose.start(target.name)
        try:
            version = family.version(url)
        except Exception as error:
            raise StackError(
                f"{family.label} of docker compose does not answer: {error}",
                " ".join(compose.command(target.name, "logs")),
            ) from None
    except BaseException:
        if ours:
            compose.stop(target.name)
        raise
    return Database(target, url, version, "compose"), ours
