"""Database and cache URLs, and what Django's settings make of them.

A database is named by one URL everywhere: in the environment, in state files and
in worker processes. This module knows nothing but URLs, so that the settings
module, which every test process imports, stays light.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import parse_qsl, unquote, urlsplit

from common.errors import StackError

DEFAULT = "sqlite:///:memory:"
ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
    "mariadb": "django.db.backends.mysql",
    "oracle": "django.db.backends.oracle",
    "oracle+h2": "django.db.backends.oracle",
    "oracle+postgres": "django.db.backends.oracle",
}
# Django's Oracle backend on another engine, and the module whose install() makes
# oracledb.connect reach it: by name, like the backends, as only Django needs it.
STANDINS = ("oracle+h2", "oracle+postgres")
DOUBLE = "lab.oracle.standin"
EXAMPLES = (
    "write one like sqlite:///:memory: , postgres://user:password@host:5432/name , "
    "mysql://user:password@host:3306/name , redis://127.0.0.1:6379/0 , "
    "memcached://127.0.0.1:11211 or oracle://user:password@host:1521/service"
)


@dataclass(frozen=True)
class Address:
    """The parts of a URL, unquoted; ``host`` is a folder or file for a socket."""

    scheme: str
    user: str = ""
    password: str = ""
    host: str = ""
    port: int | None = None
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def hide(url: str) -> str:
    """Return the URL without its password, for messages."""
    head, at, tail = url.rpartition("@")
    scheme, slashes, login = head.partition("://")
    user, colon, _ = login.partition(":")
    return f"{scheme}{slashes}{user}:***{at}{tail}" if colon else url


def malformed(url: str, why: object) -> StackError:
    shown = f'"{hide(url)}" is not a URL that names a server: {why}'
    return StackError(shown, EXAMPLES)


def split(url: str) -> Address:
    """Take a database URL apart; StackError if it is malformed."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        port = parts.port
        host = unquote(parts.hostname or "")
        if parts.scheme.startswith("postgres"):
            host = options.pop("host", host)
            port = int(options.pop("port", port or 0)) or None
    except ValueError as error:
        raise malformed(url, error) from None
    scheme, name = parts.scheme, unquote(parts.path.removeprefix("/"))
    if scheme not in ENGINES:
        known = ", ".join(ENGINES)
        raise malformed(url, f'the scheme "{scheme}" is not one of {known}')
    if scheme in ("mysql", "mariadb"):
        host = options.pop("unix_socket", host)
    if scheme == "sqlite":
        if host or not name:
            raise malformed(url, "a file is sqlite:///relative or sqlite:////absolute")
    elif not host and scheme != "oracle+h2":
        raise malformed(url, "it has no host and no socket")
    if scheme == "oracle" and not name:
        raise malformed(url, "an Oracle URL ends with the name of a service")
    login = unquote(parts.username or ""), unquote(parts.password or "")
    return Address(scheme, *login, host, port, name, options)


def easy_connect(address: Address) -> str:
    """Return Oracle's host:port/service, which unlike HOST and PORT names no SID."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port or 1521}/{address.name}"


def databases(url: str, base: str = "django") -> dict[str, dict[str, object]]:
    """Return DATABASES for a test run: the aliases default and other on one server.

    The names, also of the test databases, come from ``base``: a run must not touch
    the database that a user's URL names.
    """
    address = split(url)
    return {
        "default": _entry(address, base),
        "other": _entry(address, f"{base}_other"),
    }


def _entry(address: Address, name: str) -> dict[str, object]:
    entry: dict[str, object] = {"ENGINE": ENGINES[address.scheme]}
    if address.scheme in STANDINS:
        # The rest of the URL is for the stand-in, which makes what a user needs
        # when the user connects.
        test = {"USER": f"test_{name}", "CREATE_DB": False, "CREATE_USER": False}
        return entry | {"NAME": address.scheme, "USER": name, "TEST": test}
    if address.options:
        entry["OPTIONS"] = dict(address.options)
    if address.scheme == "sqlite":
        if address.name == ":memory:":
            return entry | {"NAME": address.name}
        # Django deletes the file that TEST["NAME"] names before it begins.
        file = PurePath(address.name)
        own, tested = (
            str(file.with_stem(f"{file.stem}_{each}"))
            for each in (name, f"test_{name}")
        )
        return entry | {"NAME": own, "TEST": {"NAME": tested}}
    entry |= {"USER": address.user, "PASSWORD": address.password}
    if address.scheme == "oracle":
        # On Oracle a test database is a user with two tablespaces of its own.
        user = f"test_{name}"
        spaces = {"TBLSPACE": f"{user}_tbls", "TBLSPACE_TMP": f"{user}_tmp"}
        return entry | {"NAME": easy_connect(address), "TEST": {"USER": user} | spaces}
    if address.scheme in ("mysql", "mariadb"):
        entry["TEST"] = {"CHARSET": "utf8mb4"}
    return entry | {"NAME": name, "HOST": address.host, "PORT": str(address.port or "")}


def cache(url: str) -> dict[str, str]:
    """Return an entry of Django's CACHES; StackError if the URL is malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise malformed(url, error) from None
    if not parts.hostname:
        raise malformed(url, "it has no host")
    if parts.scheme in ("redis", "rediss"):
        # A database in the URL, even the usual 0, beats the one in OPTIONS, which
        # Django's tests set.
        location = url.removesuffix("/0") if parts.path == "/0" else url
        backend = "redis.RedisCache"
    elif parts.scheme == "memcached":
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        location = f"{host}:{port or 11211}"
        backend = "memcached.PyMemcacheCache"
    else:
        raise malformed(url, f'the scheme "{parts.scheme}" is not a cache')
    return {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}
