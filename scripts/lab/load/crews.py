"""Let crews of processes use one database cache each, in turns."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from common.progress import say, step
from lab import runs
from lab.bench.replay import options_of, variant_of
from lab.bench.values import pickled
from lab.client import Worker, together
from lab.figures import (
    aligned,
    microseconds,
    ratio,
    rotated,
    spread,
    times,
    with_spread,
)
from lab.load.mix import quantile
from lab.variants import PATCHED, STOCK

KIND, FORMAT = "load", 1
WORKER = "lab.load.worker"
KEYS_PER_ENTRY = 5  # of MAX_ENTRIES

KEYS, COUNTS = ("gets", "hits"), ("latency", "errors", "failed")
SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "worst": 1}
# What a crew did in one turn: its calls, gets, hits, entries at the end, calls a second
# ("rate"), and its COUNTS.
type Turn = dict[str, Any]

HEADER = (
    *("strategy", "requests/s", "ratio", "p50", "p99", "p99.9", "worst"),
    *("hit ratio", "entries", "errors", "failed"),
)
LEGEND = (
    "requests/s: median of the turns [first - third quartile], those that returned."
    " ratio: to the base's,\nmedian of each round's ratio. p50 … worst: µs of a"
    " request, with the set() after a miss. hit ratio: of\nthe keys that get() and"
    " get_many() asked for. entries: at the end.\nerrors: exceptions that reached the"
    " caller. failed: statements that failed, whatever the cache did then."
)


@dataclass(frozen=True)
class Plan:
    """What one run does; times are seconds, ``turn`` is about the length of one."""

    strategies: tuple[str, ...] = (STOCK, PATCHED)
    processes: int = 4
    duration: float = 60
    warmup: float = 10
    turn: float = 5
    max_entries: int = 10_000
    values: str = "dict"
    seed: int = 1

    @property
    def keys(self) -> int:
        return KEYS_PER_ENTRY * self.max_entries

    @property
    def turns(self) -> int:
        return max(1, round(self.duration / self.turn))

    @property
    def seconds(self) -> float:
        """The length of a turn: all are equally long."""
        return self.duration / self.turns


QUICK = Plan(processes=2, duration=6, warmup=2, turn=2, max_entries=1_000)


def load(
    *,
    stock: Path,
    patched: Path,
    url: str,
    plan: Plan,
    ids: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Have each strategy take its turns on the database server that ``url`` names.

    Return the data of the JSON file.
    """
    trees = {STOCK: stock, PATCHED: patched}
    data = runs.head(KIND, FORMAT, ids) | {"options": asdict(plan)}
    crews: dict[str, list[Worker]] = {}
    with tempfile.TemporaryDirectory(prefix="load-") as made, ExitStack() as stack:
        for number, strategy in enumerate(plan.strategies):
            own = Path(made) / str(number)
            own.mkdir()
            variant = variant_of(strategy)
            processes = [f"{strategy} process {each}" for each in range(plan.processes)]
            where = trees[variant], url, own, WORKER, processes
            name = f"load{number}"
            crews[strategy] = runs.start(stack, data, variant, name, *where)
        with step(f"filling {plan.max_entries:,} entries, {', '.join(crews)}"):
            fill(crews, plan)
        for strategy, workers in crews.items():
            with step(f"warming up, {strategy}"):
                together(workers, "run", seconds=plan.warmup)
        return data | compared(take_turns(crews, plan))


def fill(crews: Mapping[str, Sequence[Worker]], plan: Plan) -> None:
    """Make the caches: the first process of each does, then the others use it."""
    for which in (slice(1), slice(1, None)):
        for strategy, workers in crews.items():
            for number, worker in list(enumerate(workers))[which]:
                worker.send(
                    "cache",
                    fill=None if number else plan.max_entries,
                    number=number,
                    options=options_of(strategy, plan.max_entries),
                    path=[str(Path.cwd())],
                    keys=plan.keys,
                    values=plan.values,
                    seed=plan.seed,
                )
        for workers in crews.values():
            for worker in workers[which]:
                worker.receive()


def take_turns(
    crews: Mapping[str, Sequence[Worker]], plan: Plan
) -> dict[str, list[Turn]]:
    """Have the crews use their caches, one after the other in each round."""
    turns: dict[str, list[Turn]] = {strategy: [] for strategy in crews}
    for number in range(plan.turns):
        for strategy in rotated(crews, number):
            workers = crews[strategy]
            answers, seconds = together(workers, "run", seconds=plan.seconds)
            turns[strategy].append(turn(answers, seconds, **workers[0].ask("entries")))
        rates = ", ".join(f"{s} {made[-1]['rate']:,.0f}/s" for s, made in turns.items())
        say(f"turn {number + 1} of {plan.turns}: {rates}")
    return turns


def turn(answers: Sequence[Mapping[str, Any]], seconds: float, entries: int) -> Turn:
    """Add up what the processes saw in one turn."""
    sums = {name: sum(each[name] for each in answers) for name in ("calls", *KEYS)}
    counts = {name: added(each[name] for each in answers) for name in COUNTS}
    return {**sums, **counts, "rate": sums["calls"] / seconds, "entries": entries}


def added(counts: Iterable[Any]) -> Counter[Any]:
    total = Counter[Any]()
    for each in counts:
        total.update(dict(each))
    return total


def result(strategy: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return what one side did in all of its turns, as in the JSON file."""
    rates = [each["rate"] for each in turns]
    gets, hits = (sum(each[name] for each in turns) for name in KEYS)
    latency, errors, failed = (added(each[n] for each in turns) for n in COUNTS)
    return {
        "strategy": strategy,
        "calls": sum(each["calls"] for each in turns),
        "throughput": {
            "median": median(rates),
            "quartiles": spread(rates),
            "turns": rates,
        },
        "hit_ratio": hits / gets if gets else None,
        "errors": dict(errors),
        "failed_statements": dict(failed),
        "latency_us": {"all": {n: quantile(latency, q) for n, q in SHARES.items()}},
        "entries": [each["entries"] for each in turns],
    }


def compared(turns: Mapping[str, Sequence[Turn]]) -> dict[str, Any]:
    """Return the results, and each throughput / the base's: stock's, or the first."""
    results = [result(strategy, made) for strategy, made in turns.items()]
    rates = {each["strategy"]: each["throughput"]["turns"] for each in results}
    base = STOCK if STOCK in rates else next(iter(rates))
    ratios = {strategy: ratio(each, rates[base]) for strategy, each in rates.items()}
    return {"results": results, "ratios": ratios}


def show(data: Mapping[str, Any]) -> str:
    """Return what a person reads at the end of a run."""
    plan, sides = Plan(**data["options"]), data["results"]
    what = [
        f"{each['strategy']}, {kind}: {count:,} x {name}"
        for each in sides
        for kind, counts in (
            ("error", each["errors"]),
            ("failed", each["failed_statements"]),
        )
        for name, count in Counter(counts).most_common()
    ]
    parts = [
        f"{data['database']['name']} {data['database']['version']},"
        f" {plan.processes} processes,"
        f" MAX_ENTRIES {plan.max_entries:,}, {plan.keys:,} keys by Zipf's law,"
        f" values of {len(pickled(plan.values)):,} bytes pickled,"
        f" {plan.turns} turns of {plan.seconds:g} s",
        aligned(HEADER, [cells(each, data["ratios"]) for each in sides]),
        LEGEND,
        "\n".join(what),
    ]
    return "\n\n".join(part for part in parts if part)


def cells(side: Mapping[str, Any], ratios: Mapping[str, float]) -> list[str]:
    """Return the row of a side as text."""
    whole, hits = side["latency_us"]["all"], side["hit_ratio"]
    return [
        side["strategy"],
        with_spread(side["throughput"]["turns"]),
        times(ratios[side["strategy"]]),
        *(microseconds(whole[name]) for name in ("p50", "p99", "p999", "worst")),
        "-" if hits is None else f"{hits:.4f}",
        f"{side['entries'][-1]:,}",
        f"{sum(side['errors'].values()):,}",
        f"{sum(side['failed_statements'].values()):,}",
    ]
