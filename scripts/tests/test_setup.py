"""The locks: every dependency once, with its hashes."""

import tomllib

from common.project import Project
from verbs.setup import LAB, MAIN, blocks

ROOT = Project.here().root


def test_a_lock_is_taken_apart() -> None:
    lock = "# head\na==1 \\\n    --hash=x\n    # via b\nb==2\n"
    assert blocks(lock) == {"a": "a==1 \\\n    --hash=x\n", "b": "b==2\n"}


def test_each_dependency_is_locked_once() -> None:
    main, lab = (blocks((ROOT / name).read_text("utf-8")) for name in (MAIN, LAB))
    assert main.keys() & lab.keys() == set()
    assert all("--hash=sha256:" in text for text in (main | lab).values())
    data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for wanted, lock in (
        (data["project"]["dependencies"], main),
        (data["dependency-groups"]["lab"], lab),
    ):
        names = {each.split(">")[0].split("=")[0].split("[")[0] for each in wanted}
        assert {name.lower() for name in names} <= {name.lower() for name in lock}
