"""The benchmark: its arithmetic and tables, and real workers on a real Django."""

import argparse
import json
import lzma
import os
import random
import re
import signal
import sqlite3
import struct
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import OK, StackError
from common.project import Project
from databases.servers import on_each, require, running
from databases.targets import Unavailable, resolve
from lab import figures, options, runs
from lab.bench import bare, compare, peers, replay, size, traces
from lab.bench.compare import QUICK, Plan
from lab.bench.operations import CACHE, OPERATIONS, ORM, select
from lab.bench.statements import counter, mean_statements
from lab.bench.supply import Supply, key
from lab.bench.values import KINDS, VALUES, pickled
from lab.client import Worker, started
from lab.variants import PATCHED, STOCK
from patchstack import trees, upstream
from stack import parser
from tests.conftest import assert_refused
from verbs import bench as verb

SQLITE = "sqlite:///:memory:"
SHORT = replace(QUICK, rows=(30,), rounds=2, block=0.001, counted_calls=3)


@contextmanager
def server(name: str) -> Iterator[str]:
    """Yield the URL of a database; skip the test without a server."""
    try:
        with running(resolve(name)) as database:
            yield database.url
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def worker(stock: Path, tmp_path: Path) -> Iterator[Worker]:
    with started("stock", stock, SQLITE, tmp_path) as one:
        one.ask("open", name="stock", folder=str(tmp_path), synchronous="OFF")
        yield one


# Arithmetic and tables


def test_ratio_is_the_median_of_each_rounds_ratio() -> None:
    # The second round was ten times slower for both: the ratio does not see it.
    assert figures.ratio([20, 200, 30], [10, 100, 10]) == 2
    with pytest.raises(ValueError, match="shorter"):
        figures.ratio([1, 2], [1])


def lane(name: str, **times: Sequence[int]) -> compare.Lane:
    """Return made-up rounds: variant → µs per call, wall time as twice CPU time."""
    blocks = {
        variant: [
            {"calls": 10, "cpu_ns": us * 10_000, "wall_ns": us * 20_000} for us in each
        ]
        for variant, each in times.items()
    }
    counted = {STOCK: {"calls": 100, "statements": 500}}
    counted[PATCHED] = {"calls": 100, "statements": 401}
    return compare.Lane(OPERATIONS[name], 1_000, {}, counted, blocks=blocks)


def test_what_a_person_reads_and_what_is_kept() -> None:
    both = lane("touch", stock=[100, 110, 90], patched=[50, 50, 50], redis=[5, 5, 5])
    alone = lane("bare get", patched=[25, 20])
    del alone.counted[STOCK]
    data: dict[str, Any] = {
        "database": {"name": "SQLite", "version": "3.45"},
        "options": Plan(latency=1).to_json(),
        "results": [both.to_json(), alone.to_json()],
        "peers": {"redis": "7"},
        "instead": {"upsert hit": "update_or_create hit"},
        "skipped": {"bare set": "it sends two"},
        "absent": {"diskcache": "not installed"},
        "unsupported": {"redis": {"incr": "TypeError: no"}},
    }
    shown = compare.show(data)
    rows = [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in shown.splitlines()
    ]
    first = ["touch", "1,000", "100 [95 - 105]", "50 [50 - 50]", "2.00 x"]
    assert [*first, "200 [190 - 210]", "100 [100 - 100]", "2.00 x", "5 → 4.01"] in rows
    second = ["bare get", "1,000", "-", "22 [21 - 24]", "-"]
    assert [*second, "-", "45 [42 - 48]", "-", "- → 4.01"] in rows
    third = ["touch", "1,000", "redis", "5.0 [5.0 - 5.0]", "0.10 x"]
    assert [*third, "10 [10 - 10]", "0.10 x", "-"] in rows
    assert shown.splitlines()[-4:] == [
        "upsert hit: stock runs update_or_create hit",
        "bare set: not run: it sends two",
        "diskcache: not run: not installed",
        "incr, redis: not run: TypeError: no",
    ]
    assert "round trips 1 ms longer" in shown
    kept = json.loads(json.dumps(data))["results"]
    assert (kept[0]["cpu_ratio"], kept[1]["cpu_ratio"]) == (2, None)
    assert kept[1]["limit_of"] == "get hit"
    assert data["options"]["max_entries"] == 1_000_000
    assert data["options"]["value_bytes"] == len(pickled("dict")) == 144


# Values and operations


def test_values_differ_and_pages_are_as_real_ones() -> None:
    for kind, make in KINDS.items():
        assert len({pickled(kind, number) for number in range(VALUES)}) == VALUES
        assert make(1) == make(1 + VALUES)
    for number in range(VALUES):
        assert 8_000 < len(pickled("page", number)) < 10_000
        assert 1_200 < len(zlib.compress(pickled("page", number), 1)) < 2_000


def test_select_by_name_and_by_pattern() -> None:
    assert [each.name for each in select([])] == list(OPERATIONS)
    names = verb.operation_names("update_or_create fallback, no unique key,touch,set *")
    assert names == (
        *("set existing key", "set new key", "touch"),
        "update_or_create fallback, no unique key",
    )
    with pytest.raises(StackError, match=r"no operation is called 'sett'.*touch"):
        select(["touch", "sett"])


def supply(cache: Any, seed: int = 1, insert: Callable[..., Any] = list) -> Supply:
    made = Supply(cache, 50, seed, insert)
    made.calls = 4
    return made


def test_keys_are_reproducible_and_do_not_meet() -> None:
    one, two = supply(None), supply(None)
    existing = [next(one.existing) for _ in range(50)]
    assert existing == [next(two.existing) for _ in range(50)]
    assert sorted(existing) == sorted(key(number) for number in range(50))
    assert supply(None, seed=4).keys != one.keys
    fresh = list(one.new())
    assert len(fresh) == 4
    assert one.added == fresh
    absent = {name for name, _ in zip(one.absent(), range(2_000), strict=False)}
    assert not ({*existing} & {*fresh}) | (absent & {*existing, *fresh})
    assert not {*one.new()} & {*fresh}


def test_rows_to_delete_are_made_for_each_call() -> None:
    for each in CACHE:
        if each.bounded:
            cache = SimpleNamespace(deleted=[], delete=None, delete_many=None)
            cache.delete = cache.deleted.append
            cache.delete_many = cache.deleted.extend
            made: list[str] = []
            steps = each.prepare(supply(cache, insert=made.extend))
            assert len(made) == 4 * each.per
            assert len([*steps]) == 4
            assert cache.deleted == made


# Traces and models


def test_trace_file(tmp_path: Path) -> None:
    keys = [1, 2, 1, 70_000, 2**31 - 1]
    path = tmp_path / "cache2k-web07.trace.xz"
    path.write_bytes(lzma.compress(struct.pack(">5i", *keys)))
    assert list(traces.read(path, limit=3)) == keys[:3]
    loaded = traces.load("web07", tmp_path, None, seed=1)
    assert (loaded.label, list(loaded.keys), loaded.distinct) == ("web07", keys, 4)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StackError, match=r"web07.trace.xz is not a whole xz file"):
        traces.read(path)


def test_synthetic_traces(tmp_path: Path) -> None:
    one = traces.load("web12", tmp_path, 500, seed=1)
    assert one.label.startswith("synthetic Zipf 0.9 (cache2k-web12")
    assert len(one.keys) == 500
    assert one.keys == traces.load("web12", tmp_path, 500, seed=1).keys
    assert one.keys != traces.load("web12", tmp_path, 500, seed=2).keys
    assert traces.load("zipf-1.1", tmp_path, 300, seed=1).label == "zipf-1.1"
    loop = traces.load("loop", tmp_path, 3_000, seed=1)
    assert [*loop.keys] == [*range(1_100), *range(1_100), *range(800)]
    mixed = traces.load("scan", tmp_path, 9_500, seed=1).keys
    without = traces.load("zipf-1.0", tmp_path, 9_500, seed=1).keys
    scans = [*mixed[4_000:5_000], *mixed[9_000:]]
    assert len({*scans} - {*without}) == 1_500
    assert mixed[:4_000] + mixed[5_000:9_000] == without[:4_000] + without[5_000:9_000]
    with pytest.raises(StackError, match=r"no trace is called 'web99'.*web07"):
        traces.load("web99", tmp_path, None, seed=1)
    keys = traces.zipf(1_000, 50_000, 1.0, seed=7)
    counts = [count for _, count in Counter(keys).most_common()]
    # Rank 1 has 1 / (1 + 1/2 + … + 1/1000) = 13.4 % of all, rank 10 a tenth of it.
    assert counts[0] == pytest.approx(50_000 * 0.1336, rel=0.05)
    assert counts[9] == pytest.approx(counts[0] / 10, rel=0.2)


@pytest.mark.parametrize("seed", range(10))
def test_belady_is_the_best_of_all_choices(seed: int) -> None:
    keys = tuple(random.Random(seed).choices(range(5), k=10))

    def best(held: frozenset[int], at: int) -> int:
        """Return the most hits from a request on, whatever is evicted."""
        if at == len(keys):
            return 0
        if keys[at] in held:
            return 1 + best(held, at + 1)
        ways = [held] if len(held) < 3 else [held - {each} for each in held]
        return max(best(way | {keys[at]}, at + 1) for way in ways)

    assert traces.belady_hits(keys, 3) == best(frozenset(), 0)


# The verb


def arguments(*words: str) -> argparse.Namespace:
    return parser("bench").parse_args(words)


@pytest.mark.parametrize(
    ("words", "plan"),
    [
        ([], Plan()),
        (["--quick"], QUICK),
        (["--quick", "--peers=all"], replace(QUICK, peers=peers.NAMES)),
        (["--peers=none"], Plan(peers=())),
        (["--peers", "memcached, redis,redis"], Plan(peers=("redis", "memcached"))),
        (["--latency=.5"], Plan(latency=0.5)),
        (["--values=page"], Plan(rows=(1_000, 10_000), values="page")),
        (["--values=page", "--rows=9"], Plan(rows=(9,), values="page")),
        (
            ["--rows", "10,20,10", "--ops=to*", "--seed=0"],
            Plan(rows=(10, 20), operations=("touch",), seed=0),
        ),
    ],
)
def test_options_make_the_plan(words: list[str], plan: Plan) -> None:
    assert verb.times_plan(arguments(*words)) == plan


def test_all_databases() -> None:
    def named(*words: str, able: Sequence[str] = options.MEASURED) -> list[str]:
        return [target.name for target in verb.READ.targets(words, able)]

    assert named("all") == ["sqlite", "postgres", "mariadb", "mysql", "oracle"]
    assert named("mysql", "all", able=("sqlite", "mysql")) == ["mysql", "sqlite"]


def test_only_a_named_database_must_be_available(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing to start, and no server of a user's.
    monkeypatch.delenv("TEST_ORACLE_DSN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    found: list[str] = []
    able = ["sqlite", "oracle"]
    targets = verb.READ.targets(["all"], able)
    missing = on_each(targets, lambda target, _: found.append(target.name))
    assert found == ["sqlite"]
    assert "oracle: not run: no Oracle" in capsys.readouterr().err
    require(missing, ["all", "sqlite"])
    with pytest.raises(StackError, match="oracle: not run: no Oracle"):
        require(missing, ["all", "oracle"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rows", "1000,0"], "--rows: 0 is less than 1"),
        (["--ops", "fly"], "no operation is called 'fly'"),
        (["--db", "redis"], "--db: redis is not a database"),
        (["--db", "sqlite", "--db", "mysql", "--json", "x"], "goes with one --db"),
        (["--traces", "web07"], "--traces goes with --replay"),
        (["--replay", "--traces", "web"], "no trace is called 'web'"),
        (["--replay", "--backend", "file", "--db", "x"], "--db goes with --backend db"),
        (
            ["--replay", "--share=1", "--entries=3"],
            "--share does not go with --entries",
        ),
        (["--replay", "--size"], "--size does not go with --replay"),
        (["--size", "--ops", "touch"], "--ops does not go with --size"),
        (["--size", "--db", "oracle"], "--db: oracle is not one of sqlite, postgresql"),
        (["--peers", "locmem"], "no cache is called 'locmem'; there are: django-mysql"),
        (["--latency", "-1"], "--latency: -1 is not greater than zero"),
        (["--latency", "1"], "--latency: SQLite is not reached over a network"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(
        lambda project: verb.run(arguments(*words), project), tmp_path, message
    )


def test_a_json_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="cannot be written"):
        options.write({}, tmp_path / "file" / "bench.json", tmp_path)


@pytest.mark.slow
def test_a_run_and_what_resume_leaves_out(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bench.json"
    words = ["--quick", "--rows=9,30", "--ops=get hit,bare get,upsert*", "--json"]
    assert verb.run(arguments(*words, str(file)), real) == OK
    data = json.loads(file.read_text())
    ids = {STOCK: trees.stock(real).name, PATCHED: trees.patched(real).name}
    assert (data["kind"], data["format"], data["ids"]) == ("bench", 3, ids)
    assert data["instead"] == {
        f"upsert {one}": f"update_or_create {one}" for one in ("hit", "miss")
    }
    assert [(each["operation"], each["rows"]) for each in data["results"][:3]] == [
        *(("get hit", 9), ("bare get", 9), ("upsert hit", 9))
    ]
    for each in data["results"]:
        assert all(len(blocks) == QUICK.rounds for blocks in each["blocks"].values())
    assert "MAX_ENTRIES 1,000,000, 5 rounds" in capsys.readouterr().out
    before = file.read_bytes()
    assert verb.run(arguments(*words, str(file), "--resume"), real) == OK
    assert "sqlite: measured already" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert not runs.measured(file, data | {"ids": {}})
    assert not runs.measured(tmp_path / "absent.json", {})


# Workers

# Research on stock Django 6.1, BEGIN and COMMIT counted.
BY_STATEMENTS = {
    1: "get hit|get miss|has_key|get_or_set hit|delete existing key|get_many(100)"
    "|delete_many(100)|get_or_create hit|bulk_create(100)"
    "|bulk_create(100) ignore_conflicts|bulk_create(100) update_conflicts"
    "|raw UPDATE RETURNING",
    4: "update_or_create hit|update_or_create F() hit|update_or_create fallback"
    "|update_or_create fallback, no unique key|get_or_create miss",
    5: "set existing key|set new key|add existing key|add new key|touch",
    6: "incr|decr|update_or_create miss|update_or_create in atomic hit",
    7: "get_or_set miss",
    8: "update_or_create in atomic miss",
    500: "set_many(100)",
}
STATEMENTS = {n: count for count, ns in BY_STATEMENTS.items() for n in ns.split("|")}


def test_every_operation_does_what_its_name_says(
    worker: Worker, tmp_path: Path
) -> None:
    connection = sqlite3.connect(tmp_path / "stock.sqlite3")

    def tables() -> tuple[int, int, int, int]:
        """Return rows of the cache, of the model, the sum of v, the highest id."""
        found: tuple[int, int, int, int] = connection.execute(
            "SELECT (SELECT COUNT(*) FROM bench_cache), COUNT(*), SUM(v),"
            " (SELECT seq FROM sqlite_sequence WHERE name = 'bench_item')"
            " FROM bench_item"
        ).fetchone()
        return found

    worker.ask("prepare", rows=200, tables=["cache", "orm"])
    assert set(worker.ask("lacking")) == {"upsert hit", "upsert miss"}
    counted = {}
    for name in STATEMENTS:
        *before, total, highest = tables()
        assert before == [200, 200]
        found = worker.ask("statements", operation=name, calls=4, seed=1)
        counted[name] = found["statements"] / 4
        assert worker.ask("run", operation=name, calls=4, seed=1)["calls"] == 4
        *_, sum_after, highest_after = tables()
        # Restored rows have other ids; updated ones keep theirs.
        made = {"bulk_create(100)": 800, "update_or_create fallback, no unique key": 20}
        miss = "_create" in name and name.endswith("miss")
        assert highest_after >= highest + made.get(name, 8 if miss else 0)
        updated = re.search("update_or_create.*(hit|fallback)$|update_conflicts", name)
        assert (sum_after != total) == bool(updated or name.startswith("raw"))
    assert counted == STATEMENTS
    connection.close()


def test_mean_statements(stock: Path) -> None:
    names = ["upsert hit", "set_many(100)"]
    # A Django without upsert() does it as it can.
    found = mean_statements(stock, names, calls=50)
    assert found == {"set_many(100)": 500, "upsert hit": 4}


@pytest.mark.slow
def test_counting_on_one_tree_after_the_other(
    real: Project, stock: Path, patched: Path
) -> None:
    from patchstack import build, series

    made = build.build(real, series.files(real, series.load(real)))
    ids = (upstream.base_tree(real), made[-1].tree, upstream.base_tree(real))
    with counter(real) as count:
        found = [count(tree, ["touch"])["touch"] for tree in ids]
    assert found == [5, 1, 5]


def test_culling_is_counted_reproducibly_and_undone(worker: Worker) -> None:
    worker.ask("prepare", rows=30, max_entries=30)
    asked = {"operation": "set new key", "calls": 40, "seed": 1}
    first, again = (worker.ask("statements", **asked)["statements"] for _ in range(2))
    # A full table: some calls delete, by three statements more.
    assert first == again > 5 * 40
    assert (first - 5 * 40) % 3 == 0


@pytest.mark.slow
def test_bare_statements(stock: Path, patched: Path) -> None:
    plan = replace(SHORT, operations=("bare*",), counted_calls=40)
    data = compare.compare(stock=stock, patched=patched, plan=plan)
    limits = [each["limit_of"] for each in data["results"]]
    assert limits == ["get hit", "set existing key"]
    for each in data["results"]:
        assert each["counted"] == {PATCHED: {"calls": 40, "statements": 40}}
    assert bare.with_key((":a", "value", ":a"), ":a", ":b") == [":b", "value", ":b"]


@pytest.mark.slow
def test_what_cannot_run_is_left_out(stock: Path) -> None:
    plan = replace(SHORT, operations=("bare*", "upsert hit"))
    data = compare.compare(stock=stock, patched=stock, plan=plan)
    assert [each["operation"] for each in data["results"]] == ["bare get"]
    why = "NotBareError: the call sends 4 statements, not one"
    # Without upsert() on both sides stock's way would be compared with itself.
    lacking = data["skipped"].pop("upsert hit")
    assert "lacks it on SQLite" in lacking
    assert data["skipped"] == {"bare set": why}
    plan = replace(plan, operations=("bare set",))
    with pytest.raises(StackError, match=f"nothing to measure: bare set: {why}"):
        compare.compare(stock=stock, patched=stock, plan=plan)


def test_a_worker_that_dies(worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(StackError, match=r"bench, stock: .* died \(signal 9\)"):
        worker.ask("prepare", rows=1)


def test_a_request_that_fails_is_one_line(worker: Worker) -> None:
    with pytest.raises(StackError, match="stock: AttributeError") as caught:
        worker.ask("run", operation="touch", calls=1, seed=1)
    assert "\n" not in str(caught.value)
    worker.ask("prepare", rows=1)


def test_a_django_that_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(StackError, match="no Django tree in"),
        started("stock", tmp_path, SQLITE, tmp_path),
    ):
        pass
    (tmp_path / "django").mkdir()
    init = tmp_path / "django" / "__init__.py"
    init.write_text("raise ImportError('half a Django')")
    with (
        pytest.raises(StackError, match=r"status 1\): ImportError: half a Django"),
        started("stock", tmp_path, SQLITE, tmp_path) as one,
    ):
        one.ask("open", name="x", folder=None, synchronous="OFF")


@pytest.mark.slow
def test_a_database_on_a_server_is_dropped(stock: Path, tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg")
    with server("postgres") as url:

        def ours() -> list[str]:
            with psycopg.connect(url) as connection:
                names = connection.execute("SELECT datname FROM pg_database")
                return [name for (name,) in names if name.startswith("stack_bench")]

        before = ours()
        for interrupted in (False, True):
            with started("stock", stock, url, tmp_path) as one:
                one.ask("open", name="stock", folder=None, synchronous="OFF")
                assert len(ours()) == len(before) + 1
                one.ask("prepare", rows=40)
                if interrupted:
                    one.send("run", operation="touch", calls=100_000, seed=1)
                    os.kill(one.pid, signal.SIGTERM)
            assert ours() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_a_server_with_longer_round_trips(stock: Path, name: str) -> None:
    operations = (*(each.name for each in ORM), "touch")
    plan = replace(SHORT, rows=(1_500,), operations=operations, rounds=1, latency=0.1)
    with server(name) as url:
        data = compare.compare(stock=stock, patched=stock, url=url, plan=plan)
    left_out = {"upsert hit", "upsert miss"}
    if name == "mariadb":
        left_out.add("raw UPDATE RETURNING")
    assert set(data["skipped"]) == left_out
    for each in data["results"]:
        counted = each["counted"][PATCHED]
        mean = counted["statements"] / counted["calls"]
        assert mean == STATEMENTS[each["operation"]]


# Other caches


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database", "names"),
    [("mariadb", ["django-mysql"]), ("sqlite", ["diskcache", "redis", "memcached"])],
)
def test_other_caches_take_turns(stock: Path, database: str, names: list[str]) -> None:
    operations = tuple(each.name for each in CACHE if not each.only)
    plan = replace(
        SHORT, operations=(*operations, "get_or_create hit"), peers=tuple(names)
    )
    with server(database) as url:
        data = compare.compare(stock=stock, patched=stock, url=url, plan=plan)
    assert {*data["peers"], *data["absent"]} == {*names}
    assert all(version[0].isdigit() for version in data["peers"].values())
    assert data["unsupported"] == {}
    for each in data["results"]:
        its = set() if each["operation"] == "get_or_create hit" else {*data["peers"]}
        assert set(each["blocks"]) == {STOCK, PATCHED, *its}
        # Only one with a table sends its statements through Django.
        with_table = its & {"django-mysql"}
        assert set(each["counted"]) == {STOCK, PATCHED, *with_table}
    if data["peers"]:
        assert "The same on stock Django with" in compare.show(data)


def test_a_cache_without_a_table_has_its_entries_again(
    stock: Path, tmp_path: Path
) -> None:
    diskcache = pytest.importorskip("diskcache")
    peer = next(each for each in peers.PEERS if each.name == "diskcache")
    with (
        peers.place(peer, "SQLite", 1_234, tmp_path) as (place, _),
        started("diskcache", stock, SQLITE, tmp_path) as one,
    ):
        one.ask("open", name="x", folder=None, synchronous="OFF")
        one.ask("prepare", rows=1_234, backend=peer.backend, location=place)
        for each in select(["set new key", "incr", "set_many(100)", "delete*"]):
            one.ask("run", operation=each.name, calls=20, seed=1)
            assert len(diskcache.FanoutCache(place)) == 1_234


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("django-mysql", {}, "it keeps its entries in MySQL or MariaDB"),
        ("redis", {"values": "page"}, "300,000 entries take about 3,"),
        ("nothing", {}, "nowhere is not installed; ./scripts/stack setup"),
    ],
)
def test_a_cache_that_cannot_take_part(
    tmp_path: Path, name: str, options: dict[str, Any], why: str
) -> None:
    known = (*peers.PEERS, peers.Peer("nothing", "nowhere.Cache", "nowhere"))
    peer = next(each for each in known if each.name == name)
    with ExitStack() as stack, pytest.raises(StackError, match=why):
        stack.enter_context(peers.place(peer, "SQLite", 300_000, tmp_path, **options))


# Bytes on disk


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sqlite", "postgres", "mariadb", "mysql"])
def test_size_of_the_table_that_the_cache_wrote(stock: Path, name: str) -> None:
    found: dict[tuple[str, int], dict[str, Any]] = {}
    with server(name) as url:
        for rows in (100, 400):
            data = size.measure(stock=stock, patched=stock, url=url, rows=rows)
            found |= {(each["values"], rows): each for each in data["sizes"]}
    for (kind, rows), each in found.items():
        # PostgreSQL compresses long values.
        least = 1_200 if kind == "page" else each["value_bytes"]
        assert rows * least < each["bytes"][STOCK]
    page, few, small = (
        found[at]["bytes"][STOCK]
        for at in (("page", 400), ("page", 100), ("dict", 100))
    )
    assert page > few > small
    assert page > found["dict", 400]["bytes"][STOCK]
    assert f"{page:,}" in size.show(data)


# Replay


def made_up(keys: Sequence[int]) -> traces.Trace:
    return traces.Trace("web07", "made up", array("i", keys))


def hits_of(
    trace: traces.Trace, stock: Path, patched: Path, plan: replay.Plan
) -> dict[str, float]:
    """Replay one trace; return strategy or model → hits."""
    data = replay.replay([trace], stock=stock, patched=patched, plan=plan)
    requests = len(trace.keys)
    return {each["strategy"]: each["hit_ratio"] * requests for each in data["results"]}


def stock_hits(keys: Sequence[int], limit: int) -> int:
    """Replay in a model of stock's cull: above the limit the lowest third goes."""
    held: set[str] = set()
    hits = 0
    for each in map(str, keys):
        if each in held:
            hits += 1
            continue
        if len(held) > limit:
            held -= {*sorted(held)[: len(held) // 3]}
        held.add(each)
    return hits


@pytest.mark.slow
def test_replay_hits_as_often_as_a_model(stock: Path, patched: Path) -> None:
    trace = made_up(traces.zipf(300, 2_000, 0.8, seed=1))
    limit = trace.distinct // 10
    plan = replay.Plan(strategies=(STOCK,))
    assert hits_of(trace, stock, patched, plan) == pytest.approx(
        {
            STOCK: stock_hits(trace.keys, limit),
            "(exact LRU)": traces.lru_hits(trace.keys, limit),
            "(Belady)": traces.belady_hits(trace.keys, limit),
        }
    )


@pytest.mark.slow
def test_strategies_by_name_and_by_path(
    stock: Path, patched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from django.core.cache.culling import FIFO\nclass Own(FIFO): pass\n"
    )
    trace = made_up(traces.zipf(300, 2_000, 0.8, seed=1))
    plan = replay.Plan("locmem", (STOCK, "fifo", "own.Own", "lru-1"))
    found = hits_of(trace, stock, patched, plan)
    assert found["own.Own"] == found["fifo"] != found["lru-1"]
    assert found[STOCK] < found["lru-1"] == found["(exact LRU)"] < found["(Belady)"]
    wrong = replay.Plan("locmem", ("lru-1", "own.Other"))
    with pytest.raises(StackError, match=r"own\.Other: ImproperlyConfigured: .*'lru'"):
        hits_of(trace, stock, patched, wrong)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["db", "file"])
def test_what_hits_write_is_counted(stock: Path, patched: Path, backend: str) -> None:
    trace = made_up([1, 2, 3, 4] * 10)
    plan = replay.Plan(backend, (STOCK, "lru"), shares=(100,))
    data = replay.replay([trace], stock=stock, patched=patched, plan=plan)
    one, lru = data["results"][:2]
    assert one["hits"] == lru["hits"] == 36
    assert one["writes_per_hit"] == 0 < lru["writes_per_hit"] <= 1
    assert one["entries"] == lru["entries"] == lru["most_entries"] == 4
    assert replay.cells(data["results"])[1][6:] == ["4", "4"]
    assert ("database" in data) == (backend == "db")


@pytest.mark.slow
def test_a_replay_by_its_options(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "replay.json"
    words = ["--replay", "--strategy", "stock", "--traces", "zipf-1.1", "--limit=500"]
    more = ["--backend", "locmem", "--share=1,50", "--json", str(file)]
    assert verb.run(arguments(*words, *more), real) == OK
    results = json.loads(file.read_text())["results"]
    assert [each["share"] for each in results] == [1] * 3 + [50] * 3
    assert capsys.readouterr().out.startswith("locmem: get")
    more[2] = "--entries=4,9"
    assert verb.run(arguments(*words, *more), real) == OK
    results = json.loads(file.read_text())["results"]
    assert [each["max_entries"] for each in results] == [4] * 3 + [9] * 3
