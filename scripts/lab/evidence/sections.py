"""The sections of the page: what is said, and the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.evidence.covered import Covered, Place, Share, covered, places
from lab.evidence.hits import BACKENDS, Curve, backends, curves, ordered
from lab.evidence.loads import Load, loads
from lab.evidence.matrix import LEGEND, Matrix, matrix
from lab.evidence.page import Cell, Picture, Section, Table, choices
from lab.evidence.pictures import Plot
from lab.evidence.results import Result, Results
from lab.evidence.timings import Span, Timing, timings
from lab.figures import microseconds, times
from lab.variants import PATCHED, STOCK


@dataclass(frozen=True)
class Series:
    """What the results are about.

    ``patches``: slug → (set, file name); ``tree`` is the id of what they make.
    """

    patches: Mapping[str, tuple[str, str]]
    tree: str

    @property
    def slugs(self) -> list[str]:
        return list(self.patches)


def sections(results: Results, series: Series, drawn: Sequence[Plot]) -> list[Section]:
    def figures(*begins: str) -> list[Picture]:
        return [each.picture for each in drawn if each.name.startswith(begins)]

    found = [
        evidence_section(results, series),
        timing_section(results, figures("ratios", "growth", "peers")),
        load_section(loads(results["load"]), figures("load")),
        hit_section(results["replay"], figures("hit-ratios")),
        size_section(results["size"]),
        coverage_section(results["coverage"], series),
        runs_section(results, series),
    ]
    return [each for each in found if each is not None]


def evidence_section(results: Results, series: Series) -> Section:
    whole = matrix(series.slugs, results["tests"], series.tree)
    pythons = list(dict.fromkeys(each.python for each in whole.columns))
    proved = proofs(results["proofs"], series)
    rows = [
        [
            Cell(slug, kind="name", link=f"../../patches/{file}"),
            Cell(set_, kind="name"),
            Cell(python, kind="name"),
            *(
                Cell(
                    each.text,
                    kind={"not run": "absent"}.get(each.state, each.state),
                    note=each.note,
                )
                for each in whole.of(python).cells[slug]
            ),
            Cell(proved.get(slug, "not run"), kind="name"),
        ]
        for python in pythons
        for slug, (set_, file) in series.patches.items()
    ]
    head = [
        *("patch", "set", "Python"),
        *(each.title for each in whole.of(pythons[0]).columns),
        "red without it, green with it",
    ]
    return Section(
        "evidence",
        "Tests: patch, database, Python",
        [LEGEND, *versions(whole)],
        tables=[
            Table(
                "matrix",
                "Tests of each patch on each database and Python",
                head,
                rows,
                [("Set", 1, choices(rows, 1)), ("Python", 2, pythons)],
            )
        ],
    )


def versions(whole: Matrix) -> list[str]:
    """Say for each Python which versions of the databases the tests ran on."""
    found = []
    for python in dict.fromkeys(each.python for each in whole.columns):
        ran = [each for each in whole.of(python).columns if each.version]
        named = ", ".join(f"{each.title} {each.version}" for each in ran)
        found.append(f"Python {python}: {named or 'not run'}.")
    return found


def proofs(results: Sequence[Result], series: Series) -> dict[str, str]:
    """Return for each patch where it was proved: red without, green with it."""
    found = {}
    for result in results:
        if not result.is_of(series.tree):
            continue
        for slug, by in result.data["patches"].items():
            found[slug] = ", ".join(
                f"{database}: {'failed' if each['findings'] else each['red']}"
                for database, each in by.items()
            )
    return found


def timing_section(results: Results, figures: Sequence[Picture]) -> Section | None:
    found = timings(results["bench"])
    if not found:
        return None
    peers = [name for each in found for name in each.wall]
    others = [name for name in dict.fromkeys(peers) if name not in (STOCK, PATCHED)]
    rows = [timing_row(each, others) for each in found]
    head = [
        *("operation", "database", "rows", "values"),
        *("stock, µs", "patched, µs", "stock / patched", "quartiles"),
        *("CPU, stock / patched", "statements", "rounds"),
        *(f"{name} / patched" for name in others),
    ]
    return Section(
        "times",
        "Times",
        [
            "Wall time of a call, medians of the rounds, in which stock and patched"
            " take turns. A ratio is the median of the rounds' ratios. Statements are"
            " the mean per call, BEGIN and COMMIT included. What is called bare or raw"
            " is the statement by itself, which no cache or ORM can beat.",
            *notes(results["bench"]),
        ],
        figures,
        [
            Table(
                "timings",
                "Times of operations",
                head,
                rows,
                [
                    ("Database", 1, choices(rows, 1)),
                    ("Rows", 2, choices(rows, 2)),
                    ("Values", 3, choices(rows, 3)),
                ],
            )
        ],
    )


def notes(results: Sequence[Result]) -> list[str]:
    """Say what was left out of the runs, and what stock ran instead."""
    said = []
    for result in results:
        data = result.data
        said += [
            *(f"{name}: stock runs {one}." for name, one in data["instead"].items()),
            *(
                f"{result.database}, {name}: not run: {why}."
                for left in (data["skipped"], data["absent"])
                for name, why in left.items()
            ),
            *(
                f"{result.database}, {name}, {peer}: not run: {why}."
                for peer, left in data["unsupported"].items()
                for name, why in left.items()
            ),
        ]
    return list(dict.fromkeys(said))


def timing_row(each: Timing, others: Sequence[str]) -> list[Cell]:
    return [
        Cell(each.operation, kind="name"),
        Cell(each.database, kind="name"),
        Cell(f"{each.rows:,}", each.rows),
        Cell(each.values, kind="name"),
        *(span_cell(each.wall.get(name)) for name in (STOCK, PATCHED)),
        *ratio_cells(each.ratio),
        cpu_cell(each),
        Cell(each.sent),
        Cell(str(each.rounds), each.rounds),
        *(ratio_cells(each.over.get(name))[0] for name in others),
    ]


def cpu_cell(each: Timing) -> Cell:
    if each.cpu_ratio is None:
        return Cell("-", "")
    return Cell(times(each.cpu_ratio), rounded(each.cpu_ratio))


def span_cell(span: Span | None) -> Cell:
    if span is None:
        return Cell("-", "")
    quartiles = f"quartiles {microseconds(span.low)} to {microseconds(span.high)} µs"
    return Cell(microseconds(span.median), rounded(span.median), note=quartiles)


def ratio_cells(span: Span | None) -> list[Cell]:
    """Return a ratio and its quartiles; colored if these are on one side of 1."""
    if span is None:
        return [Cell("-", ""), Cell("-", "")]
    kind = "better" if span.low > 1 else "worse" if span.high < 1 else ""
    return [
        Cell(times(span.median), rounded(span.median), kind),
        Cell(f"{span.low:.2f} to {span.high:.2f}", rounded(span.low)),
    ]


def rounded(value: float) -> float:
    return float(f"{value:.6g}")


def load_section(found: Sequence[Load], figures: Sequence[Picture]) -> Section | None:
    if not found:
        return None
    rows = [
        [
            Cell(each.database, kind="name"),
            Cell(each.strategy, kind="name"),
            Cell(f"{each.throughput:,.0f}", rounded(each.throughput)),
            Cell(
                "{:,.0f} to {:,.0f}".format(*each.quartiles), rounded(each.quartiles[0])
            ),
            Cell(times(each.gain), rounded(each.gain)),
            *(
                Cell(microseconds(each.latency[name]), rounded(each.latency[name]))
                for name in ("p50", "p99", "p999", "worst")
            ),
            *(events_cell(events) for events in (each.errors, each.failed)),
            percent_cell(each.hit_ratio),
            Cell(f"{each.entries:,}", each.entries),
        ]
        for each in found
    ]
    head = (
        *("database", "side", "calls per second", "quartiles", "/ stock"),
        *("p50, µs", "p99, µs", "p99.9, µs", "worst, µs"),
        *("errors", "failed statements", "hit ratio", "entries at the end"),
    )
    return Section(
        "load",
        "Load test",
        [
            "Processes make all kinds of calls on keys whose popularity follows Zipf's"
            " law, of which more are asked for than MAX_ENTRIES. The sides take turns."
            " Quartiles are those of the turns. Errors are exceptions that reached the"
            " caller, failed statements all that failed, whatever the cache did then."
        ],
        figures,
        [Table("loads", "Load test", head, rows)],
    )


def events_cell(events: Mapping[str, int]) -> Cell:
    total = sum(events.values())
    names = ", ".join(f"{count:,} {name}" for name, count in events.items())
    return Cell(f"{total:,}", total, note=names)


def percent_cell(share: float | None) -> Cell:
    if share is None:
        return Cell("-", "")
    return Cell(f"{100 * share:.1f} %", rounded(share))


def hit_section(
    results: Sequence[Result], figures: Sequence[Picture]
) -> Section | None:
    if not results:
        return None
    rows = []
    for backend in backends(results):
        found = curves(results, backend)
        for trace in dict.fromkeys(each.trace for each in found):
            of = {each.strategy: each for each in found if each.trace == trace}
            limit = [each for each in of.values() if "Belady" in each.strategy]
            rows += [
                [
                    Cell(BACKENDS[backend], kind="name"),
                    Cell(trace, kind="name"),
                    Cell(f"{share} %", share),
                    Cell(name.strip("()"), kind="name"),
                    Cell(f"{100 * ratio:.2f} %", rounded(ratio)),
                    *below(limit, share, ratio),
                ]
                for name in ordered(found)
                if name in of
                for share, ratio in zip(of[name].shares, of[name].ratios, strict=True)
            ]
    requests = sorted(
        {each.requests for one in backends(results) for each in curves(results, one)}
    )
    head = ("cache", "trace", "MAX_ENTRIES", "strategy", "hit ratio", "of Belady's")
    return Section(
        "hits",
        "Hit ratios",
        [
            "Request streams go through the real caches: get(), and on a miss set()."
            " MAX_ENTRIES is in percent of the distinct keys. Belady's limit evicts"
            " what is asked for latest, and so knows the future."
            f" Requests: the first {', '.join(f'{n:,}' for n in requests)}."
        ],
        figures,
        [
            Table(
                "hit-ratios",
                "Hit ratios",
                head,
                rows,
                [
                    ("Cache", 0, choices(rows, 0)),
                    ("Trace", 1, choices(rows, 1)),
                    ("MAX_ENTRIES", 2, choices(rows, 2)),
                    ("Strategy", 3, choices(rows, 3)),
                ],
            )
        ],
    )


def below(limit: Sequence[Curve], share: int, ratio: float) -> list[Cell]:
    """Return how much of Belady's hit ratio a strategy reached."""
    for each in limit:
        if share in each.shares:
            part = ratio / each.ratios[list(each.shares).index(share)]
            return [Cell(f"{100 * part:.1f} %", rounded(part))]
    return [Cell("-", "")]


def size_section(results: Sequence[Result]) -> Section | None:
    rows = [
        [
            Cell(result.database, kind="name"),
            Cell(each["values"], kind="name"),
            Cell(f"{each['rows']:,}", each["rows"]),
            *(
                Cell(
                    f"{each['bytes'][name] / each['rows']:,.0f}",
                    rounded(each["bytes"][name] / each["rows"]),
                )
                for name in (STOCK, PATCHED)
            ),
            Cell(times(each["ratio"]), rounded(each["ratio"])),
        ]
        for result in results
        for each in result.data["sizes"]
    ]
    if not rows:
        return None
    head = (
        *("database", "values", "entries", "stock, bytes per entry"),
        *("patched, bytes per entry", "stock / patched"),
    )
    return Section(
        "sizes",
        "Bytes on disk",
        ["The table of the cache and its indexes, compacted."],
        tables=[Table("bytes", "Bytes on disk of an entry", head, rows)],
    )


def coverage_section(results: Sequence[Result], series: Series) -> Section:
    title = "Coverage of the lines that the patches add"
    current = [each for each in results if each.is_of(series.tree)]
    if not current:
        return Section("coverage", title, ["Not run for these patches."])
    (result,) = current
    found = covered(result, series.slugs)
    databases = list(result.data["databases"])
    head = [
        *("patch", "statements", "branches", *databases),
        *("any database", "or stand-in"),
    ]
    rows = [coverage_row(each, databases, series) for each in found]
    missing = [place_row(each) for each in places(result, series.slugs)]
    return Section(
        "coverage",
        title,
        [
            "Statements and branches in django/ that a patch adds and no later one"
            " replaces, run by the tests of the areas that the series touches. Many"
            " lines are for one database only, so those of a single one are below"
            " 100 %.",
            *(
                f"{name}: not run: {why}."
                for name, why in result.data["not_run"].items()
            ),
        ],
        tables=[
            Table("covered", "Statements and branches that ran", head, rows),
            Table(
                "missing",
                "Lines and branches that no database ran",
                ("patch", "file", "line", "branch to", "only on a stand-in", "text"),
                missing,
            ),
        ],
    )


def coverage_row(each: Covered, databases: Sequence[str], series: Series) -> list[Cell]:
    _, file = series.patches[each.patch]
    return [
        Cell(each.patch, kind="name", link=f"../../patches/{file}"),
        Cell(str(each.statements), each.statements),
        Cell(str(each.branches), each.branches),
        *(share_cell(each.by.get(name)) for name in databases),
        share_cell(each.united),
        share_cell(each.with_standins),
    ]


def share_cell(share: Share | None) -> Cell:
    if share is None or not share.total:
        return Cell("-", "")
    note = f"{share.done} of {share.total}"
    return Cell(str(share), rounded(share.done / share.total), note=note)


def place_row(each: Place) -> list[Cell]:
    return [
        Cell(each.patch, kind="name"),
        Cell(each.file, kind="name"),
        Cell(str(each.line), each.line),
        Cell("" if each.to is None else "exit" if each.to < 0 else str(each.to)),
        Cell("yes" if each.standin else "no", kind="name"),
        Cell(each.text, kind="text"),
    ]


def runs_section(results: Results, series: Series) -> Section | None:
    """Name every file that something on the page is from."""
    rows = [
        [
            Cell(each.name, kind="name", link=f"../results/{each.name}.json"),
            Cell(each.where or "-", kind="name"),
            Cell(str(each.data["date"]), kind="name"),
            Cell(str(each.data["commit"]), kind="name"),
            Cell("as here" if each.is_of(series.tree) else each.tree, kind="name"),
            Cell(machine(each), kind="name"),
        ]
        for kind in results
        for each in results[kind]
    ]
    if not rows:
        return None
    head = ("file", "database", "date (UTC)", "commit", "patches", "machine")
    return Section(
        "runs",
        "Where the figures are from",
        [
            "docs-drafts/benchmarks.md has the method, and the command of each figure."
            " Where the patches were not as here, the tree of Django with them is"
            " named; results of tests and coverage are then not shown."
        ],
        tables=[Table("files", "Files of results", head, rows)],
    )


def machine(result: Result) -> str:
    """Name a machine: processor, number of them, memory, system, Python."""
    data = result.data["machine"]
    return (
        f"{data['cpu']}, {data['cpus']} cores, {data['memory_gib']} GiB,"
        f" {data['platform']}, Python {data['python']}"
    )
