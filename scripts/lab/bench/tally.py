"""What a replay counts."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What happened so far.

    ``calls``: "get UPDATE" → how many such statements get() sent, "get utime" → how
    often it set the times of a file. ``rows`` are those that statements changed.
    Times are CPU time (of a miss with its set()), and those of the longest single
    calls, wall and CPU.
    """

    hits: int = 0
    hit_cpu_ns: int = 0
    miss_cpu_ns: int = 0
    worst_get_ns: int = 0
    worst_set_ns: int = 0
    worst_get_cpu_ns: int = 0
    worst_set_cpu_ns: int = 0
    entries: int = 0
    most_entries: int = 0  # of those after each request for a replay
    calls: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
