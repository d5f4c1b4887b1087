"""What is done with the cache in each phase, and what must hold then."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import StackError
from lab.client import OPENED, Worker, sharing, started, together
from lab.stress import shared
from lab.stress.mix import WITHIN
from lab.stress.values import Origin, names, unwritten
from verbs.race import Errors

MODULE = "lab.stress.worker"
INCR_KEYS = 10
ROUNDS = 200  # of add() in a request
MIX_RECORDS, MIX_NUMBERS = 20, 4  # keys
STRATEGIES = ("random", "fifo", "lru", "lfu", "sieve", "ttl")
# Half of the keys, so that "random" culls enough when it culls half of the rows.
CULL_ENTRIES = (MIX_RECORDS + MIX_NUMBERS) // 2
CULL_OPTIONS = {
    "MAX_ENTRIES": CULL_ENTRIES,
    "CULL_FREQUENCY": 2,
    "CULL_PROBABILITY": 0.2,
}
CULLING = ("set", "add", "set_many")  # the calls that cull
KILL_KEYS = 8
KILL_SIZES = (20_000, 300_000)  # bytes of a value
KILL_WITHIN = 0.25  # seconds from a writer's first call


@dataclass(frozen=True)
class Plan:
    """How much of each phase; ``seconds`` is how long a timed one may last."""

    processes: int = 8
    seconds: float = 30
    calls: int = 100_000
    kills: int = 20
    rows: int = 10_000
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a phase did: ``calls`` in ``seconds``; each finding is a line."""

    phase: str
    done: str
    calls: int
    seconds: float
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Crew:
    """The processes of one run, with one database; the first made it."""

    tree: Path
    url: str
    folder: Path
    name: str
    version: str
    workers: Sequence[Worker]

    @property
    def owner(self) -> Worker:
        return self.workers[0]

    def together(
        self, do: str, **arguments: object
    ) -> tuple[list[dict[str, Any]], float]:
        """Have all begin at one moment; return the answers, and the seconds it took."""
        return together(self.workers, do, **arguments)

    @contextmanager
    def another(self, name: str) -> Iterator[Worker]:
        """Start one more process on the same database."""
        with started(name, self.tree, self.url, self.folder, MODULE) as worker:
            worker.ask("join", name=self.name, **OPENED)
            worker.ask("cache", make=False)
            yield worker


@contextmanager
def crew(tree: Path, url: str, folder: Path, processes: int) -> Iterator[Crew]:
    """Start the processes on the Django in ``tree``, on a database of their own."""
    names = [f"process {number}" for number in range(processes)]
    sharing_one = sharing("stress", tree, url, folder, MODULE, names)
    with sharing_one as (workers, opened):
        barrier = shared.create(folder / "barrier", processes)
        for number, worker in enumerate(workers):
            worker.ask("cache", make=number == 0)
            worker.ask("meet", path=str(barrier), number=number)
        version = opened["database_version"]
        yield Crew(tree, url, folder, opened["name"], version, workers)


def raised(answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the exceptions that reached the callers, those of all as one line."""
    counts: dict[tuple[str, str], int] = {}
    for answer in answers:
        for each in answer["errors"]:
            which = each["kind"], each["message"]
            counts[which] = counts.get(which, 0) + each["count"]
    return [
        f"raised: {Errors(kind, message, count)}"
        for (kind, message), count in counts.items()
    ]


def incr(crew: Crew, plan: Plan) -> Outcome:
    keys = names(INCR_KEYS)
    crew.owner.ask("zero", keys=keys)
    share, rest = divmod(plan.calls, plan.processes)
    answers, seconds = crew.together(
        "incr",
        keys=keys,
        calls=[share + (number < rest) for number in range(plan.processes)],
        seconds=plan.seconds,
        seed=plan.seed,
    )
    returned = sum(answer["returned"] for answer in answers)
    held = crew.owner.ask("numbers", keys=keys)["values"]
    return Outcome(
        "incr",
        f"{sum(answer['made'] for answer in answers):,} of {plan.calls:,} calls",
        returned,
        seconds,
        (*raised(answers), *sum_findings(keys, held, returned)),
    )


def sum_findings(keys: Sequence[str], held: Sequence[object], calls: int) -> list[str]:
    """Say what is wrong with the numbers that are held after so many incr()."""
    numbers = [value for value in held if type(value) is int]
    others = [
        f"{key} holds {value!r}"
        for key, value in zip(keys, held, strict=True)
        if type(value) is not int
    ]
    if others or sum(numbers) == calls:
        return others
    return [f"{calls:,} calls returned, but the sum of the values is {sum(numbers):,}"]


def add(crew: Crew, plan: Plan) -> Outcome:
    findings: list[str] = []
    answered: list[dict[str, Any]] = []
    rounds, seconds = 0, 0.0
    ends = time.monotonic() + plan.seconds
    while not rounds or time.monotonic() < ends:
        keys = names(ROUNDS, rounds)
        expired = keys[1::2]
        crew.owner.ask("expire", keys=expired)
        answers, took = crew.together("add", keys=keys)
        held = crew.owner.ask("holders", keys=keys)["held"]
        won = {
            key: [n for n, answer in enumerate(answers) if key in answer["won"]]
            for key in keys
        }
        findings += add_findings(won, held, expired)
        answered += answers
        rounds += len(keys)
        seconds += took
    return Outcome(
        "add",
        f"{rounds:,} rounds of {plan.processes}, {rounds // 2:,} on an expired row",
        rounds * plan.processes,
        seconds,
        (*raised(answered), *findings),
        figures={"rounds": rounds},
    )


def add_findings(
    won: Mapping[str, Sequence[int]],
    held: Mapping[str, Mapping[str, int] | str],
    expired: Sequence[str],
) -> list[str]:
    """Say which keys were not added once, or hold what is not their winner's.

    ``won`` are the processes whose add() returned True; ``held`` is the origin of
    what get() returned then, or what is wrong with it.
    """
    found = []
    for key, winners in won.items():
        row = "an expired row" if key in expired else "no row"
        holder = held[key]
        if len(winners) != 1:
            who = ", ".join(map(str, winners)) or "no process"
            found.append(f"{key}, {row} before: add() returned True to {who}")
        elif isinstance(holder, str):
            found.append(holder)
        elif holder["writer"] != winners[0]:
            found.append(
                f"{key}, {row} before: process {winners[0]} added it, but it holds the"
                f" value of {holder['writer']}"
            )
    return found


def mix(crew: Crew, plan: Plan) -> Outcome:
    keys = names(MIX_RECORDS + MIX_NUMBERS)
    answers, took = crew.together(
        "mix",
        records=keys[:MIX_RECORDS],
        counters=keys[MIX_RECORDS:],
        seconds=plan.seconds,
        seed=plan.seed,
    )
    seen = read(answers)
    failed = sum(answer["failed"] for answer in answers)
    calls = sum(answer["calls"] for answer in answers)
    return Outcome(
        "mix",
        f"{calls:,} calls on {len(keys)} keys, {len(seen):,} records read",
        calls,
        took,
        tuple(mix_findings(answers)),
        (f"set_many() returned {failed:,} keys as failed",) if failed else (),
        figures={
            "read": len(seen),
            "failed": failed,
            "missing": sum(answer["missing"] for answer in answers),
        },
    )


def read(answers: Sequence[Mapping[str, Any]]) -> set[Origin]:
    """Return the records that were read."""
    return {Origin(*each) for answer in answers for each in answer["seen"]}


def mix_findings(answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what reached the callers, and what was read that nobody wrote."""

    def own(name: str) -> list[Origin]:
        return [
            Origin(number, count)
            for number, answer in enumerate(answers)
            for count in answer[name]
        ]

    last = {number: answer["made"] for number, answer in enumerate(answers)}
    return [
        *raised(answers),
        *(line for answer in answers for line in answer["broken"]),
        *unwritten(read(answers), last, own("refused"), own("undone")),
    ]


def cull(crew: Crew, plan: Plan) -> Outcome:
    if not crew.owner.ask("culls")["culls"]:
        note = "not run: the database cache of this Django has no CULL_STRATEGY"
        return Outcome("cull", "nothing", 0, 0.0, notes=(note,))
    keys = names(MIX_RECORDS + MIX_NUMBERS)
    findings: list[str] = []
    notes: list[str] = []
    figures: dict[str, dict[str, int]] = {}
    seconds = 0.0
    for strategy in STRATEGIES:
        own = {
            "table": f"stress_{strategy}",
            "options": CULL_OPTIONS | {"CULL_STRATEGY": strategy},
        }
        crew.owner.ask("own_table", **own)
        answers, took = crew.together(
            "cull",
            **own,
            records=keys[:MIX_RECORDS],
            counters=keys[MIX_RECORDS:],
            seconds=plan.seconds / len(STRATEGIES),
            seed=plan.seed,
        )
        answers, deadlocks = without_deadlocks(answers)
        last = crew.owner.ask("left", **own, key=keys[0])
        calls = sum(answer["calls"] for answer in answers)
        rows = max(answer["rows"] for answer in answers)
        culled = sum(
            answer["deleted"].get(call, 0) for answer in answers for call in CULLING
        )
        findings += [
            f"{strategy}: {line}"
            for line in (
                *mix_findings(answers),
                *raised([last]),
                *left_findings(last["rows"], CULL_ENTRIES),
            )
        ]
        hooks = sum(answer["hooks"] for answer in answers)
        notes.append(
            f"{strategy}: {calls:,} calls, {rows} rows at most, {culled:,} culled"
            + (f", {hooks:,} failed after a commit" if hooks else "")
            + (f", {deadlocks:,} deadlocks in transactions" if deadlocks else "")
        )
        figures[strategy] = {
            "calls": calls,
            "read": len(read(answers)),
            "rows": rows,
            "culled": culled,
            "hooks": hooks,
            "deadlocks": deadlocks,
            "left": last["rows"],
        }
        seconds += took
    made = sum(each["calls"] for each in figures.values())
    return Outcome(
        "cull",
        f"{made:,} calls on {len(keys)} keys, MAX_ENTRIES {CULL_ENTRIES}",
        made,
        seconds,
        tuple(findings),
        tuple(notes),
        figures,
    )


def without_deadlocks(
    answers: Sequence[Mapping[str, Any]],
) -> tuple[list[dict[str, Any]], int]:
    """Leave out the deadlocks in transactions; return how many there were, too.

    Such a transaction is over, and only who began it can begin another.
    """

    def is_one(error: Mapping[str, Any]) -> bool:
        return WITHIN in error["kind"] and "deadlock" in error["message"].lower()

    errors = [error for answer in answers for error in answer["errors"]]
    others = [
        {
            **answer,
            "errors": [each for each in answer["errors"] if not is_one(each)],
        }
        for answer in answers
    ]
    return others, sum(each["count"] for each in errors if is_one(each))


def left_findings(rows: int, most: int) -> list[str]:
    """Say that there are too many rows after a cull and the set() that culled."""
    if rows <= most + 1:
        return []
    return [f"{rows} rows are left, but MAX_ENTRIES is {most}"]


def kill(crew: Crew, plan: Plan) -> Outcome:
    keys = names(KILL_KEYS)
    crew.owner.ask("first", keys=keys, size=KILL_SIZES[0])
    before = {key: Origin(0, 0) for key in keys}
    chance = random.Random(f"kill {plan.seed}")
    begun = {0: 0}
    findings: list[str] = []
    inside, done, seconds = 0, 0, 0.0
    for number in range(1, plan.kills + 1):
        path = shared.create(crew.folder / f"writer-{number}", 2)
        told = shared.Numbers(path)
        with crew.another(f"writer {number}") as writer:
            writer.send(
                "write",
                number=number,
                keys=keys,
                sizes=KILL_SIZES,
                path=str(path),
                seed=plan.seed,
            )
            began = first_call(told)
            time.sleep(chance.uniform(0, KILL_WITHIN))
            if said := writer.kill():
                findings.append(f"kill {number}: the writer had ended: {said.strip()}")
            seconds += time.monotonic() - began
        begun[number] = told[0]
        inside += told[0] != told[1]
        done += told[1]
        told.close()
        answer = crew.owner.ask("whole", keys=keys)
        wrong, before = kill_findings(answer["held"], before, begun)
        findings += [f"kill {number}: {line}" for line in wrong]
        findings += [
            f"kill {number}: {count} times logged as discarded: {key or 'no key'}"
            for key, count in answer["warned"].items()
        ]
    return Outcome(
        "kill",
        f"{plan.kills:,} kills, {inside:,} within a call; {done:,} calls",
        done,
        seconds,
        tuple(findings),
        figures={"kills": plan.kills, "inside": inside},
    )


def first_call(told: shared.Numbers) -> float:
    """Wait until a writer has begun; return when that was."""
    latest = time.monotonic() + shared.PATIENCE
    while not told[0]:
        time.sleep(shared.PAUSE)
        if time.monotonic() > latest:
            raise StackError(f"kill: the writer made no call in {shared.PATIENCE} s")
    return time.monotonic()


def kill_findings(
    held: Mapping[str, Mapping[str, int] | str],
    before: Mapping[str, Origin],
    begun: Mapping[int, int],
) -> tuple[list[str], dict[str, Origin]]:
    """Say which keys hold neither what they held nor what was written since.

    ``begun`` is how many calls each writer began. Also return what is held now.
    """
    found, now = [], dict(before)
    for key, holder in held.items():
        if isinstance(holder, str):
            found.append(holder)
            continue
        now[key] = origin = Origin(**holder)
        if origin < before[key]:
            found.append(f"{key}: {before[key]} has become {origin}, an older one")
        elif origin.count > begun.get(origin.writer, -1):
            found.append(f"{key}: {origin}, which nobody wrote")
    return found, now


def corrupt(crew: Crew, plan: Plan) -> Outcome:
    answer = crew.owner.ask("corrupt", count=plan.rows, seed=plan.seed)
    outcomes: Mapping[str, Mapping[str, int]] = answer["outcomes"]
    total = {
        name: sum(each.get(name, 0) for each in outcomes.values())
        for name in ("miss", "right", "other", "raised")
    }
    done = ", ".join(f"{count:,} {name}" for name, count in total.items() if count)
    return Outcome(
        "corrupt",
        f"{plan.rows:,} rows: {done}",
        answer["reads"],
        answer["seconds"],
        tuple(answer["findings"]),
        figures={"column": answer["column"], "outcomes": outcomes},
    )


PHASES: Mapping[str, Callable[[Crew, Plan], Outcome]] = {
    "incr": incr,
    "add": add,
    "mix": mix,
    "cull": cull,
    "kill": kill,
    "corrupt": corrupt,
}
