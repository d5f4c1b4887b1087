"""The Django of each patch on what it depends on alone, as git trees."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from common.git import Git, GitError
from common.project import Project
from patchstack import build, series, upstream


@dataclass
class Closures:
    """Applies sets of patches to an index. Sets with the same beginning share it."""

    project: Project
    patches: Sequence[series.Patch]
    index: Path
    at: str = ""  # The tree that the index holds.
    known: dict[tuple[str, ...], str] = field(default_factory=dict)

    def tree(self, chosen: Sequence[series.Patch]) -> str:
        """Return the tree of upstream with these patches. Raise DoesNotApply."""
        key = tuple(patch.slug for patch in chosen)
        if key not in self.known:
            self.known[key] = self._applied(chosen)
        return self.known[key]

    def _applied(self, chosen: Sequence[series.Patch]) -> str:
        if not chosen:
            return upstream.base_tree(self.project)
        git = Git(self.project.base, bare=True)
        env = {"GIT_INDEX_FILE": str(self.index)}
        before = self.tree(chosen[:-1])
        if self.at != before:
            git.run("read-tree", before, env=env)
        file = self.project.patches / chosen[-1].filename
        try:
            git.run("apply", "--cached", str(file), env=env)
        except GitError as error:
            self.at = before
            raise build.DoesNotApply(file, error.stderr) from error
        self.at = git.out("write-tree", env=env)
        return self.at

    def pair(self, patch: series.Patch) -> tuple[str, str]:
        """Return the trees of a patch's closure without it and with it."""
        needed = series.closure(self.patches, [patch])
        return self.tree(needed[:-1]), self.tree(needed)


@contextmanager
def closures(project: Project, patches: Sequence[series.Patch]) -> Iterator[Closures]:
    """Give the closures of a series. Needs nothing but git."""
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        yield Closures(project, patches, Path(folder) / "index")
