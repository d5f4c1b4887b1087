"""Put the series on django-upstream/src, or on a branch of somebody's own clone."""

import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common.errors import WAITING, StackError, few
from common.git import IDENTITY, Git
from common.lock import exclusive, undisturbed
from common.progress import step
from common.project import Project
from patchstack import build, rails, series, src, upstream

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
    problems = [f"{slug} has no file" for slug in sorted(listed & locked - set(files))]
    # As after a merge that renumbered: which one is meant, only the user knows.
    twice = {*project.patches.glob("*.patch")} - {*files.values()}
    problems += [f"{path.name} is there twice" for path in sorted(twice)]
    strangers = sorted(set(files) - listed)
    problems += [f"{files[slug].name} is not in series.toml" for slug in strangers]
    if problems:
        raise StackError(
            f"patches/ and series.toml disagree: {few(problems)}",
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
            return [f"{shown} already has the series: {tip}"]
        git.change("fetch", "--quiet", str(project.base), tip)
        known = [c for c in (applied, tip) if git.ok("cat-file", "-e", c)]
        kept = _keep(git, shown, known, save=save)
        with undisturbed():
            src.switch(git, "-B", src.BRANCH, tip)
            src.settle(git, tip, dict(zip(files, made, strict=True)), digests)
    if dry_run:
        return kept
    done = [f"applied {file.name}" for file in files.values()]
    return [*done, f"{shown} is on branch {src.BRANCH} at {tip}", *kept]


def _keep(git: Git, shown: str, known: list[str], *, save: bool) -> list[str]:
    """Save on new branches what patches/ lacks. Return what to say.

    ``known`` are the tips of the series as it was and as it will be. Raise
    StackError for commits of HEAD, unless ``save``.
    """
    refs = ("for-each-ref", "--format=%(refname:short) %(objectname)")
    stack = git.out(*refs, f"refs/heads/{src.BRANCH}").split()[1:]
    saved = [line.split() for line in git.out(*refs, "refs/heads/saved-*").splitlines()]
    beyond = ("--not", *known, *(commit for _, commit in saved))
    head = git.out("rev-parse", "HEAD")
    tips = dict.fromkeys([head, *stack])
    lost = [tip for tip in tips if git.out("rev-list", "-1", tip, *beyond)]
    if head in lost and not save:
        raise StackError(
            f"{shown} has commits that are not in patches/"
            f" ({git.out('rev-list', '--count', head, *beyond)})",
            "./scripts/stack export, or to keep them on a branch and start anew:"
            " ./scripts/stack apply --save",
            WAITING,
        )
    lines = []
    last = max((int(re.sub(r"\D", "", name) or 0) for name, _ in saved), default=0)
    for number, tip in enumerate(lost, last + 1):
        git.change("branch", f"saved-{number}", tip)
        lines.append(f"what was there is on branch saved-{number}")
        # The user's own: in neither series, not even with another parent.
        own = git.out("rev-list", "--reverse", "--no-merges", tip, *beyond).split()
        for other in known:
            options = ("--right-only", "--cherry-pick", f"{other}...{tip}")
            new = git.out("rev-list", *options).split()
            own = [commit for commit in own if commit in new]
        if own:
            lines.append(f"to take it over: {git.typed} cherry-pick {' '.join(own)}")
        if any(git.ok("notes", "--ref", src.NOTES, "show", commit) for commit in own):
            squash = f"{git.typed} rebase -i {src.BASE}"
            lines.append(f"then squash what changes a patch into it: {squash}")
    return lines


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
    """Apply the patches on a new branch of somebody's own clone. Return the report.

    ``only`` is what was asked for, to print it in the next command.
    """
    git = Git(clone.absolute(), dry_run=dry_run, clone=True)
    again = ["./scripts/stack", "apply", "--into", str(git.folder)]
    again += ["--only", *only] if only else []
    version = check_clone(project, git)
    check_branch(git, branch, again)
    on = rails.folder(project, version)
    if on.exists():
        patches = rails.wanted(project, patches, version)
    named = at_hand(project, patches)
    files = list(named.values())
    head, was = git.out("rev-parse", "HEAD"), git.out("branch", "--show-current")
    back = shlex.quote(was) if was else f"--detach {head}"
    new = shlex.quote(branch)
    undo = f"{git.typed} switch {back} && {git.typed} branch -D {new}"
    merging = three_way or on.exists()
    flags = (*build.AM, "--3way") if merging else build.STRICT
    if dry_run:
        git.change("switch", "--create", branch)
        git.change(*flags, *map(str, files))
        return []
    # A merge needs the blobs that the patches name: those of the whole series.
    build.build(project, list(at_hand(project, series.load(project)).values()))
    stores = [git, Git(project.base, bare=True)]
    try:
        with tempfile.TemporaryDirectory(prefix="stack-") as folder:
            touching = [*files, *on.glob("*.diff")]
            work = build.scratch(Path(folder) / "work", stores, head, touching)
            if on.exists():
                rails.weave(work, named, on)
            else:
                build.am(work, files, flags)
            trees = tree_of(git), tree_of(work)
            git.run("fetch", "--quiet", "--no-tags", str(work.folder), "HEAD")
            src.switch(git, "-b", branch, work.out("rev-parse", "HEAD"))
    except build.DoesNotApply as error:
        then = shlex.join([*again, "--branch", branch, "--three-way"])
        if merging:
            then = f"./scripts/stack rebase --onto {shlex.quote(str(git.folder))}"
        facts = f"{error.facts} (Django at {head[:12]}); nothing was changed"
        raise StackError(facts, then, WAITING) from error
    return [
        *(f"applied {file.name}" for file in files),
        *_about(project, on, trees),
        f"{git.folder} (Django {version}) is on the new branch {branch}",
        f"to undo: {undo}",
    ]


def tree_of(git: Git, commit: str = "HEAD") -> str:
    return git.out("rev-parse", f"{commit}^{{tree}}")


def _about(project: Project, on: Path, trees: tuple[str, str]) -> list[str]:
    """Return what is known of trees without and with the series."""
    if not on.exists():
        return []
    known = rails.tested(project, on) == trees
    what = "the tests of this tree passed" if known else "its tests ran on another tree"
    return [f"merged as recorded in {project.shown(on)}; {what}"]


def check_clone(project: Project, git: Git, ref: str = "") -> str:
    """Return the version of the Django in a clone, or in a commit of it.

    Raise StackError unless the series can be applied there.
    """
    init = git.folder / "django" / "__init__.py"
    text = init.read_text("utf-8", "replace") if init.exists() else ""
    if ref and git.ok("cat-file", "-e", f"{ref}:django/__init__.py"):
        text = git.out("show", f"{ref}:django/__init__.py")
    match = VERSION.search(text)
    if (
        match is None
        or not git.ok("rev-parse", "--verify", "HEAD^{commit}")
        or not Path(git.out("rev-parse", "--show-toplevel")).samefile(git.folder)
    ):
        raise StackError(
            f"{git.folder} is not the top folder of a clone of Django with a commit",
            "git clone https://github.com/django/django.git, then give that folder",
        )
    major, minor, micro, stage = match.groups()
    wanted = upstream.load_pin(project).version.split(".")
    # main carries the number of the next feature release; both are let in.
    if (int(major), int(minor)) < (int(wanted[0]), int(wanted[1])):
        release = f"{wanted[0]}.{wanted[1]}.x"
        raise StackError(
            f"{git.folder} holds Django {major}.{minor}.{micro}; the series is for"
            f" {release} and main",
            f"{git.typed} switch stable/{release}",
        )
    if not ref:  # Untracked files stay as they are; git refuses to overwrite one.
        git.refuse_unless_clean(untracked=False)
    return f"{major}.{minor}.{micro} {stage}"


def check_branch(git: Git, branch: str, again: Sequence[str]) -> None:
    """Raise StackError unless the branch can be made.

    A branch whose commits are all from this tool may be removed; any other is
    the user's, and another name is advised.
    """
    # Git takes "@{-1}" for the branch before this one.
    if "@{" in branch or not git.ok("check-ref-format", "--branch", branch):
        then = shlex.join([*again, "--branch", INTO])
        raise StackError(f"{branch} is no name for a branch", then)
    if not git.ok("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}"):
        return
    here = git.out("branch", "--show-current") == branch
    elsewhere = not here and git.out(
        "for-each-ref", "--format=%(worktreepath)", f"refs/heads/{branch}"
    )
    others = (f"--exclude={branch}", "--branches", "--tags", "--remotes")
    log = git.out("log", "--format=%H %ce", f"refs/heads/{branch}", "--not", *others)
    unique = [line.split(" ", 1) for line in log.splitlines()]
    if elsewhere or not unique or any(who != IDENTITY[1] for _, who in unique):
        then = shlex.join([*again, "--branch", f"{branch}-2"])
        where = f"in use in {elsewhere}" if elsewhere else "with other work"
        raise StackError(f"{git.folder} has a branch {branch} {where}", then)
    then = f"{git.typed} branch -D {shlex.quote(branch)}"
    if here:
        then = f"{git.typed} switch --detach {unique[-1][0]}~1 && {then}"
    raise StackError(
        f"{git.folder} has the branch {branch} from an earlier apply", then
    )
