"""django-upstream/src: the checkout that people edit, and what it was made from."""

import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import WAITING, StackError, few
from common.git import Git, GitError
from common.project import Project
from patchstack import build, series, upstream

BRANCH = "stack"
# The archive has no .gitignore; these are what running tests leaves behind.
EXCLUDE = "__pycache__/\n*.py[co]\n*.egg-info/\n.coverage*\n/docs/_build/\n"
BASE = "refs/stack/base"
# The tip of the series, and the digests of its files, when apply or export
# last saw them.
APPLIED = "refs/stack/applied"
SEEN = "refs/stack/seen"
# Notes name each commit's patch. They follow amends and rebases, and do not
# touch the commit: its message stays what upstream will read.
NOTES = "refs/notes/stack"
CONFIG = {
    "notes.rewriteRef": NOTES,
    "notes.displayRef": NOTES,
    "notes.rewriteMode": "concatenate",
    "notes.rewrite.amend": "true",
    "notes.rewrite.rebase": "true",
    "core.autocrlf": "false",
    # An editor's session ends with git's own comment lines removed. A line of a
    # message may well begin with "#123", so git's begin with something else.
    "core.commentChar": ";",
    "commit.cleanup": "default",
}


@dataclass(frozen=True)
class State:
    """What is in src. ``applied`` is the tip that patches/ had when last seen."""

    head: str
    applied: str
    dirty: tuple[str, ...]
    unfinished: str | None

    @property
    def exported(self) -> bool:
        """Tell whether every commit is in patches/."""
        return self.head == self.applied


def create(project: Project) -> Git:
    """Make the checkout, at the base."""
    fresh = project.src.with_name("src.new")
    shutil.rmtree(fresh, ignore_errors=True)
    # Local: hard links to our objects, so that it stands when base.git goes.
    Git(project.base, bare=True).run(
        *("clone", "--quiet", "--local", "--template="),
        *(str(project.base), str(fresh)),
    )
    git = Git(fresh)
    git.run("remote", "remove", "origin")
    git.run("update-ref", BASE, "HEAD")
    git.run("update-ref", APPLIED, "HEAD")
    (fresh / ".git" / "info").mkdir(exist_ok=True)
    (fresh / ".git" / "info" / "exclude").write_text(EXCLUDE)
    # Last, so that an interrupted run is not taken for a whole one.
    fresh.rename(project.src)
    return Git(project.src)


def own(project: Project) -> Git | None:
    """Return the checkout, or None if there is none.

    Raise StackError if the folder is something else, or made from another
    Django than the pin's.
    """
    if not project.src.exists():
        return None
    git = Git(project.src)
    shown = project.shown(project.src)
    elsewhere = f"mv {shown} {shown}.old && ./scripts/stack apply"
    if not (project.src / ".git").exists() or not git.ok("rev-parse", "--verify", BASE):
        raise StackError(f"{shown} was not made by this tool", elsewhere, WAITING)
    if git.out("rev-parse", BASE) != upstream.base(project):
        raise StackError(
            f"{shown} is a checkout of another Django than"
            f" {upstream.load_pin(project).version}",
            elsewhere,
            WAITING,
        )
    return git


def require(project: Project) -> Git:
    """Return the checkout. Raise StackError as own() does, and if there is none."""
    git = own(project)
    if git is None:
        shown = project.shown(project.src)
        raise StackError(f"{shown} does not exist", "./scripts/stack apply")
    return git


def state(git: Git) -> State:
    head, applied = git.out("rev-parse", "HEAD", APPLIED).splitlines()
    return State(head, applied, tuple(git.dirty()), git.unfinished())


def digests(project: Project, files: Mapping[str, Path]) -> dict[str, str]:
    """Return the sha256 of these patch files, by slug, and of series.lock."""
    lock = project.patches / "series.lock"
    paths = {**files, lock.name: lock} if lock.exists() else files
    return {name: series.sha256(path.read_bytes()) for name, path in paths.items()}


def seen(git: Git) -> dict[str, str] | None:
    """Return the digests that apply or export saw last, None if neither ran."""
    if not git.ok("rev-parse", "--quiet", "--verify", SEEN):
        return None
    found: dict[str, str] = json.loads(git.run("cat-file", "blob", SEEN))
    return found


def switch(git: Git, how: str, branch: str, tip: str) -> None:
    """Check out ``tip`` on a branch, or leave everything as it was.

    ``how`` is -b for a new branch, -B for one that may exist.
    """
    was, on = git.out("rev-parse", "HEAD"), git.out("branch", "--show-current")
    back = ("checkout", "--quiet", "--force", *(("-B", on) if on else ()), was)
    # An ignored file is the user's, too.
    command = ("checkout", "--quiet", how, branch, "--no-overwrite-ignore", tip)
    try:
        git.change(*command)
    except GitError as error:
        names = re.findall(r"^\t(.+)$", error.stderr, re.MULTILINE)
        if not names:
            git.ok(*back)  # The files may be those of the branch that is not.
            raise
        raise StackError(
            f"{git.folder} has untracked files in the way: {few(names)}",
            f"{git.typed} stash push --all -- {shlex.join(names)}",
            WAITING,
        ) from error
    # Git goes on without a file that it cannot write, and reports success. On the
    # way back it reports failure: the file is as it was, but could not be touched.
    if not git.dry_run and (unwritten := git.dirty(untracked=False)):
        git.ok(*back)
        if how == "-b":
            git.run("branch", "-D", branch)
        raise StackError(
            f"{git.folder} cannot be written: {few([x[3:] for x in unwritten])};"
            " nothing was changed",
            f"chmod -R u+w {shlex.quote(str(git.folder))} (or free space on its disk)",
        )


def settle(
    git: Git,
    tip: str,
    made: Mapping[str, build.Commit],
    digests: Mapping[str, str],
) -> None:
    """Record that the checkout holds these commits, from files with these digests.

    Both are by slug; ``tip`` is the last commit.
    """
    git.change("update-ref", APPLIED, tip)
    for key, value in CONFIG.items():
        git.change("config", "--replace-all", key, value)
    for slug, commit in made.items():
        git.change(
            *("notes", "--ref", NOTES, "add", "--force", "--message", slug, commit.id)
        )
    if not git.dry_run:
        data = json.dumps(digests).encode()
        blob = git.out("hash-object", "-w", "--stdin", stdin=data)
        git.run("update-ref", SEEN, blob)
