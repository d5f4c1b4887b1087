"""Check that the series is exactly what was exported, and sound.

From the pristine base the patches are applied strictly; the archive, the base
tree, each file and the tree after each patch are compared with series.lock;
the commits are exported again and must give the same bytes; every patch is
linted (--no-lint leaves that out) and "git diff --check" must be silent.
Exit status: 0 all is well, 1 something differs and is named.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import FINDINGS, OK
from common.git import Git, GitError
from common.progress import step
from common.project import Project
from patchstack import build, series, upstream


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--no-lint", action="store_true", help="leave out the lint")


def lock_findings(
    project: Project, patches: Sequence[series.Patch], files: Sequence[Path]
) -> Iterator[str]:
    """Yield where the archive, the order or a file is not the locked one."""
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
    """Yield where applying gives another tree than the locked, or exporting
    gives other bytes than the file's."""
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
    if with_lint and not found:
        # Needs Django's linters; the rest needs nothing but Python and git.
        from patchstack import lint

        with step("linting them"):
            found = [str(finding) for finding in lint.lint(project, patches)]
    return found


def run(args: argparse.Namespace, project: Project) -> int:
    found = findings(project, with_lint=not args.no_lint)
    count = len(series.load(project))
    if args.json:
        print(json.dumps({"ok": not found, "patches": count, "findings": found}))
        return FINDINGS if found else OK
    for line in found:
        print(line)
    if not found:
        print(f"{count} patches verified")
    return FINDINGS if found else OK
