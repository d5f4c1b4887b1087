"""Draw the plots as SVG, a function of the results alone."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lab.evidence.results import Ratios, Results, Span, Timing, replays
from lab.evidence.tables import MAIN, MAIN_ROWS, main_timings
from lab.variants import PATCHED, STOCK

GROWING = (
    *("get hit", "set existing key", "touch"),
    *("incr", "get_many(100)", "set_many(100)"),
)

# The palette of Okabe and Ito: color-blind people can tell its colors apart.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5d4a8a")
MARKERS = "osD^vP*X"
STYLE: Any = {
    "svg.fonttype": "none",  # Text stays text: it can be searched.
    "svg.hashsalt": "django-patch-stack",  # Without it the ids are random.
    "axes.grid": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Plot:
    """``name``: of its file, without suffix. ``section``: where the page shows it."""

    name: str
    section: str
    svg: str
    caption: str


def plots(results: Results) -> list[Plot]:
    """Draw what was measured."""
    found = main_timings(results)
    traces = replays(results["replay"])
    with mpl.rc_context(STYLE):
        return [
            *(ratio_plot(found, rows) for rows in sorted({e.rows for e in found})),
            *growth_plots(found),
            *peer_plots(found),
            *(hit_plot(traces, each) for each in dict.fromkeys(b for b, _ in traces)),
        ]


def as_svg(figure: Figure) -> str:
    """Return a figure as text; the same figure gives the same text."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def ratio_plot(found: Sequence[Timing], rows: int) -> Plot:
    """Draw stock / patched: a mark for each database."""
    spans = {
        (each.database, each.operation): each.ratio
        for operation in MAIN
        for each in found
        if (each.operation, each.rows) == (operation, rows) and each.ratio
    }
    title = f"How many times faster, {rows:,} rows in the table"
    svg = ratios(spans, title, "wall time of stock Django / of patched Django")
    caption = f"{title}. Marks: medians of the rounds; bars: quartiles."
    return Plot(f"ratios-{rows}", "times", svg, caption)


def peer_plots(found: Sequence[Timing]) -> list[Plot]:
    """Draw other caches / patched, if they took part: a mark for each of them."""
    made = []
    for database in dict.fromkeys(each.database for each in found):
        spans = {
            (side, each.operation): span
            for each in found
            if (each.database, each.rows) == (database, MAIN_ROWS)
            for side, span in each.over.items()
            if len(each.over) > 1
        }
        if spans:
            title = f"Other caches beside that of {database}, {MAIN_ROWS:,} entries"
            svg = ratios(spans, title, "wall time / of the patched database cache")
            caption = f"{title}. Right of the line the patched cache is faster."
            made.append(Plot(f"peers-{database.lower()}", "times", svg, caption))
    return made


def ratios(spans: Mapping[tuple[str, str], Span], title: str, meaning: str) -> str:
    """Draw a line for each operation, and on it a mark for each label.

    ``spans``: (label, operation) → ratio.
    """
    labels = list(dict.fromkeys(label for label, _ in spans))
    operations = list(dict.fromkeys(operation for _, operation in spans))
    height = 1.3 + (0.2 + 0.07 * len(labels)) * len(operations)
    figure = Figure(figsize=(8.6, height), layout="constrained")
    axes = figure.subplots()
    axes.axvline(1, color="black", linewidth=1)
    for number, label in enumerate(labels):
        offset = (number - (len(labels) - 1) / 2) * 0.8 / len(labels)
        points = {
            operations.index(operation) + offset: span
            for (each, operation), span in spans.items()
            if each == label
        }
        axes.errorbar(
            [span.median for span in points.values()],
            list(points),
            xerr=whiskers(points.values()),
            fmt=MARKERS[number],
            color="gray" if label == STOCK else COLORS[number],
            markersize=5,
            capsize=2,
            label=label,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g} \N{MULTIPLICATION SIGN}")
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(operations)), operations)
    axes.set_ylim(len(operations) - 0.4, -0.6)
    axes.set_xlabel(meaning)
    axes.set_title(title, loc="left")
    figure.legend(loc="outside lower center", ncols=len(labels))
    return as_svg(figure)


def whiskers(spans: Iterable[Span]) -> Any:
    """Return how far the quartiles are below and above the medians."""
    return list(
        zip(*((s.median - s.low, s.high - s.median) for s in spans), strict=True)
    )


def panels(titles: Sequence[str], columns: int) -> tuple[Figure, Any]:
    """Return a figure with a panel for each title; their x axes are logarithmic."""
    lines = -(-len(titles) // columns)
    figure = Figure(figsize=(8.6, 0.8 + 2.6 * lines), layout="constrained")
    made = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes, title in zip(made.flat, titles, strict=False):
        axes.set_title(title, fontsize=10)
        axes.set_xscale("log")
    for axes in made.flat[len(titles) :]:
        axes.set_visible(False)
    return figure, made


def labeled(figure: Figure, made: Any, title: str, below: str, beside: str) -> str:
    """Return a figure with its axes named, and with the legend of its first panel."""
    figure.suptitle(title, x=0.01, ha="left")
    figure.supylabel(beside, fontsize=10)
    for axes in made[-1]:
        axes.set_xlabel(below)
    marks = made.flat[0].get_legend_handles_labels()
    figure.legend(*marks, loc="outside lower center", ncols=4, fontsize=9)
    return as_svg(figure)


def growth_plots(found: Sequence[Timing]) -> list[Plot]:
    """Draw time against rows: a panel for each operation."""
    found = [each for each in found if each.operation in GROWING]
    if len({each.rows for each in found}) < 2:
        return []
    databases = list(dict.fromkeys(each.database for each in found))
    figure, made = panels(GROWING, 3)
    for axes, operation in zip(made.flat, GROWING, strict=False):
        for database in databases:
            for side, line in ((STOCK, "--"), (PATCHED, "-")):
                spans = {
                    each.rows: each.wall[side]
                    for each in found
                    if (each.operation, each.database) == (operation, database)
                    and side in each.wall
                }
                axes.errorbar(
                    list(spans),
                    [span.median for span in spans.values()],
                    yerr=whiskers(spans.values()),
                    color=COLORS[databases.index(database)],
                    linestyle=line,
                    marker="o",
                    markersize=3.5,
                    capsize=2,
                    label=f"{database}, {side}",
                )
        axes.set_yscale("log")
    title = "Time of a call as the table grows"
    svg = labeled(figure, made, title, "rows in the table", "µs per call, wall")
    caption = f"{title}. Stock counts its rows in each write, patched in few."
    return [Plot("growth", "times", svg, caption)]


def hit_plot(traces: Mapping[tuple[str, str], Ratios], backend: str) -> Plot:
    """Draw hit ratio against size: a panel for each trace."""
    found = {trace: of for (where, trace), of in traces.items() if where == backend}
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    figure, made = panels(list(found), 2)
    for axes, strategies in zip(made.flat, found.values(), strict=False):
        for name, points in strategies.items():
            number = names.index(name)
            model = name.startswith("(")
            axes.plot(
                list(points),
                [100 * ratio for ratio in points.values()],
                label=name.strip("()"),
                color="black" if model else COLORS[number % len(COLORS)],
                linestyle=("--", ":")[number % 2] if model else "-",
                marker="" if model else MARKERS[number % len(MARKERS)],
                markersize=4,
            )
            axes.set_xticks(list(points), [f"{share} %" for share in points])
        axes.xaxis.set_minor_formatter(NullFormatter())
    title = f"Hit ratios, {backend} cache"
    below = "MAX_ENTRIES, in percent of the distinct keys"
    svg = labeled(figure, made, title, below, "hit ratio in %")
    caption = f"{title}. Belady's is the most that any strategy can reach."
    return Plot(f"hit-ratios-{backend}", "hits", svg, caption)
