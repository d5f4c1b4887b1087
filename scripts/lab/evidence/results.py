"""Load the results of runs from their JSON files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from common.errors import StackError
from lab.figures import number, spread
from lab.variants import PATCHED, STOCK

# Kind of a result → the format of its files that this program reads.
FORMATS = {"bench": 3} | dict.fromkeys(
    ("size", "replay", "load", "coverage", "tests", "proofs"), 1
)
# Statements by patch. It is no result of a run: ``report --count`` writes it.
STATEMENTS = "statements.json"
DATABASES = ("SQLite", "PostgreSQL", "MariaDB", "MySQL", "Oracle")  # As shown.
UNKNOWN = "\N{EN DASH}"  # Stands where nothing was measured.


@dataclass(frozen=True)
class Result:
    """One file; ``data`` is its content."""

    name: str
    data: Mapping[str, Any]

    @property
    def database(self) -> str:
        """The name of the database, empty if none took part."""
        return str(self.data.get("database", {}).get("name", ""))

    @property
    def version(self) -> str:
        """The version of the database; a Debian package's is cut off."""
        return str(self.data.get("database", {}).get("version", "")).split("-")[0]

    @property
    def python(self) -> str:
        """The version of Python without its last number."""
        return ".".join(self.data["machine"]["python"].split(".")[:2])

    @property
    def tree(self) -> str:
        """The first characters of the id of the patched Django's tree."""
        return str(self.data.get("tree") or self.data["ids"].get(PATCHED, ""))

    def is_of(self, tree: str) -> bool:
        """Tell whether the result is about the tree with this id."""
        return bool(self.tree) and tree.startswith(self.tree)

    @property
    def machine(self) -> str:
        data = self.data["machine"]
        return (
            f"{data['cpu']}, {data['cpus']} cores, {data['memory_gib']} GiB,"
            f" {data['platform']}, Python {data['python']}"
        )


type Results = Mapping[str, Sequence[Result]]


def load(folder: Path) -> Results:
    """Return kind → results of a folder, by database and name.

    Ignore JSON objects of other kinds. Raise StackError as read() does.
    """
    found: dict[str, list[Result]] = {kind: [] for kind in FORMATS}
    for path in sorted(folder.glob("*.json")):
        if path.name != STATEMENTS:
            result = read(path)
            found.setdefault(str(result.data.get("kind")), []).append(result)
    return {
        kind: sorted(found[kind], key=lambda each: order(each.database))
        for kind in FORMATS
    }


def order(database: str) -> int:
    return DATABASES.index(database) if database in DATABASES else len(DATABASES)


def read(path: Path) -> Result:
    """Return the result in a file.

    Raise StackError if the file is no JSON object, or has another format than
    FORMATS names for its kind.
    """
    aside = f"mv {path} {path}.other"
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StackError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StackError(f"{path} is not JSON: {error}", aside) from None
    if not isinstance(data, dict):
        raise StackError(f"{path} is not a JSON object", aside)
    kind, form = data.get("kind"), data.get("format")
    if kind in FORMATS and form != FORMATS[kind]:
        wanted = FORMATS[kind]
        raise StackError(f"{path} has format {form} of {kind}, not {wanted}", aside)
    return Result(path.stem, data)


@dataclass(frozen=True)
class Span:
    """A median and the first and third quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Span":
        return cls(median(values), *spread(values))


type Place = tuple[str, str, str, int]  # Database, values, operation, rows.


@dataclass(frozen=True)
class Timing:
    """The measurement of one operation.

    ``wall``: side → µs per call. ``over``: side → its wall time / patched's, in pairs
    of one round. ``sent``: mean statements of stock and of patched. ``cpu_ratio``:
    stock / patched. ``limit_of``: the operation that this bare statement is part of.
    """

    database: str
    values: str
    operation: str
    rows: int
    wall: Mapping[str, Span]
    over: Mapping[str, Span]
    sent: str
    rounds: int
    cpu_ratio: float | None
    limit_of: str

    @property
    def ratio(self) -> Span | None:
        """Stock / patched; None if only one of them ran."""
        return self.over.get(STOCK)

    @property
    def place(self) -> Place:
        return self.database, self.values, self.operation, self.rows


def timing(result: Result, data: Mapping[str, Any]) -> Timing:
    """Return one measurement of a result of the bench."""
    wall = {
        side: [block["wall_ns"] / block["calls"] / 1_000 for block in blocks]
        for side, blocks in data["blocks"].items()
    }
    over = {
        side: Span.of([a / b for a, b in zip(each, wall[PATCHED], strict=True)])
        for side, each in wall.items()
        if PATCHED in wall and side != PATCHED
    }
    counted = [data["counted"].get(side) for side in (STOCK, PATCHED)]
    sent = [number(c["statements"] / c["calls"]) if c else UNKNOWN for c in counted]
    return Timing(
        database=result.database,
        values=result.data["options"]["values"],
        operation=data["operation"],
        rows=data["rows"],
        wall={side: Span.of(each) for side, each in wall.items()},
        over=over,
        sent=" → ".join(sent),
        rounds=max(map(len, wall.values())),
        cpu_ratio=data["cpu_ratio"],
        limit_of=data["limit_of"],
    )


def timings(results: Iterable[Result]) -> list[Timing]:
    """Return all measurements of the bench, by database, values and rows.

    If several files hold a result, the one with most rounds wins. A side that only
    another file has keeps its ratio to patched in that run.
    """
    found: dict[Place, Timing] = {}
    for result in results:
        for data in result.data["results"]:
            new = timing(result, data)
            both = (found.get(new.place, new), new)
            few, many = sorted(both, key=lambda each: each.rounds)
            wall, over = {**few.wall, **many.wall}, {**few.over, **many.over}
            found[new.place] = replace(many, wall=wall, over=over)
    return sorted(
        found.values(), key=lambda each: (order(each.database), each.values, each.rows)
    )


type Ratios = dict[str, dict[float, float]]


def replays(results: Iterable[Result]) -> dict[tuple[str, str], Ratios]:
    """Return (backend, trace) → strategy → MAX_ENTRIES in % of the keys → hit ratio.

    The models come last. Their names stand in brackets: they are no Django caches.
    """
    points = [
        (result.data["options"]["backend"], point)
        for result in results
        for point in result.data["results"]
    ]
    points.sort(key=lambda each: (each[1]["model"], each[1]["share"]))
    found: dict[tuple[str, str], Ratios] = {}
    for backend, point in points:
        strategies = found.setdefault((backend, point["trace"]), {})
        strategies.setdefault(point["strategy"], {})[point["share"]] = point[
            "hit_ratio"
        ]
    return found
