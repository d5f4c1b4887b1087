"""Random histories of calls, in the real caches and in plain models of them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.client import Worker, started
from tests.culling_models import (
    POLICIES,
    Cache,
    Call,
    Database,
    Entry,
    Files,
    LocalMemory,
)

SQLITE = "sqlite:///:memory:"
START = 1_700_000_000
OF_DATABASE = ("fifo", "lfu", "lru", "random", "sieve", "ttl")
NAMES = [f"key-{number}" for number in range(32)]
TIMEOUTS = (0, 1, 3, 10, 30)

# One of each kind for each name; what is there several times comes more often.
KINDS = [
    Call("has_key"),
    *[Call("get")] * 6,
    *[Call("get twice")] * 6,
    *[Call("set")] * 6,
    *(Call("set", number=timeout) for timeout in TIMEOUTS),
    Call("add"),
    Call("add", number=3),
    Call("touch"),
    *(Call("touch", number=timeout) for timeout in TIMEOUTS),
    Call("incr", number=1),
    Call("incr", number=-2),
    *[Call("delete")] * 2,
    Call("get", version=2),
    Call("set", version=2),
]
CALLS = [kind._replace(name=name) for kind in KINDS for name in NAMES]
CALLS += [Call("wait", number=seconds) for seconds in (1, 1, 5)] * 7
CALLS += [Call("clear")] * 7

ROOMS = (1, 2, 3, 5, 10, 20, 21)

# The same histories each time, and nothing kept of them.
the_same = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

type History = list[tuple[Call, float]]


@st.composite
def histories(draw: st.DrawFn, room: int, tick: float = 0.0) -> History:
    """Draw calls on some more keys than there is room for, each with its time.

    ``tick`` is the seconds from one to the next; there are others that wait.
    """
    several = NAMES[: room + room // 2 + 2]
    names = {name: several[at % len(several)] for at, name in enumerate(NAMES)}
    drawn = draw(st.lists(st.sampled_from(CALLS), min_size=100, max_size=200))
    now = float(START)
    history = []
    for call in drawn:
        now += tick
        if call.do == "wait":
            now += call.number or 0
            continue
        do, *again = call.do.split()
        call = call._replace(do=do, name=names.get(call.name, ""))
        history += [(call, now)] * (2 if again else 1)
    return history


@pytest.fixture(scope="module")
def worker(patched: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("culling")
    with started("culling", patched, SQLITE, folder, "tests.culling_worker") as one:
        one.ask("open", name="culling", folder=None, synchronous="OFF")
        one.ask("prepare", folder=str(folder), strategies=OF_DATABASE)
        yield one


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Add what is checked to an assertion that fails."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


@st.composite
def options_of(draw: st.DrawFn, strategy: str) -> dict[str, Any]:
    room = draw(st.sampled_from(ROOMS))
    frequency = draw(st.sampled_from([room, room, 3, 2, 1, 0]))
    return {
        "MAX_ENTRIES": room,
        "CULL_FREQUENCY": frequency,
        "CULL_STRATEGY": strategy,
    }


@pytest.mark.parametrize("strategy", POLICIES)
@the_same
@given(data=st.data())
def test_local_memory(worker: Worker, strategy: str, data: st.DataObject) -> None:
    options = data.draw(options_of(strategy), "OPTIONS")
    room = options["MAX_ENTRIES"]
    history = data.draw(histories(room), "history")
    model = LocalMemory(strategy, room, options["CULL_FREQUENCY"])
    played = worker.ask("play", backend="locmem", options=options, calls=history)
    for number, (call, now) in enumerate(history):
        result, left = played["steps"][number]
        model.left = left
        expected = model.step(call, number, now)
        with saying(f"call {number}: {call}"):
            assert (result, sorted(left)) == (expected, sorted(model.entries))


# Files and databases cull several entries at a time, and record few accesses: which
# ones go is not known exactly.

type Stored = dict[str, int]  # key → priority


@dataclass(frozen=True)
class Backend:
    """``over``: how many entries there may be above MAX_ENTRIES.

    With none, an entry that is set again needs no room.
    """

    model: type[Cache]
    strategies: tuple[str, ...]
    over: int
    expired_first: bool

    def culls(self, call: Call, before: Stored, room: int) -> bool:
        taken = before.keys() if self.over else before.keys() - {call.key}
        return call.do in ("set", "add") and len(taken) >= room + self.over


BACKENDS = {
    "file": Backend(Files, ("fifo", "lru", "random", "ttl"), 0, False),
    "db": Backend(Database, OF_DATABASE, 1, True),
}

SAVED_BY_READS = ("lfu", "lru", "s3-fifo", "sieve")

# What is set again stays where it is.
KEEP_THEIR_PLACE = ("lfu", "sieve")

# Where a strategy may put an entry: the first and the last place.
PLACES: dict[str, Callable[[Entry], tuple[float, float]]] = {
    "fifo": lambda entry: (entry.set_at, entry.set_at),
    "lru": lambda entry: (entry.set_at, entry.used_at),
    "ttl": lambda entry: (entry.expires or inf, entry.expires or inf),
}


def set_call(name: str) -> Call:
    return Call("set", name)


def unmarked(priority: int) -> int:
    """Return what SIEVE makes of the priority of an entry that it comes to.

    That of one that was read is odd. It is put off to the next round of the hand.
    """
    return priority - 1 + 2**43 if priority % 2 else priority


def check_kept(strategy: str, call: Call, before: Stored, after: Stored) -> None:
    """Check what a call makes of an entry that is there and stays."""
    key = call.key
    if key not in before or key not in after:
        return
    if call.do == "set" and strategy in KEEP_THEIR_PLACE:
        assert after[key] == before[key]
    if call.do == "get":
        assert after[key] >= before[key]
        if strategy == "sieve":
            assert after[key] == before[key] | 1


@dataclass(frozen=True)
class Culled:
    """A call that culled ``keys``.

    ``entries`` are those before it, ``before`` and ``after`` the priorities. Its own
    key is not among ``others``, those that stayed, as it may have been culled and set.
    """

    options: Mapping[str, Any]
    entries: Mapping[str, Entry]
    before: Stored
    after: Stored
    keys: Collection[str]
    others: Collection[str]
    now: float

    @property
    def strategy(self) -> str:
        return str(self.options["CULL_STRATEGY"])

    def over(self, keys: Collection[str]) -> set[str]:
        return {key for key in keys if self.entries[key].is_over(self.now)}

    def check(self, expired_first: bool) -> None:
        if self.options["CULL_FREQUENCY"] == 0:
            assert not self.others
            return
        victims = {*self.keys}
        if expired_first:
            victims -= self.over(self.keys)
            assert not victims or not self.over(self.others)
        if victims and self.strategy == "random":
            count = len(self.before) // self.options["CULL_FREQUENCY"]
            assert len(victims) <= count
        elif victims:
            room = self.options["MAX_ENTRIES"]
            assert len(self.after) >= room - room // 100
            self.check_order(victims)

    def check_order(self, victims: Collection[str]) -> None:
        last = max(self.before[key] for key in victims)
        if self.strategy == "sieve":
            last = max(unmarked(self.before[key]) for key in victims)
        assert last <= min((self.after[key] for key in self.others), default=last)
        if places := PLACES.get(self.strategy):
            first = max(places(self.entries[key])[0] for key in victims)
            ends = [places(self.entries[key])[1] for key in self.others]
            assert first <= min(ends, default=first)


@pytest.mark.parametrize(
    ("name", "strategy"),
    [(name, each) for name, backend in BACKENDS.items() for each in backend.strategies],
)
@settings(the_same, max_examples=25)
@given(data=st.data())
def test_stored(worker: Worker, name: str, strategy: str, data: st.DataObject) -> None:
    backend = BACKENDS[name]
    options = data.draw(options_of(strategy), "OPTIONS")
    room = options["MAX_ENTRIES"]
    history = data.draw(histories(room, tick=0.001), "history")
    played = worker.ask("play", backend=name, options=options, calls=history)
    model = backend.model()
    before: Stored = {}
    for number, (call, now) in enumerate(history):
        result, after = played["steps"][number]
        entries = dict(model.entries)
        culls = backend.culls(call, before, room)
        if call.do == "add" and result and culls:
            # Its own entry may have been culled to make room.
            model.entries.pop(call.key, None)
        expected = model.step(call, number, now)
        culled = model.entries.keys() - after.keys()
        for key in culled:
            model.delete(key)
        with saying(f"call {number}: {call}"):
            assert (result, sorted(after)) == (expected, sorted(model.entries))
            # The quotient of both, which is culled at random, may be 0.
            at_random = options["CULL_FREQUENCY"] if strategy == "random" else 0
            assert len(after) <= max(room + backend.over, at_random)
            if culls:
                others = entries.keys() & after.keys() - {call.key}
                found = Culled(options, entries, before, after, culled, others, now)
                found.check(backend.expired_first)
            else:
                assert not culled
                check_kept(strategy, call, before, after)
                if strategy == "lru" and call.do == "get" and result is not None:
                    # At least what is in the older half of the cache is recorded.
                    place = after[call.key] / 1_000_000 - played["later"]
                    assert now - place <= (now - START) / 2 + 0.001
        before = after


@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        *(("locmem", strategy) for strategy in ("fifo", *SAVED_BY_READS)),
        *(("file", strategy) for strategy in ("fifo", "lru")),
        *(("db", strategy) for strategy in ("fifo", "lfu", "lru", "sieve")),
    ],
)
def test_what_is_read_often_stays(worker: Worker, name: str, strategy: str) -> None:
    calls = [*map(set_call, "abc"), *[Call("get", "a")] * 100, *map(set_call, "de")]
    history = [(call, START + number) for number, call in enumerate(calls)]
    options = {"MAX_ENTRIES": 3, "CULL_FREQUENCY": 3, "CULL_STRATEGY": strategy}
    played = worker.ask("play", backend=name, options=options, calls=history)
    _, left = played["steps"][-1]
    saved = strategy in SAVED_BY_READS
    assert (Call("get", "a").key in left) == saved
    assert not (saved and Call("get", "b").key in left)
