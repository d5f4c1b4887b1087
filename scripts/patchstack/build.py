"""From upstream and patch files to commits, the same ones everywhere."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import FINDINGS, StackError
from common.git import Git, GitError
from common.lock import exclusive
from common.project import Project
from patchstack import upstream

# With the fixed committer this makes the commit id a function of the patch.
DATE = "--committer-date-is-author-date"
AM = (
    "am",
    "--quiet",
    "--keep",  # The subject as it is: brackets in it are not ours to strip.
    "--keep-cr",  # A carriage return in a file is content.
    "--whitespace=nowarn",  # Never repaired, or the tree would not be the patch's.
    "--no-scissors",  # A line of scissors in a message is text.
    DATE,
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
    "--no-renames",  # A rename shown as one needs a git that agrees on it.
)

_TOUCHED = re.compile(rb"^diff --git a/(.+) b/", re.MULTILINE)
# "git apply" says of each file where it fails, that it does, or both.
_FAILING = re.compile(
    r"^error: (?:patch failed: (.+):\d+|(.+): (?:patch does not apply|does not exist"
    r"|already exists|does not match|No such file).*)$",
    re.MULTILINE,
)


class DoesNotApply(StackError):
    """A patch of the series does not apply where it must, to the files ``paths``."""

    def __init__(self, file: Path, text: str, paths: Sequence[str] = ()) -> None:
        found = paths or [a or b for a, b in _FAILING.findall(text)]
        why = ", ".join(dict.fromkeys(found)) or text.strip() or "no reason"
        super().__init__(
            f"{file.name} does not apply: {why.splitlines()[0]}",
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


def touched(files: Sequence[Path]) -> list[str]:
    """Return the paths that the patch files touch."""
    found = {p for file in files for p in _TOUCHED.findall(file.read_bytes())}
    return sorted(path.decode(errors="surrogateescape") for path in found)


def scratch(
    folder: Path, stores: Sequence[Git], commit: str, files: Sequence[Path]
) -> Git:
    """Make a throw-away checkout of a commit that lies in other repositories.

    Only what the patch files touch is checked out: Django has 7,000 files.
    """
    git = Git(folder)
    folder.mkdir()
    git.run("init", "--quiet", "--template=")  # No hooks, no info/attributes.
    where = ("rev-parse", "--path-format=absolute", "--git-path")
    alternates = folder / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text("".join(f"{s.out(*where, 'objects')}\n" for s in stores))
    for store in stores:
        shallow = Path(store.out(*where, "shallow"))
        if shallow.exists():
            shutil.copyfile(shallow, folder / ".git" / "shallow")
    sparse = folder / ".git" / "info" / "sparse-checkout"
    sparse.parent.mkdir(exist_ok=True)
    lines = "".join(f"/{path}\n" for path in touched(files))
    sparse.write_bytes(lines.encode(errors="surrogateescape"))
    git.run("config", "core.sparseCheckout", "true")
    git.run("checkout", "--quiet", "--detach", commit)
    return git


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
        unmerged = git.out("diff", "--name-only", "--diff-filter=U").splitlines()
        state = git.folder / git.out("rev-parse", "--git-path", "rebase-apply")
        number = 1
        if (state / "next").exists():
            number = int((state / "next").read_text())
            git.run("am", "--abort")
        file = files[min(number, len(files)) - 1]
        raise DoesNotApply(file, error.stderr + error.stdout, unmerged) from error


def build(project: Project, files: Sequence[Path]) -> tuple[Commit, ...]:
    """Apply the files strictly to the pristine base; return a commit for each.

    The base repository keeps the commits, and gives them back when the same
    files come again. Raise DoesNotApply.
    """
    if not files:
        return ()
    base = upstream.base(project)
    store = Git(project.base, bare=True)
    recipe = hashlib.sha256(repr((base, STRICT)).encode())
    for file in files:
        recipe.update(hashlib.sha256(file.read_bytes()).digest())
    ref = f"refs/stack/series/{recipe.hexdigest()}"
    if not store.ok("rev-parse", "--quiet", "--verify", ref):
        with tempfile.TemporaryDirectory(prefix="stack-") as folder:
            work = scratch(Path(folder) / "work", [store], base, files)
            am(work, files)
            with exclusive(project.lock):
                store.run("fetch", "--quiet", str(work.folder), f"+HEAD:{ref}")
    made = commits(store, base, ref)
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
    with exclusive(project.lock):
        Git(project.base, bare=True).run(
            "fetch", "--quiet", str(source), f"+{tip}:refs/stack/fetched"
        )
