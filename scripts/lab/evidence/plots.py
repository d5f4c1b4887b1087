"""Draw the plots as SVG, a function of the results alone."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lab.evidence.results import Ratios, Results, Span, Timing, replays
from lab.evidence.tables import MAIN, main_timings
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
            *ratio_plots(found),
            *growth_plots(found),
            *(hit_plot(traces, each) for each in dict.fromkeys(b for b, _ in traces)),
        ]


def as_svg(figure: Figure) -> str:
    """Return a figure as text; the same figure gives the same text."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def draw(axes: Any, spans: Mapping[float, Span], side: str = "y", **style: Any) -> None:
    """Draw medians, and quartiles as bars along an axis; ``spans``: place → values."""
    middles = [span.median for span in spans.values()]
    bars = (
        [span.median - span.low for span in spans.values()],
        [span.high - span.median for span in spans.values()],
    )
    points = (list(spans), middles) if side == "y" else (middles, list(spans))
    style = {"marker": "o", "markersize": 4, "capsize": 2} | style
    axes.errorbar(*points, **{f"{side}err": bars}, **style)


def ratio_plots(found: Sequence[Timing]) -> list[Plot]:
    """Draw stock / patched: a line for each operation, a mark for each database."""
    made = []
    databases = list(dict.fromkeys(each.database for each in found))
    for rows in sorted({each.rows for each in found}):
        ratios = {
            (each.database, each.operation): each.ratio
            for each in found
            if each.rows == rows and each.ratio
        }
        operations = [name for name in MAIN if any(name == o for _, o in ratios)]
        if not operations:
            continue
        height = 1.3 + (0.2 + 0.07 * len(databases)) * len(operations)
        figure = Figure(figsize=(8.6, height), layout="constrained")
        axes = figure.subplots()
        axes.axvline(1, color="black", linewidth=1)
        for number, database in enumerate(databases):
            # So that the marks of one operation do not hide each other.
            offset = (number - (len(databases) - 1) / 2) * 0.8 / len(databases)
            spans = {
                place + offset: ratios[database, operation]
                for place, operation in enumerate(operations)
                if (database, operation) in ratios
            }
            style = {"color": COLORS[number], "marker": MARKERS[number]}
            draw(axes, spans, "x", label=database, linestyle="", **style)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g} x"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_yticks(range(len(operations)), operations)
        axes.set_ylim(len(operations) - 0.4, -0.6)
        axes.set_xlabel("wall time of stock Django / of patched Django")
        title = f"How many times faster, {rows:,} rows in the table"
        axes.set_title(title, loc="left")
        figure.legend(loc="outside lower center", ncols=len(databases))
        caption = f"{title}. Marks: medians of the rounds; bars: quartiles."
        made.append(Plot(f"ratios-{rows}", "times", as_svg(figure), caption))
    return made


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
        for number, database in enumerate(databases):
            for side, line in ((STOCK, "--"), (PATCHED, "-")):
                spans: dict[float, Span] = {
                    each.rows: each.wall[side]
                    for each in found
                    if (each.operation, each.database) == (operation, database)
                    and side in each.wall
                }
                label, color = f"{database}, {side}", COLORS[number]
                draw(axes, spans, label=label, color=color, linestyle=line)
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
