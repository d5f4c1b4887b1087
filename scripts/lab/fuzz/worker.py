"""The process that runs scenarios on one Django: ``python -m lab.fuzz.worker``.

It answers requests like bench.worker. A scenario's answer has what must be the
same on every Django ("outcome") and how it came about ("statements", one word each).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from lab.bench import worker
from lab.fuzz.events import EVENTS, note, shown, start, without_addresses

SEEDED, CALLED = datetime(2026, 1, 1, 12), datetime(2026, 6, 1, 12)
ALIASES = ("default", "other")

type Data = dict[str, Any]


class Scenarios(worker.Session):
    """Two databases with the tables of models.py, and scenarios run in them."""

    def prepare(self, name: str) -> Data:
        self._stack.enter_context(
            worker.own_database(connections["other"], f"{name}_other", None, "OFF")
        )
        # Here, as they need Django to be set up.
        from lab.fuzz import state

        for alias in ALIASES:
            connections[alias].ensure_connection()
            state.make(alias)
        clock.moment = CALLED
        made = state.STATES[self._connection.vendor]
        self._states = {alias: made(alias) for alias in ALIASES}
        return {}

    def run(self, scenarios: Sequence[Data]) -> Data:
        return {"answers": [self._run(**scenario) for scenario in scenarios]}

    def _run(self, **scenario: Any) -> Data:
        call = Call(scenario)
        call.run()
        outcome = call.outcome()
        for alias, each in self._states.items():
            changed = each.changes()
            outcome[f"tables of {alias}"] = changed
            each.restore(changed)
        return {"outcome": outcome, "statements": call.statements}


class Clock:
    """What stands for timezone.now; the same in every process.

    Django may know the callables that have no side effects by their module.
    """

    __module__ = "django.utils.timezone"

    def __init__(self) -> None:
        self.moment = SEEDED

    def __call__(self) -> datetime:
        return self.moment


clock = Clock()


@contextmanager
def recorded(statements: list[str]) -> Iterator[None]:
    """Append the first word of each statement to the list.

    "alone" follows where the statement is a transaction of its own.
    """

    def record(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        word = sql.split(None, 1)[0]
        connection = context["connection"]
        alone = not connection.in_atomic_block and connection.get_autocommit()
        statements.append(f"{word} alone" if alone else word)
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        for alias in ALIASES:
            stack.enter_context(connections[alias].execute_wrapper(record))
        yield


class Call:
    """One call of a method, the transaction around it, and what came of it."""

    def __init__(self, scenario: Mapping[str, Any]) -> None:
        from lab.fuzz.models import Kept
        from lab.fuzz.values import Builder, model_named

        self._scenario = scenario
        self._builder = Builder(model_named(scenario["model"]))
        self._found: Data = {}
        self.statements: list[str] = []
        Kept.files.clear()
        start()

    def outcome(self) -> Data:
        connection = connections["default"]
        return self._found | {
            "events": EVENTS.copy(),
            "arguments": [seen(each) for each in self._builder.instances],
            "connection at the end": [
                connection.in_atomic_block,
                connection.get_autocommit(),
                connection.needs_rollback,
                len(connection.run_on_commit),
                len(connection.savepoint_ids),
            ],
        }

    def run(self) -> None:
        """Prepare, call and note what happens, in the scenario's transaction."""
        try:
            TRANSACTIONS[self._scenario["transaction"]](self._call)
        except Exception as error:
            self._found["transaction raised"] = raised(error)
        connection = connections["default"]
        if not connection.get_autocommit():
            connection.rollback()
            connection.set_autocommit(True)
        for alias in ALIASES:
            # Django leaves the last one there, and shows it as a cause.
            connections[alias].rollback_exc = None

    def _call(self) -> Exception | None:
        """Call and return the exception, if there is one."""
        from lab.fuzz.shapes import prepare, surroundings, target

        scenario, build = self._scenario, self._builder
        try:
            prepare(build, scenario["before"])
            queryset = target(build, scenario["source"], scenario["steps"])
            arguments = build.named(scenario["lookup"])
            for name in ("defaults", "create_defaults"):
                if scenario[name] is not None:
                    arguments[name] = build.named(scenario[name])
            method = getattr(queryset, scenario["method"])
        except Exception as error:
            # Not the subject: the same on every Django, or that is the finding.
            self._found["not called"] = raised(error)
            return error
        EVENTS.append("called")
        failed = None
        try:
            if scenario["method"].startswith("a"):
                method = async_to_sync(method)
            with (
                surroundings(build.model, scenario["around"]),
                recorded(self.statements),
            ):
                instance, created = method(**arguments)
        except Exception as error:
            failed = error
            self._found["raised"] = raised(error)
        else:
            self._found["created"] = created
            self._found["instance"] = seen(instance)
        note("returned")
        if hasattr(queryset, "_result_cache"):
            self._found["queryset"] = [
                queryset._for_write,
                queryset._result_cache is not None,
                queryset._db,
            ]
        self._found["arguments left"] = {
            name: sorted(given)
            for name, given in arguments.items()
            if name in ("defaults", "create_defaults") and isinstance(given, dict)
        }
        self._found["transaction"] = self._usable()
        return failed

    def _usable(self) -> list[Any]:
        connection = connections["default"]
        found: list[Any] = [
            connection.in_atomic_block,
            connection.needs_rollback,
            connection.get_autocommit(),
        ]
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Exception as error:
            found += raised(error)[:2]
        return found


def _escape(call: Callable[[], Exception | None]) -> None:
    with transaction.atomic():
        if failed := call():
            raise failed


def _atomic(call: Callable[[], object]) -> None:
    with transaction.atomic():
        call()


def _nested(call: Callable[[], Exception | None]) -> None:
    with transaction.atomic():
        try:
            with transaction.atomic():
                if failed := call():
                    raise failed
        except Exception as error:
            note("left by", type(error).__name__)


def _rollback(call: Callable[[], object]) -> None:
    with transaction.atomic():
        call()
        transaction.set_rollback(True)


def _off(call: Callable[[], object]) -> None:
    transaction.set_autocommit(False)
    call()
    transaction.commit()


def _broken(call: Callable[[], object]) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        call()


TRANSACTIONS: Mapping[str, Callable[[Callable[[], Exception | None]], object]] = {
    "none": lambda call: call(),
    "atomic": _atomic,
    "escape": _escape,
    "nested": _nested,
    "rollback": _rollback,
    "off": _off,
    "broken": _broken,
}


def raised(error: BaseException) -> list[str]:
    """Return an exception and those that it was raised from as text."""
    module = type(error).__module__
    found = [f"{module}.{type(error).__qualname__}", without_addresses(str(error))]
    return found + raised(error.__cause__) if error.__cause__ else found


def seen(instance: Any) -> Any:
    """Return everything that can be seen of an instance, or of what is none."""
    from django.db.models import FileField, Model

    if not isinstance(instance, Model):
        return shown(instance)
    for field in instance._meta.concrete_fields:
        if isinstance(field, FileField) and field.attname in instance.__dict__:
            getattr(instance, field.attname)
    state = instance._state
    return {
        "class": type(instance).__name__,
        "attributes": {
            name: _attribute(value)
            for name, value in instance.__dict__.items()
            if name != "_state"
        },
        "state": {
            "adding": state.adding,
            "db": state.db,
            "fields cache": {
                name: [_attribute(cached), cached is not None and cached._state.db]
                for name, cached in sorted(state.fields_cache.items())
            },
            "fetch mode": type(state.fetch_mode).__name__,
            "peers": len(getattr(state, "peers", ())),
            "others": sorted(state.__dict__.keys() - {"fields_cache"}),
        },
    }


def _attribute(value: Any) -> str:
    # The representation of a query set is a query.
    return (
        shown(dict.fromkeys(value))
        if isinstance(value, dict)
        and any(hasattr(each, "_result_cache") for each in value.values())
        else shown(value)
    )


def main() -> None:
    # Before the models are loaded: they have it as a default.
    timezone.now = clock
    settings.INSTALLED_APPS = ["django.contrib.contenttypes", "lab.fuzz"]
    worker.main(Scenarios)


if __name__ == "__main__":
    main()
