"""The values of scenarios, as Python source that a worker evaluates: values.toml."""

import ast
import tomllib
from pathlib import Path
from typing import Any


def texts(source: str) -> list[str]:
    """Return the source of each expression.

    >>> texts("1, F('n') + 1")
    ['1', "F('n') + 1"]
    """
    parsed = ast.parse(f"[{source}]", mode="eval").body
    assert isinstance(parsed, ast.List)
    return [ast.unparse(each) for each in parsed.elts]


def _split(table: dict[str, Any]) -> dict[str, list[str]]:
    return {name: texts(source) for name, source in table.items()}


_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
KINDS = {kind: _split(table) for kind, table in _TABLES["kinds"].items()}
RELATED = _split(_TABLES["related"])
LISTS = _split(_TABLES["lists"])
for _name, _call in (("wild", "override(qs, {!r})"), ("around", "patch({!r})")):
    LISTS[_name] += map(_call.format, _TABLES["methods"][_name].split())
