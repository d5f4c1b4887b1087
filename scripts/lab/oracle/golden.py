"""The statements on file, golden/*.json, and what Django makes, compared with them.

Those for Oracle come from the patched Django, and a difference is to be looked at.
Those for other databases come from stock Django, and must not change at all.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from common.errors import StackError
from databases.urls import DEFAULT
from lab.client import environment
from lab.oracle import checks, mutants, worker

type Statement = Mapping[str, Any]
type Cases = Mapping[str, Sequence[Statement]]

FOLDER = Path(__file__).with_name("golden")
COMMAND = "./scripts/stack oracle --update-golden"
AROUND = 40  # characters shown where two statements part

ORACLE = ("oracle-19", "oracle-21", "oracle-23")
# Several versions of one database share a file: an INSERT is the same on all.
OTHERS = {
    "insert-postgresql": ("postgresql-15", "postgresql-18"),
    "insert-sqlite": ("sqlite",),
    "insert-mysql": ("mysql-8.4",),
    "insert-mariadb": ("mariadb-10.11",),
}
FILES = {name: (name,) for name in ORACLE} | OTHERS


def parting(old: str, new: str) -> int:
    """Return the index of the first character that differs.

    >>> parting("SELECT a", "SELECT b"), parting("SELECT", "SELECT a")
    (7, 6)
    """
    pairs = zip(old, new, strict=False)
    same = (number for number, (a, b) in enumerate(pairs) if a != b)
    return next(same, min(len(old), len(new)))


def excerpt(text: str, at: int) -> str:
    """Return what is around an index, in quotation marks."""
    start, end = max(0, at - AROUND // 2), at + AROUND
    before, after = "..." * (start > 0), "..." * (end < len(text))
    return f"«{before}{text[start:end]}{after}»"


def change(old: Statement, new: Statement) -> str | None:
    """Say what differs between two statements; the first thing is enough."""
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            one, other = (
                each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
                for each in (old.get(key, ""), new.get(key, ""))
            )
            at = parting(one, other)
            return (
                f"{key} differs at character {at}:"
                f" {excerpt(one, at)} on file, {excerpt(other, at)} now"
            )
    return None


def changes(old: Cases, new: Cases) -> Iterator[str]:
    """Yield a line for each statement that differs between two sets of cases."""
    for case in dict.fromkeys([*old, *new]):
        pairs = zip_longest(old.get(case, ()), new.get(case, ()))
        for number, (before, after) in enumerate(pairs, 1):
            if what := change(before or {}, after or {}):
                yield f"{case}: statement {number}: {what}"


def file(name: str) -> Path:
    return FOLDER / f"{name}.json"


def read(name: str) -> Cases:
    """Return what is on file; StackError if the file cannot be read."""
    path = file(name)
    try:
        found: Cases = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StackError(f"{path} cannot be read: {error}", COMMAND) from None
    return found


def write(name: str, cases: Cases) -> Path:
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(cases, indent=1, ensure_ascii=False) + "\n"
    file(name).write_text(text, "utf-8")
    return file(name)


def compile_on(tree: Path, targets: Sequence[str]) -> dict[str, Cases]:
    """Return target → case → statements of the Django in ``tree``.

    StackError if that Django cannot be imported or cannot compile.
    """
    found: dict[str, Cases] = worker.told(
        "statements",
        *targets,
        # It has settings of its own, without this database.
        env=environment(tree, DEFAULT),
        task=f"the Django in {tree} compiled nothing",
        then="./scripts/stack setup",
    )
    return found


def update(stock: Path, patched: Path) -> list[Path]:
    """Write the files from the Djangos in two trees; return their paths."""
    made = compile_on(patched, ORACLE)
    made |= compile_on(stock, [targets[0] for targets in OTHERS.values()])
    return [write(name, made[targets[0]]) for name, targets in FILES.items()]


def whole(cases: Cases) -> Iterator[tuple[str, str]]:
    """Yield a name and the SQL of each statement of Oracle's that is not too long."""
    for case, some in cases.items():
        for number, statement in enumerate(some, 1):
            if "binds" in statement:
                yield f"{case}: statement {number}", statement["sql"]


def on_file() -> dict[str, str]:
    """Return name → SQL of all of Oracle's statements on file; see whole()."""
    return {
        f"{target}: {name}": sql
        for target in ORACLE
        for name, sql in whole(read(target))
    }


def good() -> str:
    """Return the MERGE on file into which mistakes are planted.

    StackError if it is not there.
    """
    name = f"{ORACLE[0]}: {mutants.GOOD}: statement 1"
    try:
        return on_file()[name]
    except KeyError:
        raise StackError(f"golden files have no {name}", COMMAND) from None


def static(cases: Cases) -> Iterator[str]:
    """Yield a line for each static check that a MERGE does not pass."""
    for name, sql in whole(cases):
        if sql.startswith("MERGE"):
            for check, problem in checks.problems(sql).items():
                yield f"{name}: {problem} ({check})"
    for case, some in cases.items():
        for statement in some:
            if statement.get("binds by occurrence", 0) > checks.MAX_BINDS:
                yield f"{case}: {statement['binds by occurrence']:,} binds"


def differences(name: str, made: Mapping[str, Cases]) -> list[str]:
    """Return a line for each difference between a file and its targets."""
    if not file(name).exists():
        return [f"golden/{name}.json is not there: {COMMAND}"]
    return [
        f"{target}: {line}"
        for target in FILES[name]
        for line in changes(read(name), made[target])
    ]


def findings(patched: Path) -> list[str]:
    """Compare what the patched Django compiles with all files; [] if it is right.

    Beyond that every MERGE must pass the static checks, and they must catch the
    mutants.
    """
    made = compile_on(patched, [name for names in FILES.values() for name in names])
    return [
        *(line for name in FILES for line in differences(name, made)),
        *(f"{name}: {line}" for name in ORACLE for line in static(made[name])),
        *mutants.findings(good()),
    ]
