"""Stop the servers that db-up started: those named, or all of them.

Only a process that db-up started is ever stopped; what it kept is removed.
"""

import argparse

from common.errors import OK
from common.project import Project
from databases import servers


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME")


def run(args: argparse.Namespace, project: Project) -> int:
    print("\n".join(servers.down(args.names)) or "no server was running")
    return OK
