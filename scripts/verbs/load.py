"""Let processes use one database cache as a site does, stock against patched.

Each side, a strategy, has a database of its own and --processes processes that
share its cache. The sides take turns of --turn seconds, in an order that
rotates, until each was active for --duration seconds. Before that a cache is
filled with MAX_ENTRIES entries, and used for --warmup seconds, not counted.

Keys are drawn by Zipf's law from more than fit into the cache; the streams of
the processes are the same for all sides. A request is one of

  get        get() and on a miss set()       80 of 100, as --mix says
  set        set()                            5
  get_many   10 keys, those missed are set    5, by set_many()
  set_many   10 keys                          1
  add        add()                            3
  touch      touch()                          2
  incr       incr() of a counter              2, which add() makes if it is gone
  delete     delete()                         2

Nothing expires. SQLite is a file in $TMPDIR in WAL mode, synchronous=NORMAL,
and waits 5 s for a lock as in Django. A strategy is stock or patched (their
defaults), what CULL_STRATEGY takes (modules of this folder, too), or lru-1.

The tables show requests/s, latencies, exceptions that reached the caller, and
statements that failed, which a cache may also retry or drop without a word.

  ./scripts/stack load --quick
  ./scripts/stack load --db postgres --strategy stock,patched,lru,sieve
  ./scripts/stack load --mix get=95,set=5 --values page --processes 8
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from common.errors import StackError
from common.progress import say, step
from lab.bench.histogram import Histogram
from lab.bench.replay import options_of, variant_of
from lab.bench.report import Report, circumstances
from lab.bench.rounds import rotated
from lab.bench.values import KINDS, pickled
from lab.client import Worker, sharing, together
from lab.figures import aligned, microseconds, ratio, spread, times, with_spread
from lab.load.mix import ALL, MIX, Window
from lab.options import Reader, names
from lab.variants import PATCHED, STOCK
from verbs.bench import both, measure_each, one_file

if TYPE_CHECKING:
    from common.project import Project

HELP = "./scripts/stack load --help"
READ = Reader(HELP)
ABLE = ("sqlite", "postgresql", "mariadb", "mysql")
MODULE = "lab.load.worker"
KEYS_PER_ENTRY = 5  # of MAX_ENTRIES

HEADER = (
    *("strategy", "requests/s", "ratio", "p50", "p99", "p99.9", "worst"),
    *("hit ratio", "entries", "CPU µs", "errors", "failed"),
)
LEGEND = (
    "requests/s: median of the turns [first - third quartile], those that returned."
    " ratio: to the first row's,\nmedian of each round's ratio. p50 … worst: µs of a"
    " request, with the set() after a miss in it. hit ratio: of\nthe keys asked for by"
    " get() and get_many(). entries: at the end. CPU: of the Python processes, per"
    " request.\nerrors: exceptions that reached the caller. failed: statements that"
    " failed, whatever the cache did then."
)
METHODS = "µs of one call of a method of the cache, p50 / p99:"


@dataclass(frozen=True)
class Plan:
    """What one run does; times are seconds, ``turn`` is about the length of one."""

    strategies: tuple[str, ...] = (STOCK, PATCHED)
    processes: int = 4
    duration: float = 60
    warmup: float = 10
    turn: float = 5
    max_entries: int = 10_000
    keys: int = KEYS_PER_ENTRY * 10_000
    zipf: float = 1.0
    values: str = "dict"
    mix: Mapping[str, float] = field(default_factory=lambda: dict(MIX))
    seed: int = 1

    @property
    def turns(self) -> int:
        return max(1, round(self.duration / self.turn))

    @property
    def seconds(self) -> float:
        """How long a turn lasts, so that all last as long."""
        return self.duration / self.turns


QUICK = Plan(
    processes=2,
    duration=6,
    warmup=2,
    turn=2,
    max_entries=1_000,
    keys=KEYS_PER_ENTRY * 1_000,
)


@dataclass
class Side:
    """What one strategy did, turn by turn.

    ``rates`` are requests per second, ``entries`` those at the end of each turn.
    ``seconds`` are those of all turns, to the end of the last request of each.
    ``windows``: second of the side's active time → what happened.
    """

    strategy: str
    seconds: float = 0
    cpu_seconds: float = 0
    rates: list[float] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    windows: dict[int, Window] = field(default_factory=dict)
    latency: dict[str, Histogram] = field(default_factory=dict)

    def add_turn(
        self, answers: Sequence[Mapping[str, Any]], seconds: float, entries: int
    ) -> None:
        """Add what the processes saw in one turn."""
        before = self.total.calls
        for answer in answers:
            self.cpu_seconds += answer["cpu_seconds"]
            self.errors.update(answer["errors"])
            self.failed.update(answer["failed"])
            for second, window in answer["windows"].items():
                self.windows.setdefault(int(second), Window()).add(Window(**window))
            for name, found in answer["latency"].items():
                self.latency.setdefault(name, Histogram()).merge(Histogram(**found))
        self.seconds += seconds
        self.rates.append((self.total.calls - before) / seconds)
        self.entries.append(entries)

    @property
    def total(self) -> Window:
        """All windows together."""
        whole = Window()
        for window in self.windows.values():
            whole.add(window)
        return whole

    @property
    def hit_ratio(self) -> float | None:
        """Of the keys asked for; None if there were none."""
        total = self.total
        return total.hits / total.gets if total.gets else None

    def to_json(self) -> dict[str, Any]:
        total = self.total
        return {
            "strategy": self.strategy,
            "calls": total.calls,
            "seconds": self.seconds,
            "throughput": {
                "median": median(self.rates),
                "quartiles": spread(self.rates),
                "turns": self.rates,
            },
            "hit_ratio": self.hit_ratio,
            "hits": total.hits,
            "gets": total.gets,
            "errors": dict(self.errors),
            "failed_statements": dict(self.failed),
            "latency_us": {
                name: latencies(found) for name, found in self.latency.items()
            },
            "windows": [
                {"second": second, **asdict(window)}
                for second, window in sorted(self.windows.items())
            ],
            "entries": self.entries,
            "cpu_seconds": self.cpu_seconds,
        }


def latencies(found: Histogram) -> dict[str, float]:
    """Return what is told of a histogram: µs, and how many times it holds."""
    return {
        "p50": found.quantile(0.5) / 1_000,
        "p99": found.quantile(0.99) / 1_000,
        "p999": found.quantile(0.999) / 1_000,
        "worst": found.worst / 1_000,
        "calls": len(found),
    }


@dataclass(frozen=True)
class Load(Report):
    """Everything of one run."""

    KIND = "load"
    FORMAT = 1

    plan: Plan
    sides: Sequence[Side]

    @property
    def base(self) -> Side:
        """What the others are compared with: stock, or the first without it."""
        return next(
            (each for each in self.sides if each.strategy == STOCK), self.sides[0]
        )

    @property
    def ratios(self) -> dict[str, float]:
        """Strategy → its throughput / that of the base."""
        return {
            each.strategy: ratio(each.rates, self.base.rates) for each in self.sides
        }

    def to_json(self) -> dict[str, Any]:
        return {
            **self.head(),
            "options": asdict(self.plan),
            "results": [each.to_json() for each in self.sides],
            "base": self.base.strategy,
            "ratios": self.ratios,
        }


def cells(found: Load) -> list[list[str]]:
    """Return the rows of the table as text."""
    rows = []
    for each in found.sides:
        whole = latencies(each.latency[ALL])
        hits, total = each.hit_ratio, each.total
        rows.append(
            [
                each.strategy,
                with_spread(each.rates),
                times(found.ratios[each.strategy]),
                *(microseconds(whole[name]) for name in ("p50", "p99", "p999")),
                microseconds(whole["worst"]),
                "-" if hits is None else f"{hits:.4f}",
                f"{each.entries[-1]:,}",
                microseconds(each.cpu_seconds * 1_000_000 / max(total.calls, 1)),
                f"{total.errors:,}",
                f"{each.failed.total():,}",
            ]
        )
    return rows


def method_cells(sides: Sequence[Side]) -> list[list[str]]:
    """Return a row for each method of the cache that a side called."""
    called = {name for each in sides for name in each.latency}

    def shown(side: Side, name: str) -> str:
        if name not in side.latency:
            return "-"
        found = latencies(side.latency[name])
        return f"{microseconds(found['p50'])} / {microseconds(found['p99'])}"

    return [
        [name, *(shown(side, name) for side in sides)] for name in MIX if name in called
    ]


def what_failed(sides: Sequence[Side]) -> list[str]:
    """Return a line for each kind of exception, and of failed statement."""
    return [
        f"{each.strategy}, {what}: {count:,} x {name}"
        for each in sides
        for what, counts in (("error", each.errors), ("failed", each.failed))
        for name, count in counts.most_common()
    ]


def show(found: Load) -> str:
    """Return what a person reads at the end of a run."""
    plan = found.plan
    parts = [
        f"{found.database} {found.database_version}, {plan.processes} processes,"
        f" MAX_ENTRIES {plan.max_entries:,}, {plan.keys:,} keys by Zipf {plan.zipf:g},"
        f" values of {len(pickled(plan.values)):,} bytes pickled,"
        f" {plan.turns} turns of {plan.seconds:g} s",
        aligned(HEADER, cells(found)),
        LEGEND,
        METHODS,
        aligned(("method", *plan.strategies), method_cells(found.sides)),
        "\n".join(what_failed(found.sides)),
    ]
    return "\n\n".join(part for part in parts if part)


def load(
    *,
    stock: Path,
    patched: Path,
    url: str,
    plan: Plan,
    ids: Mapping[str, str] | None = None,
) -> Load:
    """Have each strategy take its turns on the database server that ``url`` names."""
    trees = {STOCK: stock, PATCHED: patched}
    opened: dict[str, dict[str, Any]] = {}
    crews: dict[str, list[Worker]] = {}
    with tempfile.TemporaryDirectory(prefix="load-") as name, ExitStack() as stack:
        for number, strategy in enumerate(plan.strategies):
            own = Path(name) / str(number)
            own.mkdir()
            variant = variant_of(strategy)
            processes = [f"{strategy} process {each}" for each in range(plan.processes)]
            crews[strategy], opened[variant] = stack.enter_context(
                sharing(f"load{number}", trees[variant], url, own, MODULE, processes)
            )
        with step(f"filling {plan.max_entries:,} entries, {', '.join(crews)}"):
            fill(crews, plan)
        for strategy, workers in crews.items():
            with step(f"warming up, {strategy}"):
                together(workers, "run", seconds=plan.warmup, offset=0)
        sides = take_turns(crews, plan)
    return Load(**circumstances(opened, ids), plan=plan, sides=sides)


def fill(crews: Mapping[str, Sequence[Worker]], plan: Plan) -> None:
    """Make the caches: the first process of each does, then the others use it."""

    def send(worker: Worker, strategy: str, number: int) -> None:
        worker.send(
            "cache",
            fill=None if number else plan.max_entries,
            number=number,
            options=options_of(strategy, plan.max_entries),
            path=[str(Path.cwd())],
            keys=plan.keys,
            zipf=plan.zipf,
            mix=plan.mix,
            values=plan.values,
            seed=plan.seed,
        )

    for which in (slice(1), slice(1, None)):
        for strategy, workers in crews.items():
            for number, worker in list(enumerate(workers))[which]:
                send(worker, strategy, number)
        for workers in crews.values():
            for worker in workers[which]:
                worker.receive()


def take_turns(crews: Mapping[str, Sequence[Worker]], plan: Plan) -> list[Side]:
    """Have the crews use their caches, one after the other in each round."""
    sides = {strategy: Side(strategy) for strategy in crews}
    for turn in range(plan.turns):
        for strategy in rotated(crews, turn):
            answers, seconds = together(
                crews[strategy],
                "run",
                seconds=plan.seconds,
                offset=turn * plan.seconds,
            )
            entries = crews[strategy][0].ask("entries")["entries"]
            sides[strategy].add_turn(answers, seconds, entries)
        rates = ", ".join(f"{s} {side.rates[-1]:,.0f}/s" for s, side in sides.items())
        say(f"turn {turn + 1} of {plan.turns}: {rates}")
    return list(sides.values())


def configure(parser: argparse.ArgumentParser) -> None:
    made = Plan()
    add = parser.add_argument
    add("--db", action="append", metavar="NAME", help="may be repeated; or all; sqlite")
    add("--strategy", metavar="NAMES", help=",".join(made.strategies))
    add("--processes", metavar="N", help=f"of each side; {made.processes}")
    add("--duration", metavar="S", help=f"of each side; {made.duration:g}")
    add("--warmup", metavar="S", help=f"of each side; {made.warmup:g}")
    add("--turn", metavar="S", help=f"how long a side goes on; {made.turn:g}")
    add("--max-entries", metavar="N", help=f"{made.max_entries}")
    add("--keys", metavar="N", help=f"different ones; {KEYS_PER_ENTRY} x MAX_ENTRIES")
    add("--zipf", metavar="A", help=f"exponent of the popularity; {made.zipf}")
    add("--values", choices=sorted(KINDS), help="dict, 144 bytes")
    add("--mix", metavar="NAME=WEIGHT,…", help="as above")
    add("--seed", metavar="N", default=str(made.seed), help=f"of chance; {made.seed}")
    add("--quick", action="store_true", help="small and short")
    add("--src", action="store_true", help="patched is django-upstream/src as it is")
    add("--json", metavar="FILE", help="results/load-NAME.json")


def mix(text: str) -> dict[str, float]:
    """Return name → weight.

    >>> mix("get=9, set=1")
    {'get': 9.0, 'set': 1.0}
    """
    found: dict[str, float] = {}
    for part in names(text):
        name, given, weight = (word.strip() for word in part.partition("="))
        if not given:
            raise StackError(f"--mix: {part!r} is not NAME=WEIGHT", HELP)
        if name not in MIX:
            raise StackError(
                f"--mix: no request is called {name!r}; there are: {', '.join(MIX)}",
                HELP,
            )
        if name in found:
            raise StackError(f"--mix: {name} is there twice", HELP)
        found[name] = READ.positive(weight, f"--mix: {name}")
    if not found:
        raise StackError("--mix: no request", HELP)
    return found


def plan(args: argparse.Namespace) -> Plan:
    """Return what the options ask for."""
    made = QUICK if args.quick else Plan()
    given: dict[str, Any] = {"seed": READ.whole(args.seed, "--seed", 0)}
    for name in ("processes", "max_entries", "keys"):
        if (text := getattr(args, name)) is not None:
            given[name] = READ.whole(text, f"--{name.replace('_', '-')}")
    for name in ("duration", "warmup", "turn", "zipf"):
        if (text := getattr(args, name)) is not None:
            given[name] = READ.positive(text, f"--{name}")
    if args.strategy is not None:
        given["strategies"] = tuple(dict.fromkeys(names(args.strategy)))
        if not given["strategies"]:
            raise StackError("--strategy: no name", HELP)
    if args.values is not None:
        given["values"] = args.values
    if args.mix is not None:
        given["mix"] = mix(args.mix)
    wished = replace(made, **given)
    if "keys" not in given:
        wished = replace(wished, keys=KEYS_PER_ENTRY * wished.max_entries)
    if wished.keys <= wished.max_entries:
        raise StackError(
            f"--keys: {wished.keys:,} are not more than MAX_ENTRIES,"
            f" {wished.max_entries:,}",
            HELP,
        )
    return wished


def run(args: argparse.Namespace, project: "Project") -> int:
    # Everything that can be wrong is looked at before the first tree is made.
    wished = plan(args)
    targets = READ.targets(args.db, ABLE)
    one_file(args, targets)

    def measure(_: str, url: str, **djangos: Any) -> tuple[str, dict[str, Any]]:
        found = load(url=url, plan=wished, **djangos)
        return show(found), found.to_json()

    djangos = both(args, project)
    return measure_each(targets, measure, "load", args, project, djangos)
