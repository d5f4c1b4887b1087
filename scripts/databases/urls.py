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
# Django's Oracle backend on another engine: see lab.oracle.standin.
STANDINS = ("oracle+h2", "oracle+postgres")
EXAMPLES = (
    "write one like sqlite:///:memory: , postgres://user:password@host:5432/name , "
    "mysql://user:password@host:3306/name or oracle://user:password@host:1521/service"
)
CACHE_EXAMPLES = (
    "write one like redis://127.0.0.1:6379/0 or memcached://127.0.0.1:11211"
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
    """The URL without its password, for messages."""
    head, at, tail = url.rpartition("@")
    scheme, slashes, login = head.partition("://")
    user, colon, _ = login.partition(":")
    return f"{scheme}{slashes}{user}:***{at}{tail}" if colon else url


def malformed(url: str, why: str, examples: str = EXAMPLES) -> StackError:
    return StackError(
        f'"{hide(url)}" is not a URL that names a server: {why}', examples
    )


def split(url: str) -> Address:
    """Take a database URL apart; StackError if it is malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise malformed(url, str(error)) from None
    if parts.scheme not in ENGINES:
        known = ", ".join(ENGINES)
        raise malformed(url, f'the scheme "{parts.scheme}" is none of {known}')
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "sqlite":
        if parts.netloc or not parts.path.removeprefix("/"):
            raise malformed(url, "a file is sqlite:///relative or sqlite:////absolute")
        name = unquote(parts.path.removeprefix("/"))
        return Address(parts.scheme, name=name, options=options)
    if parts.scheme == "oracle+h2":
        return Address(parts.scheme, options=options)
    host = unquote(parts.hostname or "")
    if parts.scheme.startswith("postgres"):
        host = options.pop("host", host)
        if given := options.pop("port", ""):
            if not given.isdecimal():
                raise malformed(url, f'the port "{given}" is not a number')
            port = int(given)
    elif parts.scheme in ("mysql", "mariadb"):
        host = options.pop("unix_socket", host)
    name = unquote(parts.path.removeprefix("/"))
    if not host:
        raise malformed(url, "it has no host and no socket")
    if parts.scheme == "oracle" and not name:
        raise malformed(url, "an Oracle URL ends with the name of a service")
    return Address(
        scheme=parts.scheme,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        host=host,
        port=port,
        name=name,
        options=options,
    )


def easy_connect(address: Address) -> str:
    """Oracle's host:port/service, which unlike HOST and PORT names no SID."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port or 1521}/{address.name}"


def parse(url: str) -> dict[str, object]:
    """One entry of Django's DATABASES; StackError if the URL is malformed."""
    address = split(url)
    entry: dict[str, object] = {"ENGINE": ENGINES[address.scheme]}
    if address.scheme in STANDINS:
        # The rest of the URL is for the stand-in.
        return entry | {"NAME": address.scheme}
    if address.scheme == "sqlite":
        entry["NAME"] = address.name
    else:
        entry |= {"USER": address.user, "PASSWORD": address.password}
        if address.scheme == "oracle":
            entry["NAME"] = easy_connect(address)
        else:
            entry |= {
                "NAME": address.name,
                "HOST": address.host,
                "PORT": str(address.port or ""),
            }
    if address.options:
        entry["OPTIONS"] = dict(address.options)
    return entry


def databases(url: str, base: str = "django") -> dict[str, dict[str, object]]:
    """DATABASES for a test run: the aliases default and other on one server.

    The names, and so those of the test databases, come from ``base`` and never
    from the URL: a run must not touch the database that a user's URL names.
    """
    aliases = {"default": base, "other": f"{base}_other"}
    return {alias: _entry(url, name) for alias, name in aliases.items()}


def _entry(url: str, name: str) -> dict[str, object]:
    entry = parse(url)
    scheme = split(url).scheme
    if scheme == "sqlite":
        file = PurePath(str(entry["NAME"]))
        if str(file) != ":memory:":
            # Django deletes the file that TEST["NAME"] names before it begins.
            entry["NAME"] = str(file.with_stem(f"{file.stem}_{name}"))
            entry["TEST"] = {"NAME": str(file.with_stem(f"{file.stem}_test_{name}"))}
    elif scheme in STANDINS:
        entry["USER"] = name
        entry["TEST"] = {
            "USER": f"test_{name}",
            # The stand-in makes what a user needs when the user connects.
            "CREATE_DB": False,
            "CREATE_USER": False,
        }
    elif scheme == "oracle":
        # On Oracle a test database is a user with two tablespaces of its own.
        entry["TEST"] = {
            "USER": f"test_{name}",
            "TBLSPACE": f"test_{name}_tbls",
            "TBLSPACE_TMP": f"test_{name}_tmp",
        }
    else:
        entry["NAME"] = name
        if scheme in ("mysql", "mariadb"):
            entry["TEST"] = {"CHARSET": "utf8mb4"}
    return entry


def cache(url: str) -> dict[str, str]:
    """One entry of Django's CACHES; StackError if the URL is malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise malformed(url, str(error), CACHE_EXAMPLES) from None
    if not parts.hostname:
        raise malformed(url, "it has no host", CACHE_EXAMPLES)
    if parts.scheme in ("redis", "rediss"):
        # A database in the URL, even the usual 0, beats the one in OPTIONS, which
        # Django's tests set.
        location = url.removesuffix("/0") if parts.path == "/0" else url
        return {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": location,
        }
    if parts.scheme == "memcached":
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return {
            "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
            "LOCATION": f"{host}:{port or 11211}",
        }
    raise malformed(url, f'the scheme "{parts.scheme}" is not a cache', CACHE_EXAMPLES)
