"""The rounds of a comparison: count, warm up, take turns, keep what was measured."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from common.progress import say, step
from lab.bench.operations import Operation
from lab.bench.plan import Plan
from lab.client import Worker

MOST_CALLS = 2_000  # in one block

# Rows → variant → its process.
type Workers = Mapping[int, Mapping[str, Worker]]


@dataclass(frozen=True)
class Block:
    """One variant's part of a round, in nanoseconds; the last two of single calls."""

    calls: int
    cpu_ns: int
    wall_ns: int
    p99_ns: int
    worst_ns: int


@dataclass(frozen=True)
class Counted:
    """Statements of ``calls`` calls together, and how many of them ran a COUNT."""

    calls: int
    statements: int
    with_count: int

    @property
    def mean(self) -> float:
        return self.statements / self.calls


@dataclass
class Lane:
    """One operation at one number of rows while it is measured; variant → its part.

    ``runs`` are the operations that stand for it, ``calls`` those in each block.
    """

    operation: Operation
    rows: int
    runs: Mapping[str, str]
    counted: dict[str, Counted] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    blocks: dict[str, list[Block]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation.name,
            "rows": self.rows,
            "counted": {name: asdict(one) for name, one in self.counted.items()},
            "calls": self.calls,
            "blocks": {
                name: [asdict(one) for one in each]
                for name, each in self.blocks.items()
            },
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what another run wrote by ``to_json``."""
        self.counted = {name: Counted(**one) for name, one in saved["counted"].items()}
        self.calls = dict(saved["calls"])
        self.blocks = {
            name: [Block(**one) for one in each]
            for name, each in saved["blocks"].items()
        }


def count(
    workers: Workers, lanes: Sequence[Lane], plan: Plan, silent: Collection[str]
) -> None:
    """Count statements, and set the calls of a block by how long these took.

    ``silent`` are the variants that send theirs, if any, past Django.
    """
    with step("counting statements, warming up"):
        for lane in lanes:
            for variant, name in lane.runs.items():
                found = workers[lane.rows][variant].ask(
                    "statements",
                    operation=name,
                    calls=few_calls(lane.operation, plan),
                    seed=plan.seed,
                )
                one = found.pop("wall_ns") / found["calls"]
                if variant not in silent:
                    lane.counted[variant] = Counted(**found)
                lane.calls[variant] = block_calls(lane.operation, one, plan)
                lane.blocks[variant] = []


def few_calls(operation: Operation, plan: Plan) -> int:
    """Return the calls of an operation whose statements are counted."""
    return max(1, plan.counted_calls // operation.per)


def block_calls(operation: Operation, one: float, plan: Plan) -> int:
    """Return the calls of a block; ``one`` takes so many nanoseconds.

    Blocks have one length, not one number of calls: a fast variant would be
    measured with the processor's caches of the slow one's few calls.
    """
    most = MOST_CALLS // operation.per if operation.bounded else MOST_CALLS
    return min(most, max(1, round(plan.block * 1e9 / one)))


def warm_up(workers: Workers, lanes: Sequence[Lane], plan: Plan) -> None:
    """Run some calls of everything, as count() does, without a result."""
    with step("warming up"):
        for lane in lanes:
            for variant, name in lane.runs.items():
                few = few_calls(lane.operation, plan)
                workers[lane.rows][variant].ask(
                    "run",
                    operation=name,
                    calls=min(few, lane.calls[variant]),
                    seed=plan.seed,
                )


def take_turns(
    workers: Workers,
    lanes: Sequence[Lane],
    plan: Plan,
    *,
    first: int,
    database: str,
    keep: Callable[[int], object],
) -> None:
    """Run the rounds from number ``first`` on, which is 0 in a new run.

    After each ``keep`` is called with the number of those that are done.
    """
    began = time.monotonic()
    for turn in range(first, plan.rounds):
        left = ""
        if turn > first:
            one = (time.monotonic() - began) / (turn - first)
            left = f", about {span(one * (plan.rounds - turn))} left"
        say(f"{database}: round {turn + 1} of {plan.rounds}{left}")
        for lane in lanes:
            for variant in rotated(lane.runs, turn):
                block = workers[lane.rows][variant].ask(
                    "run",
                    operation=lane.runs[variant],
                    calls=lane.calls[variant],
                    seed=plan.seed + turn,
                )
                lane.blocks[variant].append(Block(**block))
        keep(turn + 1)


def rotated(names: Iterable[str], turn: int) -> list[str]:
    """Return the order of a turn, in which another one is first than in the last.

    >>> rotated("abc", 1)
    ['b', 'c', 'a']
    """
    each = [*names]
    first = turn % len(each)
    return each[first:] + each[:first]


def span(seconds: float) -> str:
    """Format a time that is still to come, and so not known exactly.

    >>> span(49.7), span(250)
    ('50 s', '4 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
