"""Apply the series: to django-upstream/src, or to your own Django clone.

Without --into, the series is applied strictly to the pristine base and checked
out on the branch "stack" of django-upstream/src. What is not exported there is
never thrown away: the verb refuses, or saves it on a branch with --save.

With --into PATH (make apply DJANGO=PATH), it goes on a new branch of a clone of
Django 6.1.x or main. The clone must be clean; nothing but the new branch is
added, and one printed command takes it back. Strict, unless --three-way allows
git to merge where the code around a change has moved.
"""

import argparse
import re
import shlex
import tempfile
from pathlib import Path

from common.errors import WAITING, StackError
from common.git import Git, GitError
from common.progress import say, step
from common.project import Project
from patchstack import build, series, src, upstream

VERSION = re.compile(r"^VERSION = \((\d+), (\d+), (\d+), ['\"](\w+)['\"]", re.MULTILINE)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--into", type=Path, metavar="PATH", help="a Django clone of your own"
    )
    parser.add_argument(
        "--branch",
        default="django-patch-stack",
        help="with --into: the new branch (default: %(default)s)",
    )
    parser.add_argument(
        "--three-way",
        action="store_true",
        help="with --into: merge where context moved",
    )
    parser.add_argument(
        "--save",
        action="store_true",
        help="without --into: keep commits that are not exported on a branch saved-N",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the git commands that would change it",
    )


def run(args: argparse.Namespace, project: Project) -> int:
    patches = series.load(project)
    if args.into is not None:
        return apply_into(project, patches, args)
    if args.three_way:
        raise StackError("--three-way goes with --into", "./scripts/stack apply --help")
    return apply_here(project, patches, save=args.save, dry_run=args.dry_run)


def apply_here(
    project: Project,
    patches: tuple[series.Patch, ...],
    *,
    save: bool = False,
    dry_run: bool = False,
) -> int:
    """Bring src to the series of patches/; refuse to lose what is there."""
    files = series.files(project, patches)
    git = src.own(project)
    if git is not None:
        git.dry_run = dry_run
        git.refuse_unless_clean()
    with step(f"applying {len(files)} patches"):
        made = build.build(project, files)
    tip = made[-1].id if made else upstream.base(project)
    if git is None:
        if dry_run:
            print(
                f"git clone {project.shown(project.base)} {project.shown(project.src)}"
            )
            return 0
        src.create(project)
        git = Git(project.src)
    else:
        state = src.state(git)
        if state.head == tip == state.applied:
            print(f"{project.shown(project.src)} is at the series already: {tip}")
            return 0
        if not state.exported and state.head != tip:
            _keep(git, project, save=save)
    git.change("fetch", "--quiet", str(project.base), build.BUILT)
    git.change("checkout", "--quiet", "-B", src.BRANCH, tip)
    git.change("update-ref", src.BASE, upstream.base(project))
    git.change("update-ref", src.APPLIED, tip)
    src.note(git, made, patches)
    if not dry_run:
        for patch in patches:
            print(f"applied {patch.filename}")
        print(f"{project.shown(project.src)} is on branch {src.BRANCH} at {tip}")
    return 0


def _keep(git: Git, project: Project, *, save: bool) -> None:
    """Save the commits of src that patches/ lacks, or refuse."""
    shown = project.shown(project.src)
    count = git.out("rev-list", "--count", f"{src.APPLIED}..HEAD")
    if not save:
        raise StackError(
            f"{shown} has commits that are not in patches/ ({count} since the last"
            " export or apply)",
            "./scripts/stack export (or, to keep them on a branch and start anew:"
            " ./scripts/stack apply --save)",
            WAITING,
        )
    taken = git.out("for-each-ref", "--format=%(refname:short)", "refs/heads/saved-*")
    number = 1 + max(
        (int(n) for n in re.findall(r"^saved-(\d+)$", taken, re.MULTILINE)), default=0
    )
    git.change("branch", f"saved-{number}", "HEAD")
    print(f"kept what was there on branch saved-{number}")


def django_version(folder: Path) -> tuple[int, int, str]:
    """Return (major, minor, "X.Y[.Z] stage") of the clone. Raise StackError."""
    try:
        text = (folder / "django" / "__init__.py").read_text(encoding="utf-8")
    except OSError as error:
        raise StackError(
            f"{folder} holds no Django (no django/__init__.py)",
            "give the top folder of a clone of django/django",
        ) from error
    match = VERSION.search(text)
    if match is None:
        raise StackError(f"{folder}: django/__init__.py states no VERSION", None)
    major, minor, micro, stage = match.groups()
    return int(major), int(minor), f"{major}.{minor}.{micro} {stage}"


def apply_into(
    project: Project, patches: tuple[series.Patch, ...], args: argparse.Namespace
) -> int:
    """Apply the series on a new branch of somebody's own clone."""
    clone: Path = args.into.absolute()
    quoted = shlex.quote(str(clone))
    git = Git(clone, dry_run=args.dry_run)
    if not clone.is_dir() or not git.ok("rev-parse", "--verify", "HEAD^{commit}"):
        raise StackError(
            f"{clone} is no git checkout with a commit",
            f"git clone https://github.com/django/django.git {quoted}",
        )
    if Path(git.out("rev-parse", "--show-toplevel")).resolve() != clone.resolve():
        raise StackError(
            f"{clone} is not the top folder of its checkout",
            f"./scripts/stack apply --into {git.out('rev-parse', '--show-toplevel')}",
        )
    pin = upstream.load_pin(project)
    wanted = tuple(int(part) for part in pin.version.split(".")[:2])
    major, minor, version = django_version(clone)
    # main carries the number of the next feature release; both are let in.
    if (major, minor) < wanted:
        raise StackError(
            f"{clone} holds Django {version}; the series is for"
            f" {wanted[0]}.{wanted[1]}.x and main",
            f"git -C {quoted} switch stable/{wanted[0]}.{wanted[1]}.x",
        )
    # Untracked files stay as they are, and git refuses to overwrite one.
    git.refuse_unless_clean(untracked=False)
    if git.ok("rev-parse", "--verify", f"refs/heads/{args.branch}"):
        raise StackError(
            f"{clone} has a branch {args.branch} already",
            f"git -C {quoted} branch -D {args.branch} (or give --branch NAME)",
        )
    if not git.ok("check-ref-format", "--branch", args.branch):
        raise StackError(f"{args.branch} is no name for a branch", None)
    files = series.files(project, patches)
    if args.dry_run:
        flags = "--3way " if args.three_way else ""
        print(f"git -C {quoted} switch --create {args.branch}")
        print(f"git -C {quoted} am {flags}{project.patches}/*.patch")
        return 0
    was = git.out("rev-parse", "--abbrev-ref", "HEAD")
    back = shlex.quote(was) if was != "HEAD" else git.out("rev-parse", "HEAD")
    made = _try_out(project, git, patches, files, three_way=args.three_way)
    git.run("branch", args.branch, made[-1].id if made else "HEAD")
    git.run("checkout", "--quiet", args.branch)
    for patch in patches:
        print(f"applied {patch.filename}")
    print(f"{clone} (Django {version}) is on the new branch {args.branch}")
    detach = "--detach " if was == "HEAD" else ""
    print(
        f"to undo: git -C {quoted} switch {detach}{back}"
        f" && git -C {quoted} branch -D {args.branch}"
    )
    return 0


def _try_out(
    project: Project,
    git: Git,
    patches: tuple[series.Patch, ...],
    files: tuple[Path, ...],
    *,
    three_way: bool,
) -> tuple[build.Commit, ...]:
    """Apply in a throw-away clone of the clone; bring the commits back if all do."""
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        work = Git(Path(folder) / "work")
        git.run(
            *("clone", "--quiet", "--shared", "--no-checkout", "--template="),
            *(str(git.folder), str(work.folder)),
        )
        head = git.out("rev-parse", "HEAD")
        work.run("checkout", "--quiet", "--detach", head)
        flags = build.STRICT
        if three_way:
            flags = (*build.AM, "--3way")
            # A merge needs the blobs that a patch was made from. The series'
            # own are in the base repository, and patches made anew from it
            # name them, whatever earlier patches did to the clone's files.
            made = build.build(project, files)
            store = Git(project.base, bare=True)
            alternates = work.folder / ".git" / "objects" / "info" / "alternates"
            with alternates.open("a", encoding="utf-8") as file:
                file.write(f"{project.base.absolute() / 'objects'}\n")
            fresh = Path(folder) / "patches"
            fresh.mkdir()
            for commit, patch in zip(made, patches, strict=True):
                (fresh / patch.filename).write_bytes(
                    build.format_patch(store, commit.id)
                )
            files = tuple(fresh / patch.filename for patch in patches)
        try:
            build.am(work, files, flags)
        except build.DoesNotApply as error:
            quoted = shlex.quote(str(git.folder))
            then = (
                f"merge it by hand: git -C {quoted} am -3 {project.patches}/*.patch"
                if three_way
                else f"./scripts/stack apply --into {quoted} --three-way"
            )
            say("nothing was changed")
            raise StackError(
                f"{error.facts} (Django at {head[:12]})", then, WAITING
            ) from error
        done = build.commits(work, head, "HEAD")
        # Blobs that only the base repository has must come along: fetch copies
        # what is reachable, alternates or not.
        try:
            git.run("fetch", "--quiet", "--no-tags", str(work.folder), "HEAD")
        except GitError as error:
            raise StackError(
                f"the commits could not be fetched: {error}", None
            ) from error
    return done
