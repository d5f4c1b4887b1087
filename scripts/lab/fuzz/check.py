"""The property: a call has the same outcome on stock and on patched Django."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import batched, chain, islice
from pathlib import Path
from typing import Any

from common.errors import StackError
from common.progress import say
from lab.client import Worker, started
from lab.fuzz.allowed import ALLOWED
from lab.fuzz.scenarios import DML, Catalogue, Scenario, scenarios, smaller

HELP = "./scripts/stack fuzz --help"
CORPUS = Path(__file__).with_name("corpus.json")
BATCH = 50
TURN = 2_000  # scenarios between two lines for the person who waits
OTHERS = ("get_or_create", "lone insert", "not called")


@dataclass(frozen=True)
class Answer:
    """The result of a scenario on one Django; ``statements`` are their first words."""

    outcome: dict[str, Any]
    statements: Sequence[str]


@dataclass(frozen=True)
class Difference:
    """A scenario that ends differently, with the result on each Django.

    ``places`` are the deepest differences: a path, the value on stock, on patched.
    """

    scenario: Scenario
    stock: Answer
    patched: Answer
    places: Sequence[tuple[str, Any, Any]]

    def __str__(self) -> str:
        lines = [str(self.scenario), ""]
        for where, *both in self.places:
            old, new = (json.dumps(each, ensure_ascii=False) for each in both)
            lines.append(f"  {where}: {old} → {new}")
        for name, answer in (("stock", self.stock), ("patched", self.patched)):
            data = json.dumps(answer.outcome, indent=1, ensure_ascii=False)
            lines += ["", f"{name}: {' '.join(answer.statements)}", data]
        return "\n".join(lines)


@dataclass
class Report:
    """``paths``: how patched did it (see ``path``) → number of scenarios."""

    paths: Counter[str] = field(default_factory=Counter)
    difference: Difference | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        total = self.paths.total()
        calls = total - sum(self.paths[name] for name in OTHERS)
        native = sum(self.paths[name] for name in self.paths if "native" in name)
        parts = [f"{number:,} {name}" for name, number in self.paths.most_common()]
        return (
            f"{total:,} scenarios in {self.seconds:.0f} s"
            f" ({total / max(self.seconds, 0.001):.0f}/s);"
            f" {native / max(calls, 1):.0%} of update_or_create() native:"
            f" {', '.join(parts)}"
        )


def path(scenario: Scenario, patched: Answer) -> str:
    """Say from the statements which way the patched Django took."""
    if "not called" in patched.outcome:
        return "not called"
    if scenario.method == "get_or_create":
        alone = "INSERT alone" in patched.statements
        return "lone insert" if alone else "get_or_create"
    words = [word for each in patched.statements if (word := each.split()[0]) in DML]
    if words[:1] != ["UPDATE"]:
        return "fallback" if words else "no statement"
    short = {1: "native hit", 2: "native miss"}
    if "SELECT" in words:
        return "native, then stock's"
    return short.get(len(words), "native conflict")


def apart(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the deepest places in which two JSON values differ.

    >>> list(apart({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}))
    [('a.c', 2, 3)]
    """
    if isinstance(old, dict) and isinstance(new, dict):
        inside = f"{where}." if where else ""
        for name in dict.fromkeys([*old, *new]):
            yield from apart(old.get(name), new.get(name), f"{inside}{name}")
        if old == new and [*old] != [*new]:
            # The order in which attributes were set may be seen as well.
            yield f"{inside}order", [*old], [*new]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from apart(one, other, f"{where}[{number}]")
    elif old != new:
        yield where, old, new


def difference(scenario: Scenario, stock: Answer, patched: Answer) -> Difference | None:
    """Return the difference, if there is one that is not allowed."""
    both = [json.dumps(each.outcome) for each in (stock, patched)]
    if both[0] == both[1]:
        return None
    outcomes = [json.loads(each) for each in both]
    for rule in ALLOWED:
        rule(scenario, *outcomes)
    places = [*apart(*outcomes)]
    return Difference(scenario, stock, patched, places) if places else None


@contextmanager
def opened(name: str, tree: Path, url: str) -> Iterator[Worker]:
    """Start a worker on a Django; its databases are dropped at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
        started(name, tree, url, Path(folder), module="lab.fuzz.worker") as worker,
    ):
        worker.ask("open", name=f"fuzz_{name}", folder=None, synchronous="OFF")
        worker.ask("prepare", name=f"fuzz_{name}")
        yield worker


@contextmanager
def pair(stock: Path, patched: Path, url: str) -> Iterator["Pair"]:
    with opened("stock", stock, url) as one, opened("patched", patched, url) as other:
        yield Pair(one, other)


class Pair:
    """A worker on each Django, with the same rows."""

    def __init__(self, stock: Worker, patched: Worker) -> None:
        self._workers = (stock, patched)
        self.catalogue: Catalogue = stock.ask("catalogue")

    def compare(
        self, asked: Iterable[Scenario]
    ) -> Iterator[tuple[Scenario, Answer, Answer]]:
        """Yield each scenario with the answers of stock and of patched."""
        for batch in batched(asked, BATCH):
            if unknown := {each.model for each in batch} - self.catalogue.keys():
                raise StackError(f"there is no model {', '.join(sorted(unknown))}")
            data = [asdict(each) for each in batch]
            # Both work at the same time.
            for worker in self._workers:
                worker.send("run", scenarios=data)
            both = [worker.receive()["answers"] for worker in self._workers]
            for scenario, one, other in zip(batch, *both, strict=True):
                yield scenario, Answer(**one), Answer(**other)

    def check(self, known: Sequence[Scenario], examples: int, seed: int) -> Report:
        """Compare ``known`` scenarios, then random ones, up to the first difference.

        That one is made as small as it can be. StackError if a worker fails.
        """
        report, began = Report(), time.monotonic()
        asked = chain(known, islice(scenarios(self.catalogue, seed), examples))
        for number, (scenario, *both) in enumerate(self.compare(asked), 1):
            report.paths[path(scenario, both[1])] += 1
            if found := difference(scenario, *both):
                report.difference = self._smallest(found)
                break
            if number % TURN == 0:
                say(f"{number:,} scenarios, no difference")
        report.seconds = time.monotonic() - began
        return report

    def _smallest(self, found: Difference) -> Difference:
        for compared in self.compare(smaller(found.scenario)):
            if less := difference(*compared):
                return self._smallest(less)
        return found


def corpus() -> list[dict[str, Any]]:
    """Return the scenarios on file; ``finds`` names the plants that each finds."""
    return [
        each | {"scenario": Scenario.from_json(each["scenario"])}
        for each in json.loads(CORPUS.read_text("utf-8"))
    ]


def read(path: Path) -> Scenario:
    """Return the scenario that is written in the file; StackError if none is."""
    try:
        return Scenario.from_json(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise StackError(f"{path} cannot be read: {error.strerror}", HELP) from None
    except ValueError as error:
        raise StackError(f"{path} is not JSON: {error}", HELP) from None
