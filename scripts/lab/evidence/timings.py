"""What the bench measured, as rows to show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from lab.evidence.results import Result
from lab.figures import microseconds, number, spread, times
from lab.variants import PATCHED, STOCK


@dataclass(frozen=True)
class Span:
    """A median and the first and third quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Span":
        return cls(median(values), *spread(values))


@dataclass(frozen=True)
class Timing:
    """One operation; wall time, µs per call, by what it ran on.

    ``over``: the time of each of them but patched / patched's, of the pairs of
    blocks of one round. ``statements``: mean per call. ``cpu_ratio`` is that of CPU
    time, stock / patched, None without one of them. ``limit_of`` is the operation
    that this one, a statement by itself, is the limit of.
    """

    database: str
    values: str
    operation: str
    rows: int
    wall: Mapping[str, Span]
    over: Mapping[str, Span]
    statements: Mapping[str, float]
    rounds: int
    cpu_ratio: float | None
    limit_of: str = ""

    @property
    def ratio(self) -> Span | None:
        """Stock / patched; None where one of them did not run it."""
        return self.over.get(STOCK)

    @property
    def sent(self) -> str:
        """Statements of stock and of patched."""
        both = [self.statements.get(name) for name in (STOCK, PATCHED)]
        return " → ".join("-" if one is None else number(one) for one in both)


def per_call(blocks: Iterable[Mapping[str, int]]) -> list[float]:
    """Return µs of wall time per call of each block."""
    return [block["wall_ns"] / block["calls"] / 1_000 for block in blocks]


def timing(result: Result, data: Mapping[str, Any]) -> Timing:
    """Return one measurement of a file."""
    blocks = data["blocks"]
    wall = {name: per_call(each) for name, each in blocks.items()}
    patched = wall.get(PATCHED)
    return Timing(
        database=result.database,
        values=result.data["options"]["values"],
        operation=data["operation"],
        rows=data["rows"],
        wall={name: Span.of(each) for name, each in wall.items()},
        over={
            name: Span.of([a / b for a, b in zip(each, patched, strict=True)])
            for name, each in wall.items()
            if patched and name != PATCHED
        },
        statements={
            name: each["statements"] / each["calls"]
            for name, each in data["counted"].items()
        },
        rounds=max(map(len, blocks.values())),
        cpu_ratio=data["cpu_ratio"],
        limit_of=data["limit_of"],
    )


def timings(results: Iterable[Result]) -> list[Timing]:
    """Return all that was measured, in the order of the files and in them.

    What several files have is that of the most rounds; other caches, with which
    fewer were made, keep their ratios to the patched cache in the same run.
    """
    found: dict[tuple[str, str, str, int], Timing] = {}
    for result in results:
        for data in result.data["results"]:
            each = timing(result, data)
            place = each.database, each.values, each.operation, each.rows
            other = found.get(place)
            found[place] = united(other, each) if other else each
    return list(found.values())


def united(one: Timing, other: Timing) -> Timing:
    """Return the measurement of more rounds, with the other caches of both."""
    few, many = sorted((one, other), key=lambda each: each.rounds)
    return replace(
        many,
        wall={**few.wall, **many.wall},
        over={**few.over, **many.over},
        statements={**few.statements, **many.statements},
    )


def change(each: Timing) -> str:
    """Return "µs → µs, ratio" of stock and patched."""
    if each.ratio is None:
        return ""
    before, after = (microseconds(each.wall[name].median) for name in (STOCK, PATCHED))
    return f"{before} → {after}, {times(each.ratio.median)}"
