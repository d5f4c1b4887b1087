"""Measure cache and ORM operations on stock and patched Django in one run.

Each has a process and a database of its own with the same rows, and they take
turns at each operation in every round. With --peers other caches take part on
stock Django, by default all that can run, with --quick none: django-mysql's in
MariaDB and MySQL, diskcache in files, private servers of Redis and memcached.
The tables show CPU time (of the Python process) and wall time per call, their
quartiles, ratios and statements. "bare" is the statement of a call by itself,
"raw" the driver by itself; "in atomic" is a transaction per call.

SQLite runs on files in $TMPDIR, in WAL mode. A server gets databases that are
dropped at the end; --latency puts a proxy before it. A page (--values) has 9
kB; pages have 1000,10000 rows. --resume leaves out each database that results/
has with the same options and patches.

--size shows the bytes on disk of 10,000 entries of each kind of values.
--replay sends request streams (from ../shared/traces, or synthetic
ones, as the table says) through a real cache, get and on a miss set, for hit
ratios and writes. "loop" gets 1,100 keys in turn. "scan" is zipf-1.0, but each
fifth thousand of its requests is for keys that come once. A strategy is a
value of CULL_STRATEGY (modules of this folder, too), lru-1 (LRU one at a
time), stock or patched (their defaults).

  ./scripts/stack bench --quick --db postgres --db mariadb --ops "set*,touch"
  ./scripts/stack bench --db postgres --latency 1 --ops "update_or_create*"
  ./scripts/stack bench --replay --backend locmem --strategy lru-1,sieve
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from common.errors import OK, StackError
from common.progress import say
from databases import urls
from lab import runs
from lab.bench import compare, replay, size, traces
from lab.bench.operations import select
from lab.bench.peers import NAMES as PEERS
from lab.bench.values import KINDS
from lab.options import MEASURED, Reader

if TYPE_CHECKING:
    from common.project import Project

HELP = "./scripts/stack bench --help"
READ = Reader(HELP)
# Options of one kind of run only.
OF_TIMES = ("ops", "rows", "values", "peers", "quick", "resume", "latency")
OF_REPLAY = ("traces", "backend", "strategy", "limit", "share", "entries")


def operation_names(text: str) -> tuple[str, ...]:
    """Return the operations that are named; a comma and a space is part of a name.

    >>> operation_names("touch,update_or_create fallback, no unique key")
    ('touch', 'update_or_create fallback, no unique key')
    """
    return tuple(each.name for each in select(re.split(r",(?! )", text)))


def peer_names(text: str) -> tuple[str, ...]:
    """Return the peers of those names, each once."""
    known = {"all": PEERS, "none": ()}
    asked = known[text] if text in known else READ.names(text, "--peers")
    for name in asked:
        if name not in PEERS:
            raise StackError(
                f"--peers: no cache is called {name!r}; there are: {', '.join(PEERS)}",
                HELP,
            )
    return tuple(name for name in PEERS if name in asked)


def configure(parser: argparse.ArgumentParser) -> None:
    runs.configure(parser, READ)
    add, option = parser.add_argument, partial(runs.option, parser)
    names = "set*, for example; a wrong name lists them; all"
    add("--ops", type=operation_names, metavar="NAMES", help=names)
    option("--rows", READ.wholes, "N,N", "in the table; 1000,10000,300000")
    add("--values", choices=sorted(KINDS), help="of the cache; dict, 144 bytes")
    names = f"of: {', '.join(PEERS)}; all; none"
    add("--peers", type=peer_names, metavar="NAMES", help=names)
    add("--quick", action="store_true", help="1000,50000 rows, fewer, shorter rounds")
    add("--resume", action="store_true", help="leave out what is measured")
    longer = "added to each round trip to the server; 0"
    option("--latency", READ.positive, "MS", longer)
    add("--size", action="store_true", help="bytes on disk instead of times")
    add("--replay", action="store_true", help="hit ratios instead of times")
    named = f"of: {', '.join(traces.NAMES)}; web07,web12"
    option("--traces", READ.names, "NAMES", named)
    add("--backend", choices=replay.BACKENDS, help="of --replay; db")
    option("--strategy", READ.names, "NAMES", "stock,patched")
    option("--limit", READ.whole, "N", "requests of each trace; all")
    option("--share", READ.wholes, "N,N", "MAX_ENTRIES in %% of distinct keys; 10")
    option("--entries", READ.wholes, "N,N", "MAX_ENTRIES, instead of --share")


def refuse(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Raise StackError if one of those options is given."""
    for name in names:
        if getattr(args, name) not in (None, False):
            raise StackError(f"--{name} {why}", HELP)


def times_plan(args: argparse.Namespace) -> compare.Plan:
    made = compare.QUICK if args.quick else compare.Plan()
    if args.values == "page":
        made = replace(made, rows=compare.PAGE_ROWS)
    return runs.changed(made, args)


def run(args: argparse.Namespace, project: "Project") -> int:
    # Everything that can be wrong is looked at before the first tree is made.
    if args.replay:
        return run_replay(args, project)
    refuse(args, OF_REPLAY, "goes with --replay")
    if args.size:
        return run_size(args, project)
    plan = times_plan(args)
    targets = runs.targets(args, READ)
    if plan.latency and any(target.family == "sqlite" for target in targets):
        raise StackError("--latency: SQLite is not reached over a network", HELP)
    djangos = runs.djangos(project, src=args.src)
    same = {"kind": compare.KIND, "options": plan.to_json(), "ids": djangos["ids"]}
    for target in targets if args.resume and not args.src else ():
        file = runs.file_of(args, f"bench-{target.name}", project)
        if runs.measured(file, same):
            say(f"{target.name}: measured already: {project.shown(file)}")
            targets = [each for each in targets if each is not target]
    measure = partial(compare.compare, plan=plan, **djangos)
    runs.on_each(targets, measure, compare.show, "bench", args, project)
    return OK


def run_size(args: argparse.Namespace, project: "Project") -> int:
    refuse(args, OF_TIMES, "does not go with --size")
    targets = runs.targets(args, READ, [name for name in MEASURED if name != "oracle"])
    measure = partial(size.measure, **runs.djangos(project, src=args.src))
    runs.on_each(targets, measure, size.show, "bench-size", args, project)
    return OK


def run_replay(args: argparse.Namespace, project: "Project") -> int:
    refuse(args, ("size", *OF_TIMES), "does not go with --replay")
    plan = runs.changed(replay.Plan(), args)
    if plan.entries:
        refuse(args, ("share",), "does not go with --entries")
    if args.db is not None and plan.backend != replay.DATABASE:
        raise StackError(f"--db goes with --backend {replay.DATABASE}", HELP)
    targets = runs.targets(args, READ)
    folder = project.root.parent / "shared" / "traces"
    named = args.traces or ("web07", "web12")
    streams = [traces.load(name, folder, args.limit, plan.seed) for name in named]
    djangos = runs.djangos(project, src=args.src)
    measure = partial(replay.replay, streams, plan=plan, **djangos)
    name = "bench-replay"
    if plan.backend == replay.DATABASE:
        runs.on_each(targets, measure, replay.show, name, args, project)
    else:
        file = runs.file_of(args, f"{name}-{plan.backend}", project)
        runs.keep(measure(url=urls.DEFAULT), replay.show, file, project)
    return OK
