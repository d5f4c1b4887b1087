"""django-upstream/src: the checkout that people edit, and who made what in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import WAITING, StackError
from common.git import Git
from common.project import Project
from patchstack import build, series, upstream

BRANCH = "stack"
# The archive has no .gitignore; these are what running tests leaves behind.
EXCLUDE = "__pycache__/\n*.py[co]\n*.egg-info/\n.coverage*\n/docs/_build/\n"
# Where the base is, and what apply or export last knew to be in patches/.
BASE = "refs/stack/base"
APPLIED = "refs/stack/applied"
# Notes name each commit's patch. They follow amends and rebases, and do not
# touch the commit: its message stays what upstream will read.
NOTES = "refs/notes/stack"


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


def create(project: Project) -> None:
    """Make the checkout, at the base."""
    store = Git(project.base, bare=True)
    # Local: hard links to our objects, so that it stands when base.git goes.
    store.run(
        *("clone", "--quiet", "--local", "--no-checkout", "--template="),
        *(str(project.base), str(project.src)),
    )
    git = Git(project.src)
    (project.src / ".git" / "info").mkdir(exist_ok=True)
    (project.src / ".git" / "info" / "exclude").write_text(EXCLUDE)
    git.run("remote", "remove", "origin")
    git.run("config", "notes.rewriteRef", NOTES)
    git.run("config", "notes.displayRef", NOTES)
    git.run("config", "core.autocrlf", "false")
    # Commits made here become patches: apply them as they are shown.
    git.run("config", "commit.cleanup", "whitespace")


def own(project: Project) -> Git | None:
    """Return the checkout, or None if there is none.

    Raise StackError if the folder is something else, or made from another
    Django than the pin's.
    """
    if not project.src.exists():
        return None
    git = Git(project.src)
    shown = project.shown(project.src)
    elsewhere = f"mv {shown} somewhere else, then ./scripts/stack apply"
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


def state(git: Git) -> State:
    return State(
        head=git.out("rev-parse", "HEAD"),
        applied=git.out("rev-parse", APPLIED),
        dirty=tuple(git.dirty()),
        unfinished=git.unfinished(),
    )


def note(
    git: Git, made: Sequence[build.Commit], patches: Sequence[series.Patch]
) -> None:
    """Name each commit's patch in its note."""
    for commit, patch in zip(made, patches, strict=True):
        git.change(
            *("notes", "--ref", NOTES, "add", "--force"),
            *("--message", patch.slug, commit.id),
        )
