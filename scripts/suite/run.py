"""Django's own runtests.py, in a given tree, on a given database."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import StackError

SCRIPTS = Path(__file__).resolve().parents[1]

# With these capabilities root may read and write any file, and six of
# upstream's tests of file permissions fail. Without them root is like anybody.
_CAPABILITIES = "-dac_override,-dac_read_search"

# What unittest puts before the name of something that it cannot import.
_FAILED_TEST = "unittest.loader._FailedTest."


@dataclass(frozen=True)
class Run:
    """What one call of runtests.py did.

    ``outcomes`` maps test ids to "ok", "fail", "error", "skip", "expected
    failure" or "unexpected success"; ``log`` holds everything it printed, None
    if that went to the terminal. ``code`` is its exit status.
    """

    outcomes: Mapping[str, str]
    reasons: Mapping[str, str]
    code: int
    log: Path | None

    @property
    def failed(self) -> tuple[str, ...]:
        bad = ("fail", "error", "unexpected success")
        return tuple(sorted(t for t, o in self.outcomes.items() if o in bad))

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.outcomes.values())


def unprivileged() -> list[str]:
    """Return the command that takes root's file privileges from what follows."""
    if os.geteuid() != 0 or not (setpriv := shutil.which("setpriv")):
        return []
    return [setpriv, f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]


def check_labels(tree: Path, labels: Sequence[str]) -> None:
    """Raise StackError for a label whose module is not in the tree's tests."""
    for label in labels:
        parts = label.split(".")
        path = tree / "tests" / parts[0]
        if not path.is_dir() and not path.with_suffix(".py").is_file():
            near = sorted(
                p.name for p in (tree / "tests").iterdir() if p.name[:3] == label[:3]
            )
            hint = f"; there are {', '.join(near[:5])}" if near else ""
            raise StackError(
                f"there is no test label {label}{hint}",
                "a label is a folder of Django's tests/, such as cache, or a dotted"
                " path into it",
            )


def run_tests(
    tree: Path,
    labels: Sequence[str],
    environment: Mapping[str, str],
    *,
    extra: Sequence[str] = (),
    through: Sequence[str] = (),
    log: Path | None = None,
) -> Run:
    """Run the labels (all tests if there are none) of the tree.

    ``environment`` names the database (see databases.settings); ``extra`` goes
    to runtests.py as it is, and ``through`` to Python before it: a module that
    runs a script. Without ``log`` the output goes to the terminal. Raise
    StackError for a label that does not exist.
    """
    check_labels(tree, labels)
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        results = Path(folder) / "results.json"
        command = [
            *unprivileged(),
            *(sys.executable, *through, "runtests.py"),
            "--settings=databases.settings",
            "--noinput",  # A killed run leaves test databases: replace them.
            # Before the rest, in which an option may take a word behind it.
            *labels,
            *extra,
        ]
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DJANGO_", "STACK_", "PYTHON"))
        }
        paths = (str(tree), str(SCRIPTS))
        env = (
            inherited
            | {"PYTHONPATH": os.pathsep.join(paths), "STACK_RESULTS": str(results)}
            | dict(environment)
        )
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        with Path(log or os.devnull).open("wb") as output:
            done = subprocess.run(
                command,
                cwd=tree / "tests",
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output if log else None,
                stderr=subprocess.STDOUT if log else None,
                check=False,
            )
        if not results.exists():
            return Run({}, {}, done.returncode or 1, log)
        data = json.loads(results.read_text(encoding="utf-8"))
    outcomes, reasons = data["outcomes"], data["reasons"]
    for name in [each for each in outcomes if each.startswith(_FAILED_TEST)]:
        reason = reasons.pop(name)
        module = broken_module(name.removeprefix(_FAILED_TEST), tree, labels)
        if module is None:
            raise StackError(
                f"a label does not exist: {reason}",
                "./scripts/stack test --help",
            )
        outcomes[module] = outcomes.pop(name)
        reasons[module] = reason
    return Run(outcomes, reasons, done.returncode, log)


def broken_module(name: str, tree: Path, labels: Sequence[str]) -> str | None:
    """Return the dotted path of a test module that cannot be imported.

    ``name`` is what unittest calls it: the path, or what is left of a label.
    None if there is no such file, so that the label is wrong.
    """
    for path in (name, *(label for label in labels if label.endswith(f".{name}"))):
        if (tree / "tests" / path.replace(".", "/")).with_suffix(".py").is_file():
            return path
    return None
