"""The arrows between the rooms: what imports what, read from the files."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[1]
# A room imports itself and those before it. Tests may import everything.
ORDER = ("common", "databases", "suite", "patchstack", "lab", "verbs")


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names of what a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows() -> Iterator[tuple[Path, str]]:
    """Yield (file, dotted name) for each import of one of the rooms by another."""
    for room in ORDER:
        for path in sorted((SCRIPTS / room).rglob("*.py")):
            for name in imported(ast.parse(path.read_text("utf-8"))):
                if name.split(".")[0] in (*ORDER, "tests"):
                    yield path.relative_to(SCRIPTS), name


def part(dotted: str) -> str:
    """Return the room of a module, in the laboratory also the folder or module."""
    parts = dotted.split(".")
    return ".".join(parts[: 2 if parts[0] == "lab" else 1])


def test_no_arrow_runs_back() -> None:
    rank = {room: number for number, room in enumerate(ORDER)}
    back = [
        f"{path} imports {name}"
        for path, name in arrows()
        if rank.get(name.split(".")[0], len(ORDER)) > rank[path.parts[0]]
    ]
    assert back == []


def test_no_circle_in_the_laboratory() -> None:
    graph: dict[str, set[str]] = {}
    for path, name in arrows():
        start, end = part(".".join(path.with_suffix("").parts)), part(name)
        if start != end and end.startswith("lab."):
            graph.setdefault(start, set()).add(end)
    # Raises CycleError, which names the circle.
    TopologicalSorter(graph).prepare()
    on_evidence = [start for start, ends in graph.items() if "lab.evidence" in ends]
    assert [each for each in on_evidence if each.startswith("lab.")] == []


def top_level(path: Path, seen: set[Path]) -> Iterator[str]:
    """Yield what a module needs from outside as soon as it is imported."""
    if path in seen:
        return
    seen.add(path)
    tree = ast.parse(path.read_text("utf-8"))
    tree.body = [
        node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    for name in imported(tree):
        if name.split(".")[0] not in ORDER:
            yield name
        for dotted in (name, name.rpartition(".")[0]):
            file = SCRIPTS / f"{dotted.replace('.', '/')}.py"
            if file.is_file():
                yield from top_level(file, seen)


BARE = {"fetch", "apply", "status", "export", "diff", "verify", "setup", "overview"}
BARE |= {"db_up", "db_down"}


@pytest.mark.parametrize(
    "verb",
    [path for path in sorted((SCRIPTS / "verbs").glob("*.py")) if path.stem in BARE],
    ids=lambda path: path.stem,
)
def test_a_bare_python_is_enough(verb: Path) -> None:
    needed = top_level(verb, set())
    outside = {name.split(".")[0] for name in needed} - sys.stdlib_module_names
    assert outside == set()
