"""Measure cache and ORM operations, stock and patched Django in one run.

Each has a process and databases of its own with the same rows, and they take
turns at each operation in every round. So do other caches on stock Django
(--peers; all that can be had, with --quick none): django-mysql's in MariaDB
and MySQL, diskcache in files, private servers of Redis and memcached. Tables
show CPU time (of the Python process) and wall time per call, their quartiles,
ratios, statements, calls that ran a COUNT, the time / that of the statement
alone ("bare": what the patched cache sends, "raw": by the driver), and the
growth with the rows. "in atomic" is a transaction per call.

SQLite runs on files in $TMPDIR, in WAL mode. A server gets databases that are
dropped at the end; --latency puts a proxy before it. Pages (--values) have 9
kB, and stock's table of 300,000 has 4 GB: their rows are 1000,10000. Rounds
are kept in results/bench-NAME.partial.json, where --resume goes on.

--size shows the bytes on disk of 10,000 entries (--rows) of each kind of
values. --replay sends request streams (../shared/traces, or synthetic ones,
which the table says) through a real cache, get and on a miss set, for hit
ratios, writes, and rough times. A strategy is what CULL_STRATEGY takes
(modules of this folder, too), lru-1 (LRU one at a time), stock or patched
(their defaults).

  ./scripts/stack bench --quick --db postgres --db mariadb --ops "set*,touch"
  ./scripts/stack bench --db postgres --latency 1 --ops "update_or_create*"
  ./scripts/stack bench --replay --backend locmem --strategy lru-1,sieve
"""

import argparse
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from common.errors import OK, StackError
from common.progress import say
from databases import urls
from lab import options
from lab.bench import replay, size
from lab.bench.compare import LEGEND, Comparison, compare
from lab.bench.operations import OPERATIONS, select
from lab.bench.partial import Partial, standing
from lab.bench.peers import NAMES as PEERS
from lab.bench.plan import PAGE_ROWS, QUICK, ROWS, Plan
from lab.bench.traces import NAMES, load
from lab.bench.values import KINDS, pickled
from lab.options import MEASURED, Reader, names
from lab.variants import PATCHED, STOCK

if TYPE_CHECKING:
    from common.project import Project
    from databases.servers import Database
    from databases.targets import Target

HELP = "./scripts/stack bench --help"
READ = Reader(HELP)


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--db",
        action="append",
        metavar="NAME",
        help="may be repeated; all: what can be had; sqlite",
    )
    add("--ops", metavar="NAMES", help="all; set* for one, a wrong name lists them")
    shown = ",".join(map(str, ROWS))
    add("--rows", metavar="N,N", help=f"rows in the table; {shown}")
    add("--values", choices=sorted(KINDS), help="of the cache; dict, 144 bytes")
    add("--max-entries", metavar="N", help="1000000, so that nothing is culled")
    add("--peers", metavar="NAMES", help=f"of: {', '.join(PEERS)}; all; none")
    add(
        "--quick", action="store_true", help="1000,50000 rows, fewer and shorter rounds"
    )
    add("--resume", action="store_true", help="go on where a run was interrupted")
    add("--latency", metavar="MS", help="added to each round trip to the server; 0")
    add("--seed", metavar="N", default="1", help="of keys and of chance; 1")
    add("--src", action="store_true", help="patched is django-upstream/src as it is")
    add("--json", metavar="FILE", help="results/bench-NAME.json")
    add("--size", action="store_true", help="bytes on disk instead of times")
    add("--replay", action="store_true", help="hit ratios instead of times")
    add("--traces", metavar="NAMES", help=f"of: {', '.join(NAMES)}; web07,web12")
    backends = ", ".join(replay.BACKENDS)
    add("--backend", metavar="NAME", choices=replay.BACKENDS, help=f"{backends}; db")
    add("--strategy", metavar="NAMES", help="stock,patched")
    add("--limit", metavar="N", help="first requests of each trace only")
    add("--share", metavar="N,N", help="MAX_ENTRIES in %% of distinct keys; 10")
    add("--keys", choices=sorted(replay.KEYS), help="ids as keys; decimal")


# Options that no other run has than that of times, and than --replay.
OF_TIMES = ("ops", "max_entries", "peers", "quick", "resume", "latency")
OF_REPLAY = ("traces", "backend", "strategy", "limit", "share", "keys")


def refuse(
    args: argparse.Namespace, mode: str, others: Sequence[str], want: bool = False
) -> None:
    """Raise StackError if an option is there that does not go with a mode.

    With ``want``: that goes with nothing else.
    """
    for name in others:
        if getattr(args, name) not in (None, False):
            goes = "goes" if want else "does not go"
            option = name.replace("_", "-")
            raise StackError(f"--{option} {goes} with --{mode}", HELP)


def operation_names(text: str) -> list[str]:
    """Split at commas, but not within the name of an operation.

    >>> operation_names("touch, update_or_create fallback, no unique key,incr")
    ['touch', 'update_or_create fallback, no unique key', 'incr']
    """
    whole = [re.escape(name) for name in OPERATIONS if "," in name]
    found = re.findall(rf"\s*({'|'.join([*whole, '[^,]+'])})", text)
    return [name.strip() for name in found if name.strip()]


def whole_numbers(text: str, what: str = "--rows") -> tuple[int, ...]:
    """Return the numbers, of rows for one, that are asked for, each once."""
    found = tuple(dict.fromkeys(READ.whole(each, what) for each in names(text)))
    if not found:
        raise StackError(f"{what}: no number", HELP)
    return found


def peer_names(text: str) -> tuple[str, ...]:
    """Return the peers of those names, each once."""
    asked = {"all": PEERS, "none": ()}.get(text.strip(), names(text))
    for name in asked:
        if name not in PEERS:
            raise StackError(
                f"--peers: no cache is called {name!r}; there are: {', '.join(PEERS)}",
                HELP,
            )
    return tuple(name for name in PEERS if name in asked)


def plan(args: argparse.Namespace) -> Plan:
    """Return what the options ask for."""
    made = replace(
        QUICK if args.quick else Plan(), seed=READ.whole(args.seed, "--seed", 0)
    )
    if args.values is not None:
        made = replace(made, values=args.values)
    if args.rows is not None:
        made = replace(made, rows=whole_numbers(args.rows))
    elif made.values == "page":
        made = replace(made, rows=PAGE_ROWS)
    if args.peers is not None:
        made = replace(made, peers=peer_names(args.peers))
    if args.max_entries is not None:
        limit = READ.whole(args.max_entries, "--max-entries")
        made = replace(made, max_entries=limit)
    if args.ops is not None:
        wished = tuple(each.name for each in select(operation_names(args.ops)))
        made = replace(made, operations=wished)
    if args.latency is not None:
        made = replace(made, latency=READ.positive(args.latency, "--latency"))
    return made


def show(found: Comparison) -> str:
    """Return what a person reads at the end of a run."""
    plan = found.plan
    farther = f", round trips {plan.latency:g} ms longer" if plan.latency else ""
    limits = [str(each) for each in found.limits()]
    more = (found.peer_table(), found.notes(), limits, found.growth())
    parts = [
        f"{found.database} {found.database_version},"
        f" values of {len(pickled(plan.values)):,} bytes pickled,"
        f" MAX_ENTRIES {plan.limit:,}, {plan.rounds} rounds{farther}",
        found.table(),
        LEGEND,
        *("\n".join(lines) for lines in more if lines),
    ]
    return "\n\n".join(parts)


def run(args: argparse.Namespace, project: "Project") -> int:
    # Everything that can be wrong is looked at before the first tree is made.
    if args.replay:
        return run_replay(args, project)
    refuse(args, "replay", OF_REPLAY, want=True)
    if args.size:
        return run_size(args, project)
    wished = plan(args)
    targets = READ.targets(args.db)
    if wished.latency and any(target.family == "sqlite" for target in targets):
        raise StackError("--latency: SQLite is not reached over a network", HELP)
    one_file(args, targets)
    files = partials(args, targets, project)
    stands = stand(args, files, {"options": wished.to_json()})
    djangos = both(args, project)
    if stands:
        now = {"options": wished.to_json(), "ids": djangos["ids"]}
        stands = stand(args, files, now)
    left = [target for target in targets if not stands.get(target.name)]
    for name in [target.name for target in targets if target not in left]:
        say(f"{name}: measured already: {project.shown(files[name].final)}")

    def measure(name: str, url: str, **trees: Any) -> tuple[str, dict[str, Any]]:
        found = compare(url=url, plan=wished, partial=files.get(name), **trees)
        return show(found), found.to_json()

    try:
        return measure_each(left, measure, "bench", args, project, djangos, files)
    except (KeyboardInterrupt, StackError):
        if any(file.rounds for file in files.values()):
            say(f"what is measured is kept; to go on: {command(args, resume=True)}")
        raise


def partials(
    args: argparse.Namespace, targets: Sequence["Target"], project: "Project"
) -> dict[str, Partial]:
    """Return where each database's rounds are kept; name → file.

    None with --src: who knows what is there when it would be gone on with.
    """
    found = {}
    for target in targets if not args.src else ():
        path = project.results / f"bench-{target.name}.partial.json"
        final = project.results / f"bench-{target.name}.json"
        found[target.name] = Partial(
            path=path,
            name=project.shown(path),
            final=Path(args.json) if args.json else final,
            again=command(args, resume=False),
        )
    return found


def stand(
    args: argparse.Namespace, files: Mapping[str, Partial], identity: Mapping[str, Any]
) -> dict[str, bool]:
    """Return standing() with --resume, else nothing."""
    if not args.resume:
        return {}
    refuse(args, "resume", ["src"])
    return standing(files, (Comparison.KIND, Comparison.FORMAT), identity)


def command(args: argparse.Namespace, *, resume: bool) -> str:
    """Return what one types to have this run, with --resume or without."""
    parser = argparse.ArgumentParser()
    configure(parser)
    words = ["./scripts/stack", "bench"]
    wished = {**vars(args), "resume": resume}
    for name, default in vars(parser.parse_args([])).items():
        given = wished[name]
        option = f"--{name.replace('_', '-')}"
        if given is True:
            words.append(option)
        elif given != default:
            for text in given if isinstance(given, list) else [given]:
                words += [option, text]
    return shlex.join(words)


def run_size(args: argparse.Namespace, project: "Project") -> int:
    refuse(args, "size", OF_TIMES)
    rows = whole_numbers(args.rows) if args.rows is not None else (size.ROWS,)
    values = tuple(KINDS) if args.values is None else (args.values,)
    seed = READ.whole(args.seed, "--seed", 0)
    targets = READ.targets(args.db, [name for name in MEASURED if name != "oracle"])
    one_file(args, targets)

    def measure(_: str, url: str, **trees: Any) -> tuple[str, dict[str, Any]]:
        found = size.measure(url=url, rows=rows, values=values, seed=seed, **trees)
        return size.show(found), found.to_json()

    djangos = both(args, project)
    return measure_each(targets, measure, "bench-size", args, project, djangos)


def both(args: argparse.Namespace, project: "Project") -> dict[str, Any]:
    """Return the folders of both Djangos, and the ids of what is in them."""
    from patchstack import trees

    stock = trees.stock(project)
    patched = project.src if args.src else trees.patched(project)
    return {
        STOCK: stock,
        PATCHED: patched,
        "ids": {STOCK: stock.name, PATCHED: patched.name},
    }


def keep(
    found: tuple[str, dict[str, Any]],
    name: str,
    args: argparse.Namespace,
    project: "Project",
) -> None:
    """Print the text of what was found, and write its JSON."""
    text, data = found
    print(text, end="\n\n", flush=True)
    own = project.results / f"{name}.json"
    options.write(data, Path(args.json) if args.json else own, project.root)


def measure_each(
    targets: Sequence["Target"],
    measure: Callable[..., tuple[str, dict[str, Any]]],
    name: str,
    args: argparse.Namespace,
    project: "Project",
    djangos: Mapping[str, Any],
    partial: Mapping[str, Partial] = MappingProxyType({}),
) -> int:
    """Measure on each database; print the text and write the JSON of each.

    ``measure`` takes the name of one, its URL and ``djangos``. ``name`` begins that
    of the JSON file, with which the ``partial`` one of the database goes. StackError,
    at the end, if a database that was named is not to be had.
    """
    from databases.servers import on_each, require

    done: list[str] = []

    def do(target: "Target", database: "Database") -> None:
        if len(targets) > 1:
            so_far = f"; done: {', '.join(done)}" if done else ""
            at = targets.index(target) + 1
            say(f"{target.name}: database {at} of {len(targets)}{so_far}")
        found = measure(target.name, database.url, **djangos)
        keep(found, f"{name}-{target.name}", args, project)
        if file := partial.get(target.name):
            file.path.unlink(missing_ok=True)
        done.append(target.name)

    require(on_each(targets, do), args.db)
    return OK


def one_file(args: argparse.Namespace, targets: Sequence["Target"]) -> None:
    """Raise StackError if several databases were to be in one JSON file."""
    if args.json is not None and len(targets) > 1:
        raise StackError("--json FILE goes with one --db", HELP)


def replay_plan(args: argparse.Namespace) -> replay.Plan:
    """Return what the options of a replay ask for."""
    made = replay.Plan(seed=READ.whole(args.seed, "--seed", 0))
    if args.backend is not None:
        made = replace(made, backend=args.backend)
    if args.strategy is not None:
        made = replace(made, strategies=tuple(dict.fromkeys(names(args.strategy))))
        if not made.strategies:
            raise StackError("--strategy: no name", HELP)
    if args.share is not None:
        made = replace(made, shares=whole_numbers(args.share, "--share"))
    if args.keys is not None:
        made = replace(made, keys=args.keys)
    if args.db is not None and made.backend != replay.DATABASE:
        raise StackError(f"--db goes with --backend {replay.DATABASE}", HELP)
    return made


def run_replay(args: argparse.Namespace, project: "Project") -> int:
    refuse(args, "replay", ["size", "rows", "values", *OF_TIMES])
    wished = replay_plan(args)
    targets = READ.targets(args.db)
    limit = None if args.limit is None else READ.whole(args.limit, "--limit")
    folder = project.root.parent / "shared" / "traces"
    traces = names(args.traces or "web07,web12")
    streams = [load(name, folder, limit, wished.seed) for name in traces]

    def measure(_: str, url: str, **djangos: Any) -> tuple[str, dict[str, Any]]:
        found = replay.replay(streams, plan=wished, url=url, **djangos)
        return replay.show(found), found.to_json()

    one_file(args, targets)
    djangos = both(args, project)
    if wished.backend == replay.DATABASE:
        return measure_each(targets, measure, "bench-replay", args, project, djangos)
    found = measure("", urls.DEFAULT, **djangos)
    keep(found, f"bench-replay-{wished.backend}", args, project)
    return OK
