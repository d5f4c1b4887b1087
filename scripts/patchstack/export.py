"""Write the commits of django-upstream/src to patches/."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from common.errors import FINDINGS, WAITING, StackError
from common.git import Git
from common.lock import exclusive, undisturbed
from common.progress import step
from common.project import Project
from patchstack import build, series, src, table, upstream


@dataclass(frozen=True)
class Written:
    """The names of the patch files that export wrote and removed."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    patches: int


@dataclass(frozen=True)
class Source:
    """A commit of src, with the slug in its note."""

    commit: build.Commit
    subject: str
    slug: str | None


def history(git: Git, base: str) -> tuple[Source, ...]:
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
            f"{git.typed} rebase {src.BASE}",
            WAITING,
        )
    form = "--format=%H%x1f%T%x1f%s%x1f%N%x1e"
    notes = ("--no-notes", f"--notes={src.NOTES}")
    log = git.out("log", "--reverse", *notes, form, f"{base}..HEAD")
    found = []
    for record in log.split("\x1e")[:-1]:
        commit, tree, subject, note = record.strip("\n").split("\x1f")
        # Squashed commits have the notes of both: the first is the patch's.
        slug = note.split()[0] if note else None
        found.append(Source(build.Commit(commit, tree), subject, slug))
    return tuple(found)


def assign(listed: Sequence[str], sources: Sequence[Source]) -> list[str | None]:
    """Return a slug for each commit: its note's, else the next one without a commit."""
    named = {source.slug for source in sources}
    free = iter(slug for slug in listed if slug not in named)
    return [source.slug or next(free, None) for source in sources]


def match(listed: Sequence[str], sources: Sequence[Source]) -> None:
    """Raise StackError unless commit n is patch n of series.toml, for every n."""
    slugs = assign(listed, sources)
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


def refuse_if_moved(project: Project, git: Git, fresh: Mapping[str, bytes]) -> None:
    """Raise StackError if patches/ has a change that would be overwritten unseen.

    A file may be as apply or export saw it last, or as it would be written now:
    an earlier export may have been interrupted. Keys are slugs and series.lock.
    """
    now = src.digests(project, series.found(project))
    seen = src.seen(git) or {}
    moved = [
        name
        for name in sorted(now.keys() | seen.keys())
        if now.get(name) != seen.get(name)
        and (name not in fresh or now.get(name) != series.sha256(fresh[name]))
    ]
    if moved:
        state = src.state(git)
        raise StackError(
            f"patches/ is not what {project.shown(project.src)} was made from; export"
            f" would put older versions back: {', '.join(moved)}",
            f"./scripts/stack apply{'' if state.exported else ' --save'}",
            WAITING,
        )


def export(project: Project, *, dry_run: bool = False) -> Written:
    """Write the patch files, series.lock and README.md, unless ``dry_run``."""
    with exclusive(project.lock):
        patches = series.load(project)
        base = upstream.base(project)
        git = src.require(project)
        git.refuse_unless_clean()
        sources = history(git, base)
        if not sources and patches:
            raise StackError(
                "django-upstream/src has no commit after the base; an empty series"
                " would throw away every patch",
                "./scripts/stack apply",
                WAITING,
            )
        # Read where no configuration but ours can change how they are written.
        build.fetch_commits(project, project.src, "HEAD")
        store = Git(project.base, bare=True)
        slugs = assign([patch.slug for patch in patches], sources)
        fresh = {
            slug: build.format_patch(store, source.commit.id)
            for slug, source in zip(slugs, sources, strict=True)
            if slug is not None
        }
        trees = {slug: s.commit.tree for slug, s in zip(slugs, sources, strict=True)}
        lock = series.Lock(
            upstream=upstream.load_pin(project).sha256,
            base=upstream.base_tree(project),
            patches=tuple(
                series.Locked(slug, series.sha256(data), trees[slug])
                for slug, data in fresh.items()
            ),
        ).dumps()
        fresh["series.lock"] = lock.encode()
        refuse_if_moved(project, git, fresh)
        match([patch.slug for patch in patches], sources)
        content = {patch.filename: fresh[patch.slug] for patch in patches}
        folder = project.upstream / "export.new"
        with step("checking"):
            made = _stage(project, folder, content, sources)
        there = sorted(project.patches.glob("*.patch"))
        removed = [path for path in there if path.name not in content]
        written = [
            name
            for name, data in content.items()
            if not (project.patches / name).exists()
            or (project.patches / name).read_bytes() != data
        ]
        if not dry_run:
            content["README.md"] = table.patches_readme(
                patches, table.load_effects(project)
            ).encode()
            content["series.lock"] = lock.encode()
            with undisturbed():
                _replace(project, folder, content, removed)
                tip = made[-1].id if made else base
                git.run("fetch", "--quiet", str(project.base), tip)
                # The same trees: no file of src changes.
                git.run("update-ref", "-m", "stack export", "HEAD", tip)
                named = {p.slug: c for p, c in zip(patches, made, strict=True)}
                seen = {name: series.sha256(data) for name, data in fresh.items()}
                src.settle(git, tip, named, seen)
        shutil.rmtree(folder)
        names = (path.name for path in removed)
        return Written(tuple(written), tuple(names), len(patches))


def _stage(
    project: Project,
    folder: Path,
    content: Mapping[str, bytes],
    sources: Sequence[Source],
) -> tuple[build.Commit, ...]:
    """Write the files to a folder and apply them; return the commits.

    Raise StackError unless they give the same trees and the same files.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    store = Git(project.base, bare=True)
    try:
        made = build.build(project, [folder / name for name in content])
        lasting = [c.tree for c in made] == [s.commit.tree for s in sources] and all(
            build.format_patch(store, commit.id) == data
            for commit, data in zip(made, content.values(), strict=True)
        )
    except build.DoesNotApply:
        lasting = False
    if not lasting:
        raise StackError(
            "the commits do not survive being written as patches",
            "./scripts/stack lint (it names the lines that break git am)",
            FINDINGS,
        )
    return made


def _replace(
    project: Project,
    folder: Path,
    content: Mapping[str, bytes],
    removed: Sequence[Path],
) -> None:
    """Put the files in place, series.lock last; a stop between loses nothing."""
    for name, data in content.items():
        (folder / name).write_bytes(data)
    for name in content:
        if name != "series.lock":
            (folder / name).replace(project.patches / name)
    for path in removed:
        path.unlink()
    (folder / "series.lock").replace(project.patches / "series.lock")
