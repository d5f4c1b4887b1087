"""Backends from PyPI, on stock and on patched Django."""

from pathlib import Path

import pytest

from databases.family import Unavailable
from lab.oracle import backends


def test_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for name in ("PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "/dev/null" if name.endswith("FILE") else "")
    with pytest.raises(Unavailable, match="pip cannot install the backends") as caught:
        backends.installed()
    assert "mssql-django==" in caught.value.command
    assert [*(tmp_path / "django-patch-stack" / "backends").iterdir()] == []


def test_a_difference_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    good = dict.fromkeys(backends.SHAPES, "[('INSERT')]")
    other = good | {backends.SHAPES[3]: "[('MERGE')]"}
    trees = {"stock": good, "patched": other}
    monkeypatch.setattr(backends, "compiled", lambda tree, engine: trees[tree.name])
    found = backends.differences(Path("stock"), Path("patched"))
    assert len(found) == len(backends.BACKENDS)
    assert found[0] == (
        "mssql: Pair: returning: [('INSERT')] on stock, [('MERGE')] on patched"
    )
    trees["stock"] = trees["patched"] = dict.fromkeys(backends.SHAPES, "KeyError: 1")
    found = backends.differences(Path("stock"), Path("patched"))
    assert found[0] == "mssql: 0 of 15 shapes compile on stock"


@pytest.mark.slow
def test_they_compile_the_same(stock: Path, patched: Path) -> None:
    try:
        backends.installed()
    except Unavailable as error:
        pytest.skip(f"not run: {error.reason}")
    assert backends.differences(stock, patched) == []
