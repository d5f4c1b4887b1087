"""The statements on file, golden/*.jsonl, and what Django makes, compared with them.

Those for Oracle come from the patched Django, and a difference is to be looked at.
Those for other databases come from stock Django, and must not change at all. Each
line is a statement, and the targets on which it is the same.
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
type Targets = Mapping[str, Cases]

FOLDER = Path(__file__).with_name("golden")
AROUND = 20  # characters shown where two statements part
COMMAND = "./scripts/stack oracle --update-golden"
FILES = {
    "oracle": ("oracle-19", "oracle-21", "oracle-23"),
    "insert": (
        *("postgresql-15", "postgresql-18", "sqlite", "mysql-8.4", "mariadb-10.11"),
    ),
}


def lines(made: Targets) -> Iterator[str]:
    """Yield a line of JSON for each statement; equal ones of a case are one."""
    for case in next(iter(made.values())):
        every = zip_longest(*(cases[case] for cases in made.values()))
        for statements in every:
            on: dict[str, list[str]] = {}
            for target, statement in zip(made, statements, strict=True):
                if statement is not None:
                    text = json.dumps(statement, ensure_ascii=False)
                    on.setdefault(text, []).append(target)
            for text, targets in on.items():
                head = {"case": case, "on": targets}
                yield json.dumps(head | json.loads(text), ensure_ascii=False)


def read(name: str) -> dict[str, dict[str, list[Statement]]]:
    """Return target → case → statements; StackError if the file cannot be read."""
    path = FOLDER / f"{name}.jsonl"
    found: dict[str, dict[str, list[Statement]]] = {each: {} for each in FILES[name]}
    try:
        for line in path.read_text("utf-8").splitlines():
            statement = json.loads(line)
            case, on = statement.pop("case"), statement.pop("on")
            for target in on:
                found[target].setdefault(case, []).append(statement)
    except (OSError, ValueError, KeyError) as error:
        raise StackError(f"{path} cannot be read: {error}", COMMAND) from None
    return found


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
    paths = []
    for (name, targets), tree in zip(FILES.items(), (patched, stock), strict=True):
        path = FOLDER / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        text = "".join(f"{line}\n" for line in lines(compile_on(tree, targets)))
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths


def changes(old: Cases, new: Cases) -> Iterator[str]:
    """Yield a line for each statement that differs between two sets of cases."""
    for case in dict.fromkeys([*old, *new]):
        pairs = zip_longest(old.get(case, ()), new.get(case, ()))
        for number, (before, after) in enumerate(pairs, 1):
            was, now = (
                json.dumps(each or {}, ensure_ascii=False) for each in (before, after)
            )
            if was != now:
                signs = zip(was, now, strict=False)
                at = next((n for n, (a, b) in enumerate(signs) if a != b), 0)
                near = slice(max(0, at - AROUND), at + 2 * AROUND)
                yield (
                    f"{case}: statement {number} differs at character {at}:"
                    f" «{was[near]}» on file, «{now[near]}» now"
                )


def whole(cases: Cases) -> Iterator[tuple[str, str]]:
    """Yield a name and the SQL of each statement of Oracle's that is not too long."""
    for case, statements in cases.items():
        for number, statement in enumerate(statements, 1):
            if "binds" in statement:
                yield f"{case}: statement {number}", statement["sql"]


def on_file() -> dict[str, str]:
    """Return name → SQL of all of Oracle's statements on file; see whole()."""
    return {
        f"{target}: {name}": sql
        for target, cases in read("oracle").items()
        for name, sql in whole(cases)
    }


def good() -> str:
    """Return the MERGE on file into which mistakes are planted.

    StackError if it is not there.
    """
    name = f"oracle-19: {mutants.GOOD}: statement 1"
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
    for case, statements in cases.items():
        for statement in statements:
            if statement.get("binds by occurrence", 0) > checks.MAX_BINDS:
                yield f"{case}: {statement['binds by occurrence']:,} binds"


def findings(patched: Path) -> list[str]:
    """Compare what the patched Django compiles with the files; [] if it is right.

    Beyond that every MERGE must pass the static checks, and they must catch the
    mutants.
    """
    files = {name: read(name) for name in FILES}
    kept = {target: cases for file in files.values() for target, cases in file.items()}
    made = compile_on(patched, [*kept])
    return [
        *(
            f"{target}: {line}"
            for target, cases in made.items()
            for line in changes(kept[target], cases)
        ),
        *(
            f"{target}: {line}"
            for target in FILES["oracle"]
            for line in static(made[target])
        ),
        *mutants.findings(good()),
    ]
