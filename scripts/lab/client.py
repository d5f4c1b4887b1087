"""The driver's end of a worker process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from common.errors import StackError

SCRIPTS = Path(__file__).resolve().parents[1]
IDLE = 3  # seconds that a worker without work takes at most to end
GRACE = 20  # seconds to drop its database for one that is told to stop
LEAD = 0.05  # seconds from the request of a common start to the start
OPENED = {"synchronous": "NORMAL", "journal": "WAL"}  # a database that is shared


def environment(tree: Path, url: str) -> dict[str, str]:
    """Return a worker's environment: this Django and this database only."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PYTHON", "DJANGO_", "STACK_"))
    }
    return kept | {
        "PYTHONPATH": os.pathsep.join([str(tree), str(SCRIPTS)]),
        # The same layout of dictionaries and sets in every process.
        "PYTHONHASHSEED": "0",
        "DJANGO_SETTINGS_MODULE": "databases.settings",
        "STACK_DATABASE_URL": url,
    }


class Worker:
    """A running worker process; every failure is a StackError that names it."""

    def __init__(self, name: str, process: subprocess.Popen[str], errors: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.name = name
        self._process = process
        self._requests, self._answers = process.stdin, process.stdout
        self._errors = errors

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, do: str, **arguments: object) -> None:
        try:
            print(json.dumps({"do": do} | arguments), file=self._requests, flush=True)
        except OSError:
            raise self._died() from None

    def receive(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line.endswith("\n"):
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise StackError(f"{self.name}: {answer['error']}")
        return answer

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        self.send(do, **arguments)
        return self.receive()

    def kill(self) -> str:
        """Kill the process by SIGKILL; return the output that was not received."""
        self._process.kill()
        self._process.wait()
        return self._answers.read()

    def end(self) -> None:
        """End the process in any state and wait for it."""
        with suppress(OSError):
            self._requests.close()
        for seconds, stop in (
            (IDLE, self._process.terminate),
            (GRACE, self._process.kill),
        ):
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                stop()
        self._process.wait()
        self._answers.close()

    def _died(self) -> StackError:
        status = self._process.wait()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        said = self._errors.read_text("utf-8", "replace").strip().splitlines()
        last = f": {said[-1].strip()}" if said else ""
        return StackError(f"{self.name}: the worker process died ({how}){last}")


@contextmanager
def started(
    name: str, tree: Path, url: str, folder: Path, module: str = "lab.bench.worker"
) -> Iterator[Worker]:
    """Start a worker on the Django in ``tree``; end it with the block.

    ``folder`` is a scratch folder: the worker's working directory and the place
    of its standard error. The worker runs the program ``module``.
    """
    room = module.removeprefix("lab.").partition(".")[0]
    whose = f"{room}, {name}"
    if not (tree / "django" / "__init__.py").is_file():
        raise StackError(f"{whose}: no Django tree in {tree}", then="make apply")
    errors = folder / f"{name.replace(' ', '-')}.stderr"
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=environment(tree, url),
            text=True,
            encoding="utf-8",
        )
    worker = Worker(whose, process, errors)
    try:
        yield worker
    finally:
        worker.end()


@contextmanager
def sharing(
    name: str, tree: Path, url: str, folder: Path, module: str, names: Sequence[str]
) -> Iterator[tuple[list[Worker], dict[str, Any]]]:
    """Start workers, one of each name, that share one database called ``name``.

    The first worker makes the database and drops it: it ends last. Also yield its
    answer about the database.
    """
    with ExitStack() as stack:
        workers = [
            stack.enter_context(started(each, tree, url, folder, module))
            for each in names
        ]
        opened = workers[0].ask("open", name=name, folder=str(folder), **OPENED)
        for worker in workers[1:]:
            worker.ask("join", name=opened["name"], **OPENED)
        yield workers, opened


def together(
    workers: Sequence[Worker], do: str, **arguments: object
) -> tuple[list[dict[str, Any]], float]:
    """Have all begin at one moment; return the answers, and the seconds it took.

    Each request has that moment, ``at``, and the number of the worker; ``ended``
    of an answer is the moment when it was done. Both are of time.monotonic().
    """
    at = time.monotonic() + LEAD
    for number, worker in enumerate(workers):
        worker.send(do, at=at, number=number, **arguments)
    answers = [worker.receive() for worker in workers]
    return answers, max(answer["ended"] for answer in answers) - at
