"""The phases, and the processes that do them together.

A new phase is a function of the crew and the plan in PHASES.
"""

import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from common.progress import step
from lab.calls import names
from lab.client import OPENED, Worker, sharing, started, together
from lab.stress import judge
from lab.stress.mix import DAY, KEYS
from lab.stress.shared import numbers, wait_for
from lab.stress.values import Origin
from lab.stress.worker import RECORD

MODULE = "lab.stress.worker"
BACKEND = "django/core/cache/backends/db.py"
COMMAND = "django/core/management/commands/createcachetable.py"
CULLS_NOTHING = {"MAX_ENTRIES": 1_000_000}
ROUNDS = 200  # of add() in a request
PAST = -1_000  # seconds; a timeout that is over
STRATEGIES = ("random", "fifo", "lru", "lfu", "sieve", "ttl")
# Half of the keys, so that "random" culls enough when it culls half of the rows.
ROOM = len(KEYS) // 2
CULLS = {"MAX_ENTRIES": ROOM, "CULL_FREQUENCY": 2, "CULL_PROBABILITY": 0.2}
SIZES = (20_000, 300_000)  # bytes of a value of a writer that is killed
CONVERTED = {"--upgrade": "data", "--downgrade": "value"}  # flag → column then
REST = 0.25  # seconds; a process that sleeps through two conversions cannot see that
KEPT = 600  # rows, more than the command converts in a transaction
EXPECTED = re.compile("in a transaction (Operational|Programming)Error")
KILL_WITHIN = 0.25  # seconds from the first call of a writer


@dataclass(frozen=True)
class Plan:
    """The size of each phase; ``seconds`` is how long a timed one may last."""

    processes: int = 8
    seconds: float = 30
    calls: int = 100_000
    kills: int = 20
    rows: int = 10_000


@dataclass(frozen=True)
class Outcome:
    """The result of a phase; each finding and each note is a line."""

    done: str
    findings: Sequence[str] = ()
    notes: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """The phases on one database; ``variant`` is stock or patched."""

    database: str
    version: str
    variant: str
    outcomes: Mapping[str, Outcome]

    @property
    def findings(self) -> int:
        return sum(len(each.findings) for each in self.outcomes.values())


@dataclass(frozen=True)
class Crew:
    """The processes on one database, whose name is ``name``; the first made it."""

    workers: Sequence[Worker]
    name: str
    folder: Path
    tree: Path
    url: str

    def use(self, table: str, options: Mapping[str, Any]) -> None:
        """Have all use a cache on a table, which the first makes and clears."""
        for worker in self.workers:
            make = worker is self.workers[0]
            worker.ask("cache", table=table, options=options, make=make)

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Ask the first."""
        return self.workers[0].ask(do, **arguments)

    def call(self, method: str, *arguments: object) -> dict[str, Any]:
        """Have the first call a method of the cache."""
        return self.ask("call", method=method, arguments=arguments)

    def together(self, do: str, **arguments: object) -> list[dict[str, Any]]:
        """Have all begin at one moment; return the answers."""
        answers, _ = together(self.workers, do, **arguments)
        return answers

    @contextmanager
    def another(self, name: str, table: str = "stress") -> Iterator[Worker]:
        """Start one more process, on a table."""
        with started(name, self.tree, self.url, self.folder, MODULE) as worker:
            worker.ask("join", name=self.name, **OPENED)
            worker.ask("cache", table=table, options=CULLS_NOTHING, make=False)
            yield worker


def incr(crew: Crew, plan: Plan) -> Outcome:
    """Let all call incr() on a few keys."""
    keys = names(10)
    crew.call("set_many", dict.fromkeys(keys, 0))
    calls = -(-plan.calls // plan.processes)
    answers = crew.together("incr", keys=keys, calls=calls, seconds=plan.seconds)
    returned = sum(answer["returned"] for answer in answers)
    total = sum(crew.call("get_many", keys)["result"].values())
    findings = judge.raised(answers)
    if total != returned:
        findings.append(
            f"{returned:,} calls returned, but the sum of the values is {total:,}"
        )
    return Outcome(f"{returned:,} of {plan.calls:,} calls", findings)


def add(crew: Crew, plan: Plan) -> Outcome:
    """Let all add() the same key, round after round."""
    findings: list[str] = []
    rounds = 0
    ends = time.monotonic() + plan.seconds
    barrier = {"path": str(crew.folder / "barrier"), "processes": plan.processes}
    while not rounds or time.monotonic() < ends:
        keys = names(ROUNDS, rounds)
        expired = keys[1::2]
        crew.ask("fill", keys=expired, size=RECORD, timeout=PAST)
        answers = crew.together("add", keys=keys, **barrier)
        won = [answer["won"] for answer in answers]
        held = crew.ask("holders", keys=keys)["held"]
        findings += judge.raised(answers)
        findings += judge.wrong_adds(won, held, expired)
        rounds += len(keys)
    done = f"{rounds:,} rounds of {plan.processes}, {rounds // 2:,} on an expired row"
    return Outcome(done, findings)


def mix(crew: Crew, plan: Plan, transactions: bool = False) -> Outcome:
    """Let all make random calls."""
    answers = crew.together("mix", seconds=plan.seconds, transactions=transactions)
    calls, failed, culls = judge.sums(answers, "calls", "failed", "culled")
    read = len(judge.read(answers))
    return Outcome(
        f"{calls:,} calls on {len(KEYS)} keys, {read:,} records read, {culls:,} culled",
        judge.wrong_mix(answers),
        [f"set_many() returned {failed:,} keys as failed"] if failed else [],
    )


def cull(crew: Crew, plan: Plan) -> Outcome:
    """Let all make random calls where there is too little room, by each strategy."""
    if "CULL_STRATEGY" not in (crew.tree / BACKEND).read_text("utf-8"):
        return Outcome("nothing: this Django has no CULL_STRATEGY")
    findings: list[str] = []
    figures: dict[str, dict[str, int]] = {}
    for strategy in STRATEGIES:
        table, options = f"stress_{strategy}", CULLS | {"CULL_STRATEGY": strategy}
        crew.use(table, options)
        answers = crew.together(
            "mix", seconds=plan.seconds / len(STRATEGIES), transactions=True
        )
        # The last set() culls for certain.
        options["CULL_PROBABILITY"] = 1
        crew.ask("cache", table=table, options=options, make=False)
        last = crew.call("set", KEYS[0], "last")
        left = crew.ask("rows")["rows"]
        wrong = [*judge.wrong_mix(answers), *judge.raised([last])]
        if left > ROOM + 1:
            wrong.append(f"{left} rows are left, but MAX_ENTRIES is {ROOM}")
        findings += [f"{strategy}: {line}" for line in wrong]
        calls, culled, hooks, deadlocks = judge.sums(
            answers, "calls", "culled", "hooks", "deadlocks"
        )
        figures[strategy] = {
            "calls": calls,
            "rows culled": culled,
            "rows left": left,
            "failed after a commit": hooks,
            "deadlocks in transactions": deadlocks,
        }
    calls = sum(each["calls"] for each in figures.values())
    notes = [
        ", ".join(f"{count:,} {what}" for what, count in each.items() if count)
        for each in figures.values()
    ]
    return Outcome(
        f"{calls:,} calls on {len(KEYS)} keys, MAX_ENTRIES {ROOM}",
        findings,
        [f"{strategy}: {note}" for strategy, note in zip(figures, notes, strict=True)],
        figures,
    )


def keep(crew: Crew, plan: Plan) -> Outcome:
    """Let all read rows that nobody changes."""
    keys = names(KEPT)
    crew.ask("fill", keys=keys, size=RECORD, timeout=DAY)
    answers = crew.together("keep", keys=keys, seconds=plan.seconds)
    broken = sorted({line for answer in answers for line in answer["broken"]})
    (calls,) = judge.sums(answers, "calls")
    return Outcome(f"{calls:,} reads of {KEPT} keys", [*judge.raised(answers), *broken])


def convert(crew: Crew, plan: Plan) -> Outcome:
    """Let all use a table that is converted again and again."""
    if "--downgrade" not in (crew.tree / COMMAND).read_text("utf-8"):
        return Outcome("nothing: this Django has no createcachetable --downgrade")
    parts: list[Any] = [partial(mix, transactions=True), incr, keep]
    part = replace(plan, seconds=plan.seconds / len(parts))
    lines: list[str] = []
    done: list[str] = []
    count, table = 0, "stress_convert"
    with (
        ThreadPoolExecutor(1) as pool,
        crew.another("converter 0", table) as first,
        crew.another("converter 1", table) as second,
    ):
        together([first], "convert", flag="--downgrade")
        for phase in parts:
            crew.use(table, CULLS if phase is parts[0] else CULLS_NOTHING)
            using = pool.submit(phase, crew, part)
            while not using.done():
                for flag, column in CONVERTED.items():
                    time.sleep(REST)
                    who = random.choice([[first], [first, second]])
                    answers, _ = together(who, "convert", flag=flag)
                    left = {answer["column"] for answer in answers} - {column}
                    wrong = [*judge.raised(answers), *left]
                    lines += [f"{flag}: {line}" for line in wrong]
                    count += 1
            lines += using.result().findings
            done += [using.result().done, *using.result().notes]
    findings = [line for line in lines if not EXPECTED.search(line)]
    notes = [*done, *(line for line in lines if EXPECTED.search(line))]
    return Outcome(f"{count:,} conversions", findings, notes)


def kill(crew: Crew, plan: Plan) -> Outcome:
    """Kill writers, and look at what they leave."""
    keys = names(8)
    crew.ask("fill", keys=keys, size=SIZES[0], timeout=DAY)
    before = dict.fromkeys(keys, Origin(-1, 0))
    begun = {-1: 0}
    chance = random.Random(1)
    findings: list[str] = []
    inside = done = 0
    for number in range(plan.kills):
        path = crew.folder / f"writer-{number}"
        told = numbers(path, 2)
        with crew.another(f"writer {number}") as writer:
            writer.send("write", number=number, keys=keys, sizes=SIZES, path=str(path))
            wait_for(lambda told=told: told[0], "the first call of a writer")  # type: ignore[misc]
            time.sleep(chance.uniform(0, KILL_WITHIN))
            said = writer.kill().strip()
        begun[number] = told[0]
        inside += told[0] != told[1]
        done += told[1]
        answer = crew.ask("holders", keys=keys)
        wrong, before = judge.wrong_kill(answer["held"], before, begun)
        wrong += [f"the writer had ended: {said}"] if said else []
        wrong += [
            f"{count} times logged as discarded: {key or 'no key'}"
            for key, count in answer["warned"].items()
        ]
        findings += [f"kill {number + 1}: {line}" for line in wrong]
    text = f"{plan.kills:,} kills, {inside:,} within a call; {done:,} calls"
    return Outcome(text, findings)


def corrupt(crew: Crew, plan: Plan) -> Outcome:
    """Damage rows in the table, and read them."""
    answer = crew.ask("corrupt", count=plan.rows)
    ways: dict[str, dict[str, int]] = {way: {} for way in answer["way"].values()}
    for key, outcome in answer["outcome"].items():
        what = "raised" if "raised" in outcome else outcome
        counts = ways[answer["way"][key]]
        counts[what] = counts.get(what, 0) + 1
    total = sum(map(Counter, ways.values()), Counter[str]())
    done = ", ".join(f"{count:,} {what}" for what, count in total.items())
    figures = {"column": answer["column"], "outcomes": ways}
    text = f"{plan.rows:,} rows: {done}"
    return Outcome(text, judge.wrong_reads(answer), figures=figures)


PHASES: Mapping[str, Callable[[Crew, Plan], Outcome]] = {
    "incr": incr,
    "add": add,
    "mix": mix,
    "cull": cull,
    "convert": convert,
    "kill": kill,
    "corrupt": corrupt,
}


def stress(
    tree: Path, url: str, database: str, variant: str, phases: Sequence[str], plan: Plan
) -> Run:
    """Run the phases on the Django in ``tree`` and the server at ``url``.

    ``database`` is its name for people.
    """
    outcomes = {}
    who = [f"process {number}" for number in range(plan.processes)]
    with (
        tempfile.TemporaryDirectory(prefix="stress-") as name,
        sharing("stress", tree, url, Path(name), MODULE, who) as (workers, opened),
    ):
        crew = Crew(workers, opened["name"], Path(name), tree, url)
        for phase in phases:
            crew.use("stress", CULLS_NOTHING)
            with step(f"{database}, {variant}, {phase}"):
                outcomes[phase] = PHASES[phase](crew, plan)
    return Run(database, opened["database_version"], variant, outcomes)
