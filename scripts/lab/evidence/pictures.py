"""Which plots there are, and what is said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.evidence import plots
from lab.evidence.hits import BACKENDS, backends, curves
from lab.evidence.loads import Load, loads
from lab.evidence.page import Picture
from lab.evidence.results import Result, Results
from lab.evidence.timings import Span, Timing, timings

# What the plots and the table of README show; the page has the others, too.
MAIN = (
    *("get hit", "get_many(100)", "set existing key", "set new key", "set_many(100)"),
    *("add existing key", "touch", "incr", "delete existing key"),
    *("update_or_create hit", "update_or_create miss", "upsert hit", "upsert miss"),
    *("get_or_create miss", "bulk_create(100)"),
)
GROWING = (
    "get hit",
    "set existing key",
    "touch",
    "incr",
    "get_many(100)",
    "set_many(100)",
)
MAIN_ROWS = 10_000
DICT = "dict"


@dataclass(frozen=True)
class Plot:
    """``name`` is that of its file."""

    name: str
    picture: Picture


def dicts(results: Results) -> list[Timing]:
    """Return the timings with small values, without those of bare statements."""
    return [
        each
        for each in timings(results["bench"])
        if each.values == DICT and not each.limit_of
    ]


def pictures(results: Results) -> list[Plot]:
    """Draw everything that there is something to draw of."""
    found = dicts(results)
    return [
        *ratio_plots(found),
        *growth_plots(found),
        *peer_plots(found),
        *hit_plots(results["replay"]),
        *load_plots(loads(results["load"])),
    ]


def ratio_plots(found: Sequence[Timing]) -> list[Plot]:
    made = []
    for rows in sorted({each.rows for each in found}):
        chosen = [
            each for each in found if each.rows == rows and each.operation in MAIN
        ]
        drawn: dict[str, dict[str, Span]] = {}
        for each in sorted(chosen, key=lambda one: MAIN.index(one.operation)):
            if each.ratio:
                drawn.setdefault(each.database, {})[each.operation] = each.ratio
        if not drawn:
            continue
        names = dict.fromkeys(each.database for each in found)
        series = {name: drawn[name] for name in names if name in drawn}
        title = f"How many times faster, {rows:,} rows in the table"
        meaning = "wall time of stock Django / of patched Django"
        caption = f"{title}. Marks: medians of the rounds; bars: quartiles."
        made.append(ratio_plot(f"ratios-{rows}", series, title, meaning, caption))
    return made


def ratio_plot(
    name: str,
    series: Mapping[str, Mapping[str, Span]],
    title: str,
    meaning: str,
    caption: str,
) -> Plot:
    """Draw ratios; ``series`` and ``meaning`` as for the plot."""
    alt = f"{meaning}: {', '.join(series)}; the table “Times” has the numbers."
    return Plot(name, Picture(plots.ratios(series, title, meaning), alt, caption))


def growth_plots(found: Sequence[Timing]) -> list[Plot]:
    chosen = [each for each in found if each.operation in GROWING]
    if len({each.rows for each in chosen}) < 2:
        return []
    title = "Time of a call as the table grows"
    return [
        Plot(
            "growth",
            Picture(
                plots.growth(chosen, title),
                f"{title}: stock and patched on each database; the table “Times” has"
                " the numbers.",
                f"{title}: stock counts its rows in each write, patched in few.",
            ),
        )
    ]


def peer_plots(found: Sequence[Timing]) -> list[Plot]:
    made = []
    for database in dict.fromkeys(each.database for each in found):
        series: dict[str, dict[str, Span]] = {}
        for each in found:
            if each.database == database and each.rows == MAIN_ROWS:
                for name, span in each.over.items():
                    if len(each.over) > 1:
                        series.setdefault(name, {})[each.operation] = span
        if not series:
            continue
        title = f"Other caches beside that of {database}, {MAIN_ROWS:,} entries"
        meaning = "wall time / that of the patched database cache"
        caption = f"{title}: right of the line the patched cache is faster."
        name = f"peers-{database.lower()}"
        made.append(ratio_plot(name, series, title, meaning, caption))
    return made


def hit_plots(results: Sequence[Result]) -> list[Plot]:
    made = []
    for backend in backends(results):
        found = curves(results, backend)
        if max(len(each.shares) for each in found) < 2:
            continue
        title = f"Hit ratios, cache in {BACKENDS[backend]}"
        made.append(
            Plot(
                f"hit-ratios-{backend}",
                Picture(
                    plots.hit_ratios(found, title),
                    f"{title}, by culling strategy and size, on"
                    f" {', '.join(dict.fromkeys(each.trace for each in found))}; the"
                    " table “Hit ratios” has the numbers.",
                    f"{title}. Belady's is the most that any strategy can reach.",
                ),
            )
        )
    return made


def load_plots(found: Sequence[Load]) -> list[Plot]:
    made = []
    for database in dict.fromkeys(each.database for each in found):
        sides = [each for each in found if each.database == database]
        title = f"Load of {sides[0].processes} processes on {database}"
        made.append(
            Plot(
                f"load-{database.lower()}",
                Picture(
                    plots.load(sides, title),
                    f"{title}: calls per second and hit ratio over time for"
                    f" {', '.join(each.strategy for each in sides)}; the table “Load"
                    " test” has the numbers.",
                    f"{title}, with a working set above MAX_ENTRIES.",
                ),
            )
        )
    return made
