"""Random histories of calls, in the real caches and in plain models of them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.client import Worker, started
from tests.culling_models import STRATEGIES, Cache, Call, Database, Entry, Files

pytestmark = pytest.mark.slow

START = 1_700_000_000
OF_DATABASE = ("fifo", "lfu", "lru", "random", "sieve", "ttl")
NAMES = [f"key-{number}" for number in range(32)]
TIMEOUTS = (0, 1, 3, 10, 30)

# One of each kind for each name; what is there several times comes more often.
KINDS = [
    Call("has_key"),
    *[Call("get"), Call("get twice"), Call("set")] * 6,
    *(Call("set", number=timeout) for timeout in TIMEOUTS),
    *(Call("add"), Call("add", number=3), Call("touch")),
    *(Call("touch", number=timeout) for timeout in TIMEOUTS),
    *(Call("incr", number=1), Call("incr", number=-2)),
    *[Call("delete")] * 2,
    *(Call("get", version=2), Call("set", version=2)),
]
CALLS = [kind._replace(name=name) for kind in KINDS for name in NAMES]
CALLS += [Call("wait", number=seconds) for seconds in (1, 1, 5)] * 7
CALLS += [Call("clear")] * 7

# The same histories each time, and nothing kept of them.
the_same = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

type History = list[tuple[Call, float]]
type Stored = dict[str, int]  # key → priority


@st.composite
def plays(
    draw: st.DrawFn, strategy: str, tick: float = 0.0
) -> tuple[dict[str, Any], History]:
    """Draw OPTIONS, and calls on some more keys than there is room for.

    Each call has its time; ``tick`` is the seconds from one to the next, and there
    are others that wait.
    """
    room = draw(st.sampled_from((1, 2, 3, 5, 10, 20, 21)))
    frequency = draw(st.sampled_from([room, room, 3, 2, 1, 0]))
    several = NAMES[: room + room // 2 + 2]
    names = {name: several[at % len(several)] for at, name in enumerate(NAMES)}
    now = float(START)
    history: History = []
    for call in draw(st.lists(st.sampled_from(CALLS), min_size=100, max_size=200)):
        now += tick
        if call.do == "wait":
            now += call.number or 0
            continue
        do, *again = call.do.split()
        call = call._replace(do=do, name=names.get(call.name, ""))
        history += [(call, now)] * (2 if again else 1)
    options = {
        "MAX_ENTRIES": room,
        "CULL_FREQUENCY": frequency,
        "CULL_STRATEGY": strategy,
    }
    return options, history


@pytest.fixture(scope="module")
def worker(patched: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("culling")
    module = "tests.culling_worker"
    with started("culling", patched, "sqlite:///:memory:", folder, module) as one:
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


@pytest.mark.parametrize("strategy", STRATEGIES)
@the_same
@given(data=st.data())
def test_local_memory(worker: Worker, strategy: str, data: st.DataObject) -> None:
    options, history = data.draw(plays(strategy))
    model = STRATEGIES[strategy](options["MAX_ENTRIES"], options["CULL_FREQUENCY"])
    played = worker.ask("play", backend="locmem", options=options, calls=history)
    for number, (call, now) in enumerate(history):
        result, model.left = played["steps"][number]
        expected = model.step(call, number, now)
        with saying(f"call {number}: {call}"):
            assert result == expected
            assert sorted(model.left) == sorted(model.entries)


# Files and databases cull several entries at a time, and record few accesses: which
# ones go is not known exactly.

# Model, strategies, and how many entries there may be above MAX_ENTRIES. Without
# entries above, an entry that is set again needs no room.
BACKENDS: dict[str, tuple[type[Cache], tuple[str, ...], int]] = {
    "file": (Files, ("fifo", "lfu", "lru", "random", "ttl"), 0),
    "db": (Database, OF_DATABASE, 1),
}
SAVED_BY_READS = ("lfu", "lru", "s3-fifo", "sieve")

# Where a strategy may put an entry: the first and the last place.
PLACES: dict[str, Callable[[Entry], tuple[float, float]]] = {
    "fifo": lambda entry: (entry.set_at, entry.set_at),
    "lru": lambda entry: (entry.set_at, entry.used_at),
    "ttl": lambda entry: (entry.expires, entry.expires),
}


def check_kept(strategy: str, call: Call, before: Stored, after: Stored) -> None:
    """Check what a call makes of an entry that is there and stays."""
    old, new = before.get(call.key), after.get(call.key)
    if old is None or new is None:
        return
    if call.do == "set" and strategy in ("lfu", "sieve"):
        assert new == old  # an entry that is set again stays in its place
    if call.do == "get":
        assert new == old | 1 if strategy == "sieve" else new >= old


def check_order(
    strategy: str,
    entries: Mapping[str, Entry],
    before: Stored,
    after: Stored,
    victims: Collection[str],
    others: Collection[str],
) -> None:
    """Check that no victim had a later place than one of the others."""
    last = max(before[key] for key in victims)
    if strategy == "sieve":
        # The hand takes the mark of an entry that was read, whose priority is odd,
        # and puts it off to the next round.
        last = max(
            before[key] - 1 + 2**43 if before[key] % 2 else before[key]
            for key in victims
        )
    assert last <= min((after[key] for key in others), default=last)
    if places := PLACES.get(strategy):
        first = max(places(entries[key])[0] for key in victims)
        assert first <= min((places(entries[key])[1] for key in others), default=first)


@pytest.mark.parametrize(
    ("name", "strategy"),
    [(name, each) for name, backend in BACKENDS.items() for each in backend[1]],
)
@settings(the_same, max_examples=25)
@given(data=st.data())
def test_stored(worker: Worker, name: str, strategy: str, data: st.DataObject) -> None:
    kind, _, above = BACKENDS[name]
    options, history = data.draw(plays(strategy, tick=0.001))
    room, frequency = options["MAX_ENTRIES"], options["CULL_FREQUENCY"]
    played = worker.ask("play", backend=name, options=options, calls=history)
    model = kind()
    before: Stored = {}
    for number, (call, now) in enumerate(history):
        result, after = played["steps"][number]
        entries = dict(model.entries)
        taken = before.keys() - (set() if above else {call.key})
        culls = call.do in ("set", "add") and len(taken) >= room + above
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
            at_random = frequency if strategy == "random" else 0
            assert len(after) <= max(room + above, at_random)
            # Its own key may have been culled and set.
            others = entries.keys() & after.keys() - {call.key}
            # A cull begins with what has expired.
            over = {key for key in entries if entries[key].expires <= now}
            victims = culled - over
            if not culls:
                assert not culled
                check_kept(strategy, call, before, after)
                if strategy == "lru" and call.do == "get" and result is not None:
                    # At least what is in the older half of the cache is recorded.
                    place = after[call.key] / 1_000_000 - played["later"]
                    assert now - place <= (now - START) / 2 + 0.001
            elif frequency == 0:
                assert not others
            elif victims:
                assert not over & others
                if strategy == "random":
                    assert len(victims) <= len(before) // frequency
                else:
                    assert len(after) >= room - room // 100
                    check_order(strategy, entries, before, after, victims, others)
        before = after


@pytest.mark.parametrize(
    ("name", "strategy"),
    [
        *(("locmem", strategy) for strategy in ("fifo", *SAVED_BY_READS)),
        *(("file", strategy) for strategy in ("fifo", "lfu", "lru")),
        *(("db", strategy) for strategy in ("fifo", "lfu", "lru", "sieve")),
    ],
)
def test_what_is_read_often_stays(worker: Worker, name: str, strategy: str) -> None:
    sets, more = ([Call("set", key) for key in keys] for keys in ("abc", "de"))
    calls = [*sets, *[Call("get", "a")] * 100, *more]
    history = [(call, START + number) for number, call in enumerate(calls)]
    options = {"MAX_ENTRIES": 3, "CULL_FREQUENCY": 3, "CULL_STRATEGY": strategy}
    played = worker.ask("play", backend=name, options=options, calls=history)
    _, left = played["steps"][-1]
    saved = strategy in SAVED_BY_READS
    assert (Call("get", "a").key in left) == saved
    assert not (saved and Call("get", "b").key in left)
