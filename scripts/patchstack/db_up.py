"""Start private, throw-away database servers and leave them running.

Each listens on 127.0.0.1 only, on a free port, with its data in a temporary
folder; later verbs use it until ./scripts/stack db-down. Names: postgres,
postgres18, mariadb, mysql, redis, memcached; without one, all that can be had.
"""

import argparse

from .errors import OK, StackError
from .project import Project


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--unpack",
        action="store_true",
        help="for mysql: unpack Debian's package into the user's cache, without root",
    )


def run(args: argparse.Namespace, project: Project) -> int:
    from databases import servers, targets

    if args.names:
        for database in servers.up(args.names, unpack=args.unpack):
            print(f"{database.target.name} {database.version}: {database.url}")
        return OK
    for target in targets.targets():
        if target.name in ("sqlite", "oracle"):
            continue
        try:
            (database,) = servers.up([target.name], unpack=args.unpack)
        except targets.Unavailable as error:
            print(f"{target.name}: not run: {error.reason}\n  next: {error.command}")
        except StackError as error:
            print(f"{target.name}: {error}")
        else:
            print(f"{target.name} {database.version}: {database.url}")
    return OK
