"""Write the commits of django-upstream/src to patches/."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from common.errors import FINDINGS, WAITING, StackError, few
from common.git import Git
from common.lock import exclusive, undisturbed
from common.progress import step
from common.project import Project
from patchstack import build, series, src, table, upstream


@dataclass(frozen=True)
class Source:
    """A commit of src, and the patch that it is; None if no patch is left for it."""

    commit: build.Commit
    subject: str
    slug: str | None


def history(git: Git, base: str, listed: Sequence[str]) -> list[Source]:
    """Return the commits from the base to HEAD. Raise StackError if not a line.

    A commit is the patch that its note names, else the next without a commit.
    """
    if not git.ok("merge-base", "--is-ancestor", base, "HEAD"):
        raise StackError(
            f"HEAD of {git.folder} does not descend from the base",
            "./scripts/stack apply --save",
            WAITING,
        )
    if git.out("rev-list", "--merges", f"{base}..HEAD"):
        raise StackError(
            "there is a merge among the commits, and a merge is no patch",
            f"{git.typed} rebase {src.BASE}",
            WAITING,
        )
    form = "--format=%H%x1f%T%x1f%s%x1f%N%x1e"
    notes = ("--no-notes", f"--notes={src.NOTES}")
    log = git.out("log", "--reverse", *notes, form, f"{base}..HEAD")
    records = [record.strip("\n").split("\x1f") for record in log.split("\x1e")[:-1]]
    if not records and listed:
        raise StackError(
            f"{git.folder} has no commit after the base; an empty series would throw"
            " away every patch",
            "./scripts/stack apply",
            WAITING,
        )
    # Squashed commits have the notes of both: the first is the patch's.
    named = [note.split()[0] if note else None for *_, note in records]
    free = iter(slug for slug in listed if slug not in named)
    return [
        Source(build.Commit(commit, tree), subject, slug or next(free, None))
        for (commit, tree, subject, _), slug in zip(records, named, strict=True)
    ]


def match(listed: Sequence[str], sources: Sequence[Source]) -> None:
    """Raise StackError unless commit n is patch n of series.toml, for every n."""
    slugs = [source.slug for source in sources]
    for number, (slug, wanted) in enumerate(zip_longest(slugs, listed), 1):
        if slug is not None and slug == wanted:
            continue
        facts = f"commit {number} is patch {slug}, but series.toml has {wanted} there"
        then = "put the tables of series.toml in the order of the commits"
        if number > len(sources):
            facts = f"series.toml lists {wanted}, but no commit is left for it"
            then = "commit it in django-upstream/src, or remove its table"
        elif slug is None:
            subject = sources[number - 1].subject
            facts = f'commit {number} ("{subject}") has no table in series.toml'
            then = f"add one with its slug at place {number}"
        elif slug not in listed:
            facts = f"a commit is patch {slug}, which series.toml does not list"
            then = "give it a [[patch]] table there, in its place"
        elif slugs.count(slug) > 1:
            facts = f"{slugs.count(slug)} commits are patch {slug}"
            then = f"squash them in django-upstream/src (git rebase -i {src.BASE})"
        raise StackError(facts, then, WAITING)


def render(project: Project, sources: Sequence[Source]) -> dict[str, bytes]:
    """Return the patch file of each commit by slug, and series.lock by its name."""
    # Read where no configuration but ours can change how they are written.
    build.fetch_commits(project, project.src, "HEAD")
    store = Git(project.base, bare=True)
    named = {s.slug: s.commit for s in sources if s.slug is not None}
    files = {slug: build.format_patch(store, c.id) for slug, c in named.items()}
    lock = series.Lock(
        upstream=upstream.load_pin(project).sha256,
        base=upstream.base_tree(project),
        patches=tuple(
            series.Locked(slug, series.sha256(data), named[slug].tree)
            for slug, data in files.items()
        ),
    )
    return {**files, "series.lock": lock.dumps().encode()}


def refuse_if_moved(project: Project, git: Git, fresh: Mapping[str, str]) -> None:
    """Raise StackError if patches/ has a change that would be overwritten unseen.

    A file may be as apply or export saw it last, or, after an interrupted export,
    as it would be written now, with the digest in ``fresh``.
    """
    files = {path.name: path for path in sorted(project.patches.glob("*.patch"))}
    now, seen = src.digests(project, files), src.seen(git) or {}
    slugs = {name: series.slug_of(name) for name in now}
    moved = [
        slugs[name]
        for name, digest in now.items()
        if digest not in (seen.get(slugs[name]), fresh.get(slugs[name]))
    ]
    moved += sorted((seen.keys() & fresh.keys()) - {*slugs.values()})
    if moved:
        raise StackError(
            f"patches/ is not what {project.shown(project.src)} was made from; export"
            f" would put older versions back: {few(moved)}",
            "./scripts/stack apply --save",
            WAITING,
        )


def check(
    project: Project, folder: Path, files: Mapping[str, bytes], trees: Sequence[str]
) -> tuple[build.Commit, ...]:
    """Write the files to a folder and apply them; return the commits.

    Raise StackError unless they give these trees and the same files again.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    store = Git(project.base, bare=True)
    try:
        made = build.build(project, [folder / name for name in files])
        again = [build.format_patch(store, commit.id) for commit in made]
        lasting = [c.tree for c in made] == trees and again == list(files.values())
    except build.DoesNotApply:
        lasting = False
    if not lasting:
        raise StackError(
            "the commits do not survive being written as patches",
            "./scripts/stack lint (it names the lines that break git am)",
            FINDINGS,
        )
    return made


def export(project: Project, *, dry_run: bool = False) -> list[str]:
    """Write patch files, README.md and series.lock. Return the report."""
    with exclusive(project.lock):
        patches = series.load(project)
        listed = [patch.slug for patch in patches]
        git = src.require(project)
        git.refuse_unless_clean()
        base = upstream.base(project)
        sources = history(git, base, listed)
        fresh = render(project, sources)
        digests = {name: series.sha256(data) for name, data in fresh.items()}
        refuse_if_moved(project, git, digests)
        match(listed, sources)
        files = {patch.filename: fresh[patch.slug] for patch in patches}
        folder = project.upstream / "export.new"
        with step("checking"):
            trees = [source.commit.tree for source in sources]
            made = check(project, folder, files, trees)
        old = {path.name: path.read_bytes() for path in project.patches.glob("*.patch")}
        changed = sorted(name for name in files if old.get(name) != files[name])
        stale = sorted(old.keys() - files.keys())
        if not dry_run:
            text = table.patches_readme(patches, table.load_effects(project))
            (folder / "README.md").write_text(text)
            (folder / "series.lock").write_bytes(fresh["series.lock"])
            tip = made[-1].id if made else base
            # First, as it fails where src cannot be written.
            git.run("fetch", "--quiet", str(project.base), tip)
            with undisturbed():
                for name in (*files, "README.md"):
                    (folder / name).replace(project.patches / name)
                for name in stale:
                    (project.patches / name).unlink()
                (folder / "series.lock").replace(project.patches / "series.lock")
                # The same trees: no file of src changes.
                git.run("update-ref", "-m", "stack export", "HEAD", tip)
                src.settle(git, tip, dict(zip(listed, made, strict=True)), digests)
        shutil.rmtree(folder)
    wrote, removed = (
        ("would write", "would remove") if dry_run else ("wrote", "removed")
    )
    return [
        *(f"{wrote} {name}" for name in changed),
        *(f"{removed} {name}" for name in stale),
        f"{len(patches)} patches, {len(changed)} changed",
    ]
