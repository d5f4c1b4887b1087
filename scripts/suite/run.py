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

# With these capabilities root may read and write any file, and six upstream tests
# of file permissions fail.
_CAPABILITIES = "-dac_override,-dac_read_search"

# unittest puts this before the name of a module that it cannot import.
_FAILED_TEST = "unittest.loader._FailedTest."


@dataclass(frozen=True)
class Run:
    """The result of one call of runtests.py.

    ``outcomes`` maps test ids to "ok", "fail", "error", "skip", "expected
    failure" or "unexpected success", ``reasons`` those that have one to
    a line of text. ``code`` is the exit status. ``log`` holds the output; it is None
    if that went to the terminal.
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


def split_labels(tree: Path, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the labels whose folder or module is in the tree's tests, and the others.

    Whether a module has the class or the test that a label names, only an import
    would tell: such a label counts as there.
    """
    there = []
    for label in labels:
        parts = label.split(".")
        heads = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
        is_folder = (tree / "tests" / Path(*parts)).is_dir()
        if is_folder or any(_file(tree, head).is_file() for head in heads):
            there.append(label)
    return there, [label for label in labels if label not in there]


def check_labels(tree: Path, labels: Sequence[str]) -> None:
    """Raise StackError for a label whose module is not in the tree's tests."""
    for label in split_labels(tree, labels)[1]:
        names = sorted(path.name for path in (tree / "tests").glob(f"{label[:3]}*"))
        hint = f"; there are {', '.join(names[:5])}" if names else ""
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
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="stack-") as folder,
        Path(log or os.devnull).open("wb") as output,
    ):
        results = Path(folder) / "results.json"
        # Before ``extra``, in which an option may take a word behind it. A killed run
        # leaves test databases: --noinput replaces them.
        words = ("--settings=databases.settings", "--noinput", *labels, *extra)
        done = subprocess.run(
            [*unprivileged(), sys.executable, *through, "runtests.py", *words],
            cwd=tree / "tests",
            env=_inherited()
            | {"PYTHONPATH": f"{tree}{os.pathsep}{SCRIPTS}"}
            | {"STACK_RESULTS": str(results), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output if log else None,
            stderr=subprocess.STDOUT if log else None,
            check=False,
        )
        if not results.exists():
            return Run({}, {}, done.returncode or 1, log)
        data = json.loads(results.read_text(encoding="utf-8"))
    paths = {test: _path(test, tree, labels) for test in data["outcomes"]}
    outcomes, reasons = (
        {paths[test]: text for test, text in data[key].items()}
        for key in ("outcomes", "reasons")
    )
    return Run(outcomes, reasons, done.returncode, log)


def unprivileged() -> list[str]:
    """Return the command that takes root's file privileges from what follows."""
    if os.geteuid() != 0 or not (setpriv := shutil.which("setpriv")):
        return []
    return [setpriv, f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]


def _inherited() -> dict[str, str]:
    """Return the part of our environment that the tests see."""
    own = ("DJANGO_", "STACK_", "PYTHON")
    return {key: text for key, text in os.environ.items() if not key.startswith(own)}


def _path(test: str, tree: Path, labels: Sequence[str]) -> str:
    """Return the dotted path of a test, or of a module that cannot be imported.

    unittest names such a module by its path, or by what is left of a label. Raise
    StackError if there is no such file: then the label is wrong.
    """
    name = test.removeprefix(_FAILED_TEST)
    if name == test:
        return test
    for path in (name, *(label for label in labels if label.endswith(f".{name}"))):
        if _file(tree, path).is_file():
            return path
    raise StackError(f"no test has the label {name}", "./scripts/stack test --help")


def _file(tree: Path, module: str) -> Path:
    return tree.joinpath("tests", *module.split(".")).with_suffix(".py")
