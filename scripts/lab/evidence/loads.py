"""What the load test measured, as rows to show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.evidence.results import Result


@dataclass(frozen=True)
class Load:
    """One side on one database.

    ``calls`` per second and ``ratios`` (of hits) are those of each second of its
    turns, ``seconds`` its number. ``latency`` in µs: "p50", "p99", "p999", "worst".
    ``gain``: its throughput / stock's. ``errors`` reached the caller, ``failed`` are
    all statements that failed, by exception. ``hit_ratio``: None without a get().
    """

    database: str
    strategy: str
    processes: int
    throughput: float
    quartiles: tuple[float, float]
    gain: float
    hit_ratio: float | None
    latency: Mapping[str, float]
    errors: Mapping[str, int]
    failed: Mapping[str, int]
    entries: int
    seconds: Sequence[int]
    calls: Sequence[int]
    ratios: Sequence[float]


def loads(results: Iterable[Result]) -> list[Load]:
    return [
        Load(
            database=result.database,
            strategy=side["strategy"],
            processes=result.data["options"]["processes"],
            throughput=side["throughput"]["median"],
            quartiles=tuple(side["throughput"]["quartiles"]),
            gain=result.data["ratios"][side["strategy"]],
            hit_ratio=side["hit_ratio"],
            latency=side["latency_us"]["all"],
            errors=side["errors"],
            failed=side["failed_statements"],
            entries=side["entries"][-1],
            seconds=[window["second"] for window in side["windows"]],
            calls=[window["calls"] for window in side["windows"]],
            ratios=[
                window["hits"] / window["gets"] if window["gets"] else 0
                for window in side["windows"]
            ],
        )
        for result in results
        for side in result.data["results"]
    ]
