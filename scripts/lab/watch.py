"""Look at the statements that Django executes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

# SQL, parameters, cursor.
type Note = Callable[[str, Any, Any], None]


@contextmanager
def executing(connection: Any, execute: Callable[..., object]) -> Iterator[None]:
    """Have ``execute`` run the statements of the block, as an execute wrapper would.

    It is none: Django may open a transaction where connection.execute_wrappers has one.
    """

    def make(original: Callable[[Any], Any], cursor: Any) -> Any:
        made = original(cursor)
        for name in ("_execute", "_executemany"):
            setattr(made, name, partial(execute, getattr(made, name)))
        return made

    with ExitStack() as stack:
        for name in ("make_cursor", "make_debug_cursor"):
            other = partial(make, getattr(connection, name))
            stack.enter_context(mock.patch.object(connection, name, other))
        yield


@contextmanager
def watching(connection: Any, note: Note) -> Iterator[None]:
    """Call ``note`` with each statement of the block after it is executed."""

    def execute_and_note(
        execute: Callable[..., object], sql: str, params: Any, many: bool, context: Any
    ) -> object:
        result = execute(sql, params, many, context)
        note(sql, params, context["cursor"])
        return result

    with executing(connection, execute_and_note):
        yield
