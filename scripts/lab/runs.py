"""Run one measurement on each database: print its text, write its JSON."""

import argparse
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import StackError
from common.progress import say
from common.project import Project
from lab import client, options, origin
from lab.client import Worker
from lab.variants import PATCHED, STOCK
from patchstack import trees
from patchstack.src import require

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from databases.servers import Database
    from databases.targets import Target

# Takes the URL of a server and the folders of the Djangos.
type Measure = Callable[..., dict[str, Any]]


def option(
    parser: argparse.ArgumentParser,
    name: str,
    read: Callable[..., object],
    metavar: str,
    help: str,
) -> None:
    """Add an option whose text ``read`` reads, a method of a Reader."""
    parser.add_argument(name, type=partial(read, what=name), metavar=metavar, help=help)


def configure(parser: argparse.ArgumentParser, read: options.Reader) -> None:
    """Add the options that all such verbs have."""
    add = parser.add_argument
    add("--db", action="append", metavar="NAME", help="may be repeated; all; sqlite")
    from_zero = partial(read.whole, least=0)
    option(parser, "--seed", from_zero, "N", "of keys and of chance; 1")
    add("--src", action="store_true", help="patched is django-upstream/src as it is")
    add("--json", metavar="FILE", help="results/NAME-DATABASE.json")


# Fields of plans that are options by a shorter name.
NAMES = {"operations": "ops", "strategies": "strategy", "shares": "share"}


def changed[T: "DataclassInstance"](plan: T, args: argparse.Namespace) -> T:
    """Return a plan with the options that are given."""
    given = {name: getattr(args, NAMES.get(name, name), None) for name in vars(plan)}
    return replace(plan, **{k: v for k, v in given.items() if v is not None})


def djangos(project: Project, *, src: bool) -> dict[str, Any]:
    """Return the folders of both Djangos, and the ids of their trees."""
    stock = trees.stock(project)
    patched = require(project).folder if src else trees.patched(project)
    ids = {STOCK: stock.name, PATCHED: patched.name}
    return {STOCK: stock, PATCHED: patched, "ids": ids}


def head(kind: str, form: int, ids: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the beginning of the data of a run; ``ids``: variant → tree."""
    about = origin.head(kind, form, Project.here().root)
    return {**about, "ids": dict(ids or {}), "django": {}}


def start(
    stack: ExitStack,
    data: dict[str, Any],
    variant: str,
    name: str,
    tree: Path,
    url: str,
    folder: Path,
    module: str,
    processes: Sequence[str],
) -> list[Worker]:
    """Start the processes of a variant on a database called ``name``.

    Note in ``data`` the version of Django, and the first database.
    """
    sharing = client.sharing(name, tree, url, folder, module, processes)
    workers, opened = stack.enter_context(sharing)
    data["django"][variant] = opened["django"]
    version = opened["database_version"]
    data.setdefault("database", {"name": opened["database"], "version": version})
    return workers


def targets(
    args: argparse.Namespace,
    read: options.Reader,
    able: Collection[str] = options.MEASURED,
) -> list["Target"]:
    """Return the databases of --db; StackError if one JSON file would hold several."""
    found = read.targets(args.db, able)
    if args.json is not None and len(found) > 1:
        raise StackError("--json FILE goes with one --db", read.help)
    return found


def file_of(args: argparse.Namespace, name: str, project: Project) -> Path:
    return Path(args.json) if args.json else project.results / f"{name}.json"


def keep(
    data: Mapping[str, Any], show: Callable[[Any], str], path: Path, project: Project
) -> None:
    """Print the text of a result, and write its JSON."""
    print(show(data), end="\n\n", flush=True)
    options.write(data, path, project.root)


def on_each(
    targets: Sequence["Target"],
    measure: Measure,
    show: Callable[[Any], str],
    name: str,
    args: argparse.Namespace,
    project: Project,
) -> None:
    """Measure on each database; StackError at the end if a named one is missing.

    ``name`` begins the name of the JSON file.
    """
    from databases import servers

    def do(target: "Target", database: "Database") -> None:
        if len(targets) > 1:
            at = targets.index(target) + 1
            say(f"{target.name}: database {at} of {len(targets)}")
        data = measure(url=database.url)
        keep(data, show, file_of(args, f"{name}-{target.name}", project), project)

    servers.require(servers.on_each(targets, do), args.db)


def measured(path: Path, expected: Mapping[str, Any]) -> bool:
    """Tell whether a file is a result with these values."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    # Tuples are lists in JSON.
    same = json.loads(json.dumps(expected))
    return isinstance(data, dict) and same.items() <= data.items()
