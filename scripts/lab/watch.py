"""Look at the statements that Django executes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# SQL, parameters, cursor.
type Note = Callable[[str, Any, Any], None]


@contextmanager
def watching(connection: Any, note: Note) -> Iterator[None]:
    """Call ``note`` with each statement of the block after it is executed."""

    def execute_and_note(
        execute: Callable[..., object], sql: str, params: Any, many: bool, context: Any
    ) -> object:
        result = execute(sql, params, many, context)
        note(sql, params, context["cursor"])
        return result

    with connection.execute_wrapper(execute_and_note):
        yield
