"""From the results to the files that show them, text by text.

Every text is a function of the results: the same files give the same bytes.
"""

from collections.abc import Sequence

from lab.evidence.page import Section, Table, page
from lab.evidence.pictures import MAIN, MAIN_ROWS, dicts, pictures
from lab.evidence.results import Results
from lab.evidence.sections import Series, machine, sections
from lab.evidence.timings import Timing, change
from lab.figures import markdown
from lab.variants import STOCK

TITLE = "Patched Django: the evidence"


def files(results: Results, series: Series) -> dict[str, str]:
    """Return file name → text, of all files but README."""
    drawn = pictures(results)
    made = sections(results, series, drawn)
    return {
        "index.html": page(TITLE, lead(results), made),
        "tables.md": tables(lead(results), made),
        **{f"{each.name}.svg": each.picture.svg for each in drawn},
    }


def lead(results: Results) -> str:
    """Say what was measured where."""
    measured = [*results["bench"], *results["load"], *results["replay"]]
    if not measured:
        return "Nothing was measured yet."
    machines = dict.fromkeys(machine(each) for each in measured)
    commits = dict.fromkeys(str(each.data["commit"]) for each in measured)
    days = sorted({str(each.data["date"])[:10] for each in measured})
    django = " and ".join(
        dict.fromkeys(each.data["django"][STOCK] for each in measured)
        if all(STOCK in each.data["django"] for each in measured)
        else ["Django"]
    )
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"Django {django} as it came against the same with all patches, in turns in one"
        f" run. Measured on {when}, commit {', '.join(commits)};"
        f" {'; '.join(machines)}."
    )


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with the first column to the left."""
    return markdown(head, [[each.replace("|", "\\|") for each in row] for row in rows])


def as_markdown(table: Table) -> str:
    return table_of(table.head, [[each.text for each in row] for row in table.rows])


def tables(lead: str, sections: Sequence[Section]) -> str:
    """Return the tables of the page as Markdown."""
    parts = [
        "# Benchmarks, hit ratios, tests and coverage as tables",
        "Written by `./scripts/stack report` from `docs-drafts/results/`;"
        " [index.html](index.html)\nhas the same with plots, to sort and to filter.",
        lead,
    ]
    for section in sections:
        parts += [f"## {section.title}", *section.texts]
        parts += [as_markdown(each) for each in section.tables if each.rows]
    return "\n\n".join(parts) + "\n"


def readme(results: Results) -> str:
    """Return what README shows: the main plot and table."""
    found = [each for each in dicts(results) if each.rows == MAIN_ROWS]
    found = [each for each in found if each.operation in MAIN]
    if not found:
        return "Nothing was measured yet: `make bench`.\n"
    databases = {each.database: each for each in results["bench"]}
    names = [name for name in databases if any(one.database == name for one in found)]
    at = {(each.operation, each.database): each for each in found}
    rows = [
        [
            operation,
            statements(
                [at[operation, name] for name in names if (operation, name) in at]
            ),
            *(
                change(at[operation, name]) if (operation, name) in at else ""
                for name in names
            ),
        ]
        for operation in MAIN
        if any((operation, name) in at for name in names)
    ]
    head = ["Call", "Statements", *(databases[name].where for name in names)]
    return (
        "![How many times faster each operation is with the patches, on"
        f" {', '.join(names)}](docs-drafts/benchmarks/ratios-{MAIN_ROWS}.svg)\n\n"
        f"{table_of(head, rows)}\n\n"
        f"Wall time per call in µs, stock → patched, {MAIN_ROWS:,} rows in the table,"
        " medians; the plot's bars are quartiles.\n"
        f"{lead(results)}\n"
    )


def statements(found: Sequence[Timing]) -> str:
    """Return the statements of stock and patched, each that some database has."""
    return ", ".join(dict.fromkeys(each.sent for each in found))
