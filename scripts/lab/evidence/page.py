"""The page with everything: one HTML file that needs no other."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Cell:
    """A cell of a table; ``value`` is what it is sorted by, if not its text.

    ``kind`` is its class: "text", "name", "passed", "better" …
    """

    text: str
    value: float | str | None = None
    kind: str = ""
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Table:
    """``filters``: label, number of the column, what may be chosen."""

    id: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    filters: Sequence[tuple[str, int, Sequence[str]]] = ()


@dataclass(frozen=True)
class Picture:
    """A plot; ``alt`` says what it shows to those who do not see it."""

    svg: str
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """The plot within a URL: in the page its ids would meet those of others."""
        return f"data:image/svg+xml;base64,{b64encode(self.svg.encode()).decode()}"


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    texts: Sequence[str] = ()
    figures: Sequence[Picture] = ()
    tables: Sequence[Table] = field(default=())


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """Return the HTML of the page; all texts are plain text."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    text = environment.get_template("page.html.jinja").render(
        title=title,
        lead=lead,
        sections=sections,
        css=(HERE / "page.css").read_text("utf-8"),
        js=(HERE / "page.js").read_text("utf-8"),
    )
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line) + "\n"


def choices(rows: Sequence[Sequence[Cell]], place: int) -> list[str]:
    """Return the texts of a column, each once, in the order of the rows."""
    return list(dict.fromkeys(row[place].text for row in rows))
