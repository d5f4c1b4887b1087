"""Count the statements of operations, without a benchmark around them."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common.errors import StackError
from common.git import Git
from common.project import Project
from lab.bench.operations import select
from lab.client import started

type Means = dict[str, float]


def mean_statements(
    tree: Path,
    operations: Sequence[str],
    calls: int = 200,
) -> Means:
    """Return operation name → mean statements per call, on SQLite in memory.

    BEGIN, COMMIT and SAVEPOINT count. ``calls`` is divided by the number of
    entries that a call handles. Each run gives the same means. If this Django lacks
    an operation, the one that it runs instead counts; StackError without one.
    """
    chosen = select(operations)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        started("statements", tree, "sqlite:///:memory:", Path(folder)) as worker,
    ):
        worker.ask("open", name="statements", folder=None, synchronous="OFF")
        used = sorted({each.table for each in chosen})
        worker.ask("prepare", rows=1_000, tables=used)
        lacking = worker.ask("lacking")
        means = {}
        for each in chosen:
            name = each.meant(lacking)
            if not name:
                raise StackError(f"{each.name}: {lacking[each.name]}")
            few = max(1, calls // each.per)
            found = worker.ask("statements", operation=name, calls=few, seed=1)
            if why := found.get("why"):
                raise StackError(f"{each.name}: {why}")
            means[each.name] = found["statements"] / found["calls"]
    return means


@contextmanager
def counter(project: Project) -> Iterator[Callable[[str, Sequence[str]], Means]]:
    """Yield mean_statements() of the id of a tree in the base repository.

    One folder holds the Python code of one tree after the other. Only files that
    differ are written, so Python compiles only these again.
    """
    store = Git(project.base, bare=True)
    with tempfile.TemporaryDirectory(prefix="counted-") as folder:
        code = Path(folder) / "django"
        code.mkdir()
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        held = ""

        def mean(tree: str, operations: Sequence[str]) -> Means:
            nonlocal held
            new = f"{tree}:django"
            if held not in ("", new):
                differing = store.out("diff-tree", "-r", "-z", "--name-only", held, new)
                for name in filter(None, differing.split("\0")):
                    # Python tells versions of a file apart by second and size only.
                    for old in (code / name).parent.glob("__pycache__/*.pyc"):
                        old.unlink()
            held = new
            where = f"--work-tree={code}"
            store.run(where, "read-tree", "--reset", "-u", new, env=index)
            return mean_statements(Path(folder), operations)

        yield mean
