"""Write the commits of django-upstream/src to patches/.

Each commit after the base becomes one patch file. Which patch a commit is, its
note says (it follows amends and rebases); a new commit takes the place in
series.toml that has no commit yet, so add its table there first. The order in
series.toml must be that of the commits.

A file is rewritten only if its content, message or author changed: one that
differs from before only in blob ids and line numbers keeps its bytes. The new
files are applied from scratch and compared before anything in patches/ is
touched. series.lock and the table in patches/README.md are written with them.
"""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common.errors import FINDINGS, WAITING, StackError
from common.git import Git
from common.progress import step
from common.project import Project
from patchstack import build, mail, series, src, table, upstream


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="say which files would change"
    )


def match(
    patches: Sequence[series.Patch], commits: Sequence[tuple[str, str | None]]
) -> None:
    """Raise StackError unless commit n can be patch n, for every n.

    ``commits`` are (subject, slug or None if it has no note).
    """
    names = [slug for _, slug in commits if slug is not None]
    for name in names:
        if name not in {patch.slug for patch in patches}:
            raise StackError(
                f"a commit is patch {name}, which series.toml does not list",
                "give it a [[patch]] table there, in its place",
                WAITING,
            )
        if names.count(name) > 1:
            raise StackError(
                f"{names.count(name)} commits are patch {name}",
                "squash them in django-upstream/src (git rebase -i refs/stack/base)",
                WAITING,
            )
    if missing := [patch.slug for patch in patches if patch.slug not in names]:
        fresh = [subject for subject, slug in commits if slug is None]
        if len(missing) > len(fresh):
            raise StackError(
                f"series.toml lists {', '.join(missing)}, but only {len(fresh)} commits"
                " have no patch yet",
                "commit it in django-upstream/src, or remove its table",
                WAITING,
            )
    for number, (subject, slug) in enumerate(commits, 1):
        wanted = patches[number - 1].slug if number <= len(patches) else None
        if wanted is None or (slug is None and wanted in names):
            raise StackError(
                f'commit {number} ("{subject}") has no table in series.toml',
                f"add one with its slug at place {number}",
                WAITING,
            )
        if slug is not None and slug != wanted:
            raise StackError(
                f"commit {number} is patch {slug}, but series.toml has {wanted} there",
                "put the tables of series.toml in the order of the commits",
                WAITING,
            )


def history(git: Git, base: str) -> tuple[build.Commit, ...]:
    """Return the commits from the base to HEAD. Raise StackError if not a line."""
    if not git.ok("merge-base", "--is-ancestor", base, "HEAD"):
        raise StackError(
            "HEAD of django-upstream/src does not descend from the base",
            "./scripts/stack apply --save",
            WAITING,
        )
    if git.out("rev-list", "--merges", f"{base}..HEAD"):
        raise StackError(
            "there is a merge among the commits, and a merge is no patch",
            "git rebase refs/stack/base, in django-upstream/src",
            WAITING,
        )
    return build.commits(git, base, "HEAD")


def choose(fresh: bytes, old: bytes | None) -> bytes:
    """Return the old bytes if nothing but positions and blob ids has changed."""
    return old if old is not None and mail.mask(old) == mail.mask(fresh) else fresh


def _check(
    project: Project, files: Sequence[Path], wanted: Sequence[build.Commit]
) -> bool:
    """Tell whether the files, applied from scratch, give the commits' trees."""
    try:
        made = build.build(project, files)
    except build.DoesNotApply:
        return False
    return [commit.tree for commit in made] == [commit.tree for commit in wanted]


def _old_files(project: Project) -> dict[str, bytes]:
    """Return the bytes of the patch files that are there, by slug."""
    return {
        path.name.removesuffix(".patch").split("-", 1)[-1]: path.read_bytes()
        for path in project.patches.glob("*.patch")
    }


def run(args: argparse.Namespace, project: Project) -> int:
    patches = series.load(project)
    base = upstream.base(project)
    git = src.own(project)
    if git is None:
        raise StackError("django-upstream/src is not there", "./scripts/stack apply")
    git.refuse_unless_clean()
    made = history(git, base)
    if not made and patches:
        raise StackError(
            "django-upstream/src has no commit after the base; an empty series would"
            " throw away every patch",
            "./scripts/stack apply",
            WAITING,
        )
    match(patches, [_named(git, commit) for commit in made])
    # Read where no configuration but ours can change how they are written.
    build.fetch_commits(project, project.src, "HEAD")
    store = Git(project.base, bare=True)
    old = _old_files(project)
    fresh = [build.format_patch(store, commit.id) for commit in made]
    with tempfile.TemporaryDirectory(prefix="stack-") as folder, step("checking"):
        data = [
            choose(new, old.get(patch.slug))
            for patch, new in zip(patches, fresh, strict=True)
        ]
        for attempt in (data, fresh):
            files = [Path(folder) / patch.filename for patch in patches]
            for file, content in zip(files, attempt, strict=True):
                file.write_bytes(content)
            if _check(project, files, made):
                break
        else:
            raise StackError(
                "the commits do not survive being written as patches",
                "./scripts/stack lint (it names the lines that break git am)",
                FINDINGS,
            )
        changed = [
            patch.filename
            for patch, content in zip(patches, attempt, strict=True)
            if not (project.patches / patch.filename).exists()
            or (project.patches / patch.filename).read_bytes() != content
        ]
        kept = {patch.filename for patch in patches}
        stale = [p for p in project.patches.glob("*.patch") if p.name not in kept]
        if args.dry_run:
            for name in changed:
                print(f"would write {name}")
            for path in stale:
                print(f"would remove {path.name}")
            return 0
        for path in stale:
            path.unlink()
        for file in files:
            shutil.copyfile(file, project.patches / file.name)
    lock = series.Lock(
        upstream=upstream.load_pin(project).sha256,
        base=upstream.base_tree(project),
        patches=tuple(
            series.Locked(patch.slug, series.sha256(content), commit.tree)
            for patch, content, commit in zip(patches, attempt, made, strict=True)
        ),
    )
    (project.patches / "series.lock").write_text(lock.dumps())
    (project.patches / "README.md").write_text(
        table.patches_readme(patches, table.load_effects(project))
    )
    _settle(project, git, patches)
    for name in changed:
        print(f"wrote {name}")
    for path in stale:
        print(f"removed {path.name}")
    print(f"{len(patches)} patches, {len(changed)} changed")
    return 0


def _named(git: Git, commit: build.Commit) -> tuple[str, str | None]:
    """Return the commit's subject and the slug in its note, if it has one."""
    note = None
    if git.ok("notes", "--ref", src.NOTES, "show", commit.id):
        # Squashed commits have the notes of both: the first is the patch's.
        note = git.out("notes", "--ref", src.NOTES, "show", commit.id).split()[0]
    return git.out("log", "-1", "--format=%s", commit.id), note


def _settle(project: Project, git: Git, patches: Sequence[series.Patch]) -> None:
    """Point src at the commits that the written files make: the same trees."""
    made = build.build(project, series.files(project, patches))
    git.run("fetch", "--quiet", str(project.base), build.BUILT)
    tip = made[-1].id if made else upstream.base(project)
    git.run("update-ref", "-m", "stack export", "HEAD", tip)
    git.run("update-ref", src.APPLIED, tip)
    src.note(git, made, patches)
