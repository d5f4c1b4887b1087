"""One scenario: what is called, where, on what; and how a person reads it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from common.errors import StackError
from lab.fuzz.catalogue import CATALOGUE

type Named = dict[str, Any]

NAMING = ("row", "new", "type", "queryset", "class")  # a class by its name


@dataclass(frozen=True)
class Scenario:
    """One call, all of it JSON; see values.py for what dictionaries stand for.

    ``source`` is the manager and ``steps`` make a query set of it; ``around`` is
    what other code did to the project, ``before`` are changes of rows and
    ``transaction`` is one of worker.TRANSACTIONS. None as defaults means that the
    argument is not given.
    """

    model: str
    method: str = "update_or_create"
    source: list[Any] = field(default_factory=lambda: ["manager", "objects"])
    steps: list[Any] = field(default_factory=list)
    lookup: Named = field(default_factory=dict)
    defaults: Named | None = None
    create_defaults: Named | None = None
    transaction: str = "none"
    around: list[Any] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> "Scenario":
        """Return a scenario; StackError if the data are not one."""
        known = {each.name for each in fields(cls)}
        if not isinstance(data, dict) or not data.keys() <= known:
            raise StackError(f"not a scenario: {json.dumps(data)[:200]}")
        if data.get("model") not in CATALOGUE:
            raise StackError(f"not a scenario: there is no model {data.get('model')}")
        return cls(**data)

    def __str__(self) -> str:
        kind, *where = self.source
        start = f"{self.model}.{where[0]}"
        if kind == "related":
            start = f"{where[0]}.objects.get(pk={where[1]}).{where[2]}"
        steps = [
            f".{name.replace(' ', '_')}({', '.join(map(text, given))})"
            for name, *given in self.steps
        ]
        arguments = [f"{name}={text(value)}" for name, value in self.lookup.items()]
        arguments += [
            f"{name}={mapping(given)}"
            for name in ("defaults", "create_defaults")
            if (given := getattr(self, name)) is not None
        ]
        lines = [f"{start}{''.join(steps)}.{self.method}({', '.join(arguments)})"]
        lines += [
            f"  {label}: {', '.join(text(each) for each in given)}"
            for label, given in (("before", self.before), ("around", self.around))
            if given
        ]
        lines.append(f"  transaction: {self.transaction}")
        return "\n".join(lines)


def mapping(given: Mapping[str, Any]) -> str:
    inside = ", ".join(f"{name!r}: {text(value)}" for name, value in given.items())
    return f"{{{inside}}}"


def text(value: Any) -> str:
    """Return a value as a person would write it in Python.

    >>> text({"$": "f", "of": "n", "plus": 1})
    "F('n') + 1"
    >>> text({"$": "row", "of": "Owner", "at": 1})
    'row(Owner, at=1)'
    """
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    if "$" not in value:
        return mapping(value)
    kind, of = value["$"], value.get("of")
    others = {name: each for name, each in value.items() if name not in ("$", "of")}
    if kind == "f":
        return f"F({of!r})" + (f" + {text(others['plus'])}" if others else "")
    if kind == "call":
        first = []
        others |= {} if of is None else {"returns": of}
    else:
        first = [str(of) if kind in NAMING else text(of)]
    named = [f"{name}={text(each)}" for name, each in others.items() if each != ""]
    return f"{kind}({', '.join(first + named)})"
