"""The plots: SVG text, a function of the results alone."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lab.evidence.hits import Curve
from lab.evidence.loads import Load
from lab.evidence.timings import Span, Timing
from lab.variants import PATCHED, STOCK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The palette of Okabe and Ito, which the color-blind tell apart.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5d4a8a")
GRAY, BLACK = "#8a8a8a", "#000000"
MARKERS = "osD^vP*X"

STYLE: Any = {
    # Text stays text: it can be searched, and needs no glyphs in each file.
    "svg.fonttype": "none",
    # Else the ids in the file would be other ones each time.
    "svg.hashsalt": "django-patch-stack",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def svg(figure: Figure) -> str:
    """Return a figure as SVG, the same text for the same figure."""
    text = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(text, format="svg", metadata=nothing)
    lines = text.getvalue().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def times(value: float, position: int = 0) -> str:
    return f"{value:g} \N{MULTIPLICATION SIGN}"


def log_scale(axis: Any) -> None:
    """Mark 1, 2, 5 and their tens, as multiples."""
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(times))
    axis.set_minor_formatter(NullFormatter())


def ratios(series: Mapping[str, Mapping[str, Span]], title: str, meaning: str) -> str:
    """Return ratios: a line an operation, a mark for each of the series.

    ``series``: what a mark is for → operation → its ratio. Bars are quartiles.
    """
    operations = list(dict.fromkeys(name for each in series.values() for name in each))
    with mpl.rc_context(STYLE):
        height = 1.3 + (0.2 + 0.07 * len(series)) * len(operations)
        figure = Figure(figsize=(8.6, height), layout="constrained")
        axes = figure.subplots()
        axes.axvline(1, color=BLACK, linewidth=1)
        for number, (name, spans) in enumerate(series.items()):
            offset = (number - (len(series) - 1) / 2) * 0.8 / len(series)
            middles = [span.median for span in spans.values()]
            axes.errorbar(
                middles,
                [operations.index(each) + offset for each in spans],
                xerr=whiskers(list(spans.values())),
                fmt=MARKERS[number],
                color=color_of(name, number),
                markersize=5,
                elinewidth=1.2,
                capsize=2,
                label=name,
            )
        axes.set_xscale("log")
        log_scale(axes.xaxis)
        axes.set_yticks(range(len(operations)), operations)
        axes.set_ylim(len(operations) - 0.4, -0.6)
        axes.set_xlabel(meaning)
        axes.set_title(title, loc="left")
        figure.legend(loc="outside lower center", ncols=len(series))
        return svg(figure)


def whiskers(spans: Sequence[Span]) -> tuple[list[float], list[float]]:
    """Return how far the quartiles are below and above the medians."""
    return (
        [span.median - span.low for span in spans],
        [span.high - span.median for span in spans],
    )


def color_of(name: str, number: int) -> str:
    return GRAY if name == STOCK else COLORS[number % len(COLORS)]


def growth(timings: Sequence[Timing], title: str) -> str:
    """Return time against rows: a panel an operation, stock and patched."""
    operations = list(dict.fromkeys(each.operation for each in timings))
    databases = list(dict.fromkeys(each.database for each in timings))
    with mpl.rc_context(STYLE):
        figure, panels = grid(operations, columns=3, height=2.4, sharey=True)
        for axes, operation in zip(panels.flat, operations, strict=False):
            for number, database in enumerate(databases):
                for variant, style in ((STOCK, "--"), (PATCHED, "-")):
                    draw_growth(
                        axes,
                        [
                            each
                            for each in timings
                            if (each.operation, each.database) == (operation, database)
                        ],
                        variant,
                        f"{database}, {variant}",
                        {"color": COLORS[number], "linestyle": style},
                    )
            axes.set_xscale("log")
            axes.set_yscale("log")
        label(figure, panels, title, "rows in the table", "µs per call, wall", 4)
        return svg(figure)


def grid(
    names: Sequence[str], *, columns: int, height: float, sharey: bool
) -> tuple[Figure, Any]:
    """Return a figure and its panels, one of each name; ``height`` is a panel's."""
    columns = min(columns, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(8.6, 0.8 + height * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=sharey)
    for axes, name in zip(panels.flat, names, strict=False):
        axes.set_title(name, fontsize=10)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    return figure, panels


def label(
    figure: Figure, panels: Any, title: str, below: str, beside: str, columns: int
) -> None:
    """Name a figure, its axes and, in so many columns, what is in each panel."""
    for axes in panels[-1]:
        axes.set_xlabel(below)
    figure.supylabel(beside, fontsize=10)
    figure.suptitle(title, x=0.01, ha="left")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, fontsize=9
    )


def draw_growth(
    axes: "Axes",
    timings: Sequence[Timing],
    variant: str,
    name: str,
    style: Mapping[str, Any],
) -> None:
    spans = [
        (each.rows, each.wall[variant]) for each in timings if variant in each.wall
    ]
    if not spans:
        return
    middles = [span.median for _, span in spans]
    axes.errorbar(
        [rows for rows, _ in spans],
        middles,
        yerr=whiskers([span for _, span in spans]),
        marker="o",
        markersize=3.5,
        linewidth=1.3,
        capsize=2,
        label=name,
        **style,
    )


def hit_ratios(curves: Sequence[Curve], title: str) -> str:
    """Return hit ratio against the size of the cache: a panel a trace."""
    traces = list(dict.fromkeys(each.trace for each in curves))
    names = list(dict.fromkeys(each.strategy for each in curves))
    shares = sorted({share for each in curves for share in each.shares})
    with mpl.rc_context(STYLE):
        figure, panels = grid(traces, columns=2, height=2.7, sharey=False)
        for axes, trace in zip(panels.flat, traces, strict=False):
            for each in curves:
                if each.trace == trace:
                    axes.plot(
                        each.shares,
                        [100 * ratio for ratio in each.ratios],
                        label=each.strategy,
                        **line_style(names.index(each.strategy), each.model),
                    )
            axes.set_xscale("log")
            axes.set_xticks(shares, [f"{share} %" for share in shares])
            axes.xaxis.set_minor_formatter(NullFormatter())
        below = "MAX_ENTRIES, in percent of the distinct keys"
        label(figure, panels, title, below, "hit ratio in %", 5)
        return svg(figure)


def line_style(number: int, model: bool) -> dict[str, Any]:
    """Return how a strategy is drawn; what no cache can reach is dashed."""
    if model:
        return {"color": BLACK, "linestyle": ("--", ":")[number % 2], "linewidth": 1.2}
    color = (GRAY, *COLORS)[number % (len(COLORS) + 1)]
    marker = MARKERS[number % len(MARKERS)]
    return {"color": color, "marker": marker, "markersize": 4, "linewidth": 1.3}


def load(loads: Sequence[Load], title: str) -> str:
    """Return calls per second and hit ratio against time: a line a side."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 4.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        for number, each in enumerate(loads):
            color = color_of(each.strategy, number)
            style = {"color": color, "linewidth": 1.4, "label": each.strategy}
            above.plot(each.seconds, each.calls, **style)
            below.plot(each.seconds, [100 * ratio for ratio in each.ratios], **style)
        above.set_ylabel("calls per second")
        above.set_ylim(bottom=0)
        below.set_ylabel("hit ratio in %")
        below.set_xlabel("seconds of the side's own turns, after the warm-up")
        above.set_title(title, loc="left")
        handles, labels = above.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(loads))
        return svg(figure)
