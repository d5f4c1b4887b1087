"""The property: a call has the same outcome on stock and on patched Django."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity

from common.errors import StackError
from common.progress import say
from lab.client import Worker, started
from lab.fuzz.allowed import normalised
from lab.fuzz.scenario import Scenario
from lab.fuzz.scenarios import scenarios

CORPUS = Path(__file__).with_name("corpus.json")
STOCK, PATCHED = "stock", "patched"
BATCH = 50
TURN = 2_000  # scenarios between two lines for the person who waits
DML = ("SELECT", "INSERT", "UPDATE", "DELETE")
NATIVE = ("native hit", "native miss", "native conflict", "native, then stock's")


@dataclass(frozen=True)
class Answer:
    """What one Django made of a scenario; ``statements`` are their first words."""

    outcome: Mapping[str, Any]
    statements: Sequence[str]


@dataclass(frozen=True)
class Difference:
    """A scenario that ends differently, with what each Django made of it."""

    scenario: Scenario
    stock: Answer
    patched: Answer

    def lines(self) -> list[str]:
        """Return a line for each thing that differs."""
        before, after = normalised(
            self.scenario, self.stock.outcome, self.patched.outcome
        )
        return [
            f"{where}: {_short(old)} → {_short(new)}"
            for where, old, new in apart(before, after)
        ]

    def __str__(self) -> str:
        def shown(name: str, answer: Answer) -> str:
            data = json.dumps(answer.outcome, indent=1, ensure_ascii=False)
            return f"{name}: {' '.join(answer.statements)}\n{data}"

        return "\n".join(
            [
                str(self.scenario),
                "",
                *(f"  {line}" for line in self.lines()),
                "",
                shown(STOCK, self.stock),
                shown(PATCHED, self.patched),
            ]
        )


@dataclass
class Report:
    """``paths``: how patched did it (see ``path``) → number of scenarios."""

    paths: Counter[str] = field(default_factory=Counter)
    difference: Difference | None = None
    seconds: float = 0.0

    @property
    def scenarios(self) -> int:
        return self.paths.total()

    def __str__(self) -> str:
        native = sum(self.paths[name] for name in NATIVE)
        others = ("get_or_create", "lone insert", "not called")
        calls = self.scenarios - sum(self.paths[name] for name in others)
        parts = [f"{number:,} {name}" for name, number in self.paths.most_common()]
        return (
            f"{self.scenarios:,} scenarios in {self.seconds:.0f} s"
            f" ({self.scenarios / max(self.seconds, 0.001):.0f}/s);"
            f" {native / max(calls, 1):.0%} of update_or_create() native:"
            f" {', '.join(parts)}"
        )


class Found(Exception):
    """What stops hypothesis when two outcomes differ."""

    def __init__(self, difference: Difference) -> None:
        super().__init__("the outcomes differ")
        self.difference = difference


def path(scenario: Scenario, patched: Answer) -> str:
    """Say from the statements which way the patched Django took."""
    if "not called" in patched.outcome:
        return "not called"
    words = [each.split()[0] for each in patched.statements]
    words = [word for word in words if word in DML]
    if scenario.method == "get_or_create":
        alone = "INSERT alone" in patched.statements
        return "lone insert" if alone else "get_or_create"
    if not words:
        return "no statement"
    if words[0] != "UPDATE":
        return "fallback"
    if words == ["UPDATE"]:
        return "native hit"
    if words == ["UPDATE", "INSERT"]:
        return "native miss"
    return "native, then stock's" if "SELECT" in words else "native conflict"


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
            yield f"{inside}order", [*old], [*new]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from apart(one, other, f"{where}[{number}]")
    elif old != new:
        yield where, old, new


def _short(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


class Pair:
    """A worker on each Django, with the same rows."""

    def __init__(self, stock: Worker, patched: Worker) -> None:
        self._workers = (stock, patched)

    def compare(self, asked: Sequence[Scenario]) -> list[tuple[Answer, Answer]]:
        """Return for each scenario the answers of stock and of patched."""
        found = []
        for start in range(0, len(asked), BATCH):
            data = [each.to_json() for each in asked[start : start + BATCH]]
            # Both work at the same time.
            for worker in self._workers:
                worker.send("run", scenarios=data)
            both = [worker.receive()["answers"] for worker in self._workers]
            found += [
                (Answer(**one), Answer(**other))
                for one, other in zip(*both, strict=True)
            ]
        return found


@contextmanager
def opened(name: str, tree: Path, url: str, folder: Path) -> Iterator[Worker]:
    """Start a worker with its databases made."""
    module = "lab.fuzz.worker"
    with started(name, tree, url, folder, module=module) as worker:
        worker.ask("open", name=f"fuzz_{name}", folder=None, synchronous="OFF")
        worker.ask("prepare", name=f"fuzz_{name}")
        yield worker


@contextmanager
def pair(stock: Path, patched: Path, url: str) -> Iterator[Pair]:
    """Start both; ended, and their databases dropped, when the block is left."""
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as name,
        opened(STOCK, stock, url, Path(name)) as one,
        opened(PATCHED, patched, url, Path(name)) as other,
    ):
        yield Pair(one, other)


def difference(scenario: Scenario, stock: Answer, patched: Answer) -> Difference | None:
    """Return the difference, if there is one that is not allowed."""
    before, after = normalised(scenario, stock.outcome, patched.outcome)
    # As text: the order in which attributes were set may be seen as well.
    same = json.dumps(before) == json.dumps(after)
    return None if same else Difference(scenario, stock, patched)


def check_known(pair: Pair, known: Sequence[Scenario], report: Report) -> None:
    """Compare these scenarios, up to the first difference."""
    for scenario, (one, other) in zip(known, pair.compare(known), strict=True):
        report.paths[path(scenario, other)] += 1
        report.difference = difference(scenario, one, other)
        if report.difference:
            return


def check_random(pair: Pair, examples: int, seed: int, report: Report) -> None:
    """Compare scenarios that hypothesis draws; a difference is shrunk.

    The scenarios that shrinking tries are not counted.
    """
    broken: list[StackError] = []

    def compare(scenario: Scenario) -> None:
        if broken:
            raise broken[0]
        try:
            [(one, other)] = pair.compare([scenario])
        except StackError as error:
            broken.append(error)
            raise
        found = difference(scenario, one, other)
        if not report.difference:
            report.paths[path(scenario, other)] += 1
            if report.scenarios % TURN == 0:
                say(f"{report.scenarios:,} scenarios, no difference")
        if found:
            report.difference = found
            raise Found(found)

    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        print_blob=False,
    )
    test = settings(hypothesis.given(scenarios())(compare))
    try:
        hypothesis.seed(seed)(test)()
    except Found as error:
        report.difference = error.difference
    except hypothesis.errors.Flaky:
        # It came once and did not come back: a finding too, just not a shrunk one.
        if broken:
            raise broken[0] from None


def corpus() -> list[Scenario]:
    """Return the scenarios that once showed something; every check begins so."""
    return [
        Scenario.from_json(each["scenario"])
        for each in json.loads(CORPUS.read_text("utf-8"))
    ]


def check(
    stock: Path,
    patched: Path,
    url: str,
    *,
    known: Sequence[Scenario],
    examples: int,
    seed: int,
) -> Report:
    """Compare the Djangos in two folders on the server that ``url`` names.

    First the ``known`` scenarios, then ``examples`` random ones. StackError if a
    worker fails.
    """
    report = Report()
    with ExitStack() as stack:
        both = stack.enter_context(pair(stock, patched, url))
        began = time.monotonic()
        check_known(both, known, report)
        if not report.difference and examples:
            check_random(both, examples, seed, report)
        report.seconds = time.monotonic() - began
    return report
