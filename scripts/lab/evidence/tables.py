"""Make the sections of the page, of texts and tables, and README's table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.tables import markdown
from lab.evidence.results import (
    UNKNOWN,
    Result,
    Results,
    Span,
    Timing,
    replays,
    timings,
)
from lab.figures import microseconds, times
from lab.variants import PATCHED, STOCK
from patchstack.series import Patch

type Rows = list[dict[str, str]]  # Title of a column → cell.

# The operations in the ratio plots and in README's table; tables.md has all.
MAIN = (
    *("get hit", "get_many(100)", "set existing key", "set new key", "set_many(100)"),
    *("add existing key", "touch", "incr", "delete existing key"),
    *("update_or_create hit", "update_or_create miss", "upsert hit", "upsert miss"),
    *("get_or_create miss", "bulk_create(100)"),
)
MAIN_ROWS = 10_000
NOT_RUN = "not run"
# The environments of tox.ini; the table has a place for each, run or not.
PYTHONS = ("3.12", "3.13", "3.14")
TARGETS = (
    *("sqlite", "postgres", "postgres18", "mariadb", "mysql", "oracle"),
    *("standin-h2", "standin-h2-23", "standin-postgres"),
)


@dataclass(frozen=True)
class Section:
    """``tables``: caption → rows."""

    id: str
    title: str
    texts: Sequence[str]
    tables: Mapping[str, Rows]


def sections(results: Results, patches: Sequence[Patch], tree: str) -> list[Section]:
    """Return the sections; ``tree`` is the id of Django with all the patches."""
    measured = [
        bench(results["bench"]),
        load(results["load"]),
        hits(results["replay"]),
        sizes(results["size"]),
    ]
    return [
        tests(results, patches, tree),
        *(each for each in measured if any(each.tables.values())),
        coverage(results["coverage"], [patch.slug for patch in patches], tree),
        files(results, tree),
    ]


def tests(results: Results, patches: Sequence[Patch], tree: str) -> Section:
    ran = {
        (each.python, each.data["database"]["target"]): each
        for each in results["tests"]
        if each.is_of(tree)
    }
    proved = {each.python: each for each in results["proofs"] if each.is_of(tree)}
    text = (
        "A number counts the patch's own tests that passed; they fail without it. A"
        " number in brackets counts the tests of the areas that the patch touches; it"
        " stands where none of its own tests runs. “skipped”: all its own tests need a"
        " feature that the database lacks, and the others passed. The last column"
        " counts the tests that failed without the patch and passed with it, run alone;"
        " “by import”: without the patch a module of its tests cannot be imported."
        " A standin is Django's Oracle backend on another database and not Oracle."
    )
    tables = {
        f"Python {python}": [
            {
                "patch": patch.slug,
                "set": patch.set,
                **{t: tests_cell(ran.get((python, t)), patch) for t in TARGETS},
                "red without it, green with it": proof_cell(proved.get(python), patch),
            }
            for patch in patches
        ]
        for python in PYTHONS
    }
    return Section("tests", "Tests: patch, Python, database", [text], tables)


def tests_cell(result: Result | None, patch: Patch) -> str:
    counts = result and result.data["patches"].get(patch.slug)
    if not counts:
        return NOT_RUN
    own, area = counts["own"], counts["area"]
    if failed := own["failed"] + area["failed"]:
        return f"{failed} failed"
    if own["passed"] or own["skipped"]:
        return str(own["passed"] or "skipped")
    return f"({area['passed']})" if area["passed"] else NOT_RUN


def proof_cell(result: Result | None, patch: Patch) -> str:
    """Return where a patch was proved, and by how many tests."""
    proofs = result and result.data["patches"].get(patch.slug)
    if not proofs:
        return NOT_RUN
    said = []
    for database, proof in proofs.items():
        red = [str(proof["red"])] if proof["red"] else []
        red += ["by import"] if proof.get("by_import") else []
        if proof["findings"]:
            red = ["failed"]
        if red:
            said.append(f"{database}: {' and '.join(red)}")
    return ", ".join(said) or UNKNOWN


def bench(results: Sequence[Result]) -> Section:
    texts = [
        "Wall time of a call, the median of the rounds. Statements are the mean per"
        " call and include BEGIN and COMMIT. “bare” and “raw” are the statement by"
        " itself: no cache or ORM can be faster."
    ]
    for result in results:
        data, database = result.data, result.database
        texts += [f"{name}: stock runs {one}." for name, one in data["instead"].items()]
        reasons = {**data["skipped"], **data["absent"]}
        for peer, lacking in data["unsupported"].items():
            reasons |= {f"{name}, {peer}": why for name, why in lacking.items()}
        texts += [f"{database}, {n}: {NOT_RUN}: {why}." for n, why in reasons.items()]
    found: dict[str, list[Timing]] = {}
    for each in timings(results):
        caption = f"{each.database}, {each.rows:,} rows, values: {each.values}"
        found.setdefault(caption, []).append(each)
    tables = {caption: time_rows(each) for caption, each in found.items()}
    return Section("times", "Times", list(dict.fromkeys(texts)), tables)


def time_rows(found: Sequence[Timing]) -> Rows:
    sides = dict.fromkeys(side for each in found for side in each.wall)
    peers = [side for side in sides if side not in (STOCK, PATCHED)]
    return [
        {
            "operation": each.operation,
            "stock, µs": wall_cell(each.wall.get(STOCK)),
            "patched, µs": wall_cell(each.wall.get(PATCHED)),
            "stock / patched": ratio_cell(r := each.ratio),
            "quartiles": f"{r.low:.2f} to {r.high:.2f}" if r else UNKNOWN,
            "CPU, stock / patched": times(c) if (c := each.cpu_ratio) else UNKNOWN,
            "statements": each.sent,
            "rounds": str(each.rounds),
            **{f"{peer} / patched": ratio_cell(each.over.get(peer)) for peer in peers},
        }
        for each in found
    ]


def wall_cell(span: Span | None) -> str:
    return microseconds(span.median) if span else UNKNOWN


def ratio_cell(span: Span | None) -> str:
    return times(span.median) if span else UNKNOWN


def load(results: Sequence[Result]) -> Section:
    rows = [
        {
            "database": result.database,
            "side": side["strategy"],
            "calls per second": f"{side['throughput']['median']:,.0f}",
            "quartiles": "{:,.0f} to {:,.0f}".format(*side["throughput"]["quartiles"]),
            "/ stock": times(result.data["ratios"][side["strategy"]]),
            "p50, µs": microseconds(side["latency_us"]["all"]["p50"]),
            "p99, µs": microseconds(side["latency_us"]["all"]["p99"]),
            "p99.9, µs": microseconds(side["latency_us"]["all"]["p999"]),
            "worst, µs": microseconds(side["latency_us"]["all"]["worst"]),
            "errors": f"{sum(side['errors'].values()):,}",
            "failed statements": f"{sum(side['failed_statements'].values()):,}",
            "hit ratio": UNKNOWN if (h := side["hit_ratio"]) is None else percent(h),
            "entries at the end": f"{side['entries'][-1]:,}",
        }
        for result in results
        for side in result.data["results"]
    ]
    text = (
        "Errors are exceptions that reached the caller. Failed statements are all that"
        " failed, whatever the cache did then. The quartiles are of the side's turns."
    )
    return Section("load", "Load test", [text], {"Sides": rows})


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def hits(results: Sequence[Result]) -> Section:
    counts = {each["requests"] for result in results for each in result.data["results"]}
    text = (
        "Hit ratios in %. The columns are MAX_ENTRIES in percent of the distinct keys."
        " In brackets: in percent of Belady's limit, which knows the future and evicts"
        " the key that is asked for last. Requests: the first"
        f" {', '.join(f'{count:,}' for count in sorted(counts))}."
    )
    tables = {}
    for (backend, trace), ratios in replays(results).items():
        best = ratios.get("(Belady)", {})
        tables[f"{backend} cache, {trace}"] = [
            {
                "strategy": strategy.strip("()"),
                **{f"{s} %": hit_cell(ratio, best.get(s)) for s, ratio in each.items()},
            }
            for strategy, each in ratios.items()
        ]
    return Section("hits", "Hit ratios", [text], tables)


def hit_cell(ratio: float, best: float | None) -> str:
    return f"{100 * ratio:.2f}" + (f" ({100 * ratio / best:.1f})" if best else "")


def sizes(results: Sequence[Result]) -> Section:
    rows = [
        {
            "database": result.database,
            "values": each["values"],
            "entries": f"{each['rows']:,}",
            "stock, bytes per entry": f"{each['bytes'][STOCK] / each['rows']:,.0f}",
            "patched, bytes per entry": f"{each['bytes'][PATCHED] / each['rows']:,.0f}",
            "stock / patched": times(each["ratio"]),
        }
        for result in results
        for each in result.data["sizes"]
    ]
    text = "The table of the cache and its indexes, compacted."
    return Section("sizes", "Bytes on disk", [text], {"Entries": rows})


def coverage(results: Sequence[Result], slugs: Sequence[str], tree: str) -> Section:
    title = "Coverage of the lines that the patches add"
    current = [each.data for each in results if each.is_of(tree)]
    if not current:
        return Section("coverage", title, ["Not run for these patches."], {})
    data = current[0]
    names = list(data["databases"])
    patches = {slug: data["patches"][slug] for slug in slugs if slug in data["patches"]}
    rows = [
        {
            "patch": slug,
            "statements": str(each["statements"]),
            "branches": str(each["branches"]),
            **{name: share(each["covered"].get(name), each) for name in names},
            "any database": share(each["united"], each),
            "or stand-in": share(each["with_standins"], each),
        }
        for slug, each in patches.items()
        if each["statements"]
    ]
    missing = [
        {
            "patch": slug,
            "file": line["file"],
            "line": str(line["line"]),
            "branch to": str(line.get("to", "")) if line.get("to", 0) >= 0 else "exit",
            "only on a stand-in": "yes" if line["only_standin"] else "no",
            "text": line["text"].strip(),
        }
        for slug, each in patches.items()
        for line in [*each["missing"], *each["partial"]]
    ]
    texts = [
        "Statements and branches in django/ that a patch adds and no later patch"
        " replaces. Many are for one database only, so each database is below 100 %.",
        *(f"{name}: {NOT_RUN}: {why}." for name, why in data["not_run"].items()),
    ]
    tables = {
        "Statements and branches that ran": rows,
        "Lines and branches that no database ran": missing,
    }
    return Section("coverage", title, texts, tables)


def share(done: Mapping[str, int] | None, of: Mapping[str, Any]) -> str:
    """Return how much ran; never round up to 100 %."""
    if done is None:
        return UNKNOWN
    ran, total = (each["statements"] + each["branches"] for each in (done, of))
    return f"{int(1000 * ran / total) / 10:g} %"


def files(results: Results, tree: str) -> Section:
    rows = [
        {
            "file": each.name,
            "database": f"{each.database} {each.version}".strip() or UNKNOWN,
            "date (UTC)": str(each.data["date"]),
            "commit": str(each.data["commit"]),
            "patches": "as here" if each.is_of(tree) else each.tree,
            "machine": each.machine,
        }
        for found in results.values()
        for each in found
    ]
    text = (
        "docs-drafts/benchmarks.md describes the method and has the command for each"
        " figure. If a file is about other patches, the tree of Django with them is"
        " named. Tests and coverage of other patches are not shown."
    )
    title = "Where the figures are from"
    return Section("files", title, [text], {"Files": rows})


def main_timings(results: Results) -> list[Timing]:
    """Return the timings of operations, not of bare statements, on small values."""
    found = timings(results["bench"])
    return [each for each in found if each.values == "dict" and not each.limit_of]


def lead(results: Results) -> str:
    """Describe the measured Djangos, the days, and the machines."""
    measured = [each for kind in ("bench", "load", "replay") for each in results[kind]]
    if not measured:
        return "Nothing was measured yet."
    django = sorted(
        {version for e in measured for version in e.data["django"].values()}
    )
    days = sorted({str(each.data["date"])[:10] for each in measured})
    commits = dict.fromkeys(str(each.data["commit"]) for each in measured)
    machines = dict.fromkeys(each.machine for each in measured)
    return (
        f"Stock Django {', '.join(django)} and the same Django with all patches took"
        f" turns in one run. Measured on {', '.join(days)}, commit"
        f" {', '.join(commits)}; {'; '.join(machines)}."
    )


def main_table(results: Results) -> str:
    """Return the plot and the table for README.md."""
    found = {
        (each.operation, each.database): each
        for each in main_timings(results)
        if each.rows == MAIN_ROWS and each.operation in MAIN
    }
    if not found:
        return "Nothing was measured yet: `make bench`.\n"
    measured = {database for _, database in found}
    databases = {
        each.database: f"{each.database} {each.version}"
        for each in results["bench"]
        if each.database in measured
    }
    rows = []
    for operation in MAIN:
        on = [found.get((operation, database)) for database in databases]
        if sent := dict.fromkeys(each.sent for each in on if each):
            rows.append([operation, ", ".join(sent), *map(change, on)])
    head = ["Call", "Statements", *databases.values()]
    return (
        "![How many times faster each operation is with the patches, on"
        f" {', '.join(databases)}](docs-drafts/benchmarks/ratios-{MAIN_ROWS}.svg)\n\n"
        f"{markdown(head, rows, range(1, len(head)))}\n"
        f"Wall time of a call in µs, stock → patched, {MAIN_ROWS:,} rows in the table:"
        f" medians. The bars in the plot are quartiles.\n{lead(results)}\n"
    )


def change(each: Timing | None) -> str:
    """Return "µs → µs, ratio" of stock and patched."""
    if each is None or each.ratio is None:
        return UNKNOWN
    before, after = (microseconds(each.wall[side].median) for side in (STOCK, PATCHED))
    return f"{before} → {after}, {times(each.ratio.median)}"
