"""The checks after each phase; a finding is a line."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lab.calls import Errors
from lab.stress.values import Origin, unwritten

type Answer = Mapping[str, Any]  # of a process
# Key → the origin of its record as two numbers, or what is wrong with its value.
type Held = Mapping[str, Sequence[int] | str]


def sums(answers: Sequence[Answer], *names: str) -> list[int]:
    return [sum(answer[name] for answer in answers) for name in names]


def raised(answers: Sequence[Answer]) -> list[str]:
    """Return the exceptions that reached the callers."""
    errors: Errors = sum((Counter(each["errors"]) for each in answers), Counter())
    return [f"raised: {count:,} {error}" for error, count in errors.items()]


def origin_of(holder: Sequence[int] | str) -> Origin | str:
    return holder if isinstance(holder, str) else Origin(*holder)


def wrong_adds(
    won: Sequence[Collection[str]], held: Held, expired: Collection[str]
) -> list[str]:
    """Name the keys that were not added once, or do not hold their winner's value.

    ``won`` are the keys whose add() returned True, by process; ``held`` is what get()
    returned then.
    """
    found = []
    for key, holder in held.items():
        winners = [number for number, keys in enumerate(won) if key in keys]
        holds = origin_of(holder)
        if len(winners) != 1 or holds != Origin(winners[0], 0):
            row = "an expired row" if key in expired else "no row"
            found.append(
                f"{key}, {row} before: add() returned True to"
                f" {', '.join(map(str, winners)) or 'no process'}; then: {holds}"
            )
    return found


def read(answers: Sequence[Answer]) -> set[Origin]:
    """Return the records that were read."""
    return {Origin(*each) for answer in answers for each in answer["seen"]}


def wrong_mix(answers: Sequence[Answer]) -> list[str]:
    """Name the exceptions, and the values that were read but never written."""
    last = {number: answer["made"] for number, answer in enumerate(answers)}
    refused, undone = (
        {Origin(n, each) for n, answer in enumerate(answers) for each in answer[name]}
        for name in ("refused", "undone")
    )
    broken = [line for answer in answers for line in answer["broken"]]
    return [*raised(answers), *broken, *unwritten(read(answers), last, refused, undone)]


def wrong_kill(
    held: Held, before: Mapping[str, Origin], begun: Mapping[int, int]
) -> tuple[list[str], dict[str, Origin]]:
    """Name the keys that hold neither their value before nor one written since.

    ``begun`` is how many calls each writer began. Also return what the keys hold now.
    """
    found, now = [], dict(before)
    for key, holder in held.items():
        holds = origin_of(holder)
        if isinstance(holds, str):
            found.append(holds)
            continue
        now[key] = holds
        if holds < before[key]:
            found.append(f"{key}: {before[key]} has become {holds}, an older one")
        elif holds.number > begun.get(holds.writer, -1):
            found.append(f"{key}: {holds}, which nobody wrote")
    return found, now


def wrong_reads(answer: Answer) -> list[str]:
    """Name the wrong outcomes of reading damaged rows."""
    found: dict[str, list[str]] = defaultdict(list)  # what → keys
    for key, outcome in answer["outcome"].items():
        way, logged = answer["way"][key], answer["logged"].get(key, 0)
        facts = {
            # Which of the rows made get_many() raise is not known.
            outcome: outcome.startswith("get_many() raised"),
            f"{way}: {outcome}": outcome.startswith("get() raised"),
            f"{way}: a miss that was logged {logged} times": outcome == "miss"
            and logged != 1,
            f"{way}: a miss whose row is still there": outcome == "miss"
            and key in answer["left"],
            f"{way}: a value, logged as discarded {logged} times": logged
            and outcome in ("right", "other"),
        }
        for fact, wrong in facts.items():
            if wrong:
                found[fact].append(key)
    if unnamed := answer["logged"].get(""):
        found[f"logged without a key: {unnamed} times"].append("no key")
    return [
        f"{what}; {len(keys):,} keys, first {keys[0]}" for what, keys in found.items()
    ]
