"""The overview, and tests on stock Django, with labels that only patches bring."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from common.errors import FINDINGS, OK, StackError
from common.project import Project
from lab.bench import statements
from patchstack import series, table, verify
from patchstack.table import Effect
from tests.conftest import FILES, RUNTESTS, commit, make_project
from tests.conftest import table as entry
from tests.conftest import verb as run
from verbs import apply, export, overview, test

TESTS = 'OUTCOMES = {"cache.tests.T.a": "ok", "cache.tests.T.b": "skip"}\n'
# Fails for a label without its folder, as Django's own does.
STRICT = RUNTESTS + (
    "import sys\n"
    "for label in sys.argv:\n"
    "    if label.isidentifier() and not Path(label).is_dir():\n"
    "        raise SystemExit(f'no tests {label}')\n"
)


@pytest.fixture
def bringing(tmp_path: Path) -> Project:
    """A project whose patch brings a folder of tests."""
    files = {"tests/runtests.py": STRICT, "tests/cache/tests.py": TESTS}
    made = make_project(tmp_path / "project", FILES | files)
    run(apply, made)
    toml = entry("first", operations='["set existing key"]')
    toml = toml.replace('tests = ["cache"]', 'tests = ["cache", "upsert"]')
    (made.patches / "series.toml").write_text(toml)
    (made.src / "tests" / "upsert").mkdir()
    (made.src / "tests" / "upsert" / "tests.py").touch()
    commit(made, "django/cache.py", "line 2\n", "line two\n", "Changed the second.")
    run(export, made)
    return made


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(tree: Path, operations: Sequence[str]) -> dict[str, float]:
        two = "two" in (tree / "django" / "cache.py").read_text()
        return dict.fromkeys(operations, 1.0 if two else 5.0)

    monkeypatch.setattr(statements, "mean_statements", counted)
    monkeypatch.setattr(verify, "findings", lambda project: [])


def test_the_overview_passes_and_says_what_stock_lacks(
    bringing: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(overview, bringing, "--measure") == OK
    said = capsys.readouterr()
    assert "only the patches bring these tests: upsert" in said.err
    assert "set existing key 5 → 1" in said.out
    for tree in ("stock", "patched"):
        assert f"{tree}: 1 passed, 0 new failures, 1 skipped" in said.out
    # Nothing was recorded, so nothing is said of the patch's statements.
    assert any(line.endswith(table.NOT_COUNTED) for line in said.out.splitlines())


def test_the_overview_fails_with_what_it_finds(
    bringing: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(verify, "findings", lambda project: ["it is bad"])
    assert run(overview, bringing, "--measure") == FINDINGS
    assert "it is bad" in capsys.readouterr().out


def test_work_that_is_not_exported_stays(
    bringing: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    patches = series.load(bringing)
    overview.apply_or_leave(bringing, patches)
    assert "1 patches applied to Fake 6.1.3" in capsys.readouterr().out
    (bringing.src / "django" / "cache.py").write_text("mine\n")
    overview.apply_or_leave(bringing, patches)
    assert "stays as it is" in capsys.readouterr().err
    assert (bringing.src / "django" / "cache.py").read_text() == "mine\n"


def test_stock_is_tested_without_what_only_patches_bring(
    bringing: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(test, bringing, "--stock") == OK
    assert "left out, as only the patches bring" in capsys.readouterr().err
    with pytest.raises(StackError, match="only the patches bring these tests: upsert"):
        run(test, bringing, "--stock", "upsert")
    with pytest.raises(StackError, match="no test label nowhere"):
        run(test, bringing, "--stock", "nowhere")


def test_the_table_says_only_what_was_counted() -> None:
    bare = series.Patch(1, "a", "s", "fix", "draft", "It does.", tests=("cache",))
    made = table.rows([bare], {"a": [Effect("get", 2, 1)]})
    assert made == [("a", "It does.", "cache", "get 2 → 1")]
    (row,) = table.rows([bare], {})
    assert row[-1] == table.NOT_COUNTED
