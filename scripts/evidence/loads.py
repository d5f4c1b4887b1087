"""What the load test measured, as rows to show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evidence.results import Result


@dataclass(frozen=True)
class Load:
    """One side on one database.

    ``calls`` per second and ``ratios`` (of hits) are those of each second of its
    turns, ``seconds`` its number. ``latency`` in µs: "p50", "p99", "p999", "worst".
    ``gain``: its throughput / stock's, None for stock.
    """

    database: str
    strategy: str
    processes: int
    throughput: float
    quartiles: tuple[float, float]
    gain: float | None
    hit_ratio: float
    latency: Mapping[str, float]
    errors: Mapping[str, int]
    entries: int
    seconds: Sequence[int]
    calls: Sequence[int]
    ratios: Sequence[float]

    @property
    def failed(self) -> int:
        """Calls that raised."""
        return sum(self.errors.values())


def loads(results: Iterable[Result]) -> list[Load]:
    return [
        Load(
            database=result.database,
            strategy=side["strategy"],
            processes=result.data["options"]["processes"],
            throughput=side["throughput"]["median"],
            quartiles=tuple(side["throughput"]["quartiles"]),
            gain=result.data["ratios"].get(side["strategy"]),
            hit_ratio=side["hit_ratio"],
            latency=side["latency_us"]["all"],
            errors=side["errors"],
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
