"""series.toml, what it declares, and the trees of what each patch depends on."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import StackError
from common.git import Git
from common.project import Project
from patchstack import build, series
from patchstack.closures import closures
from tests.conftest import table


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[patch]\n", "not valid TOML"),
        ("[[patch]]\nslug = 'a'\n", "has no"),
        ("[patch]\nslug = 'a'\n", "begins with"),
        ("patch = ['a']\n", "begins with"),
        (table("A b"), "slug must be"),
        (table("a", kind="thing"), "kind must be"),
        (table("a", kind="fix"), "must name in red"),
        (table("a", color="1"), "unknown key color"),
        (table("a", depends='["b"]') + table("b"), "depends on b"),
        (table("a") + table("a"), "listed twice"),
        (table("a", ticket='"x"'), "ticket must be"),
        (table("a", red="[1]"), "red must be a list of texts"),
        (table("a", red_by_import='["x"]'), "not in red_modules"),
        (table("a", alters='[{ test = "x" }]'), "reason"),
    ],
)
def test_a_wrong_series_is_one_line(empty: Project, text: str, why: str) -> None:
    (empty.patches / "series.toml").write_text(text)
    with pytest.raises(StackError, match=why):
        series.load(empty)


def test_an_unlisted_patch_is_named(project: Project) -> None:
    shutil.copy(project.patches / "0001-first.patch", project.patches / "0009-x.patch")
    with pytest.raises(StackError, match=r"0009-x.patch is not in series.toml"):
        series.files(project, series.load(project))


def test_a_closure_has_everything_that_is_needed_in_order() -> None:
    bare = series.Patch(0, "", "s", "refactor", "draft", "It does.")
    needs = {"a": (), "b": ("a",), "c": (), "d": ("c", "b")}
    patches = [
        replace(bare, number=number, slug=slug, depends=depends)
        for number, (slug, depends) in enumerate(needs.items(), 1)
    ]

    def slugs(*chosen: int) -> str:
        found = series.closure(patches, [patches[number] for number in chosen])
        return "".join(patch.slug for patch in found)

    assert [slugs(0), slugs(1), slugs(2), slugs(3), slugs(2, 1)] == [
        *("a", "ab", "c", "abcd", "abc")
    ]


def test_a_closure_is_applied_without_the_rest(project: Project) -> None:
    patches = series.load(project)
    store = Git(project.base, bare=True)
    with closures(project, patches) as made:
        without, tree = made.pair(patches[1])
    text = store.out("show", f"{tree}:django/cache.py")
    assert "line nine" in text
    assert "line two" not in text
    assert "line nine" not in store.out("show", f"{without}:django/cache.py")
    (project.patches / "series.toml").write_text(
        table("first") + table("second", depends='["first"]')
    )
    patches = series.load(project)
    with closures(project, patches) as made:
        whole = made.pair(patches[1])[1]
    assert whole == build.build(project, series.files(project, patches))[-1].tree


def test_labels_that_only_patches_bring_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tests" / "cache").mkdir(parents=True)
    (tmp_path / "tests" / "cache" / "tests.py").touch()
    bare = series.Patch(0, "", "s", "refactor", "draft", "It does.")
    patches = [replace(bare, tests=("cache", "upsert"))]
    labels = ["cache.tests", "upsert.test_x", "nowhere"]
    assert series.present(tmp_path, labels, patches) == ["cache.tests", "nowhere"]
    assert "upsert.test_x" in capsys.readouterr().err
    with pytest.raises(StackError, match=r"only the patches bring these tests: upsert"):
        series.present(tmp_path, ["upsert"], patches)
