"""Put the series on django-upstream/src, or on a branch of somebody's own clone."""

import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common.errors import WAITING, StackError
from common.git import IDENTITY, Git
from common.lock import exclusive, undisturbed
from common.progress import step
from common.project import Project
from patchstack import build, series, src, upstream

INTO = "django-patch-stack"
VERSION = re.compile(r"^VERSION = \((\d+), (\d+), (\d+), ['\"](\w+)['\"]", re.MULTILINE)


def at_hand(project: Project, patches: Sequence[series.Patch]) -> dict[str, Path]:
    """Return the files of these patches by slug, in order.

    A table may come before its patch: a slug without a file is left out unless
    series.lock knows it. Raise StackError for a file that is lost or not listed.
    """
    listed = {patch.slug for patch in series.load(project)}
    files = series.found(project)
    locked: set[str] = set()
    if (project.patches / "series.lock").exists():
        locked = {entry.slug for entry in series.load_lock(project).patches}
    problems = [f"{s} has no file" for s in sorted(listed & locked - files.keys())]
    problems += [
        f"{files[s].name} is not in series.toml" for s in sorted(files.keys() - listed)
    ]
    if problems:
        raise StackError(
            f"patches/ and series.toml disagree: {'; '.join(problems)}",
            "git status patches/ (then restore the files or the tables)",
        )
    return {p.slug: files[p.slug] for p in patches if p.slug in files}


def apply_here(
    project: Project,
    patches: Sequence[series.Patch],
    *,
    save: bool = False,
    dry_run: bool = False,
) -> list[str]:
    """Bring src to these patches; refuse to lose what is there. Return the report."""
    with exclusive(project.lock):
        files = at_hand(project, patches)
        shown = project.shown(project.src)
        git = src.own(project)
        if git is not None:
            git.dry_run = dry_run
            git.refuse_unless_clean()
        digests = src.digests(project, files)
        with step(f"applying {len(files)} patches"):
            made = build.build(project, list(files.values()))
        tip = made[-1].id if made else upstream.base(project)
        if git is None and dry_run:
            return [f"git clone {project.shown(project.base)} {shown}"]
        git = git or src.create(project)
        head, applied = git.out("rev-parse", "HEAD", src.APPLIED).splitlines()
        if head == tip == applied and src.seen(git) == digests:
            return [f"{shown} is at the series already: {tip}"]
        git.change("fetch", "--quiet", str(project.base), tip)
        known = [c for c in (applied, tip) if git.ok("cat-file", "-e", c)]
        kept = _keep(git, shown, known, save=save)
        with undisturbed():
            src.switch(git, "-B", src.BRANCH, tip)
            src.settle(git, tip, dict(zip(files, made, strict=True)), digests)
    if dry_run:
        return kept
    return [
        *(f"applied {file.name}" for file in files.values()),
        f"{shown} is on branch {src.BRANCH} at {tip}",
        *kept,
    ]


def _keep(git: Git, shown: str, known: list[str], *, save: bool) -> list[str]:
    """Save on new branches what patches/ lacks, or refuse. Return what to say.

    ``known`` are the tips of the series as it was and as it will be.
    """
    branch = ("for-each-ref", "--format=%(objectname)", f"refs/heads/{src.BRANCH}")
    tips = [git.out("rev-parse", "HEAD"), *git.out(*branch).split()]
    beyond = ("--not", *known, "--branches=saved-*")
    lost = [
        tip
        for tip in dict.fromkeys(tips)
        if git.out("rev-list", "--max-count=1", tip, *beyond)
    ]
    if lost and not save:
        raise StackError(
            f"{shown} has commits that are not in patches/"
            f" ({git.out('rev-list', '--count', *lost, *beyond)})",
            "./scripts/stack export, or to keep them on a branch and start anew:"
            " ./scripts/stack apply --save",
            WAITING,
        )
    names = git.out("for-each-ref", "--format=%(refname)", "refs/heads/saved-*")
    numbers = [int(n) for n in re.findall(r"saved-(\d+)$", names, re.MULTILINE)]
    lines = []
    for number, tip in enumerate(lost, 1 + max(numbers, default=0)):
        git.change("branch", f"saved-{number}", tip)
        lines.append(f"what was there is on branch saved-{number}")
        if own := _own_commits(git, tip, known):
            lines.append(f"to take it over: {git.typed} cherry-pick {' '.join(own)}")
        if any(git.ok("notes", "--ref", src.NOTES, "show", commit) for commit in own):
            lines.append(
                "then squash what changes a patch into it:"
                f" {git.typed} rebase -i {src.BASE}"
            )
    return lines


def _own_commits(git: Git, tip: str, known: list[str]) -> list[str]:
    """Return the commits up to ``tip`` that are in none of the known series."""
    options = ("--reverse", "--no-merges", "--right-only", "--cherry-pick")
    found = [
        git.out("rev-list", *options, f"{other}...{tip}").splitlines()
        for other in known
    ]
    return [commit for commit in found[0] if all(commit in some for some in found)]


def apply_into(
    project: Project,
    patches: Sequence[series.Patch],
    clone: Path,
    *,
    branch: str = INTO,
    three_way: bool = False,
    only: Sequence[str] = (),
    dry_run: bool = False,
) -> list[str]:
    """Apply the patches on a new branch of somebody's own clone.

    ``only`` is what was asked for, to print it in the next command.
    """
    clone = clone.absolute()
    git = Git(clone, dry_run=dry_run)
    again = ["./scripts/stack", "apply", "--into", str(clone)]
    again += ["--only", *only] if only else []
    version = check_clone(project, git, again)
    check_branch(git, branch, again)
    files = at_hand(project, patches)
    on = git.out("rev-parse", "--abbrev-ref", "HEAD")
    head = git.out("rev-parse", "HEAD")
    back = f"--detach {head}" if on == "HEAD" else shlex.quote(on)
    new = shlex.quote(branch)
    undo = f"{git.typed} switch {back} && {git.typed} branch -D {new}"
    if dry_run:
        git.change("switch", "--create", branch)
        flags = ("--3way",) if three_way else ()
        git.change("am", *flags, *map(str, files.values()))
        return []
    try:
        with tempfile.TemporaryDirectory(prefix="stack-") as folder:
            work = _try_out(project, git, Path(folder), files, head, three_way)
            git.run("fetch", "--quiet", "--no-tags", str(work.folder), "HEAD")
            src.switch(git, "-b", branch, work.out("rev-parse", "HEAD"))
    except build.DoesNotApply as error:
        then = shlex.join([*again, "--branch", branch, "--three-way"])
        if three_way:
            made = build.build(project, list(files.values()))
            store = shlex.quote(str(project.base.absolute()))
            then = (
                f"{git.typed} fetch --no-tags {store} {made[-1].id}"
                f" && {git.typed} switch --create {new}"
                f" && {git.typed} cherry-pick {upstream.base(project)}..{made[-1].id}"
                f"\n  to undo that: {git.typed} cherry-pick --abort; {undo}"
            )
        raise StackError(
            f"{error.facts} (Django at {head[:12]}); nothing was changed", then, WAITING
        ) from error
    return [
        *(f"applied {file.name}" for file in files.values()),
        f"{clone} (Django {version}) is on the new branch {branch}",
        f"to undo: {undo}",
    ]


def check_clone(project: Project, git: Git, again: Sequence[str]) -> str:
    """Return the version of the Django in a clone.

    Raise StackError unless the series can be applied there.
    """
    clone = git.folder
    if not clone.is_dir() or not git.ok("rev-parse", "--verify", "HEAD^{commit}"):
        raise StackError(
            f"{clone} is no git checkout with a commit",
            f"git clone https://github.com/django/django.git {shlex.quote(str(clone))}",
        )
    top = git.out("rev-parse", "--show-toplevel")
    if Path(top).resolve() != clone.resolve():
        raise StackError(
            f"{clone} is not the top folder of its checkout",
            shlex.join([top if word == str(clone) else word for word in again]),
        )
    init = clone / "django" / "__init__.py"
    match = VERSION.search(init.read_text("utf-8") if init.exists() else "")
    if match is None:
        raise StackError(
            f"{clone} holds no Django (no VERSION in django/__init__.py)",
            "give the top folder of a clone of django/django",
        )
    pin = upstream.load_pin(project).version.split(".")
    # main carries the number of the next feature release; both are let in.
    if (int(match[1]), int(match[2])) < (int(pin[0]), int(pin[1])):
        raise StackError(
            f"{clone} holds Django {match[1]}.{match[2]}.{match[3]}; the series is for"
            f" {pin[0]}.{pin[1]}.x and main",
            f"{git.typed} switch stable/{pin[0]}.{pin[1]}.x",
        )
    # Untracked files stay as they are, and git refuses to overwrite one.
    git.refuse_unless_clean(untracked=False)
    return f"{match[1]}.{match[2]}.{match[3]} {match[4]}"


def check_branch(git: Git, branch: str, again: Sequence[str]) -> None:
    """Raise StackError unless the branch can be made.

    A branch whose commits are all from this tool may be removed; any other is
    the user's, and another name is advised.
    """
    if not git.ok("check-ref-format", "--branch", branch):
        raise StackError(
            f"{branch} is no name for a branch", shlex.join([*again, "--branch", INTO])
        )
    if not git.ok("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}"):
        return
    others = (f"--exclude={branch}", "--branches", "--tags", "--remotes")
    log = git.out("log", "--format=%H %ce", f"refs/heads/{branch}", "--not", *others)
    unique = [line.split(" ", 1) for line in log.splitlines()]
    if unique and all(committer == IDENTITY[1] for _, committer in unique):
        facts = f"{git.folder} has the branch {branch} from an earlier apply"
        then = f"{git.typed} branch -D {shlex.quote(branch)}"
        if git.out("rev-parse", "--abbrev-ref", "HEAD") == branch:
            then = f"{git.typed} switch --detach {unique[-1][0]}~1 && {then}"
        raise StackError(facts, then)
    number = 2
    while git.ok("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}-{number}"):
        number += 1
    raise StackError(
        f"{git.folder} has a branch {branch} with other work",
        shlex.join([*again, "--branch", f"{branch}-{number}"]),
    )


def _try_out(
    project: Project,
    git: Git,
    folder: Path,
    files: dict[str, Path],
    head: str,
    three_way: bool,
) -> Git:
    """Apply the files in a throw-away checkout of the clone's ``head``."""
    stores = [git]
    flags = build.STRICT
    if three_way:
        # A merge needs the blobs that the patches name: those of the whole series.
        flags = (*build.AM, "--3way")
        build.build(project, list(at_hand(project, series.load(project)).values()))
        stores.append(Git(project.base, bare=True))
    work = build.scratch(folder / "work", stores, head)
    build.am(work, list(files.values()), flags)
    return work
