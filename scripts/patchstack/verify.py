"""Whether the series is exactly what was exported, and sound."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from common.git import Git, GitError
from common.progress import step
from common.project import Project
from patchstack import build, lint, series, upstream
from patchstack.closures import closures


def lock_findings(
    project: Project, patches: Sequence[series.Patch], files: Sequence[Path]
) -> Iterator[str]:
    """Yield where the archive, the order or a file differs from series.lock."""
    lock = series.load_lock(project)
    pinned = upstream.load_pin(project).sha256
    if lock.upstream != pinned:
        yield f"series.lock is for the archive {lock.upstream}, the pin says {pinned}"
    if (tree := upstream.base_tree(project)) != lock.base:
        yield f"the base tree is {tree}, series.lock says {lock.base}"
    slugs = [patch.slug for patch in patches]
    locked = [entry.slug for entry in lock.patches]
    if slugs != locked:
        yield f"series.toml has the order {slugs}, series.lock has {locked}"
        return
    for file, entry in zip(files, lock.patches, strict=True):
        if (found := series.sha256(file.read_bytes())) != entry.sha256:
            yield f"{file.name} has sha256 {found}, series.lock says {entry.sha256}"


def tree_findings(
    project: Project, patches: Sequence[series.Patch], files: Sequence[Path]
) -> Iterator[str]:
    """Yield the patches that give other trees than series.lock says, whose export
    gives other bytes than the file has, or that add faulty whitespace."""
    locked = {entry.slug: entry.tree for entry in series.load_lock(project).patches}
    try:
        made = build.build(project, files)
    except build.DoesNotApply as error:
        slug = next(p.slug for p in patches if p.filename == error.file.name)
        yield f"{error.facts}; series.lock expects tree {locked.get(slug)} after it"
        return
    store = Git(project.base, bare=True)
    parent = upstream.base(project)
    for patch, file, commit in zip(patches, files, made, strict=True):
        if commit.tree != locked.get(patch.slug):
            yield (
                f"{file.name} gives tree {commit.tree},"
                f" series.lock says {locked.get(patch.slug)}"
            )
        elif build.format_patch(store, commit.id) != file.read_bytes():
            yield f"{file.name} is not what exporting its commit writes"
        try:
            store.run("diff", "--check", parent, commit.id)
        except GitError as error:
            where = error.stdout.splitlines()[:1]
            yield f"{file.name}: git diff --check: {''.join(where)}"
        parent = commit.id


def closure_findings(
    project: Project, patches: Sequence[series.Patch]
) -> Iterator[str]:
    """Yield the patches that do not apply on what they depend on alone."""
    with closures(project, patches) as made:
        for patch in patches:
            try:
                made.pair(patch)
            except build.DoesNotApply as error:
                if error.file.name != patch.filename:
                    continue  # The patch that it depends on has its own line.
                needed = [p.slug for p in series.closure(patches, [patch])[:-1]]
                on = ", ".join(needed) or "nothing"
                yield (
                    f"{error.facts}, on what it depends on alone ({on}): add the patch"
                    f' with those lines to its "depends" in series.toml'
                )


def findings(project: Project, *, with_lint: bool = True) -> list[str]:
    """Return one line for each thing that is wrong; none if all is well."""
    patches = series.load(project)
    files = series.files(project, patches)
    upstream.base(project)
    with step(f"verifying {len(patches)} patches"):
        found = [
            *lock_findings(project, patches, files),
            *tree_findings(project, patches, files),
        ]
    if not found:
        with step("applying each on what it depends on alone"):
            found = list(closure_findings(project, patches))
    if with_lint and not found:
        with step("linting them"):
            found = lint.lint(project, patches)
    return found
