"""A benchmark that is interrupted, and gone on with: real runs, ended by Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.errors import OK, USAGE
from lab.bench.partial import differences
from lab.variants import PATCHED, STOCK

SCRIPTS = Path(__file__).resolve().parents[1]
STOPPED = 130
ROUNDS = 5  # of --quick
WORDS = ("--quick", "--rows", "20,60", "--ops", "get hit,set existing key,bulk*")
# The command line of this checkout, but for where the results go, and with the trees
# that are there: to look whether they are right takes longer than a run. What a shell
# starts in the background ignores Ctrl-C, and so do its children.
CHILD = """
import signal, sys
from pathlib import Path
from patchstack import cli, trees
from patchstack.project import Project
signal.signal(signal.SIGINT, signal.default_int_handler)
results, stock, patched = map(Path, sys.argv[1:4])
Project.results = property(lambda self: results)
trees.stock = lambda project: stock
trees.patched = lambda project: patched
sys.exit(cli.main(["bench", *sys.argv[4:]]))
"""


@dataclass(frozen=True)
class Ended:
    """What a run said, on standard error, and its exit code."""

    code: int
    said: str


@dataclass
class Bench:
    """Runs of two Djangos with results in one folder."""

    results: Path
    trees: tuple[Path, Path]

    @property
    def partial(self) -> Path:
        return self.results / "bench-sqlite.partial.json"

    @property
    def final(self) -> Path:
        return self.results / "bench-sqlite.json"

    @contextmanager
    def begun(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, self.results, *self.trees, *words],
            env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as child:
            try:
                yield child
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)

    def run(self, *words: str) -> Ended:
        with self.begun(*words) as child:
            said = child.communicate()[1]
            return Ended(child.returncode, said)

    def interrupted(self, at: str, *words: str) -> Ended:
        """Send Ctrl-C, as a terminal does to all, when a line has that in it."""
        with self.begun(*words) as child:
            assert child.stderr is not None
            said = []
            for line in child.stderr:
                said.append(line)
                if at in line:
                    os.killpg(child.pid, signal.SIGINT)
                    break
            said.append(child.communicate()[1])
            return Ended(child.returncode, "".join(said))


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def stopped(
    stock: Path, patched: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bench, Ended]:
    """A run that was interrupted in its third round."""
    bench = Bench(tmp_path_factory.mktemp("results"), (stock, patched))
    return bench, bench.interrupted(f"round 3 of {ROUNDS}", *WORDS)


@pytest.fixture
def bench(stopped: tuple[Bench, Ended], tmp_path: Path) -> Bench:
    """A folder with what that run left."""
    left, _ = stopped
    (tmp_path / left.partial.name).write_bytes(left.partial.read_bytes())
    return Bench(tmp_path, left.trees)


def test_what_is_left_and_said(stopped: tuple[Bench, Ended]) -> None:
    bench, ended = stopped
    assert ended.code == STOPPED
    assert "SQLite: round 1 of 5\n" in ended.said
    assert "SQLite: round 2 of 5, about " in ended.said
    assert (
        "what is measured is kept; to go on: ./scripts/stack bench"
        " --ops 'get hit,set existing key,bulk*' --rows 20,60 --quick --resume\n"
    ) in ended.said
    assert [path.name for path in bench.results.iterdir()] == [bench.partial.name]
    data = read(bench.partial)
    assert (data["kind"], data["format"]) == ("bench-partial", 1)
    assert 2 <= data["rounds"] < ROUNDS
    assert len(data["lanes"]) == 5 * 2
    for lane in data["lanes"]:
        assert {len(blocks) for blocks in lane["blocks"].values()} == {data["rounds"]}


def test_a_run_that_goes_on(bench: Bench) -> None:
    before = read(bench.partial)
    # Interrupted again, a round later.
    at = f"round {before['rounds'] + 2} of"
    again = bench.interrupted(at, *WORDS, "--resume")
    assert again.code == STOPPED
    assert f"SQLite: going on after round {before['rounds']} of 5" in again.said
    assert "counting statements" not in again.said
    assert read(bench.partial)["resumed"] == 1
    ended = bench.run(*WORDS, "--resume")
    assert ended.code == OK, ended.said
    assert not bench.partial.exists()
    data = read(bench.final)
    assert data["resumed"] == 2
    found = {(each["operation"], each["rows"]): each for each in data["results"]}
    assert len(found) == len(before["lanes"])
    for lane in before["lanes"]:
        each = found[lane["operation"], lane["rows"]]
        assert each["counted"] == lane["counted"]
        for variant, calls in lane["calls"].items():
            blocks = each["blocks"][variant]
            assert blocks[: before["rounds"]] == lane["blocks"][variant]
            assert [block["calls"] for block in blocks] == [calls] * ROUNDS
    # What is whole is not measured again.
    written = bench.final.stat().st_mtime_ns
    ended = bench.run(*WORDS, "--resume")
    assert ended.code == OK
    assert f"sqlite: measured already: {bench.final}" in ended.said
    assert "round" not in ended.said
    assert bench.final.stat().st_mtime_ns == written


def test_another_run_is_not_gone_on_with(bench: Bench) -> None:
    def refused(*words: str) -> str:
        before = bench.partial.read_bytes()
        ended = bench.run(*words, "--resume")
        assert ended.code == USAGE
        assert bench.partial.read_bytes() == before
        assert "filling" not in ended.said
        first, then = ended.said.strip().splitlines()[-2:]
        assert then.startswith("  next: ./scripts/stack bench --")
        assert "--resume" not in then
        return first

    name = bench.partial
    assert refused(*WORDS, "--seed=2") == (
        f"stack: --resume: {name} is of another run: options seed was 1 and is 2"
    )
    data = read(bench.partial)
    for part, value, why in (
        ("ids", {**data["identity"]["ids"], PATCHED: "0"}, 'ids patched was "0" and'),
        (
            "database",
            {"name": "SQLite", "version": "3.1"},
            'database version was "3.1" and is',
        ),
        ("peers", {"diskcache": "5"}, 'peers diskcache was "5" and is null'),
    ):
        changed = data["identity"] | {part: value}
        bench.partial.write_text(json.dumps({**data, "identity": changed}))
        assert f"{name} is of another run: {why}" in refused(*WORDS)


def test_a_database_that_is_done_is_left_out(bench: Bench) -> None:
    data = read(bench.partial)
    whole = {
        "kind": "bench",
        "format": 3,
        "options": data["identity"]["options"],
        "ids": data["identity"]["ids"],
    }
    (bench.results / "bench-postgres.json").write_text(json.dumps(whole))
    words = [*WORDS, "--resume", "--db", "postgres", "--db", "sqlite"]
    ended = bench.run(*words)
    assert ended.code == OK, ended.said
    assert "postgres: measured already: " in ended.said
    assert "PostgreSQL" not in ended.said
    assert read(bench.final)["resumed"] == 1
    assert not bench.partial.exists()


def test_differences_in_words() -> None:
    before = {"ids": {STOCK: "a", PATCHED: "b"}, "peers": {}, "date": "then"}
    assert differences(before, {"ids": {STOCK: "a", PATCHED: "b"}}) == ""
    assert differences({"rows": [1, 2]}, {"rows": (1, 2)}) == ""
    assert (
        differences(before, {"ids": {STOCK: "a", PATCHED: "c"}, "peers": {"x": "1"}})
        == 'ids patched was "b" and is "c"; 1 more'
    )
