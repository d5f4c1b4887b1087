"""What replays of request streams showed, as curves and rows to show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.evidence.results import Result

BACKENDS = {"locmem": "local memory", "file": "files", "db": "database"}


@dataclass(frozen=True)
class Curve:
    """Hit ratios of one strategy on one trace, by MAX_ENTRIES in percent of the keys.

    ``model``: no cache of Django, but what limits one.
    """

    trace: str
    strategy: str
    model: bool
    requests: int
    shares: Sequence[int]
    ratios: Sequence[float]


def curves(results: Iterable[Result], backend: str) -> list[Curve]:
    """Return the curves of a backend: "locmem", "file", "db"."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        if result.data["options"]["backend"] != backend:
            continue
        for each in result.data["results"]:
            found.setdefault((each["trace"], each["strategy"]), []).append(each)
    return [
        Curve(
            trace=trace,
            strategy=strategy,
            model=points[0]["model"],
            requests=points[0]["requests"],
            shares=[each["share"] for each in points],
            ratios=[each["hit_ratio"] for each in points],
        )
        for (trace, strategy), given in found.items()
        # What several files have of a model is one thing.
        for points in [sorted({p["share"]: p for p in given}.values(), key=by_share)]
    ]


def by_share(point: dict[str, Any]) -> int:
    return int(point["share"])


def backends(results: Iterable[Result]) -> list[str]:
    """Return the backends that were replayed into, each once."""
    return list(dict.fromkeys(each.data["options"]["backend"] for each in results))


def ordered(curves: Sequence[Curve]) -> list[str]:
    """Return the strategies, the models last."""
    own = dict.fromkeys(each.strategy for each in curves if not each.model)
    return [*own, *dict.fromkeys(each.strategy for each in curves if each.model)]
