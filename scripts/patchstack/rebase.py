"""Carry the series to another Django: a branch of a clone, or a new release."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path

from common.errors import FINDINGS, OK, WAITING, StackError, last_line
from common.files import make_whole, write_whole
from common.git import Git
from common.progress import say, step
from common.project import Project
from databases.targets import resolve
from patchstack import apply, build, lint, rails, series, src, trees, upstream
from suite.cells import Cell, run_target

LINTERS = ("black", "blacken-docs", "isort", "flake8")
_REV = re.compile(r"repo: \S+/([a-z0-9-]+?)(?:-pre-commit-mirror)?\n\s+rev: v?(\S+)")
_SAME = re.compile(r"^ *\d+: +\w+ = ", re.MULTILINE)


@dataclass
class Rebase:
    """One that is under way. ``made``: slug → commit, or "" if nothing is left of it.

    ``pin`` are the lines of pin.toml that change; without any, decisions are kept.
    ``at`` is the patch under way, and ``start`` the commit before it. ``waiting`` says
    that a person is to decide it: else the run was interrupted.
    """

    name: str
    version: str
    target: str
    store: str
    edit: list[str]
    databases: list[str]
    pin: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    at: str = ""
    start: str = ""
    waiting: bool = False

    def work(self, project: Project) -> Git:
        return Git(project.upstream / f"onto-{self.name}")

    def diff(self, project: Project, slug: str) -> Path:
        return rails.diff(project.patches / "onto" / self.name, slug)

    def patches(self, project: Project) -> list[series.Patch]:
        return rails.wanted(project, series.load(project), self.version)

    def save(self, project: Project) -> None:
        path = self.work(project).folder / ".git" / "stack.json"
        write_whole(path, json.dumps(asdict(self)))

    def remove(self, project: Project) -> None:
        shutil.rmtree(self.work(project).folder, ignore_errors=True)
        if self.pin:
            shutil.rmtree(self.store, ignore_errors=True)


def under_way(project: Project) -> Rebase | None:
    for path in project.upstream.glob("onto-*/.git/stack.json"):
        return Rebase(**json.loads(path.read_text(encoding="utf-8")))
    return None


def onto(project: Project, where: str, edit: list[str], databases: list[str]) -> Rebase:
    """Return a rebase onto CLONE or CLONE@REF. Raise StackError unless it can be."""
    path, _, ref = where.rpartition("@")
    if not path or Path(where).exists():
        path, ref = where, ""
    git = Git(Path(path).absolute(), clone=True)
    version = apply.check_clone(project, git, ref)
    commit = f"{ref or 'HEAD'}^{{commit}}"
    if not git.ok("rev-parse", "--verify", commit):
        raise StackError(f"{path} has no commit {ref}", f"{git.typed} branch --all")
    name = rails.folder(project, version).name
    target = git.out("rev-parse", commit)
    return Rebase(name, version, target, str(git.folder), edit, databases)


def pin(
    project: Project, version: str, sdist: Path | None, edit: list[str], dbs: list[str]
) -> Rebase:
    """Return a rebase onto the source archive of a release."""
    old = upstream.load_pin(project)
    if version == old.version:
        raise StackError(f"the series is on {version}", "./scripts/stack status")
    new = replace(old, version=version, sha256="", size=0)
    try:
        archive = sdist or upstream.archive(project, new)
    except StackError as error:
        again = f"./scripts/stack rebase --pin {version} --sdist PATH"
        then = f"connect to the network, or give the file: {again}"
        raise StackError(error.facts, then) from error
    day = max(day_of(archive, new), old.date).replace(hour=0, minute=0, second=0)
    archive = upstream.keep(project, new, archive)
    store = project.upstream / f"onto-{version}.git"
    shutil.rmtree(store, ignore_errors=True)
    upstream.make_base(archive, replace(new, date=day), store)
    data = archive.read_bytes()
    lines = {"version": f'"{version}"', "sha256": f'"{series.sha256(data)}"'}
    lines |= {"size": str(len(data)), "date": f"{day:%Y-%m-%dT%H:%M:%SZ}"}
    lines |= {"wheel_sha256": '""'}  # Of the old release: nothing here tells the new.
    target = Git(store, bare=True).out("rev-parse", upstream.BRANCH)
    return Rebase(version, f"{version} final", target, str(store), edit, dbs, lines)


def day_of(archive: Path, pin: upstream.Pin) -> datetime:
    """Return when an archive was made. Raise StackError if it is not the pin's."""
    if archive.is_file() and tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            files = {m.name.partition("/")[2]: m for m in tar.getmembers()}
            init = files.get("django/__init__.py")
            text = tar.extractfile(init) if init else None
            found = apply.VERSION.search(text.read().decode()) if text else None
        if found and ".".join(found.groups()[:3]).removesuffix(".0") == pin.version:
            return datetime.fromtimestamp(max(m.mtime for m in files.values()), UTC)
    raise StackError(
        f"{archive} is no source archive of {pin.name} {pin.version}",
        "./scripts/stack rebase --help",
    )


def begin(project: Project, rebase: Rebase) -> int:
    """Make the work tree and go on. Return the exit status."""
    known = [patch.slug for patch in rebase.patches(project)]
    if strangers := [slug for slug in rebase.edit if slug not in known]:
        facts = f"no patch {strangers[0]} goes there"
        raise StackError(facts, "./scripts/stack status")
    tip(project)  # A merge needs the blobs that the patches name.
    stores = [Git(Path(rebase.store)), Git(project.base, bare=True)]
    folder = rebase.work(project).folder
    shutil.rmtree(folder, ignore_errors=True)  # As an interrupted run may leave it.
    work = build.scratch(folder, stores, rebase.target, [])
    work.run("sparse-checkout", "disable")
    (folder / ".git" / "info" / "exclude").write_text(src.EXCLUDE)
    rebase.save(project)
    return go_on(project, rebase)


def tip(project: Project) -> str:
    """Return the last commit of the series on the pin's Django."""
    files = apply.at_hand(project, series.load(project)).values()
    return build.build(project, list(files))[-1].id


def go_on(project: Project, rebase: Rebase) -> int:
    """Merge the patches that are left. Raise StackError where a person must decide."""
    work = rebase.work(project)
    for slug, file in apply.at_hand(project, rebase.patches(project)).items():
        if slug in rebase.made:
            continue
        rebase.at, rebase.start = slug, work.out("rev-parse", "HEAD")
        rebase.save(project)
        recorded, edit = rebase.diff(project, slug), slug in rebase.edit
        try:
            rails.put(work, file, recorded, edit=edit)
        except build.DoesNotApply as error:
            rebase.waiting = True
            rebase.save(project)
            what = f"{file.name} is there to be edited" if edit else error.facts
            where = project.shown(work.folder)
            raise StackError(
                f"{what} (Django {rebase.version}); it waits in {where}",
                "edit the files there, then ./scripts/stack rebase --continue"
                " (or --abort)",
                WAITING,
            ) from error
        settle(project, rebase, decided=recorded.exists())
    return conclude(project, rebase)


def settle(project: Project, rebase: Rebase, *, decided: bool) -> None:
    """Note that the patch under way is done, and record what was decided."""
    work, slug = rebase.work(project), rebase.at
    if decided:
        rails.keep(rebase.diff(project, slug), rails.decision(work))
    head = work.out("rev-parse", "HEAD")
    rebase.made[slug] = "" if head == rebase.start else head
    rebase.at, rebase.waiting = "", False
    rebase.save(project)


def resume(project: Project, rebase: Rebase) -> int:
    """Commit and record what a person has decided, and go on.

    A patch whose merge was interrupted is merged again: nobody has decided it.
    """
    work = rebase.work(project)
    if rebase.at and not rebase.waiting:
        rails.begin_again(work, rebase.start)
    elif rebase.at:
        shown = project.shown(work.folder)
        head = work.out("rev-parse", "HEAD")
        if head == rebase.start and not rails.in_am(work):
            raise StackError(
                f"{rebase.at} was skipped or aborted in {shown}",
                "./scripts/stack rebase --abort, and begin again",
                WAITING,
            )
        rails.refuse_markers(work, shown)
        work.run("add", "--all")
        rails.commit(work)
        if int(work.out("rev-list", "--count", f"{rebase.start}..HEAD")) > 1:
            raise StackError(
                f"{shown} has more than one commit for {rebase.at}",
                f"git -C {shown} rebase -i {rebase.start}, and squash them",
                WAITING,
            )
        settle(project, rebase, decided=True)
    return go_on(project, rebase)


def conclude(project: Project, rebase: Rebase) -> int:
    """Test and lint the result. Record it, or print what is wrong with it."""
    work, start = rebase.work(project), rebase.target
    pairs = [test(project, rebase, name) for name in rebase.databases]
    found = [
        f"{cell.database}: FAILED {name}: {cell.run.reasons.get(name, '')}"
        for stock, cell in pairs
        for name in sorted({*cell.run.failed} - {*stock.run.failed})
    ]
    made = [(p, c) for p in rebase.patches(project) if (c := rebase.made[p.slug])]
    with step(f"linting {len(made)} patches"):
        folder = linters(project, work, start)
        found += lint.lint_commits(project, work, start, made, folder)
    before = f"{upstream.base(project)}..{tip(project)}"
    ranges = work.out("range-diff", "--no-color", before, f"{start}..HEAD")
    path = project.results / f"range-diff-{rebase.name}.txt"
    write_whole(path, f"{ranges}\n")
    say(f"what changed in the patches: {project.shown(path)}")
    if rebase.pin:
        found += [
            f"{slug} is in Django {rebase.version}: remove its table from series.toml,"
            " its slug from depends there, and its file"
            for slug, commit in rebase.made.items()
            if not commit
        ]
    if found:
        print("\n".join(found))
        print("  next: the same command with --edit SLUG, to change that patch there")
    else:
        path = project.drafts / "rebases" / f"{rebase.name}.md"
        lines = report(project, rebase, pairs, len(_SAME.findall(ranges)))
        write_whole(path, "\n".join([*lines, ""]))
        print(f"{len(made)} patches are on Django {rebase.version}:", end=" ")
        print(project.shown(path))
        (move_pin if rebase.pin else record)(project, rebase)
    rebase.remove(project)
    return FINDINGS if found else OK


def test(project: Project, rebase: Rebase, database: str) -> tuple[Cell, Cell]:
    """Run the touched areas without and with the series."""
    work, patches = rebase.work(project), rebase.patches(project)
    cells = []
    for what, commit in (("without", rebase.target), ("with", "HEAD")):
        folder = trees.materialise(project, apply.tree_of(work, commit), work)
        labels = series.present(folder, series.touched(patches), patches)
        named = (f"{rebase.name}-{what}", folder)
        cell = run_target(resolve(database), named, labels, project.results / "logs")
        if not isinstance(cell, Cell):
            raise StackError(f"{database}: not run: {cell.reason}", cell.command)
        cells.append(cell)
    return cells[0], cells[1]


def linters(project: Project, work: Git, commit: str) -> str:
    """Return a folder with the linters that a Django asks for, none if they are here.

    StackError without a network.
    """
    here = {name: installed_version(name) for name in LINTERS}
    config = lint.texts(work, commit, [".pre-commit-config.yaml"])
    asked = here | dict(_REV.findall("".join(config.values())))
    pins = [f"{name}=={asked[name]}" for name in LINTERS]
    if pins == [f"{name}=={here[name]}" for name in LINTERS]:
        return ""

    def install(fresh: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
        done = subprocess.run(
            [*pip, str(fresh), *pins], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(
                f"pip cannot install {' '.join(pins)}: {last_line(done.stderr)}",
                "with a network: ./scripts/stack rebase --continue",
            )

    name = hashlib.sha256(" ".join(pins).encode()).hexdigest()[:16]
    make_whole(project.cache / "lint" / name, install)
    return str(project.cache / "lint" / name)


def report(
    project: Project, rebase: Rebase, pairs: Sequence[tuple[Cell, Cell]], same: int
) -> list[str]:
    """Return the lines of the report: the same ones for the same result."""
    work, patches = rebase.work(project), rebase.patches(project)
    merged = [patch.slug for patch in series.load(project) if patch not in patches]
    how = f"--pin {rebase.name}" if rebase.pin else "--onto CLONE"
    lines = [
        f"# The series on Django {rebase.version}",
        "",
        f"Written by `./scripts/stack rebase {how}`. The tests of the touched areas",
        "show no new failure, and the linters of that Django find nothing.",
        "",
        f"- The tree of that Django: `{apply.tree_of(work, rebase.target)}`",
        f"- The tree with the series: `{apply.tree_of(work)}`",
        f"- {len(patches)} patches, {same} of them with the same changes as on"
        f" {upstream.load_pin(project).version}",
        *(f"- Left out, as it is merged there: `{slug}`" for slug in merged),
        *(f"- Nothing is left of `{s}`" for s, c in rebase.made.items() if not c),
    ]
    for slug in rebase.made:
        paths = rails.paths(rebase.diff(project, slug))
        if paths:
            lines.append(f"- Decided in `{slug}`: {', '.join(paths)}")
    lines += ["", "| Tests on | Without the series | With it |", "| --- | --- | --- |"]
    for pair in pairs:
        sums = (
            f"{c.passed} passed, {len(c.run.failed)} failed, {c.skipped} skipped"
            for c in pair
        )
        lines.append(f"| {pair[0].database} | {' | '.join(sums)} |")
    return lines


def record(project: Project, rebase: Rebase) -> None:
    """Say on which trees the decisions were tested; drop those of other patches."""
    work, folder = rebase.work(project), rebase.diff(project, "").parent
    for path in folder.glob("*.diff"):
        if path.stem not in rebase.made:
            path.unlink()
    text = (
        "# Written by ./scripts/stack rebase --onto: the Django that the series was\n"
        "# tested on, its tree, and the one with the series.\n"
        f'version = "{rebase.version}"\n'
        f'target = "{apply.tree_of(work, rebase.target)}"\n'
        f'result = "{apply.tree_of(work)}"\n'
    )
    write_whole(folder / "rail.toml", text)


def move_pin(project: Project, rebase: Rebase) -> None:
    """Write pin.toml and the patches, which now hold what was decided."""
    work = rebase.work(project)
    for patch in series.load(project):
        made = build.format_patch(work, rebase.made[patch.slug])
        (project.patches / patch.filename).write_bytes(made)
    text = project.pin.read_text(encoding="utf-8")
    for key, value in rebase.pin.items():
        text = re.sub(f"(?m)^{key} = .*$", f"{key} = {value}", text)
    write_whole(project.pin, text)
    shutil.rmtree(rebase.diff(project, "").parent, ignore_errors=True)
    shown = project.shown(project.src)
    print(f"next: mv {shown} {shown}.old && ./scripts/stack apply")
    print("      ./scripts/stack export && ./scripts/stack verify")
