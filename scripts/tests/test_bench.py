"""The benchmark: its arithmetic and tables, and real workers on a real Django."""

import argparse
import json
import lzma
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from common.errors import OK, StackError
from common.project import Project
from lab import figures, options
from lab.bench import bare, disk, models, orm, peers, replay, size, traces
from lab.bench.compare import Comparison, Measured, choose, compare
from lab.bench.operations import CACHE, OPERATIONS, Data, key, select
from lab.bench.plan import QUICK, Plan
from lab.bench.rounds import Block, Counted
from lab.bench.statements import mean_statements
from lab.bench.values import KINDS, VALUES, compressed_size, pickled
from lab.client import Worker, environment, started
from lab.variants import PATCHED, STOCK
from patchstack import trees
from tests.conftest import assert_refused
from verbs import bench as verb

PEER = "django-mysql"
SQLITE = "sqlite:///:memory:"
BACKEND = Path("django/core/cache/backends/db.py")
QUERY = Path("django/db/models/query.py")


@pytest.fixture(scope="module")
def altered(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same Django with a database cache that never counts."""
    tree = trees.copied(stock, tmp_path_factory.mktemp("altered"))
    code = (tree / BACKEND).read_text("utf-8")
    count = 'cursor.execute("SELECT COUNT(*) FROM %s" % table)\n'
    fetch = "num = cursor.fetchone()[0]\n"
    assert code.count(count) == code.count(fetch) == 1
    code = code.replace(count, "pass\n").replace(fetch, "num = 0\n")
    (tree / BACKEND).write_text(code, "utf-8")
    return tree


@pytest.fixture
def worker(stock: Path, tmp_path: Path) -> Iterator[Worker]:
    with started("stock", stock, SQLITE, tmp_path) as one:
        one.ask("open", name="stock", folder=str(tmp_path), synchronous="OFF")
        yield one


def measured(
    rows: int, times: Sequence[tuple[int, int]], operation: str = "touch"
) -> Measured:
    """Return made-up rounds: µs per call of stock and of patched, CPU as wall."""

    def block(us: int, calls: int) -> Block:
        ns = us * 1_000 * calls
        return Block(calls=calls, cpu_ns=ns, wall_ns=2 * ns, p99_ns=ns, worst_ns=ns)

    return Measured(
        operation=operation,
        per=1,
        rows=rows,
        blocks={
            STOCK: [block(stock, 10) for stock, _ in times],
            PATCHED: [block(patched, 30) for _, patched in times],
        },
        counted={
            STOCK: Counted(calls=100, statements=500, with_count=100),
            PATCHED: Counted(calls=100, statements=401, with_count=1),
        },
    )


def comparison(*found: Measured) -> Comparison:
    return Comparison(
        database="SQLite",
        database_version="3.45",
        date="2026-11-21T00:00:00+00:00",
        commit="0123456789ab",
        machine={"cpus": 2},
        django={STOCK: "6.1.3", PATCHED: "6.1.3"},
        ids={},
        plan=Plan(rows=tuple(dict.fromkeys(each.rows for each in found))),
        measured=found,
    )


# Arithmetic and tables


def test_spread_is_the_quartiles() -> None:
    assert figures.spread([5, 1, 2, 4, 3]) == (2, 4)
    assert figures.spread([7.0]) == (7, 7)


def test_ratio_is_the_median_of_each_rounds_ratio() -> None:
    # The second round was ten times slower for both: the ratio does not see it.
    assert figures.ratio([20, 200, 30], [10, 100, 10]) == 2
    with pytest.raises(ValueError, match="shorter"):
        figures.ratio([1, 2], [1])


def test_numbers_as_text() -> None:
    assert figures.with_spread([1_000, 2_000, 3_000]) == "2,000 [1,500 - 2,500]"
    assert figures.microseconds(3.14159) == "3.1"
    assert figures.number(5.0) == "5"
    assert figures.number(4.0101) == "4.01"
    assert figures.times(1.5) == "1.50 x"
    assert figures.times(17.04) == "17.0 x"


def test_tables() -> None:
    header, rows = ("what", "µs"), [["get", "40"], ["set_many", "1,725"]]
    assert figures.aligned(header, rows).splitlines() == [
        "what         µs",
        "--------  -----",
        "get          40",
        "set_many  1,725",
    ]
    assert figures.markdown(header, rows).splitlines() == [
        "| what | µs |",
        "| --- | ---: |",
        "| get | 40 |",
        "| set_many | 1,725 |",
    ]


def test_comparison_as_a_table() -> None:
    found = comparison(measured(1_000, [(100, 50), (110, 50), (90, 50)]))
    line = found.table().splitlines()[-1].split("  ")
    cells = [cell.strip() for cell in line if cell.strip()]
    assert cells == [
        "touch",
        "1,000",
        "100 [95 - 105]",
        "50 [50 - 50]",
        "2.00 x",
        "200 [190 - 210]",
        "100 [100 - 100]",
        "2.00 x",
        "5 → 4.01",
        "100 → 1 of 100",
    ]
    assert found.markdown().splitlines()[-1] == f"| {' | '.join(cells)} |"
    assert found.growth() == []


def test_growth_with_the_rows() -> None:
    found = comparison(
        measured(1_000, [(100, 80), (100, 80)]),
        measured(300_000, [(1_700, 88), (1_700, 88)]),
    )
    assert found.growth() == [
        "Time at 300,000 rows / time at 1,000 rows:",
        "touch: stock CPU 17.0 x, wall 17.0 x; patched CPU 1.10 x, wall 1.10 x",
    ]


def test_limits_and_what_one_side_did_not_run() -> None:
    both = measured(1_000, [(100, 50), (110, 60)], "get hit")
    alone = measured(1_000, [(1, 25), (1, 20)], "bare get")
    alone = replace(
        alone,
        blocks={PATCHED: alone.blocks[PATCHED]},
        counted={PATCHED: Counted(calls=100, statements=100, with_count=0)},
        limit_of="get hit",
    )
    found = comparison(both, alone, measured(9_000, [(9, 9)], "get hit"))
    (limit,) = found.limits()
    assert (
        str(limit) == "get hit / bare get, 1,000 rows, patched: CPU 2.50 x, wall 2.50 x"
    )
    cells = [cell.strip() for cell in found.markdown().splitlines()[3].split("|")[1:-1]]
    assert cells == [
        *("bare get", "1,000", "-", "22 [21 - 24]", "-"),
        *("-", "45 [42 - 48]", "-", "- → 1", "- → 0 of 100"),
    ]
    data = json.loads(json.dumps(found.to_json()))
    assert data["results"][1]["cpu_ratio"] is data["results"][1]["wall_ratio"] is None
    assert set(data["results"][1]["wall_us"]) == {PATCHED}
    assert data["limits"] == [
        {
            "operation": "get hit",
            "limit": "bare get",
            "rows": 1_000,
            "variant": PATCHED,
            "cpu_ratio": 2.5,
            "wall_ratio": 2.5,
        }
    ]


def test_peers_as_a_table_and_as_json() -> None:
    one = measured(1_000, [(100, 50), (110, 50)])
    one = replace(
        one,
        blocks={**one.blocks, PEER: one.blocks[STOCK]},
        counted={**one.counted, PEER: one.counted[STOCK]},
    )
    found = replace(
        comparison(one, measured(1_000, [(9, 9)], "get_or_create hit")),
        peers={PEER: "4.19.0"},
    )
    head, table = found.peer_table()
    assert head == f"The same on stock Django with {PEER} 4.19.0:"
    (line,) = table.splitlines()[2:]
    assert [cell.strip() for cell in line.split("  ") if cell.strip()] == [
        *("touch", "1,000", PEER, "105 [102 - 108]", "2.10 x"),
        *("210 [205 - 215]", "2.10 x", "5"),
    ]
    data = json.loads(json.dumps(found.to_json()))
    assert data["peers"] == {PEER: "4.19.0"}
    ratios = {"cpu_ratio": 2.1, "wall_ratio": 2.1}
    assert data["results"][0]["peers"] == {PEER: pytest.approx(ratios)}
    assert data["results"][0]["wall_us"][PEER]["median"] == 210
    assert comparison(one).peer_table() == []


def test_json_holds_every_round_and_the_medians() -> None:
    found = comparison(measured(1_000, [(100, 50), (110, 50)]))
    data = json.loads(json.dumps(found.to_json()))
    assert data["options"]["max_entries"] == 1_000_000
    assert data["options"]["value_bytes"] == len(pickled("dict")) == 144
    (result,) = data["results"]
    assert [block["cpu_ns"] for block in result["blocks"][STOCK]] == [
        1_000_000,
        1_100_000,
    ]
    assert result["cpu_us"][STOCK]["median"] == 105
    assert result["cpu_ratio"] == pytest.approx(2.1)
    assert result["mean_statements"] == {STOCK: 5, PATCHED: 4.01}
    assert result["counted"][PATCHED]["with_count"] == 1


# Values


def test_values_differ_and_pages_are_as_real_ones() -> None:
    for kind, make in KINDS.items():
        values = {pickled(kind, number) for number in range(VALUES)}
        assert len(values) == VALUES
        assert make(1) == make(1 + VALUES)
    for number in range(VALUES):
        assert 8_000 < len(pickled("page", number)) < 10_000
        assert 1_200 < compressed_size("page", number) < 2_000


# Operations


def test_select_by_name_and_by_pattern() -> None:
    assert [each.name for each in select([])] == list(OPERATIONS)
    assert [each.name for each in select(["touch", "get_many(100)"])] == [
        "touch",
        "get_many(100)",
    ]
    assert [each.name for each in select(["set *"])] == [
        "set existing key",
        "set new key",
    ]
    with pytest.raises(StackError, match=r"no operation is called 'sett'.*touch"):
        select(["touch", "sett"])


def test_keys_of_an_operation_are_reproducible_and_do_not_meet() -> None:
    one, two = (Data(None, 50, seed=3, calls=20) for _ in range(2))
    existing = [next(one.existing()) for _ in range(50)]
    assert existing == [next(two.existing()) for _ in range(50)]
    assert sorted(existing) == sorted(key(number) for number in range(50))
    assert Data(None, 50, seed=4).keys != one.keys
    fresh = list(one.new())
    assert len(fresh) == 20
    assert one.added == fresh
    absent = {next(keys) for keys in [one.absent()] for _ in range(2_000)}
    assert not {*existing} & {*fresh}
    assert not absent & {*existing, *fresh}
    assert not {*one.new()} & {*fresh}


def test_rows_to_delete_are_made_for_each_call() -> None:
    class Cache(set[str]):
        delete = set.remove

        def delete_many(self, keys: Sequence[str]) -> None:
            assert len(keys) == 100
            for one in keys:
                self.remove(one)

    for name, each in CACHE.items():
        if not each.bounded:
            continue
        cache = Cache()
        data = Data(cache, 50, seed=1, calls=4, insert=cache.update)
        call = OPERATIONS[name].prepare(data)
        assert cache == {*data.added}
        assert len(cache) == 4 * each.per
        for left in (3, 2, 1, 0):
            call()
            assert len(cache) == left * each.per
    with pytest.raises(RuntimeError, match="belong to no table"):
        Data(None, 50, seed=1, calls=4).consumed()


def test_the_operations_of_the_cache_come_first() -> None:
    assert list(OPERATIONS) == [*CACHE, *orm.OPERATIONS]
    tables = {name: each.table for name, each in OPERATIONS.items()}
    assert set(tables.values()) == {"cache", "orm"}
    assert all(each.instead in {"", *OPERATIONS} for each in OPERATIONS.values())


def test_a_comma_in_the_name_of_an_operation() -> None:
    fallback = "update_or_create fallback, no unique key"
    assert verb.operation_names(f"touch,{fallback} , set*") == [
        "touch",
        fallback,
        "set*",
    ]
    assert verb.operation_names("update_or_create fallback,,touch") == [
        "update_or_create fallback",
        "touch",
    ]
    assert verb.plan(arguments("--ops", fallback)).operations == (fallback,)


def test_choose_by_what_a_django_lacks() -> None:
    operations = select(["touch", "upsert*", "raw*"])
    names = [each.name for each in operations]
    no_upsert = dict.fromkeys(["upsert hit", "upsert miss"], "no upsert()")
    found = choose(operations, {STOCK: no_upsert, PATCHED: {}})
    assert [each.name for each in found.operations] == names
    assert found.skipped == {}
    assert found.instead == {
        "upsert hit": "update_or_create hit",
        "upsert miss": "update_or_create miss",
    }
    assert found.runs["upsert hit"] == {
        STOCK: "update_or_create hit",
        PATCHED: "upsert hit",
    }
    # Both without upsert() would compare stock's way with itself.
    no_raw = {"raw UPDATE RETURNING": "no RETURNING"}
    found = choose(operations, {STOCK: no_upsert | no_raw, PATCHED: no_upsert})
    assert [each.name for each in found.operations] == ["touch"]
    assert found.instead == {}
    assert found.skipped == no_upsert | no_raw
    with pytest.raises(StackError, match="nothing to measure: upsert hit: no upsert"):
        choose([OPERATIONS["upsert hit"]], {STOCK: {}, PATCHED: no_upsert})


def test_choose_what_is_measured_on_one_side_only() -> None:
    found = choose(select(["get hit", "bare get"]), {STOCK: {}, PATCHED: {}})
    assert found.runs == {
        "get hit": {STOCK: "get hit", PATCHED: "get hit"},
        "bare get": {PATCHED: "bare get"},
    }
    assert found.instead == found.skipped == {}


def test_a_peer_runs_what_it_can() -> None:
    operations = select(["touch", "incr", "bare get", "get_or_create hit"])
    lacking = {STOCK: {}, PATCHED: {}, PEER: {"incr": "it has no numbers"}}
    found = choose(operations, lacking)
    assert {name: set(runs) for name, runs in found.runs.items()} == {
        "bare get": {PATCHED},
        "touch": {STOCK, PATCHED, PEER},
        "incr": {STOCK, PATCHED},
        "get_or_create hit": {STOCK, PATCHED},
    }
    assert found.tables(PEER) == ["cache"]
    assert found.tables(STOCK) == ["cache", "orm"]


# Traces


def test_trace_file(tmp_path: Path) -> None:
    keys = [1, 2, 1, 70_000, 2**31 - 1]
    path = tmp_path / "cache2k-web07.trace.xz"
    path.write_bytes(lzma.compress(struct.pack(">5i", *keys)))
    assert list(traces.read(path)) == keys
    assert list(traces.read(path, limit=3)) == keys[:3]
    assert list(traces.read(path, limit=99)) == keys
    loaded = traces.load("web07", tmp_path, None, seed=1)
    assert (loaded.label, loaded.distinct) == ("web07", 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no xz file", "not a whole xz file"),
        (lzma.compress(b"\0" * 4_000)[:-20], "not a whole xz file"),
        (lzma.compress(b"\0" * 7), "not a stream of 32-bit keys"),
        (lzma.compress(b""), "not a stream of 32-bit keys"),
    ],
)
def test_trace_file_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.xz"
    path.write_bytes(content)
    with pytest.raises(StackError, match=f"broken.xz is {message}"):
        traces.read(path)


def test_a_missing_trace_is_replaced_and_says_so(tmp_path: Path) -> None:
    one = traces.load("web12", tmp_path, 500, seed=1)
    assert "synthetic Zipf 0.9" in one.label
    assert "absent" in one.label
    assert len(one.keys) == 500
    assert one.keys == traces.load("web12", tmp_path, 500, seed=1).keys
    assert one.keys != traces.load("web12", tmp_path, 500, seed=2).keys
    with pytest.raises(StackError, match=r"no trace is called 'web99'.*web07"):
        traces.load("web99", tmp_path, None, seed=1)


def test_a_trace_that_is_synthetic_by_its_name(tmp_path: Path) -> None:
    one = traces.load("zipf-1.1", tmp_path, 3_000, seed=1)
    assert one.name == one.label == "zipf-1.1"
    keys = traces.zipf(traces.ZIPF_OBJECTS, 5_000, 1.1, seed=1)
    assert one.keys == keys[:3_000]
    with pytest.raises(StackError, match=r"'zipf-2'.*zipf-0.9"):
        traces.load("zipf-2", tmp_path, None, seed=1)


def test_zipf_is_skewed_as_asked() -> None:
    keys = traces.zipf(1_000, 50_000, 1.0, seed=7)
    counts = [count for _, count in Counter(keys).most_common()]
    # Rank 1 has 1 / (1 + 1/2 + … + 1/1000) = 13.4 % of all, rank 10 a tenth of it.
    assert counts[0] == pytest.approx(50_000 * 0.1336, rel=0.05)
    assert counts[9] == pytest.approx(counts[0] / 10, rel=0.2)
    assert 0 <= min(keys) <= max(keys) < 1_000


# The verb


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    verb.configure(parser)
    return parser.parse_args(words)


def test_help_fits_a_screen() -> None:
    parser = argparse.ArgumentParser(
        description=verb.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verb.configure(parser)
    assert max(map(len, (verb.__doc__ or "").splitlines())) < 80
    assert "--replay" in parser.format_help()


def test_options_make_the_plan() -> None:
    assert verb.plan(arguments()) == Plan()
    assert verb.plan(arguments("--quick")) == QUICK
    made = verb.plan(
        arguments("--rows", "10,20,10", "--max-entries=30", "--ops=to*", "--seed=5")
    )
    wished = Plan(rows=(10, 20), max_entries=30, operations=("touch",), seed=5)
    assert verb.plan(arguments("--latency=.5")) == Plan(latency=0.5)
    assert verb.plan(arguments("--values=page")) == Plan(
        rows=(1_000, 10_000), values="page"
    )
    assert verb.plan(arguments("--values=page", "--rows=9")).rows == (9,)
    assert verb.plan(arguments("--values=page", "--quick")).rows == (1_000, 10_000)
    assert made == wished
    assert made.limit == 30
    assert Plan(rows=(2_000_000,)).limit == 4_000_000
    assert verb.plan(arguments()).peers == peers.NAMES
    assert verb.plan(arguments("--quick")).peers == ()
    assert verb.plan(arguments("--quick", "--peers=all")).peers == peers.NAMES
    assert verb.plan(arguments("--peers=none")).peers == ()
    two = verb.plan(arguments("--peers", "memcached, redis,redis")).peers
    assert two == ("redis", "memcached")


def test_the_command_that_one_typed() -> None:
    words = ["--db", "sqlite", "--db", "mysql", "--ops", "set*,touch", "--quick"]
    shown = verb.command(arguments(*words, "--resume"), resume=False)
    assert shown == f"./scripts/stack bench {' '.join(words)}".replace(
        "set*,touch", "'set*,touch'"
    )
    assert verb.command(arguments("--seed=7"), resume=True) == (
        "./scripts/stack bench --resume --seed 7"
    )


def test_all_databases() -> None:
    def named(*words: str, able: Sequence[str] = options.MEASURED) -> list[str]:
        return [target.name for target in verb.READ.targets(words, able)]

    assert named("all") == ["sqlite", "postgres", "mariadb", "mysql", "oracle"]
    assert named("mysql", "all", able=("sqlite", "mysql")) == ["mysql", "sqlite"]


def test_only_a_database_that_is_named_must_be_had(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from databases.servers import on_each, require

    # Nothing to start, and no server of a user's.
    monkeypatch.delenv("TEST_ORACLE_DSN", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    found: list[str] = []
    targets = verb.READ.targets(["all"], ["sqlite", "oracle"])
    missing = on_each(targets, lambda target, _: found.append(target.name))
    assert found == ["sqlite"]
    assert "oracle: not run: no Oracle" in capsys.readouterr().err
    require(missing, None)
    require(missing, ["all", "sqlite"])
    with pytest.raises(StackError, match="oracle: not run: no Oracle"):
        require(missing, ["all", "oracle"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rows", "many"], "--rows: 'many' is not a whole number"),
        (["--rows", "1000,0"], "--rows: 0 is less than 1"),
        (["--rows", ","], "--rows: no number"),
        (["--max-entries", "1e6"], "--max-entries: '1e6' is not a whole number"),
        (["--seed", "x"], "--seed: 'x' is not a whole number"),
        (["--ops", "fly"], "no operation is called 'fly'"),
        (["--db", "sqlit"], 'there is no database "sqlit"'),
        (["--db", "redis"], "--db: redis is not a database"),
        (["--db", "sqlite", "--db", "mysql", "--json", "x"], "goes with one --db"),
        (["--traces", "web07"], "--traces goes with --replay"),
        (["--replay", "--traces", "web"], "no trace is called 'web'"),
        (["--strategy", "lru"], "--strategy goes with --replay"),
        (["--replay", "--backend", "file", "--db", "x"], "--db goes with --backend db"),
        (["--replay", "--strategy", ","], "--strategy: no name"),
        (["--replay", "--share", ","], "--share: no number"),
        (["--replay", "--limit", "0"], "--limit: 0 is less than 1"),
        (["--replay", "--share", "x"], "--share: 'x' is not a whole number"),
        (["--replay", "--max-entries", "5"], "--max-entries does not go with --replay"),
        (["--replay", "--size"], "--size does not go with --replay"),
        (["--size", "--ops", "touch"], "--ops does not go with --size"),
        (["--size", "--rows", "0"], "--rows: 0 is less than 1"),
        (["--size", "--db", "oracle"], "--db: oracle is none of sqlite, postgresql"),
        (["--size", "--peers", "all"], "--peers does not go with --size"),
        (["--peers", "locmem"], "no cache is called 'locmem'; there are: django-mysql"),
        (["--resume", "--src"], "--src does not go with --resume"),
        (["--resume"], "--resume: nothing to go on with, no results/bench-sqlite.p"),
        (["--replay", "--resume"], "--resume does not go with --replay"),
        (["--latency", "fast"], "--latency: 'fast' is not a number"),
        (["--latency", "-1"], "--latency: -1 is not greater than zero"),
        (["--latency", "1"], "--latency: SQLite is not reached over a network"),
        (["--replay", "--latency", "1"], "--latency does not go with --replay"),
        (["--replay", "--values", "page"], "--values does not go with --replay"),
        (["--replay", "--quick"], "--quick does not go with --replay"),
    ],
)
def test_wrong_options(tmp_path: Path, words: list[str], message: str) -> None:
    assert_refused(
        lambda project: verb.run(arguments(*words), project), tmp_path, message
    )


def test_a_json_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    data = comparison(measured(1_000, [(100, 50)])).to_json()
    with pytest.raises(StackError, match="cannot be written"):
        options.write(data, tmp_path / "file" / "bench.json", tmp_path)


# Workers


def test_statements_of_stock_and_of_another_django(stock: Path, altered: Path) -> None:
    names = ["get hit", "set existing key", "incr", "set_many(100)"]
    assert mean_statements(stock, names, calls=50) == {
        "get hit": 1,
        "set existing key": 5,
        "incr": 6,
        "set_many(100)": 500,
    }
    assert mean_statements(altered, ["touch", "add ex*"], calls=10) == {
        "add existing key": 4,
        "touch": 4,
    }


def test_every_operation_does_what_its_name_says(worker: Worker) -> None:
    worker.ask("prepare", rows=200, max_entries=1_000, timeout=60, seed=1)
    statements = {}
    for name, each in CACHE.items():
        if STOCK not in each.sides:
            continue
        found = worker.ask("statements", operation=name, calls=4, seed=1)
        statements[name] = found["statements"] / 4
        block = worker.ask("run", operation=name, calls=4, seed=1)
        assert block["calls"] == 4
        assert 0 < block["worst_ns"] <= block["wall_ns"]
    # Research on stock Django, BEGIN and COMMIT counted.
    assert statements == {
        "get hit": 1,
        "get miss": 1,
        "has_key": 1,
        "set existing key": 5,
        "set new key": 5,
        "add existing key": 5,
        "add new key": 5,
        "get_or_set hit": 1,
        "get_or_set miss": 7,
        "touch": 5,
        "incr": 6,
        "decr": 6,
        "delete existing key": 1,
        "get_many(100)": 1,
        "set_many(100)": 500,
        "delete_many(100)": 1,
    }


def test_bare_statements(stock: Path, tmp_path: Path) -> None:
    tree = trees.copied(stock, tmp_path)
    with (tree / BACKEND).open("a", encoding="utf-8") as backend:
        backend.write(ONE_STATEMENT)
    plan = replace(
        QUICK,
        rows=(60,),
        operations=("get hit", "bare*", "set existing key"),
        rounds=2,
        block=0.001,
        counted_calls=40,
    )
    found = compare(stock=stock, patched=tree, plan=plan)
    counted = {each.operation: each.counted for each in found.measured}
    assert {name: set(each) for name, each in counted.items()} == {
        "get hit": {STOCK, PATCHED},
        "bare get": {PATCHED},
        "set existing key": {STOCK, PATCHED},
        "bare set": {PATCHED},
    }
    assert counted["bare get"][PATCHED].mean == counted["bare set"][PATCHED].mean == 1
    assert [(each.operation, each.variant) for each in found.limits()] == [
        ("get hit", PATCHED),
        ("set existing key", PATCHED),
    ]
    assert "get hit / bare get, 60 rows, patched: CPU" in verb.show(found)


def test_a_limit_that_is_none_is_left_out(stock: Path) -> None:
    plan = replace(
        QUICK,
        rows=(9,),
        operations=("bare*",),
        rounds=1,
        block=0.001,
        counted_calls=1,
    )
    found = compare(stock=stock, patched=stock, plan=plan)
    assert [each.operation for each in found.measured] == ["bare get"]
    why = "the call sends 4 statements, not one"
    assert found.skipped == {"bare set": why}
    assert f"bare set: not run: {why}" in verb.show(found)
    with pytest.raises(StackError, match=f"nothing to measure: bare set: {why}"):
        compare(
            stock=stock, patched=stock, plan=replace(plan, operations=("bare set",))
        )


# A set() that sends one statement, after some of which it counts.
ONE_STATEMENT = """
class DatabaseCache(DatabaseCache):
    def set(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        self.sets = getattr(self, "sets", 0) + 1
        with connections["default"].cursor() as cursor:
            cursor.execute(
                f"REPLACE INTO {self._table} VALUES (%s, %s, '2099-01-01')",
                [self.make_key(key), base64.b64encode(pickle.dumps(value)).decode()],
            )
            if self.sets % 7 == 0:
                cursor.execute(f"SELECT COUNT(*) FROM {self._table}")
"""


def test_a_statement_for_another_key() -> None:
    sent = bare.Sent("…", (":1:a", "value", ":1:a"), False, ":1:a", ":1:{}".format)
    assert sent.with_key("b") == [":1:b", "value", ":1:b"]
    assert sent.with_key("value") == [":1:value", "value", ":1:value"]


def test_a_call_of_several_statements_has_no_bare_one(worker: Worker) -> None:
    worker.ask("prepare", rows=60, max_entries=100, timeout=60, seed=1)
    found = worker.ask("statements", operation="bare get", calls=5, seed=1)
    assert found["statements"] == 5
    with pytest.raises(StackError, match="sends 4 statements, not one"):
        worker.ask("run", operation="bare set", calls=5, seed=1)


# Research on stock Django 6.1, BEGIN and COMMIT counted.
ORM_STATEMENTS = {
    "update_or_create hit": 4,
    "update_or_create miss": 6,
    "update_or_create F() hit": 4,
    "update_or_create in atomic hit": 6,
    "update_or_create in atomic miss": 8,
    "update_or_create fallback": 4,
    "update_or_create fallback, no unique key": 4,
    "get_or_create hit": 1,
    "get_or_create miss": 4,
    "bulk_create(100)": 1,
    "bulk_create(100) ignore_conflicts": 1,
    "bulk_create(100) update_conflicts": 1,
    "raw UPDATE RETURNING": 1,
}


def test_every_orm_operation_does_what_its_name_says(
    worker: Worker, tmp_path: Path
) -> None:
    connection = sqlite3.connect(tmp_path / "stock.sqlite3")

    def table() -> tuple[int, int, int]:
        """Rows, the sum of v, the highest id that was ever given."""
        rows, total, highest = connection.execute(
            "SELECT COUNT(*), SUM(v), (SELECT seq FROM sqlite_sequence"
            " WHERE name = 'bench_item') FROM bench_item"
        ).fetchone()
        return rows, total, highest

    worker.ask(
        "prepare", rows=200, max_entries=1_000, timeout=60, seed=1, tables=["orm"]
    )
    lacking = worker.ask("lacking")
    assert set(lacking) == {"upsert hit", "upsert miss"}
    statements = {}
    for name in orm.OPERATIONS:
        if name in lacking:
            continue
        rows, total, highest = table()
        assert rows == 200
        found = worker.ask("statements", operation=name, calls=4, seed=1)
        statements[name] = found["statements"] / 4
        block = worker.ask("run", operation=name, calls=4, seed=1)
        assert block["calls"] == 4
        after = table()
        if name.endswith("miss"):
            assert after == (200, total, highest + 8)
        elif name.endswith("no unique key"):
            # Two blocks, each with rows of its own.
            assert after == (200, total, highest + 20)
        elif name == "bulk_create(100)":
            assert after == (200, total, highest + 800)
        elif name.startswith("bulk_create(100) "):
            assert after[0] == rows
            assert (after[1] != total) == name.endswith("update_conflicts")
        elif name.startswith("get"):
            assert after == (rows, total, highest)
        else:
            assert after[0] == rows
            assert after[1] != total
            assert after[2] == highest
    assert statements == ORM_STATEMENTS
    connection.close()


def test_statements_of_orm_operations(stock: Path) -> None:
    names = ["update_or_create hit", "touch", "upsert hit", "raw UPDATE RETURNING"]
    # A Django without upsert() does it as it can.
    assert mean_statements(stock, names, calls=10) == {
        "touch": 5,
        "update_or_create hit": 4,
        "upsert hit": 4,
        "raw UPDATE RETURNING": 1,
    }


def test_culling_is_counted_reproducibly_and_undone(worker: Worker) -> None:
    worker.ask("prepare", rows=30, max_entries=30, timeout=60, seed=1)

    def new_keys() -> dict[str, Any]:
        found = worker.ask("statements", operation="set new key", calls=40, seed=1)
        found.pop("wall_ns")
        return found

    first = new_keys()
    # A full table: some calls delete, by three statements more.
    assert first["with_count"] == 40
    assert first["statements"] > 5 * 40
    assert (first["statements"] - 5 * 40) % 3 == 0
    assert new_keys() == first


def test_the_table_has_its_rows_again_after_a_block(
    worker: Worker, tmp_path: Path
) -> None:
    def rows() -> int:
        with sqlite3.connect(tmp_path / "stock.sqlite3") as connection:
            (found,) = connection.execute("SELECT COUNT(*) FROM bench_cache").fetchone()
        return int(found)

    options = {"max_entries": 2_000, "timeout": 60, "seed": 1, "values": "page"}
    worker.ask("prepare", rows=1_234, **options)
    assert rows() == 1_234
    names = "set new key,add new key,incr,decr,set_many(100),delete*"
    for name in [each.name for each in select(verb.operation_names(names))]:
        worker.ask("run", operation=name, calls=20, seed=1)
        assert rows() == 1_234


def test_a_worker_that_dies(worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(StackError, match=r"bench, stock: .* died \(signal 9\)"):
        worker.ask("prepare", rows=1, max_entries=1, timeout=60, seed=1)


def test_a_request_that_fails_is_one_line(worker: Worker) -> None:
    with pytest.raises(StackError, match="bench, stock: RuntimeError: no table") as it:
        worker.ask("run", operation="touch", calls=1, seed=1)
    assert "\n" not in str(it.value)
    worker.ask("prepare", rows=1, max_entries=5, timeout=60, seed=1)


def test_a_django_that_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(StackError, match="no Django tree in"),
        started("stock", tmp_path, SQLITE, tmp_path),
    ):
        pass
    (tmp_path / "django").mkdir()
    (tmp_path / "django" / "__init__.py").write_text(
        "raise ImportError('half a Django')"
    )
    with (
        pytest.raises(StackError, match=r"status 1\): ImportError: half a Django"),
        started("stock", tmp_path, SQLITE, tmp_path) as one,
    ):
        one.ask("open", name="x", folder=None, synchronous="OFF")


def test_a_database_on_a_server_is_dropped(stock: Path, tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg")
    from databases.servers import running
    from databases.targets import Unavailable, resolve

    try:
        with running(resolve("postgres")) as server:

            def ours() -> list[str]:
                with psycopg.connect(server.url) as connection:
                    names = connection.execute("SELECT datname FROM pg_database")
                    return [name for (name,) in names if name.startswith("stack_bench")]

            before = ours()
            for number in range(2):
                with started("stock", stock, server.url, tmp_path) as one:
                    one.ask("open", name="stock", folder=None, synchronous="OFF")
                    assert len(ours()) == len(before) + 1
                    one.ask("prepare", rows=40, max_entries=90, timeout=60, seed=1)
                    found = one.ask("statements", operation="touch", calls=2, seed=1)
                    assert found["statements"] == 10
                    if number:
                        one.send("run", operation="touch", calls=100_000, seed=1)
                        os.kill(one.pid, signal.SIGTERM)
                assert ours() == before
    except Unavailable as error:
        pytest.skip(f"{error.reason}; {error.command}")


def test_compare(stock: Path, altered: Path) -> None:
    plan = replace(
        QUICK,
        rows=(10, 300),
        operations=("get hit", "set existing key"),
        rounds=2,
        block=0.002,
        counted_calls=20,
    )
    found = compare(stock=stock, patched=altered, plan=plan, ids={"stock": "abc"})
    assert [(each.operation, each.rows) for each in found.measured] == [
        ("get hit", 10),
        ("get hit", 300),
        ("set existing key", 10),
        ("set existing key", 300),
    ]
    changed = found.measured[-1]
    assert (changed.counted[STOCK].mean, changed.counted[PATCHED].mean) == (5, 4)
    assert (changed.counted[STOCK].with_count, changed.counted[STOCK].calls) == (20, 20)
    assert changed.counted[PATCHED].with_count == 0
    assert all(len(each.blocks[STOCK]) == 2 for each in found.measured)
    assert all(us > 0 for each in found.measured for us in each.cpu(PATCHED))
    text = json.dumps(found.to_json())
    assert str(stock) not in text
    assert str(altered) not in text
    assert found.django[STOCK].startswith("6.")
    shown = verb.show(found)
    assert "20 → 0 of 20" in shown
    assert "Time at 300 rows / time at 10 rows:" in shown


@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_orm_operations_on_a_server_farther_away(stock: Path, name: str) -> None:
    from databases.servers import running
    from databases.targets import Unavailable, resolve

    plan = replace(
        QUICK,
        rows=(1_500,),
        operations=(*orm.OPERATIONS, "touch"),
        rounds=1,
        block=0.001,
        counted_calls=3,
        latency=0.1,
    )
    try:
        with running(resolve(name)) as server:
            found = compare(stock=stock, patched=stock, url=server.url, plan=plan)
    except Unavailable as error:
        pytest.skip(f"{error.reason}; {error.command}")
    counted = {each.operation: each.counted[PATCHED].mean for each in found.measured}
    skipped = {"upsert hit", "upsert miss"}
    if name == "mariadb":
        skipped.add("raw UPDATE RETURNING")
    assert set(found.skipped) == skipped
    wished = ORM_STATEMENTS | {"touch": 5}
    assert counted == {name: wished[name] for name in wished if name not in skipped}
    assert found.to_json()["options"]["latency"] == 0.1
    shown = verb.show(found)
    assert "1 rounds, round trips 0.1 ms longer" in shown
    assert "upsert hit: not run: this Django has no QuerySet.upsert()" in shown


OF_CACHE = ("get*", "*add*", "touch", "*cr", "has*", "delete*", "set*")


def test_a_peer_takes_turns_with_both(stock: Path) -> None:
    from databases.servers import running
    from databases.targets import Unavailable, resolve

    if find_spec("django_mysql") is None:
        pytest.skip(f"{PEER} is not installed; ./scripts/stack setup")
    plan = replace(
        QUICK,
        rows=(30,),
        operations=OF_CACHE,
        values="page",
        rounds=2,
        block=0.001,
        counted_calls=3,
        peers=(PEER,),
    )
    try:
        with running(resolve("mariadb")) as server:
            found = compare(stock=stock, patched=stock, url=server.url, plan=plan)
    except Unavailable as error:
        pytest.skip(f"{error.reason}; {error.command}")
    assert set(found.peers) == {PEER}
    for each in found.measured:
        assert (PEER in each.counted) == (each.operation in CACHE)
        if each.operation in CACHE:
            assert len(each.blocks[PEER]) == len(each.blocks[STOCK]) == 2
            # One that culls, by chance, deletes and counts before.
            assert each.counted[PEER].mean <= 3
    assert f"with {PEER} 4" in verb.show(found)


def test_a_peer_that_cannot_be_imported(
    stock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = peers.Peer(PEER, "nowhere.Cache", ("SQLite",))
    monkeypatch.setattr(peers, "PEERS", (nowhere,))
    plan = replace(
        QUICK,
        rows=(5,),
        operations=("touch",),
        rounds=1,
        block=0.001,
        counted_calls=1,
        peers=(PEER,),
    )
    found = compare(stock=stock, patched=stock, plan=plan)
    why = "No module named 'nowhere'; ./scripts/stack setup installs it"
    assert found.absent == found.to_json()["absent"] == {PEER: why}
    assert found.peers == {}
    assert f"{PEER}: not run: {why}" in verb.show(found)
    sizes = size.measure(stock=stock, patched=stock, url=SQLITE, rows=(5,))
    assert f"{PEER}: not run: {why}" in size.show(sizes)


def test_peers_that_have_no_table(stock: Path) -> None:
    plan = replace(
        QUICK,
        rows=(30,),
        operations=(*OF_CACHE, "get_or_create hit"),
        rounds=2,
        block=0.001,
        counted_calls=3,
        peers=("diskcache", "redis", "memcached"),
    )
    found = compare(stock=stock, patched=stock, plan=plan)
    if not found.peers:
        pytest.skip(f"{found.absent}")
    assert {*found.peers, *found.absent} == {*plan.peers}
    assert all(version[0].isdigit() for version in found.peers.values())
    assert found.unsupported == {}
    for each in found.measured:
        its = set(found.peers) if each.operation in CACHE else set()
        assert set(each.blocks) == {STOCK, PATCHED, *its}
        assert set(each.counted) == {STOCK, PATCHED}
    _, *rows = found.peer_table()[1].splitlines()[1:]
    assert len(rows) == len(found.peers) * len(
        [each for each in CACHE.values() if STOCK in each.sides]
    )
    assert all(line.endswith("  -") for line in rows)
    data = json.loads(json.dumps(found.to_json()))
    assert set(data["results"][0]["mean_statements"]) == {STOCK, PATCHED}
    assert data["options"]["peers"] == [*plan.peers]
    assert set(data["results"][0]["peers"]) == set(found.peers)


@pytest.mark.parametrize("name", ["diskcache", "redis", "memcached"])
def test_a_cache_without_a_table_has_its_entries_again(
    stock: Path, tmp_path: Path, name: str
) -> None:
    from databases.targets import Unavailable

    (peer,) = (each for each in peers.PEERS if each.name == name)
    options = {"rows": 1_234, "max_entries": 9, "timeout": 60, "seed": 1}
    with ExitStack() as stack:
        try:
            place, _ = stack.enter_context(peers.site(peer, 1_234, tmp_path, 0))
        except Unavailable as error:
            pytest.skip(f"{error.reason}; {error.command}")
        one = stack.enter_context(started(name, stock, SQLITE, tmp_path))
        one.ask("open", name=name, folder=None, synchronous="OFF")
        one.ask("prepare", **options, backend=peer.backend, location=place)

        def entries() -> int:
            """The entries of the cache, as another process sees them."""
            code = (
                "import sys, django\n"
                "from django.conf import settings\n"
                "settings.configure()\n"
                "from bench.tables import CacheElsewhere\n"
                "args = sys.argv[1:3]\n"
                "cache = CacheElsewhere(*args, 0, 1, None, 'dict')\n"
                "print(cache.entries())\n"
            )
            done = subprocess.run(
                [sys.executable, "-c", code, peer.backend, place],
                env=environment(stock, SQLITE),
                capture_output=True,
                text=True,
                check=True,
            )
            return int(done.stdout)

        assert entries() == 1_234
        names = "set new key,add new key,incr,set_many(100),delete*"
        for each in select(verb.operation_names(names)):
            one.ask("run", operation=each.name, calls=20, seed=1)
            assert entries() == 1_234


def test_a_server_as_far_away_as_the_database() -> None:
    from databases.targets import Unavailable

    redis = pytest.importorskip("redis")
    (peer,) = (each for each in peers.PEERS if each.name == "redis")
    try:
        with peers.site(peer, 1, Path(), 1) as (place, version):
            client = redis.Redis.from_url(place)
            said = client.info("server")
            client.close()
            assert said["redis_version"] == version
            assert said["tcp_port"] != urlsplit(place).port
    except Unavailable as error:
        pytest.skip(f"{error.reason}; {error.command}")


def test_what_peers_cannot_do() -> None:
    assert peers.unfit(300_000, "dict", None) == {}
    memory = "300,000 entries take about 3,"
    found = peers.unfit(300_000, "page", None)
    assert set(found) == {"redis", "memcached"}
    assert all(why.startswith(memory) for why in found.values())
    culls = peers.unfit(10, "dict", 5)
    assert culls == dict.fromkeys(
        ["diskcache", "redis", "memcached"], "it has no MAX_ENTRIES"
    )


def test_what_a_peer_cannot_do_is_left_out() -> None:
    operations = select(["touch", "incr"])
    choice = choose(operations, {STOCK: {}, PATCHED: {}, PEER: {}})
    spared = choice.spared({PEER: {"incr": "TypeError: no numbers"}})
    assert {name: set(runs) for name, runs in spared.runs.items()} == {
        "touch": {STOCK, PATCHED, PEER},
        "incr": {STOCK, PATCHED},
    }
    found = replace(
        comparison(measured(1_000, [(100, 50)])),
        unsupported={PEER: {"incr": "TypeError: no numbers"}},
    )
    assert found.notes() == [f"incr, {PEER}: not run: TypeError: no numbers"]
    assert found.to_json()["unsupported"] == found.unsupported


def test_a_call_that_fails(worker: Worker, tmp_path: Path) -> None:
    options = {"rows": 5, "max_entries": 50, "timeout": 60, "seed": 1}
    worker.ask("prepare", **options, tables=["cache", "orm"])
    names = ["incr", "get_or_create hit", "update_or_create hit"]
    assert worker.ask("failing", operations=names) == {}
    with sqlite3.connect(tmp_path / "stock.sqlite3") as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE UPDATE ON bench_item"
            " BEGIN SELECT RAISE(ABORT, 'no such thing'); END"
        )
    assert worker.ask("failing", operations=names) == {
        "update_or_create hit": "IntegrityError: no such thing"
    }


def test_upsert_against_what_stock_has(altered: Path, stock: Path) -> None:
    code = (altered / QUERY).read_text("utf-8")
    with_upsert = code.replace(
        "    update_or_create.alters_data = True\n",
        "    update_or_create.alters_data = True\n"
        "    def upsert(self, defaults=None, **lookup):\n"
        "        self.filter(**lookup).update(**defaults)\n",
    )
    assert with_upsert != code
    plan = replace(
        QUICK,
        rows=(100,),
        operations=("upsert hit",),
        rounds=1,
        block=0.001,
        counted_calls=3,
    )
    try:
        (altered / QUERY).write_text(with_upsert, "utf-8")
        found = compare(stock=stock, patched=altered, plan=plan)
    finally:
        (altered / QUERY).write_text(code, "utf-8")
    assert found.instead == {"upsert hit": "update_or_create hit"}
    (one,) = found.measured
    assert {side: each.mean for side, each in one.counted.items()} == {
        STOCK: 4,
        PATCHED: 1,
    }
    assert "upsert hit: stock runs update_or_create hit" in verb.show(found)
    assert found.to_json()["instead"] == found.instead


def test_sizes_as_a_table_and_as_json() -> None:
    head = comparison(measured(1, [(1, 1)]))
    found = size.Sizes(
        database="SQLite",
        database_version="3.45",
        date=head.date,
        commit="0123456789ab",
        machine={},
        django={},
        ids={},
        sizes=[size.Size("dict", 1_000, {STOCK: 300_000, PATCHED: 200_000})],
    )
    assert found.table().splitlines()[-1].split() == [
        *("dict", "144", "1,000", "300,000", "200,000", "1.50", "x", "300", "200")
    ]
    data = json.loads(json.dumps(found.to_json()))
    assert data["database"] == {"name": "SQLite", "version": "3.45"}
    assert data["sizes"] == [
        {
            "values": "dict",
            "rows": 1_000,
            "bytes": {STOCK: 300_000, PATCHED: 200_000},
            "value_bytes": 144,
            "value_bytes_zlib": compressed_size("dict"),
            "ratio": 1.5,
        }
    ]


@pytest.mark.parametrize("name", ["sqlite", "postgres", "mariadb", "mysql"])
def test_size_of_the_table_that_the_cache_wrote(stock: Path, name: str) -> None:
    from databases.servers import running
    from databases.targets import Unavailable, resolve

    try:
        with running(resolve(name)) as server:
            found = size.measure(
                stock=stock, patched=stock, url=server.url, rows=(100, 400)
            )
    except Unavailable as error:
        pytest.skip(f"{error.reason}; {error.command}")
    at = {(each.values, each.rows): each.bytes[STOCK] for each in found.sizes}
    for (kind, rows), length in at.items():
        # PostgreSQL compresses long values.
        least = compressed_size(kind) if kind == "page" else len(pickled(kind))
        assert rows * least < length
    assert at["page", 400] > at["page", 100] > at["dict", 100]
    assert at["page", 400] > at["dict", 400] > at["dict", 100]
    for peer in found.peers:
        # It compresses pages.
        assert found.sizes[-1].bytes[peer] < at["page", 400]
    shown = size.show(found)
    assert found.database in shown
    assert f"{at['page', 400]:,}" in shown


def test_size_without_dbstat() -> None:
    class Cursor:
        """Of an SQLite whose list of compile options is empty."""

        def __init__(self) -> None:
            connection = sqlite3.connect(":memory:")
            self._cursor = connection.executescript("CREATE TABLE t (a); VACUUM;")

        def execute(self, sql: str, params: Sequence[str] = ()) -> None:
            sql = sql.replace("pragma_compile_options", "(SELECT 0 compile_options)")
            self._cursor.execute(sql.replace("%s", "?"), params)

        def fetchone(self) -> Any:
            return self._cursor.fetchone()

    # The page of the schema and that of the table.
    assert disk.sqlite_bytes(Cursor(), "t") == 2 * 4_096


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


def made_up(keys: Sequence[int]) -> traces.Trace:
    return traces.Trace("web07", "made up", array("i", keys))


def hits_of(
    trace: traces.Trace, stock: Path, patched: Path, plan: replay.Plan
) -> dict[str, int]:
    """Replay one trace; strategy or model → hits."""
    found = replay.replay([trace], stock=stock, patched=patched, plan=plan)
    return {each.strategy: each.hits for each in found.replayed}


def test_replay_hits_as_often_as_a_model(stock: Path, altered: Path) -> None:
    trace = made_up(traces.zipf(300, 2_000, 0.8, seed=1))
    found = hits_of(trace, stock, altered, replay.Plan())
    limit = trace.distinct // 10
    # Without a count nothing is culled: only first requests miss.
    assert found == {
        STOCK: stock_hits(trace.keys, limit),
        PATCHED: len(trace.keys) - trace.distinct,
        "(exact LRU)": models.lru_hits(trace.keys, limit),
        "(Belady)": models.belady_hits(trace.keys, limit),
    }
    hashed = hits_of(trace, stock, altered, replay.Plan(keys="md5"))
    assert hashed[STOCK] != found[STOCK]
    assert hashed[PATCHED] == found[PATCHED]


def test_lru_one_at_a_time_is_exact_lru(stock: Path, patched: Path) -> None:
    trace = made_up(traces.zipf(300, 2_000, 0.8, seed=1))
    plan = replay.Plan("locmem", (STOCK, "lru-1"), (5, 20))
    found = replay.replay([trace], stock=stock, patched=patched, plan=plan)
    for share in plan.shares:
        batches, single, exact, best = (
            each for each in found.replayed if each.share == share
        )
        limit = trace.distinct * share // 100
        assert {batches.max_entries, single.max_entries, single.entries} == {limit}
        assert batches.entries <= limit
        assert batches.hits < single.hits == exact.hits < best.hits
        assert min(single.hit_us, single.miss_us) > 0
        assert min(single.worst_get_ns, single.worst_set_ns) > 0
    shown = replay.show(found)
    assert "locmem, decimal keys" in shown
    assert [line.split()[2] for line in shown.splitlines() if line[:4] == "mean"] == [
        *plan.strategies,
        *("(exact", "(Belady)"),
    ]
    data = json.loads(json.dumps(found.to_json()))
    assert "database" not in data
    assert data["options"] == {
        "backend": "locmem",
        "strategies": [STOCK, "lru-1"],
        "shares": [5, 20],
        "keys": "decimal",
        "seed": 1,
    }
    assert [set(each) for each in data["results"][2:4]] == [
        {*replay.OF_MODELS, "hit_ratio"}
    ] * 2


# Caches whose reads write: every second hit, and on the first and every tenth
# request a look at the table.
WRITES = {
    BACKEND: """
class DatabaseCache(DatabaseCache):
    reads = hits = 0

    def get(self, *args, **kwargs):
        value = super().get(*args, **kwargs)
        with connections["default"].cursor() as cursor:
            if self.reads % 10 == 0:
                cursor.execute(f"SELECT MIN(expires) FROM {self._table}")
            self.reads += 1
            if isinstance(value, dict):
                self.hits += 1
                if self.hits % 2:
                    cursor.execute(
                        f"UPDATE {self._table} SET value = value WHERE cache_key = %s",
                        [self.make_key(args[0])],
                    )
        return value
""",
    Path("django/core/cache/backends/filebased.py"): """
class FileBasedCache(FileBasedCache):
    hits = 0

    def get(self, *args, **kwargs):
        value = super().get(*args, **kwargs)
        if isinstance(value, dict):
            self.hits += 1
            if self.hits % 2:
                os.utime(self._key_to_file(args[0]))
        return value

    def set(self, key, *args, **kwargs):
        super().set(key, *args, **kwargs)
        os.utime(self._key_to_file(key))
""",
}


def test_what_hits_write_is_counted(stock: Path, tmp_path: Path) -> None:
    tree = trees.copied(stock, tmp_path)
    for path, code in WRITES.items():
        with (tree / path).open("a", encoding="utf-8") as file:
            file.write(code)
    trace = made_up([1, 2, 3, 4] * 10)
    for backend, further in (("db", 4 / 36), ("file", 0)):
        plan = replay.Plan(backend, (STOCK, PATCHED), shares=(100,))
        found = replay.replay([trace], stock=stock, patched=tree, plan=plan)
        one, other = found.replayed[:2]
        assert one.hits == other.hits == 36
        assert (one.writes_per_hit, one.further_per_hit) == (0, 0)
        assert (other.writes_per_hit, other.further_per_hit) == (0.5, further)
        assert one.entries == other.entries == other.most_entries == 4
        line = replay.cells(found.replayed)[1]
        assert line[5:9] == ["0.500", f"{further:.3f}", "4", "4"]
        data = found.to_json()
        assert ("database" in data) == (backend == "db")
        assert data["results"][1]["writes_per_hit"] == 0.5


def test_a_strategy_by_its_dotted_path(
    stock: Path, patched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from django.core.cache.culling import FIFO\nclass Own(FIFO): pass\n"
    )
    trace = made_up(traces.zipf(300, 2_000, 0.8, seed=1))
    plan = replay.Plan("locmem", ("fifo", "own.Own", "lru-1"))
    found = hits_of(trace, stock, patched, plan)
    assert found["own.Own"] == found["fifo"] != found["lru-1"]
    wrong = replay.Plan("locmem", ("lru-1", "own.Other"))
    with pytest.raises(StackError, match=r"own\.Other: ImproperlyConfigured: .*'lru'"):
        hits_of(trace, stock, patched, wrong)


def test_a_trace_of_one_key(stock: Path) -> None:
    trace = made_up([5, 5, 5])
    plan = replay.Plan()
    found = replay.replay([trace], stock=stock, patched=stock, plan=plan)
    assert {each.hits for each in found.replayed} == {2}
    assert {each.max_entries for each in found.replayed} == {1}
    assert len(replay.cells(found.replayed)) == 4


def test_a_replay_by_its_options(
    real: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--replay", "--strategy", "stock", "--traces", "zipf-1.1", "--limit=500"]
    for backend in replay.BACKENDS:
        file = tmp_path / f"{backend}.json"
        more = ["--backend", backend, "--share=1,50", "--json", str(file)]
        assert verb.run(arguments(*words, *more), real) == OK
        data = json.loads(file.read_text())
        assert data["options"]["backend"] == backend
        assert [each["share"] for each in data["results"]] == [1] * 3 + [50] * 3
        assert f"\n{backend}, " in f"\n{capsys.readouterr().out}"


def test_patched_is_what_people_work_on(real: Project) -> None:
    found = verb.both(arguments("--src"), real)
    assert (found[STOCK], found[PATCHED]) == (trees.stock(real), real.src)
    assert found["ids"][PATCHED] == "src"


def test_models() -> None:
    # The example of the textbooks: of 12 requests LRU misses 10 and 8, the best 7
    # and 6.
    keys = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
    assert [models.lru_hits(keys, limit) for limit in (3, 4, 5)] == [2, 4, 7]
    assert [models.belady_hits(keys, limit) for limit in (3, 4, 5)] == [5, 6, 7]


@pytest.mark.parametrize("seed", range(20))
def test_belady_is_the_best_of_all_choices(seed: int) -> None:
    chance = random.Random(seed)
    keys = tuple(chance.choices(range(5), k=10))

    def best(held: frozenset[int], at: int) -> int:
        """The most hits from a request on, whatever is evicted."""
        if at == len(keys):
            return 0
        if keys[at] in held:
            return 1 + best(held, at + 1)
        ways = [held] if len(held) < 3 else [held - {each} for each in held]
        return max(best(way | {keys[at]}, at + 1) for way in ways)

    assert models.belady_hits(keys, 3) == best(frozenset(), 0)
