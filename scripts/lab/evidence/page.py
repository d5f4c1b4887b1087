"""Show sections and plots as one HTML page, and the tables as Markdown."""

import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from common.tables import markdown
from lab.evidence.plots import plots
from lab.evidence.results import UNKNOWN, Results
from lab.evidence.tables import NOT_RUN, Rows, Section, lead, sections
from patchstack.series import Patch

# A cell in a column of numbers.
NUMBER = re.compile(rf"\(?\d.*|{UNKNOWN}.*|{NOT_RUN}|skipped|")


def page(results: Results, patches: Sequence[Patch], tree: str) -> dict[str, str]:
    """Return file name → text; ``tree`` is the id of Django with all the patches."""
    about, made, drawn = lead(results), sections(results, patches, tree), plots(results)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(right=right, data_url=data_url)
    template = environment.get_template("page.html.jinja")
    return {
        "index.html": template.render(lead=about, sections=made, plots=drawn) + "\n",
        "tables.md": as_markdown(about, made),
        **{f"{each.name}.svg": each.svg for each in drawn},
    }


def data_url(svg: str) -> str:
    """Return an SVG as a URL; inline SVGs would share their ids in the page."""
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def right(rows: Rows) -> list[int]:
    """Return the numbers of the columns that align right, those of numbers."""
    columns = enumerate(zip(*(row.values() for row in rows), strict=True))
    return [n for n, cells in columns if all(map(NUMBER.fullmatch, cells))]


def as_markdown(about: str, made: Sequence[Section]) -> str:
    parts = [
        "# Benchmarks, hit ratios, tests and coverage as tables",
        "Written by `./scripts/stack report` from `docs-drafts/results/`."
        " [index.html](index.html)\nadds the plots.",
        about,
    ]
    for section in made:
        parts += [f"## {section.title}", *section.texts]
        for caption, rows in section.tables.items():
            cells = [[text.replace("|", "\\|") for text in r.values()] for r in rows]
            table = markdown(list(rows[0]), cells, right(rows)) if rows else "None."
            parts += [f"### {caption}", table.rstrip()]
    return "\n\n".join(parts) + "\n"
