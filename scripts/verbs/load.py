"""Let processes use one database cache as a site does, stock against patched.

Each side, a strategy, has a database of its own and --processes processes that
share its cache. The sides take turns of --turn seconds, in an order that
rotates, until each was active for --duration seconds. Before that a cache is
filled with MAX_ENTRIES entries, and used for --warmup seconds, not counted.

Keys are drawn by Zipf's law from five times as many as MAX_ENTRIES. The streams
of the processes are the same for all sides. A request is one of

  get        get() and on a miss set()       80 of 100
  set        set()                            5
  get_many   10 keys; set_many() of misses    5
  set_many   10 keys                          1
  add        add()                            3
  touch      touch()                          2
  incr       incr() of a counter, or add()    2
  delete     delete()                         2

Nothing expires. SQLite is a file in $TMPDIR in WAL mode, synchronous=NORMAL,
and waits 5 s for a lock as in Django. A strategy is stock or patched (their
defaults), a value of CULL_STRATEGY (modules of this folder, too), or lru-1.

The tables show requests/s, latencies, exceptions that reached the caller, and
statements that failed, which a cache may also retry or drop without a word.

  ./scripts/stack load --quick
  ./scripts/stack load --db postgres --strategy stock,patched,lru,sieve
  ./scripts/stack load --values page --processes 8
"""

import argparse
from functools import partial
from typing import TYPE_CHECKING

from common.errors import OK
from lab import runs
from lab.bench.values import KINDS
from lab.load.crews import QUICK, Plan, load, show
from lab.options import Reader

if TYPE_CHECKING:
    from common.project import Project

HELP = "./scripts/stack load --help"
READ = Reader(HELP)
ABLE = ("sqlite", "postgresql", "mariadb", "mysql")


def configure(parser: argparse.ArgumentParser) -> None:
    made = Plan()
    runs.configure(parser, READ)
    option = partial(runs.option, parser)
    option("--strategy", READ.names, "NAMES", ",".join(made.strategies))
    option("--processes", READ.whole, "N", f"of each side; {made.processes}")
    option("--max-entries", READ.whole, "N", f"{made.max_entries}")
    option("--duration", READ.positive, "X", f"seconds of each side; {made.duration:g}")
    option("--warmup", READ.positive, "X", f"seconds of each side; {made.warmup:g}")
    option("--turn", READ.positive, "X", f"seconds of one turn; {made.turn:g}")
    add = parser.add_argument
    add("--values", choices=sorted(KINDS), help="dict, 144 bytes")
    add("--quick", action="store_true", help="small and short")


def run(args: argparse.Namespace, project: "Project") -> int:
    # Everything that can be wrong is looked at before the first tree is made.
    made = runs.changed(QUICK if args.quick else Plan(), args)
    targets = runs.targets(args, READ, ABLE)
    measure = partial(load, plan=made, **runs.djangos(project, src=args.src))
    runs.on_each(targets, measure, show, "load", args, project)
    return OK
