"""Start private, throw-away database servers and leave them running.

Each listens on 127.0.0.1 only, on a free port, with its data in a temporary
folder. Later verbs use it until ./scripts/stack db-down. Names: postgres,
postgres18, mariadb, mysql, redis, memcached. Without a name, every server
available on this machine is started.
"""

import argparse

from common.errors import OK, USAGE, StackError
from common.project import Project
from databases import servers, targets


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--unpack",
        action="store_true",
        help="for mysql: unpack Debian's package into the user's cache, without root",
    )


def run(args: argparse.Namespace, project: Project) -> int:
    # Named servers must come up; without names, those available are enough.
    names = args.names or [
        target.name
        for target in targets.targets()
        if target.family not in ("sqlite", "oracle")
    ]
    code = OK
    for name in names:
        try:
            (database,) = servers.up([name], unpack=args.unpack)
        except targets.Unavailable as error:
            print(f"{name}: not run: {error.reason}\n  next: {error.command}")
            code = USAGE if args.names else code
        except StackError as error:
            if args.names:
                raise
            print(f"{name}: {error}")
        else:
            print(f"{name} {database.version}: {database.url}")
    return code
