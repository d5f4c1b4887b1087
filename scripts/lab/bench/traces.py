"""Request streams: recorded ones from files, synthetic ones from a seed."""

import lzma
import random
import sys
from array import array
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from common.errors import StackError

# Name of a trace → the Zipf exponent of the stream that stands in for it.
TRACES = {"web07": 0.8, "web12": 0.9, "orm-night": 1.0, "orm-busy": 1.1}
OBJECTS = 20_000
REQUESTS = 100_000

# Streams that are synthetic by their names, which end in the Zipf exponent; as in
# the literature on eviction.
ZIPF = {f"zipf-{exponent}": exponent for exponent in (0.9, 1.0, 1.1)}
ZIPF_OBJECTS = 100_000
ZIPF_REQUESTS = 1_000_000

NAMES = (*TRACES, *ZIPF)


@dataclass(frozen=True)
class Trace:
    """``keys``: one a request. ``label`` says where they come from."""

    name: str
    label: str
    keys: array[int]

    @property
    def distinct(self) -> int:
        return len(set(self.keys))


def read(path: Path, limit: int | None = None) -> array[int]:
    """Return the first ``limit`` keys of an xz stream of big-endian 32-bit integers."""
    keys = array("i")
    try:
        with lzma.open(path) as stream:
            content = stream.read(-1 if limit is None else limit * keys.itemsize)
    except (lzma.LZMAError, EOFError) as error:
        raise StackError(f"{path.name} is not a whole xz file: {error}") from None
    except OSError as error:
        raise StackError(f"{path.name} cannot be read: {error.strerror}") from None
    if not content or len(content) % keys.itemsize:
        raise StackError(f"{path.name} is not a stream of 32-bit keys")
    keys.frombytes(content)
    if sys.byteorder == "little":
        keys.byteswap()
    return keys


def cumulated(objects: int, exponent: float) -> list[float]:
    """Return the popularity of each rank and all before it: sums of rank ** -exponent.

    As random.choices() takes them.
    """
    return list(accumulate(rank**-exponent for rank in range(1, objects + 1)))


def zipf(objects: int, requests: int, exponent: float, seed: int) -> array[int]:
    """Return requests for objects whose popularity falls as rank ** -exponent.

    The ids are shuffled: the popular objects lie anywhere among them.
    """
    draw = random.Random(seed)
    ids = list(range(objects))
    draw.shuffle(ids)
    weights = cumulated(objects, exponent)
    return array("i", draw.choices(ids, cum_weights=weights, k=requests))


def load(name: str, folder: Path, limit: int | None, seed: int) -> Trace:
    """Return the trace of that name from ``folder``, or what stands in for it."""
    if name in ZIPF:
        requests = ZIPF_REQUESTS if limit is None else min(limit, ZIPF_REQUESTS)
        return Trace(name, name, zipf(ZIPF_OBJECTS, requests, ZIPF[name], seed))
    if name not in TRACES:
        raise StackError(
            f"no trace is called {name!r}; there are: {', '.join(NAMES)}",
            then="./scripts/stack bench --help",
        )
    path = folder / f"cache2k-{name}.trace.xz"
    if path.is_file():
        return Trace(name, name, read(path, limit))
    requests = REQUESTS if limit is None else min(limit, REQUESTS)
    exponent = TRACES[name]
    return Trace(
        name,
        f"synthetic Zipf {exponent} ({path.name} is absent)",
        zipf(OBJECTS, requests, exponent, seed),
    )
