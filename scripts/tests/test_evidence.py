"""Tables, plots, and the page, written from results."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from common.errors import FINDINGS, OK, StackError
from common.project import Project
from lab.evidence import files, results, tables
from lab.evidence.page import page
from lab.evidence.results import FORMATS, UNKNOWN, Result, Span, timings
from lab.evidence.tables import MAIN_ROWS
from lab.variants import PATCHED, STOCK
from patchstack import series
from tests.conftest import verb
from verbs import report

TREE = "0123456789abcdef0123"
PATCHES = series.load(Project.here())[:2]
FIRST, SECOND = (patch.slug for patch in PATCHES)


def head(kind: str, database: str = "", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "format": FORMATS[kind],
        **({"database": {"name": database, "version": "1.2"}} if database else {}),
        **{"date": "2026-11-21T10:00:00+00:00", "commit": "0123456789ab"},
        "machine": dict.fromkeys(("platform", "cpu", "cpus", "memory_gib"), "x")
        | {"python": "3.12.1"},
        "django": {STOCK: "6.1.3", PATCHED: "6.1.3"},
        "ids": {STOCK: "a", PATCHED: TREE[:16]},
        "tree": TREE[:16],
        **more,
    }


def measured(
    operation: str, rows: int, walls: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Return one measurement; ``walls``: side → µs per call, round by round."""
    return {
        "operation": operation,
        "rows": rows,
        "limit_of": "get hit" if operation.startswith("bare") else "",
        "blocks": {
            side: [{"calls": 10, "wall_ns": us * 10_000} for us in each]
            for side, each in walls.items()
        },
        "counted": {side: {"calls": 10, "statements": 10} for side in walls},
        "cpu_ratio": 5.5 if STOCK in walls else None,
    }


def bench(database: str) -> dict[str, Any]:
    walls = {STOCK: [40, 60, 50], PATCHED: [10, 10, 10], "diskcache": [5, 20, 30]}
    made = [
        measured(operation, rows, walls)
        for operation in ("get hit", "touch")
        for rows in (1_000, MAIN_ROWS)
    ]
    if database == "SQLite":
        both = {STOCK: [9, 10, 12], PATCHED: [10, 10, 10]}
        made.append(measured("incr", MAIN_ROWS, both))
    return head(
        "bench",
        database,
        options={"values": "dict"},
        instead={"upsert hit": "update_or_create hit"},
        skipped={"raw UPDATE RETURNING": "it has none"},
        absent={"redis": "no server"},
        unsupported={"diskcache": {"incr": "no integers"}},
        results=[*made, measured("bare get", MAIN_ROWS, {PATCHED: [8, 8, 8]})],
    )


def replay() -> dict[str, Any]:
    ratios = {"sieve": {10: 0.5, 1: 0.2}, "(Belady)": {1: 0.4, 10: 0.8}}
    made = [
        {"trace": "web07", "strategy": name, "model": name.startswith("(")}
        | {"requests": 1_000, "share": share, "hit_ratio": ratio}
        for name, points in ratios.items()
        for share, ratio in points.items()
    ]
    return head("replay", options={"backend": "locmem"}, results=made)


def load() -> dict[str, Any]:
    side = {
        **{"strategy": STOCK, "throughput": {"median": 100, "quartiles": [99, 101]}},
        **{"errors": {"Error": 3}, "failed_statements": {"Error: locked": 1_200}},
        **{"latency_us": {"all": dict.fromkeys(("p50", "p99", "p999", "worst"), 9)}},
        **{"hit_ratio": None, "entries": [7, 8]},
    }
    return head("load", "SQLite", results=[side], ratios={STOCK: 1.0})


def counts(passed: int = 0, failed: int = 0, skipped: int = 0) -> dict[str, int]:
    return {"passed": passed, "failed": failed, "skipped": skipped}


def of_tests() -> dict[str, Any]:
    ran = {"own": counts(), "area": counts(91, skipped=2)}
    made = head("tests", "SQLite", patches={SECOND: ran})
    made["database"]["target"] = "sqlite"
    return made


def coverage() -> dict[str, Any]:
    most, all_ = ({"statements": n, "branches": 1} for n in (9_998, 9_999))
    line = {"file": "django/a.py", "line": 7, "text": "    <b> | 1"}
    patch = {
        **all_,
        **{"covered": {"sqlite": most}, "united": most, "with_standins": all_},
        "missing": [line | {"only_standin": True}],
        "partial": [line | {"to": -3, "only_standin": False}],
    }
    return head(
        "coverage",
        databases={"sqlite": {}, "mysql": {}},
        not_run={"oracle": "no server"},
        patches={SECOND: patch},
    )


def everything() -> dict[str, dict[str, Any]]:
    """Return file name → content, at least one of each kind."""
    size = {"values": "page", "rows": 10, "bytes": {STOCK: 300, PATCHED: 100}}
    proof = {"red": 3, "findings": []}
    return {
        "bench-mysql": bench("MySQL"),
        "bench-sqlite": bench("SQLite"),
        "size-sqlite": head("size", "SQLite", sizes=[size | {"ratio": 3.0}]),
        "replay": replay(),
        "load-sqlite": load(),
        "coverage": coverage(),
        "tests-py3.12-sqlite": of_tests(),
        "proofs": head("proofs", patches={FIRST: {"sqlite": proof}}),
    }


def write(folder: Path, content: Mapping[str, object]) -> results.Results:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / f"{name}.json").write_text(json.dumps(data), "utf-8")
    return results.load(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "bench", "format": 1}'])
def test_a_file_that_cannot_be_shown_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(StackError, match=r"bench\.json (is not|has format 1 of bench)"):
        results.load(tmp_path)


def test_the_run_with_most_rounds_wins() -> None:
    short, long = bench("SQLite"), bench("SQLite")
    long["results"] = [measured("touch", 1_000, {STOCK: [8] * 4, PATCHED: [4] * 4})]
    both = [Result("long", long), Result("short", short)]
    for order in (both, both[::-1]):
        found = {(each.operation, each.rows): each for each in timings(order)}
        assert len(found) == len(short["results"])
        touch = found["touch", 1_000]
        assert (touch.rounds, touch.wall[STOCK].median) == (4, 8)
        # The ratio of a side to patched is of the run in which both took part.
        assert touch.over["diskcache"] == Span(2, 1.25, 2.5)
        assert found["touch", MAIN_ROWS].wall[STOCK] == Span(50, 45, 55)
        assert found["touch", MAIN_ROWS].ratio == Span(5, 4.5, 5.5)


@pytest.mark.parametrize(
    ("own", "area", "text"),
    [
        (counts(3, skipped=1), counts(9), "3"),
        (counts(), counts(9), "(9)"),
        (counts(skipped=2), counts(9), "skipped"),
        (counts(3, failed=1), counts(9), "1 failed"),
        (counts(3), counts(9, failed=2), "2 failed"),
        (counts(), counts(), "not run"),
    ],
)
def test_a_cell_says_what_ran(
    own: dict[str, int], area: dict[str, int], text: str
) -> None:
    result = Result("", {"patches": {FIRST: {"own": own, "area": area}}})
    assert tables.tests_cell(result, PATCHES[0]) == text


@pytest.mark.parametrize(
    ("red", "by_import", "findings", "text"),
    [
        (3, [], [], "sqlite: 3"),
        (0, ["a"], [], "sqlite: by import"),
        (3, ["a"], [], "sqlite: 3 and by import"),
        (0, [], [], UNKNOWN),
        (3, [], ["it fails"], "sqlite: failed"),
    ],
)
def test_a_proof_says_what_was_red(
    red: int, by_import: list[str], findings: list[str], text: str
) -> None:
    proof = {"red": red, "by_import": by_import, "findings": findings}
    result = Result("", {"patches": {FIRST: {"sqlite": proof}}})
    assert tables.proof_cell(result, PATCHES[0]) == text
    assert tables.proof_cell(result, PATCHES[1]) == "not run"


def test_what_was_measured_is_shown(tmp_path: Path) -> None:
    content = everything()
    made = page(write(tmp_path / "a", content), PATCHES, TREE)
    assert set(made) == {
        *("index.html", "tables.md", "growth.svg", "hit-ratios-locmem.svg"),
        *("ratios-1000.svg", "ratios-10000.svg"),
    }
    lines = made["tables.md"].replace(UNKNOWN, "-").splitlines()
    for line in (
        "### MySQL, 10,000 rows, values: dict",
        f"| {SECOND} | {PATCHES[1].set} | (91) {'| not run ' * 9}|",
        "| touch | 50 | 10 | 5.00 x | 4.50 to 5.50 | 5.50 x | 1 → 1 | 3 | 2.00 x |",
        "| bare get | - | 8.0 | - | - | - | - → 1 | 3 | - |",
        "SQLite, redis: not run: no server.",
        "SQLite, incr, diskcache: not run: no integers.",
        "| sieve | 20.00 (50.0) | 50.00 (62.5) |",
        "| SQLite | page | 10 | 30 | 10 | 3.00 x |",
        f"| {SECOND} | 9999 | 1 | 99.9 % | - | 99.9 % | 100 % |",  # Not rounded up.
        f"| {SECOND} | django/a.py | 7 | exit | no | <b> \\| 1 |",
        "oracle: not run: no server.",
    ):
        assert line in lines
    assert any(line.endswith("| 3 | 1,200 | - | 8 |") for line in lines)
    assert "&lt;b&gt; | 1" in made["index.html"]
    assert made["index.html"].count("data:image/svg+xml") == 4
    # Written in another order and read again, they give the same bytes.
    again = write(tmp_path / "b", dict(reversed(content.items())))
    assert page(again, PATCHES, TREE) == made


def test_results_of_other_patches_are_named_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.evidence.page.plots", lambda results: [])
    made = page(write(tmp_path, everything()), PATCHES, "fedcba9876543210")
    lines = made["tables.md"].splitlines()
    row = next(line for line in lines if line.startswith(f"| {FIRST} |"))
    assert row.count("not run") == len(tables.TARGETS) + 1
    assert "Not run for these patches." in lines
    assert any(f"| {TREE[:16]} |" in line for line in lines)


def test_without_results_nothing_is_claimed(tmp_path: Path) -> None:
    made = page(results.load(tmp_path), PATCHES, TREE)
    assert set(made) == {"index.html", "tables.md"}
    titles = re.findall(r"(?m)^## (\w+)", made["tables.md"])
    assert titles == ["Tests", "Coverage", "Where"]
    assert "Nothing was measured yet." in made["index.html"]
    assert "Nothing was measured yet" in tables.main_table(results.load(tmp_path))


def test_two_runs_agree_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = bench("SQLite")
    for each in other["results"]:
        if each["operation"] == "touch":
            for block in each["blocks"][STOCK]:
                block["wall_ns"] = block["wall_ns"] * 6 // 5
    write(tmp_path, {"a": bench("SQLite"), "b": other, "c": load()})
    a, b, c = (str(tmp_path / f"{name}.json") for name in "abc")
    project = Project.here()
    assert verb(report, project, "--compare", a, a) == OK
    assert "4 of 4 ratios of operations over 50 µs agree" in capsys.readouterr().out
    assert verb(report, project, "--compare", a, b) == FINDINGS
    said = capsys.readouterr().out.splitlines()
    assert " ".join(said[1].split()) == "touch 1,000 50 5.00 x 6.00 x 20 %"
    assert said[-1].startswith("2 of 4 ratios")
    with pytest.raises(StackError, match="has the kind load, not bench"):
        verb(report, project, "--compare", a, c)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A checkout with the real series, with results and with a README.

    Its page has no plots: to draw them takes long.
    """
    monkeypatch.setattr("lab.evidence.page.plots", lambda results: [])
    project = Project(tmp_path / "root", tmp_path / "cache")
    shutil.copytree(Project.here().patches, project.patches)
    write(project.drafts / "results", everything())
    marks = "<!-- {0}:begin, written by ./scripts/stack report -->\n<!-- {0}:end -->\n"
    readme = "".join(marks.format(name) for name in ("patches", "benchmarks"))
    (project.root / "README.md").write_text(readme)
    return project


def test_report_leaves_the_files_of_others(
    checkout: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verb(report, checkout) == OK
    notes = checkout.drafts / "benchmarks" / "my-notes.md"
    notes.write_text("mine")
    assert verb(report, checkout) == FINDINGS
    assert notes.read_text() == "mine"
    said = capsys.readouterr().out
    assert "docs-drafts/benchmarks/my-notes.md is not a file of" in said
    table = (checkout.root / "README.md").read_text().splitlines()
    assert "| Call | Statements | SQLite 1.2 | MySQL 1.2 |" in table
    assert "| touch | 1 → 1 | 50 → 10, 5.00 x | 50 → 10, 5.00 x |" in table
    assert f"| incr | 1 → 1 | 10 → 10, 1.00 x | {UNKNOWN} |" in table


def test_check_names_what_is_out_of_date(
    checkout: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "measure", lambda project: {})
    assert verb(report, checkout) == OK
    assert files.findings(checkout) == []
    (checkout.drafts / "benchmarks" / "tables.md").write_text("typed")
    (found,) = files.findings(checkout)
    assert found.startswith("docs-drafts/benchmarks/tables.md is out of date")


def test_other_results_go_into_their_own_folder(checkout: Project) -> None:
    folder = checkout.drafts / "results"
    assert verb(report, checkout, "--results", str(folder)) == OK
    assert (folder / "report" / "index.html").exists()
    assert not (checkout.drafts / "benchmarks").exists()
    with pytest.raises(StackError, match="is not a folder"):
        verb(report, checkout, "--results", str(folder / "none"))
