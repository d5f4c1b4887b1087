"""The series on another Django than the pin's, and what was decided on the way.

patches/onto/BRANCH/SLUG.diff leads from what git's merge makes of a patch there,
conflict markers and all, to what was decided. It holds nothing else, so it applies
as long as the conflict is the same, whatever else the patch or that Django changes.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.errors import WAITING, StackError
from common.git import Git, GitError
from common.project import Project
from patchstack import build, series, upstream

# A commit of git's own merge, whose message is the paths that conflict.
MERGED = "refs/stack/merged"
# Before a diff: a path that conflicts, and that was taken as it is.
AS_MERGED = "As merged: "
MARKERS = "^(<<<<<<< ours|>>>>>>> theirs)$"
_INDEX = re.compile(rb"^index [0-9a-f]+\.\.[0-9a-f]+(?: \d+)?\n", re.MULTILINE)


def folder(project: Project, version: str) -> Path:
    """Return where the decisions for a clone of this version are: main's for alpha."""
    number, stage = version.split()
    name = f"stable-{number.rpartition('.')[0]}.x"
    return project.patches / "onto" / ("main" if stage == "alpha" else name)


def diff(at: Path, slug: str) -> Path:
    return at / f"{slug}.diff"


def paths(recorded: Path) -> list[str]:
    """Return the paths that a decision is about, if there is one."""
    if not recorded.exists():
        return []
    taken = re.findall(f"(?m)^{AS_MERGED}(.+)$", recorded.read_text("utf-8"))
    return [*taken, *build.touched([recorded])]


def tested(project: Project, at: Path) -> tuple[str, str]:
    """Return the trees without and with the series whose tests passed."""
    path = at / "rail.toml"
    data = series.load_toml(path, project) if path.exists() else {}
    return data.get("target", ""), data.get("result", "")


def keep(path: Path, data: bytes) -> None:
    """Record a decision, or that there was nothing to decide."""
    if data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    else:
        path.unlink(missing_ok=True)


def wanted(
    project: Project, patches: Sequence[series.Patch], version: str
) -> list[series.Patch]:
    """Return the patches that a Django of this version may lack.

    A later feature release has what was merged; ours has not.
    """
    pinned = upstream.load_pin(project).version.split(".")[:2]
    ours = version.split(".")[:2] == pinned
    return [patch for patch in patches if ours or patch.status != "merged"]


def put(work: Git, file: Path, recorded: Path, *, edit: bool = False) -> None:
    """Merge a patch, apply what is recorded of it, and commit it.

    Raise DoesNotApply, also for ``edit``, with what is not decided: the work tree
    then waits for a person, with all the rest done.
    """
    said = ""
    try:
        work.run(*build.AM, "--3way", "--", str(file))
    except GitError as error:
        said = error.stderr + error.stdout
    left = work.out("diff", "--name-only", "--diff-filter=U").splitlines()
    if said and not left:
        work.ok("am", "--abort")
        raise build.DoesNotApply(file, said)
    conflicts = left
    for path in conflicts:
        # Markers that are the same whatever merged and whatever the subject. Fails
        # where one side has no such file, and nothing is marked.
        work.ok("checkout", "--merge", "--", path)
    if not (left or edit or recorded.exists()):
        return
    with tempfile.TemporaryDirectory(prefix="stack-") as spare:
        env = {"GIT_INDEX_FILE": str(Path(spare) / "index")}
        shutil.copyfile(work.folder / ".git" / "index", env["GIT_INDEX_FILE"])
        work.run("add", "--update", env=env)
        merged = work.out("write-tree", env=env)
        message = "\n".join(["Conflicts", "", *conflicts])
        note = work.out("commit-tree", merged, "-m", message)
        work.run("update-ref", MERGED, note)
        about, only = paths(recorded), ("apply", "--cached")
        left = [path for path in conflicts if path not in about]
        for path in build.touched([recorded] if about else []):
            try:
                work.run(*only, f"--include={path}", str(recorded), env=env)
            except GitError:
                left.append(path)
        decided = work.out("write-tree", env=env)
        marked = ("grep", "--quiet", "-E", MARKERS, decided, "--")
        solved = {*conflicts} - {*left}
        left += [path for path in sorted(solved) if work.ok(*marked, path)]
    if left or edit:
        done = work.out("diff", "--name-only", merged, decided).splitlines()
        if done:
            where = (f"--source={decided}", "--staged", "--worktree")
            work.run("restore", *where, "--", *done)
        raise build.DoesNotApply(file, "as asked for", left)
    work.run("read-tree", "--reset", "-u", decided)
    commit(work)


def begin_again(work: Git, start: str) -> None:
    """Bring the work tree back to a commit after git was killed in it."""
    (work.folder / ".git" / "index.lock").unlink(missing_ok=True)
    shutil.rmtree(work.folder / ".git" / "rebase-apply", ignore_errors=True)
    work.run("reset", "--quiet", "--hard", start)
    work.run("clean", "--quiet", "--force", "-d")


def commit(work: Git) -> None:
    """Commit what is decided: as the patch that am waits for, or with the last one."""
    same = work.ok("diff", "--cached", "--quiet", "HEAD")
    if in_am(work):
        work.run("am", "--skip" if same else "--continue", build.DATE)
    elif not same:
        date = work.out("log", "-1", "--format=%ad", "--date=raw")
        amend = ("commit", "--quiet", "--amend", "--no-edit", "--allow-empty")
        work.run(*amend, env={"GIT_COMMITTER_DATE": date})


def decision(work: Git) -> bytes:
    """Return how HEAD differs from git's own merge.

    Without the ids of blobs: they would change with each earlier patch.
    """
    changed = work.out("diff", "--name-only", MERGED, "HEAD").splitlines()
    paths = work.out("log", "-1", "--format=%b", MERGED).splitlines()
    taken = "".join(f"{AS_MERGED}{x}\n" for x in paths if x not in changed)
    made = work.run("diff", "--no-renames", "--no-color", MERGED, "HEAD")
    return taken.encode() + _INDEX.sub(b"", made)


def weave(work: Git, files: Mapping[str, Path], at: Path) -> None:
    """Put the patches, by slug, on the work tree. Raise DoesNotApply."""
    for slug, file in files.items():
        put(work, file, diff(at, slug))


def refuse_markers(work: Git, where: str) -> None:
    """Raise StackError while a file still has the markers of a conflict."""
    try:
        found = work.out("grep", "-lE", MARKERS)
    except GitError:
        return
    raise StackError(
        f"{where} still has conflict markers in {', '.join(found.splitlines())}",
        "edit them, then ./scripts/stack rebase --continue (or --abort)",
        WAITING,
    )


def in_am(work: Git) -> bool:
    return (work.folder / ".git" / "rebase-apply").exists()
