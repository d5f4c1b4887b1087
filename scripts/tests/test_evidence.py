"""What is written from results: tables, plots, and the page in a real browser."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from common.errors import FINDINGS, OK, StackError
from common.project import Project
from lab.evidence import build, results
from lab.evidence.covered import Share
from lab.evidence.matrix import FAILED, NOT_RUN, PASSED, SKIPPED, cell, matrix
from lab.evidence.pictures import MAIN_ROWS
from lab.evidence.results import FORMATS, Result
from lab.evidence.sections import Series
from lab.evidence.timings import Span, timing, timings
from lab.variants import PATCHED, STOCK
from tests.conftest import verb
from verbs import report

TREE = "0123456789abcdef0123"
SERIES = Series(
    {
        "first": ("upsert", "0001-first.patch"),
        "second": ("db-cache", "0002-second.patch"),
    },
    TREE,
)
PHONE, DESK = (390, 844), (1280, 900)  # CSS pixels


def head(kind: str, database: str = "") -> dict[str, Any]:
    """Return the part that all results have."""
    return {
        "kind": kind,
        "format": FORMATS[kind],
        **({"database": {"name": database, "version": "1.2"}} if database else {}),
        "date": "2026-11-21T10:00:00+00:00",
        "commit": "0123456789ab",
        "machine": {
            "platform": "Debian",
            "cpu": "A processor",
            "cpus": 2,
            "memory_gib": 8.0,
            "python": "3.12.1",
        },
        "django": {STOCK: "6.1.3", PATCHED: "6.1.3"},
        "ids": {STOCK: "a", PATCHED: TREE[:16]},
        "tree": TREE[:16],
        "python": "3.12.1",
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
            side: [
                {"calls": 10, "wall_ns": us * 10_000, "cpu_ns": us * 5_000}
                for us in each
            ]
            for side, each in walls.items()
        },
        "counted": {side: {"calls": 10, "statements": 10} for side in walls},
        "cpu_ratio": 5.5 if STOCK in walls else None,
    }


def bench(database: str) -> dict[str, Any]:
    times = {STOCK: [40, 60, 50], PATCHED: [10, 10, 10], "diskcache": [5, 20, 30]}
    return head("bench", database) | {
        "options": {"values": "dict", "rounds": 3},
        "instead": {"upsert hit": "update_or_create hit"},
        "skipped": {"raw UPDATE RETURNING": "it has none"},
        "absent": {"redis": "no server"},
        "unsupported": {"diskcache": {"incr": "no integers"}},
        "results": [
            *(measured("get hit", rows, times) for rows in (1_000, MAIN_ROWS)),
            *(measured("touch", rows, times) for rows in (1_000, MAIN_ROWS)),
            measured("incr", MAIN_ROWS, {STOCK: [9, 10, 12], PATCHED: [10, 10, 10]}),
            measured("bare get", MAIN_ROWS, {PATCHED: [8, 8, 8]}),
        ],
    }


def replay() -> dict[str, Any]:
    def one(strategy: str, share: int, ratio: float) -> dict[str, Any]:
        return {
            "trace": "web07",
            "strategy": strategy,
            "model": strategy.startswith("("),
            "requests": 1_000,
            "share": share,
            "hit_ratio": ratio,
        }

    return head("replay") | {
        "options": {"backend": "locmem"},
        "results": [
            *(one("sieve", share, ratio) for share, ratio in ((10, 0.5), (1, 0.2))),
            *(one("(Belady)", share, ratio) for share, ratio in ((1, 0.4), (10, 0.8))),
        ],
    }


def load() -> dict[str, Any]:
    def side(name: str, rate: float, errors: dict[str, int]) -> dict[str, Any]:
        return {
            "strategy": name,
            "throughput": {"median": rate, "quartiles": [rate - 1, rate + 1]},
            "hit_ratio": 0.75,
            "errors": errors,
            "failed_statements": {},
            "latency_us": {"all": {"p50": 9.0, "p99": 80, "p999": 900, "worst": 5e4}},
            "windows": [
                {"second": n, "calls": n + 1, "gets": n, "hits": n} for n in range(3)
            ],
            "entries": [7, 8],
        }

    return head("load", "SQLite") | {
        "options": {"processes": 4},
        "results": [side(STOCK, 100, {"OperationalError": 3}), side(PATCHED, 250, {})],
        "ratios": {STOCK: 1.0, PATCHED: 2.5},
    }


def counts(passed: int = 0, failed: int = 0, skipped: int = 0) -> dict[str, int]:
    return {"passed": passed, "failed": failed, "skipped": skipped}


def of_tests(target: str = "sqlite", tree: str = TREE[:16]) -> dict[str, Any]:
    nothing = counts() | {"not_run": 0}
    return head("tests") | {
        "tree": tree,
        "database": {"target": target, "name": "SQLite", "version": "3.40.1"},
        "patches": {
            "first": {"own": nothing | {"passed": 3}, "area": counts(90)},
            "second": {"own": nothing, "area": counts(91, skipped=2)},
        },
    }


def coverage() -> dict[str, Any]:
    some, all_ = {"statements": 9, "branches": 3}, {"statements": 10, "branches": 3}
    place = {"file": "django/a.py", "line": 7, "text": "    <b>", "only_standin": True}
    return head("coverage") | {
        "databases": {"sqlite": {}, "standin-h2": {}},
        "not_run": {"mysql": "no server"},
        "patches": {
            "second": {
                "statements": 10,
                "branches": 4,
                "covered": {"sqlite": some, "standin-h2": all_},
                "united": some,
                "with_standins": all_,
                "missing": [place],
                "partial": [place | {"to": -3, "only_standin": False}],
            }
        },
    }


def everything() -> dict[str, dict[str, Any]]:
    """Return file name → content, at least one for each kind."""
    size = {"values": "page", "rows": 10, "bytes": {STOCK: 300, PATCHED: 100}}
    return {
        "bench-mysql": bench("MySQL"),
        "bench-sqlite": bench("SQLite"),
        "size-sqlite": head("size", "SQLite") | {"sizes": [size | {"ratio": 3.0}]},
        "replay": replay(),
        "load-sqlite": load(),
        "coverage": coverage(),
        "tests-py3.12-sqlite": of_tests(),
        "proofs": head("proofs")
        | {"patches": {"first": {"sqlite": {"red": 3, "findings": []}}}},
    }


def write(folder: Path, files: Mapping[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.json").write_text(json.dumps(data), "utf-8")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = write(tmp_path_factory.mktemp("results"), everything())
    return build.files(results.load(folder), SERIES)


# Reading


def test_results_come_by_kind_in_the_order_of_databases(tmp_path: Path) -> None:
    write(tmp_path, everything() | {"race": {"runs": []}, "statements": {"a": []}})
    found = results.load(tmp_path)
    assert [each.database for each in found["bench"]] == ["SQLite", "MySQL"]
    assert {kind for kind in FORMATS if not found[kind]} == set()


def test_another_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"bench-sqlite": bench("SQLite") | {"format": 1}})
    with pytest.raises(StackError, match=r"bench-sqlite\.json has format 1 of bench"):
        results.load(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(StackError, match=r"bench\.json is no"):
        results.load(tmp_path)


# Rows


def test_a_ratio_is_that_of_the_pairs_of_a_round() -> None:
    data = measured("touch", 10, {STOCK: [10, 30, 50], PATCHED: [10, 10, 100]})
    found = timing(Result("bench", bench("SQLite")), data)
    assert found.wall[STOCK] == Span(30, 20, 40)
    assert found.ratio == Span(1, 0.75, 2)


def test_of_several_runs_the_one_of_more_rounds_is_shown() -> None:
    short, long = bench("SQLite"), bench("SQLite")
    long["results"] = [measured("touch", 1_000, {STOCK: [8] * 4, PATCHED: [4] * 4})]
    files = [Result("long", long), Result("short", short)]
    for order in (files, files[::-1]):
        found = {(each.operation, each.rows): each for each in timings(order)}
        assert len(found) == len(short["results"])
        touch = found["touch", 1_000]
        assert (touch.rounds, touch.wall[STOCK].median) == (4, 8)
        # Of the run in which it took part.
        assert touch.over["diskcache"] == Span(2, 1.25, 2.5)
        assert found["touch", MAIN_ROWS].rounds == 3


@pytest.mark.parametrize(
    ("own", "area", "state", "text"),
    [
        (counts(3), counts(9), PASSED, "3"),
        (counts(3, skipped=1), counts(9), PASSED, "3"),
        (counts(), counts(9), PASSED, "(9)"),
        (counts(skipped=2), counts(9), SKIPPED, SKIPPED),
        (counts(3, failed=1), counts(9), FAILED, "1 failed"),
        (counts(3), counts(9, failed=2), FAILED, "2 failed"),
        (counts(), counts(), NOT_RUN, NOT_RUN),
    ],
)
def test_a_cell_says_what_ran(
    own: dict[str, int], area: dict[str, int], state: str, text: str
) -> None:
    found = cell({"own": own | {"not_run": 0}, "area": area})
    assert (found.state, found.text) == (state, text)


def test_tests_of_other_patches_count_as_not_run() -> None:
    stale = Result("tests", of_tests(tree="fedcba9876543210"))
    assert not matrix(SERIES.slugs, [stale], TREE).ran
    current = matrix(SERIES.slugs, [Result("tests", of_tests())], TREE)
    assert [each.text for each in current.cells["first"][:2]] == ["3", NOT_RUN]


def test_two_runs_agree_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = bench("SQLite")
    for each in other["results"]:
        if each["operation"] == "touch":
            # A fifth slower on stock; others keep their ratios.
            for block in each["blocks"][STOCK]:
                block["wall_ns"] = block["wall_ns"] * 6 // 5
    write(tmp_path, {"a": bench("SQLite"), "b": other, "c": load()})
    a, b, c = (str(tmp_path / f"{name}.json") for name in "abc")
    project = Project.here()
    assert verb(report, project, "--compare", a, a) == OK
    assert "4 of 4 ratios of operations over 50 µs agree" in capsys.readouterr().out
    assert verb(report, project, "--compare", a, b) == FINDINGS
    said = capsys.readouterr().out.splitlines()
    assert said[2].split() == [
        "touch",
        "1,000",
        "50",
        "5.00",
        "x",
        "6.00",
        "x",
        "20",
        "%",
    ]
    assert said[-1].startswith("2 of 4 ratios")
    with pytest.raises(StackError, match="is of kind load, not bench"):
        verb(report, project, "--compare", a, c)


def test_results_of_other_patches_are_named(tmp_path: Path) -> None:
    stale = load() | {"ids": {STOCK: "a", PATCHED: "fedcba9876543210"}}
    del stale["tree"]
    write(tmp_path, {"bench-sqlite": bench("SQLite"), "load-sqlite": stale})
    lines = build.files(results.load(tmp_path), SERIES)["tables.md"].splitlines()
    assert any("| bench-sqlite |" in line and "| as here |" in line for line in lines)
    assert any("| fedcba9876543210 |" in line for line in lines)


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert str(Share(9_999, 10_000)) == "99.9 %"
    assert str(Share(3, 3)) == "100 %"
    assert str(Share(0, 0)) == "-"


# Files


def test_the_same_results_give_the_same_bytes(
    made: dict[str, str], tmp_path: Path
) -> None:
    # Written in another order, and read again.
    files = dict(reversed(everything().items()))
    assert build.files(results.load(write(tmp_path, files)), SERIES) == made


def test_every_plot_is_drawn(made: dict[str, str]) -> None:
    assert {name for name in made if name.endswith(".svg")} == {
        *("ratios-1000.svg", "ratios-10000.svg", "growth.svg"),
        *("peers-sqlite.svg", "peers-mysql.svg"),
        *("hit-ratios-locmem.svg", "load-sqlite.svg"),
    }
    for name, text in made.items():
        if name.endswith(".svg"):
            assert text.startswith("<?xml")
            assert "Date" not in text


def test_markdown_has_what_was_measured(made: dict[str, str]) -> None:
    tables = made["tables.md"]
    assert "| touch | SQLite | 10,000 | dict | 50 | 10 | 5.00 x |" in tables
    assert "| 4.50 to 5.50 | 5.50 x | 1 → 1 | 3 |" in tables
    assert "| web07 | 10 % | sieve | 50.00 % | 62.5 % |" in tables
    assert "| second | django/a.py | 7 | exit | no | <b> |" in tables
    assert "SQLite, redis: not run: no server." in tables
    assert "SQLite, incr, diskcache: not run: no integers." in tables
    assert "Python 3.14: not run." in tables


def test_readme_shows_the_plot_and_the_table(tmp_path: Path) -> None:
    text = build.readme(results.load(write(tmp_path, everything())))
    assert f"docs-drafts/benchmarks/ratios-{MAIN_ROWS}.svg" in text
    line = "| touch | 1 → 1 | 50 → 10, 5.00 x | 50 → 10, 5.00 x |"
    assert line in text.splitlines()
    assert "bare get" not in text


def test_without_results_nothing_is_claimed(tmp_path: Path) -> None:
    found = results.load(tmp_path)
    assert "Nothing was measured yet" in build.readme(found)
    made = build.files(found, SERIES)
    assert set(made) == {"index.html", "tables.md"}
    assert "Nothing was measured yet" in made["index.html"]
    assert NOT_RUN in made["index.html"]


# The page in a browser


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[webdriver.Chrome]:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its driver; apt-get install chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",  # As root there is no other way.
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        # It must not look for anything but the page.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    with webdriver.Chrome(options=options, service=service) as found:
        yield found


@pytest.fixture
def page(
    browser: webdriver.Chrome, made: dict[str, str], tmp_path: Path
) -> webdriver.Chrome:
    """The page alone in a folder, so that it shows if it needs another file."""
    path = tmp_path / "index.html"
    path.write_text(made["index.html"], "utf-8")
    browser.set_window_size(*DESK)
    browser.get(path.as_uri())
    return browser


def choose(page: webdriver.Chrome, table: str, place: int, number: int) -> None:
    """Choose from the filter of a column; 0 is all."""
    choice = page.find_element(
        By.CSS_SELECTOR, f'.tools[data-for="{table}"] select[data-column="{place}"]'
    )
    choice.send_keys(Keys.HOME, *[Keys.DOWN] * number)


def column(page: webdriver.Chrome, table: str, place: int) -> list[str]:
    """Return the texts of a column, of the rows that are shown."""
    rows = page.find_elements(By.CSS_SELECTOR, f"#{table} tbody tr")
    return [
        row.find_elements(By.CSS_SELECTOR, "th, td")[place].text
        for row in rows
        if row.is_displayed()
    ]


def header(page: webdriver.Chrome, table: str, text: str) -> WebElement:
    for each in page.find_elements(By.CSS_SELECTOR, f"#{table} thead th"):
        if each.text.strip(" ▲▼") == text:
            return each
    raise AssertionError(f"{table} has no column {text}")


def test_the_page_renders_without_a_message(page: webdriver.Chrome) -> None:
    titles = [each.text for each in page.find_elements(By.TAG_NAME, "h2")]
    assert titles == [
        "Tests: patch, database, Python",
        *("Times", "Load test", "Hit ratios", "Bytes on disk"),
        "Coverage of the lines that the patches add",
        "Where the figures are from",
    ]
    widths = page.execute_script(
        "return [...document.images].map((each) => each.naturalWidth)"
    )
    assert len(widths) == 7
    assert all(widths)
    for each in page.find_elements(By.CSS_SELECTOR, "#matrix tr > :first-child"):
        assert each.value_of_css_property("text-align") == "left"
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_columns_sort_as_numbers_both_ways(page: webdriver.Chrome) -> None:
    rows = header(page, "timings", "rows")
    button = rows.find_element(By.TAG_NAME, "button")
    button.click()
    up = column(page, "timings", 2)
    assert up == sorted(up, key=lambda text: int(text.replace(",", "")))
    assert rows.get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(page, "timings", 2)[0] == "10,000"
    assert rows.get_attribute("aria-sort") == "descending"


def test_what_was_not_measured_stays_below(page: webdriver.Chrome) -> None:
    ratio = header(page, "timings", "stock / patched")
    for _ in range(2):
        ratio.find_element(By.TAG_NAME, "button").click()
        assert column(page, "timings", 6)[-1] == "-"


def test_rows_are_filtered_by_words_and_choices(page: webdriver.Chrome) -> None:
    tools = page.find_element(By.CSS_SELECTOR, '.tools[data-for="timings"]')
    tools.find_element(By.TAG_NAME, "input").send_keys("HIT get")
    assert set(column(page, "timings", 0)) == {"get hit"}
    choose(page, "timings", 1, 2)
    assert set(column(page, "timings", 1)) == {"MySQL"}
    said = tools.find_element(By.TAG_NAME, "output").text
    assert said == f"{len(column(page, 'timings', 0))} of 12 rows"


def test_the_matrix_says_what_did_not_run(page: webdriver.Chrome) -> None:
    choose(page, "matrix", 2, 1)
    assert column(page, "matrix", 2) == ["3.12", "3.12"]
    assert column(page, "matrix", 3) == ["3", "(91)"]
    assert column(page, "matrix", 4) == [NOT_RUN, NOT_RUN]
    choose(page, "matrix", 2, 3)
    assert column(page, "matrix", 2) == ["3.14", "3.14"]
    assert column(page, "matrix", 3) == [NOT_RUN, NOT_RUN]


def test_text_of_results_is_shown_as_text(page: webdriver.Chrome) -> None:
    assert column(page, "missing", 5) == ["<b>", "<b>"]


def test_on_a_phone_only_the_tables_scroll_sideways(page: webdriver.Chrome) -> None:
    # A window of the headless Chromium is never that narrow by itself.
    width, height = PHONE
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True},
    )
    try:
        page.refresh()
        wide = page.execute_script(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert wide == [width, width]
        size = page.execute_script(
            "return getComputedStyle(document.querySelector('main p')).fontSize"
        )
        assert size == "16px"
        for each in page.find_elements(By.CSS_SELECTOR, "p, img, .scroll, input"):
            assert each.rect["x"] >= 0
            assert each.rect["x"] + each.rect["width"] <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_keyboard_reaches_and_sorts(page: webdriver.Chrome) -> None:
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    skip = page.switch_to.active_element
    assert skip.text == "Skip to the content"
    assert skip.rect["x"] >= 0
    wanted = header(page, "loads", "errors").find_element(By.TAG_NAME, "button")
    for _ in range(200):
        page.switch_to.active_element.send_keys(Keys.TAB)
        if page.switch_to.active_element == wanted:
            break
    else:
        raise AssertionError("the keyboard does not come to the column")
    outline = wanted.value_of_css_property("outline-style")
    assert outline == "solid"
    wanted.send_keys(Keys.ENTER)
    assert column(page, "loads", 9) == ["0", "3"]
    wanted.send_keys(Keys.SPACE)
    assert column(page, "loads", 9) == ["3", "0"]
