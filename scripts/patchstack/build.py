"""From upstream and patch files to commits, the same ones everywhere."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import FINDINGS, StackError
from common.git import Git, GitError
from common.project import Project
from patchstack import upstream

# Keeps the objects of the last built series from being pruned.
BUILT = "refs/stack/built"

AM = (
    "am",
    "--quiet",
    "--keep",  # The subject as it is: brackets in it are not ours to strip.
    "--keep-cr",  # A carriage return in a file is content.
    "--whitespace=nowarn",  # Never repaired, or the tree would not be the patch's.
    "--no-scissors",  # A line of scissors in a message is text.
    "--no-gpg-sign",
    # With the fixed committer this makes the commit id a function of the patch.
    "--committer-date-is-author-date",
)
STRICT = (*AM, "--no-3way")

FORMAT_PATCH = (
    "format-patch",
    "--keep-subject",  # No "[PATCH]", so that am --keep gives the subject back.
    "--zero-commit",  # The commit's id would change with every earlier patch.
    "--full-index",  # Whole blob ids: what a 3-way merge in a clone needs.
    "--binary",
    "--no-signature",  # Would hold the version of git.
    "--no-stat",
    "--no-numbered",
    "--no-renames",  # A rename shown as one needs a git that agrees on it.
    "--no-attach",
    "--no-thread",
    "--no-cover-letter",
    "--no-notes",
    "--no-base",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--diff-algorithm=histogram",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
)


class DoesNotApply(StackError):
    """A patch of the series does not apply, strictly, where it must."""

    def __init__(self, file: Path, stderr: str) -> None:
        places = re.findall(r"^error: (?:patch failed: )?(.+)$", stderr, re.MULTILINE)
        why = places[0] if places else (stderr.strip().splitlines() or ["no reason"])[0]
        super().__init__(
            f"{file.name} does not apply: {why}",
            f"git diff -- patches/{file.name} (was it edited?),"
            " then ./scripts/stack verify",
            FINDINGS,
        )
        self.file = file


@dataclass(frozen=True)
class Commit:
    """A commit and the tree that it holds."""

    id: str
    tree: str


def commits(git: Git, base: str, tip: str) -> tuple[Commit, ...]:
    """Return the commits after ``base`` up to ``tip``, oldest first."""
    lines = git.out("log", "--reverse", "--format=%H %T", f"{base}..{tip}").splitlines()
    return tuple(Commit(*line.split()) for line in lines)


def am(git: Git, files: Sequence[Path], flags: Sequence[str] = STRICT) -> None:
    """Apply the files in the work tree of ``git``, all of them or none.

    Raise DoesNotApply with the first that fails; the work tree is then back
    where it was.
    """
    if not files:
        return
    try:
        git.run(*flags, "--", *map(str, files))
    except GitError as error:
        state = git.folder / git.out("rev-parse", "--git-path", "rebase-apply")
        number = 1
        if (state / "next").exists():
            number = int((state / "next").read_text())
            git.run("am", "--abort")
        raise DoesNotApply(
            files[min(number, len(files)) - 1], error.stderr + error.stdout
        ) from error


def build(project: Project, files: Sequence[Path]) -> tuple[Commit, ...]:
    """Apply the files strictly to the pristine base; return a commit for each.

    Everything happens in a throw-away clone; the commits are then brought
    into the base repository. Raise DoesNotApply.
    """
    base = upstream.base(project)
    store = Git(project.base, bare=True)
    with tempfile.TemporaryDirectory(prefix="stack-") as folder:
        work = Git(Path(folder) / "work")
        # Shared: no object is copied. No template: no hooks, no info/attributes.
        store.run(
            *("clone", "--quiet", "--shared", "--no-checkout", "--template="),
            *(str(project.base), str(work.folder)),
        )
        work.run("checkout", "--quiet", "--detach", base)
        am(work, files)
        made = commits(work, base, "HEAD")
        store.run("fetch", "--quiet", str(work.folder), f"+HEAD:{BUILT}")
    if len(made) != len(files):
        raise StackError(
            f"{len(files)} patch files made {len(made)} commits",
            "./scripts/stack lint",
            FINDINGS,
        )
    return made


def format_patch(git: Git, commit: str) -> bytes:
    """Return the commit as a patch file: a function of the commit alone."""
    return git.run(*FORMAT_PATCH, "-1", "--stdout", commit)


def fetch_commits(project: Project, source: Path, tip: str) -> None:
    """Bring a commit of another repository into the base repository.

    There it is read with no configuration but ours.
    """
    Git(project.base, bare=True).run(
        "fetch", "--quiet", str(source), f"+{tip}:refs/stack/fetched"
    )
