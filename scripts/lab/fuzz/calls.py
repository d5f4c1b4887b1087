"""Scenarios run on one Django; the requests are those of bench.worker.

An answer has what must be the same on every Django ("outcome"), and the first word of
each statement ("statements").
"""

import asyncio
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.db.models import FileField, Model

from lab.bench import worker
from lab.fuzz import state
from lab.fuzz.events import EVENTS, NOW, masked, note, shown, start
from lab.fuzz.models import Kept, catalogue
from lab.fuzz.scenarios import DML
from lab.fuzz.words import NAMES, SEEN, Words
from lab.watch import executing

ALIASES = ("default", "other")
# What an UPDATE has to compute after it locks the row, not from a snapshot before.
LATE = re.compile(r"\(SELECT|(STATEMENT|CURRENT)_TIMESTAMP|STRFTIME", re.IGNORECASE)
type Data = dict[str, Any]


class Scenarios(worker.Session):
    """Two databases with the tables of models.py, and scenarios run in them."""

    def prepare(self, name: str) -> Data:
        """Make the databases."""
        self._stack.enter_context(
            worker.own_database(connections["other"], f"{name}_other", None, "OFF")
        )
        for alias in ALIASES:
            connections[alias].ensure_connection()
            state.make(alias)
        NOW[0] = datetime(2026, 6, 1, 12)
        self._states = {alias: state.State(alias) for alias in ALIASES}
        return {}

    def catalogue(self) -> Data:
        return catalogue()

    def run(self, scenarios: Sequence[Data]) -> Data:
        return {"answers": [self._run(scenario) for scenario in scenarios]}

    def _run(self, scenario: Data) -> Data:
        call = Call(scenario)
        call.run()
        for alias, each in self._states.items():
            call.outcome[f"tables of {alias}"] = changed = each.changes()
            each.restore(changed)
        return {"outcome": call.outcome, "statements": call.statements}


class Call:
    """One call of a method, the transaction around it, and what came of it."""

    def __init__(self, scenario: Data) -> None:
        self._scenario = scenario
        self._words = Words(NAMES[scenario["model"]])
        self.outcome: Data = {}
        self.statements: list[str] = []
        Kept.files.clear()
        SEEN.clear()
        start()

    def run(self) -> None:
        """Prepare, call and note what happens, in the scenario's transaction."""
        try:
            within(self._scenario["transaction"], self._call)
        except Exception as error:
            self.outcome["transaction raised"] = raised(error)
        connection = connections["default"]
        if not connection.get_autocommit():
            connection.rollback()
            connection.set_autocommit(True)
        for alias in ALIASES:
            # Django leaves the last one there, and shows it as a cause.
            connections[alias].rollback_exc = None
        self.outcome |= {
            "events": EVENTS.copy(),
            "arguments": [seen(each) for each in self._words.instances],
            "connection at the end": [
                connection.in_atomic_block,
                connection.get_autocommit(),
                connection.needs_rollback,
                len(connection.run_on_commit),
                len(connection.savepoint_ids),
            ],
        }

    def _call(self) -> Exception | None:
        """Call and return the exception, if there is one."""
        scenario, words = self._scenario, self._words
        try:
            for text in scenario["before"]:
                words.value(text)
            queryset = words.value(scenario["source"])
            for text in scenario["steps"]:
                queryset = words.value(text, qs=queryset)
            arguments = words.values(scenario["lookup"])
            for name in ("defaults", "create_defaults"):
                if scenario[name] is not None:
                    arguments[name] = words.values(scenario[name])
            method = getattr(queryset, scenario["method"])
        except Exception as error:
            # Not the subject: the same on every Django, or that is the finding.
            self.outcome["not called"] = raised(error)
            return error
        EVENTS.append("called")
        failed = None
        try:
            if scenario["method"].startswith("a"):
                method = async_to_sync(partial(soon, method))
            with ExitStack() as stack:
                warned = stack.enter_context(warnings.catch_warnings(record=True))
                warnings.simplefilter("always")
                # Inside of what is around, so that this sees what is executed.
                for alias in ALIASES:
                    stack.enter_context(executing(connections[alias], self._note))
                for text in scenario["around"]:
                    stack.enter_context(words.value(text))
                instance, created = method(**arguments)
        except Exception as error:
            failed = error
            self.outcome["raised"] = raised(error)
        else:
            self.outcome |= {"created": created, "instance": seen(instance)}
        note("returned")
        self.outcome["warnings"] = sorted(masked(str(each.message)) for each in warned)
        self.outcome["execute_sql() saw"] = sorted(SEEN)
        if hasattr(queryset, "_result_cache"):
            evaluated = queryset._result_cache is not None
            self.outcome["queryset"] = [queryset._for_write, evaluated, queryset._db]
        self.outcome["arguments left"] = {
            name: sorted(given)
            for name, given in arguments.items()
            if name in ("defaults", "create_defaults") and isinstance(given, dict)
        }
        self.outcome["transaction"] = usable(connections["default"])
        return failed

    def _note(self, execute: Callable[..., Any], sql: str, *others: Any) -> Any:
        """Note the first word, and whether it is a transaction of its own."""
        connection = others[-1]["connection"]
        alone = not connection.in_atomic_block and connection.get_autocommit()
        word = sql.split(None, 1)[0]
        first = not any(each.startswith(DML) for each in self.statements)
        if (
            first
            and word == "UPDATE"
            and (late := LATE.search(sql.partition(" WHERE ")[0]))
        ):
            self.outcome["computed before the lock"] = late[0]
        self.statements.append(word + alone * " alone")
        return execute(sql, *others)


async def soon(method: Callable[..., Any], /, **arguments: Any) -> Any:
    """Await the method; TimeoutError if that has no end, as after StopIteration."""
    async with asyncio.timeout(10):
        return await method(**arguments)


def usable(connection: Any) -> list[Any]:
    """Return the state of the connection, and what a statement raises on it."""
    found = [connection.in_atomic_block, connection.needs_rollback]
    found.append(connection.get_autocommit())
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        found += raised(error)[:2]
    return found


def within(kind: str, call: Callable[[], Exception | None]) -> None:
    """Call in a transaction of that kind, or in none."""
    if kind == "none":
        call()
    elif kind == "off":
        transaction.set_autocommit(False)
        call()
        transaction.commit()
    elif kind == "nested":
        with transaction.atomic():
            try:
                within("escape", call)
            except Exception as error:
                note("left by", type(error).__name__)
    else:
        with transaction.atomic():
            if kind == "broken":
                transaction.set_rollback(True)
            failed = call()
            if kind == "rollback":
                transaction.set_rollback(True)
            if kind == "escape" and failed:
                raise failed


def raised(error: BaseException) -> list[str]:
    """Return an exception and those that it was raised from as text."""
    module = type(error).__module__
    found = [f"{module}.{type(error).__qualname__}", masked(str(error))]
    return found + raised(error.__cause__) if error.__cause__ else found


def seen(instance: Any) -> Any:
    """Return everything that can be seen of an instance, or of what is none."""
    if not isinstance(instance, Model):
        return shown(instance)
    for field in instance._meta.concrete_fields:
        if isinstance(field, FileField) and field.attname in instance.__dict__:
            # A name becomes a FieldFile when it is read; it need not be read before.
            getattr(instance, field.attname)
    values, status = dict(instance.__dict__), instance._state
    del values["_state"]
    return {
        "class": type(instance).__name__,
        "attributes": {name: _attribute(each) for name, each in values.items()},
        "state": {
            "adding": status.adding,
            "db": status.db,
            "fields cache": {
                name: [_attribute(cached), cached is not None and cached._state.db]
                for name, cached in sorted(status.fields_cache.items())
            },
            "fetch mode": type(status.fetch_mode).__name__,
            "peers": len(getattr(status, "peers", ())),
            "others": sorted(status.__dict__.keys() - {"fields_cache"}),
        },
    }


def _attribute(value: Any) -> str:
    if isinstance(value, dict) and any(
        hasattr(each, "_result_cache") for each in value.values()
    ):
        # The representation of a query set is a query.
        value = dict.fromkeys(value)
    return shown(value)
