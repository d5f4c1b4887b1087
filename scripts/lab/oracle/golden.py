"""The statements on file for Oracle, and what Django makes, compared with them.

They come from the patched Django, and a difference is to be looked at. Each line of
golden.jsonl is a statement, and the versions of Oracle on which it is the same. On
other databases the patched Django must make what stock Django makes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from common.errors import StackError
from databases.urls import DEFAULT
from lab.client import environment
from lab.oracle import checks, child, mutants

type Statement = Mapping[str, Any]
type Cases = Mapping[str, Sequence[Statement]]
type Targets = Mapping[str, Cases]

FILE = Path(__file__).with_name("golden.jsonl")
AROUND = 20  # characters shown where two statements part
COMMAND = "./scripts/stack oracle --update-golden"
ORACLE = ("oracle-19", "oracle-21", "oracle-23")
OTHERS = ("postgresql-15", "postgresql-18", "sqlite", "mysql-8.4", "mariadb-10.11")


def lines(made: Targets) -> Iterator[str]:
    """Yield a line of JSON for each statement; equal ones of a case are one."""
    for case in made[ORACLE[0]]:
        for statements in zip_longest(*(made[target][case] for target in ORACLE)):
            on: dict[str, list[str]] = {}
            for target, statement in zip(ORACLE, statements, strict=True):
                if statement is not None:
                    text = json.dumps(statement, ensure_ascii=False)
                    on.setdefault(text, []).append(target)
            for text, targets in on.items():
                head = {"case": case, "on": targets}
                yield json.dumps(head | json.loads(text), ensure_ascii=False)


def read() -> dict[str, dict[str, list[Statement]]]:
    """Return target → case → statements; StackError if the file cannot be read."""
    found: dict[str, dict[str, list[Statement]]] = {target: {} for target in ORACLE}
    try:
        for line in FILE.read_text("utf-8").splitlines():
            statement = json.loads(line)
            case, on = statement.pop("case"), statement.pop("on")
            for target in on:
                found[target].setdefault(case, []).append(statement)
    except (OSError, ValueError, KeyError) as error:
        raise StackError(f"{FILE} cannot be read: {error}", COMMAND) from None
    return found


def compile_on(tree: Path, targets: Sequence[str]) -> dict[str, Cases]:
    """Return target → case → statements of the Django in ``tree``.

    StackError if that Django cannot be imported or cannot compile.
    """
    found: dict[str, Cases] = child.told(
        "statements",
        *targets,
        # It has settings of its own, without this database.
        env=environment(tree, DEFAULT),
        task=f"the Django in {tree} compiled nothing",
        then="./scripts/stack setup",
    )
    return found


def update(patched: Path) -> None:
    """Write the file from the Django in a tree."""
    made = compile_on(patched, ORACLE)
    FILE.write_text("".join(f"{line}\n" for line in lines(made)), "utf-8")


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
                    f" «{was[near]}» before, «{now[near]}» now"
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
        for target, cases in read().items()
        for name, sql in whole(cases)
    }


def good() -> Statement:
    """Return the MERGE on file into which mistakes are planted.

    StackError if it is not there.
    """
    try:
        return read()[ORACLE[0]][mutants.GOOD][0]
    except (KeyError, IndexError):
        name = f"{ORACLE[0]}: {mutants.GOOD}: statement 1"
        raise StackError(f"golden.jsonl has no {name}", COMMAND) from None


def static(cases: Cases) -> Iterator[str]:
    """Yield a line for each static check that a statement does not pass."""
    for name, sql in whole(cases):
        if sql.startswith("MERGE"):
            for check in checks.problems(sql):
                yield f"{name}: {check} does not hold: {sql}"
    for case, statements in cases.items():
        for shape in checks.texts(statements).values():
            if len(shape) > 1:
                yield f"{case}: {len(shape)} texts of one shape: {min(shape)}"
        for number, statement in enumerate(statements, 1):
            if "binds" in statement:
                for check in checks.bound_problems(statement):
                    sql = statement["sql"]
                    yield f"{case}: statement {number}: {check} does not hold: {sql}"
            if statement.get("binds by occurrence", 0) > checks.MAX_BINDS:
                yield f"{case}: {statement['binds by occurrence']:,} binds"


def findings(stock: Path, patched: Path) -> tuple[int, int, list[str]]:
    """Return the cases on Oracle and on each other database, and what is wrong.

    On Oracle the statements of the patched Django must be those on file, every MERGE
    must pass the static checks, and they must catch the mutants. On other databases
    its statements must be those of stock Django.
    """
    before = {**read(), **compile_on(stock, OTHERS)}
    made = compile_on(patched, [*before])
    found = [
        f"{target}: {line}"
        for target in before
        for line in changes(before[target], made[target])
    ]
    found += [f"{target}: {line}" for target in ORACLE for line in static(made[target])]
    found += mutants.findings(good())
    return len(made[ORACLE[0]]), len(made[OTHERS[0]]), found
