"""Django's own rules, and what breaks git am, for each patch."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import StackError
from common.git import IDENTITY, Git
from common.project import Project
from patchstack import build, mail, series, upstream

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_AM_ENDS = re.compile(r"^(From [0-9a-f]{40} |---( |$)|diff -|Index: )")
_SUBJECT = re.compile(
    r"^((Fixed|Refs) #\d+(, (Fixed|Refs) #\d+)* -- |(?!(Fixed|Refs) #))[A-Z].*\.$"
)
# The irregular verbs that subjects of Django's own history begin with.
_IRREGULAR = re.compile(
    "Brought|Built|Bumped|Cut|Did|Gave|Kept|Left|Let|Made|Put|Ran|Read|Rebuilt|Redid"
    "|Rewrote|Sent|Set|Shut|Split|Sped|Stuck|Took|Taught|Told|Undid|Wrote"
)


@dataclass(frozen=True)
class Finding:
    """One broken rule: where, which, and what exactly."""

    where: str
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}: {self.what}"


@dataclass(frozen=True)
class Subject:
    """A patch as the rules see it.

    ``after`` and ``upstream``: path → text of each file that the patch changes,
    where it exists with the patch and in upstream.
    """

    patch: series.Patch
    mail: mail.Mail
    after: dict[str, str]
    upstream: dict[str, str]
    release_note: bool

    def added(self) -> Iterator[tuple[str, int, str]]:
        """Yield (path, line number, text) of every added line."""
        path, number = "", 0
        for line in self.mail.diff.splitlines():
            if line.startswith("+++ b/"):
                path = line.removeprefix("+++ b/")
            elif match := _HUNK.match(line):
                number = int(match[1])
            elif line.startswith("+") and not line.startswith("+++ "):
                yield path, number, line[1:]
                number += 1
            elif line.startswith(" "):
                number += 1

    def removed(self) -> Iterator[tuple[str, str]]:
        """Yield (path, text) of every removed line."""
        path = ""
        for line in self.mail.diff.splitlines():
            if line.startswith("--- a/"):
                path = line.removeprefix("--- a/")
            elif line.startswith("-") and not line.startswith("--- "):
                yield path, line[1:]


type Check = Callable[[Subject], Iterable[str]]

# Rule → (why it is one, what it finds).
RULES: dict[str, tuple[str, Check]] = {}


def rule(name: str, reason: str) -> Callable[[Check], Check]:
    """Register a check of one patch."""

    def register(check: Check) -> Check:
        RULES[name] = reason, check
        return check

    return register


@rule("git-am", "git am ends the message at such a line, and loses what follows")
def _(subject: Subject) -> Iterable[str]:
    for line in subject.mail.body.splitlines():
        if _AM_ENDS.match(line):
            yield f"the message has the line {line!r}"


@rule(
    "subject",
    'Django: "Fixed #N -- Past tense.", "Refs #N -- …", or a plain sentence',
)
def _(subject: Subject) -> Iterable[str]:
    if not _SUBJECT.match(subject.mail.subject):
        yield f"{subject.mail.subject!r} is not of that form"


@rule("past-tense", "Django: the subject says what the commit did")
def _(subject: Subject) -> Iterable[str]:
    verb = subject.mail.subject.split(" -- ")[-1].split(" ")[0]
    if not verb.endswith("ed") and not _IRREGULAR.fullmatch(verb):
        yield f"{verb!r} is not a verb in the past tense"


@rule("message-width", "Django: 72 columns, so that git log fits in a terminal")
def _(subject: Subject) -> Iterable[str]:
    for line in subject.mail.message.splitlines():
        if len(line) > 72 and " " in line.strip():
            yield f"{len(line)} columns: {line!r}"


@rule("message-body", "Django: the message says why; the diff says what")
def _(subject: Subject) -> Iterable[str]:
    if len(subject.mail.body.split()) < 5:
        yield "there is no body"


@rule("ticket", "series.toml and the message must name the same ticket")
def _(subject: Subject) -> Iterable[str]:
    named = [int(n) for n in re.findall(r"#(\d+)", subject.mail.subject)]
    ticket = subject.patch.ticket
    if (ticket is None) != (not named) or (ticket and ticket not in named):
        yield f"series.toml says {ticket}, the subject {named or 'none'}"


@rule("author", "upstream credits people, and the tool is not one")
def _(subject: Subject) -> Iterable[str]:
    if not re.fullmatch(r".+ <[^@ ]+@[^@ ]+>", subject.mail.author):
        yield f"{subject.mail.author!r} is no name with an address"
    if IDENTITY[1] in subject.mail.author:
        yield "the author is this tool's own identity"


@rule(
    "upstream-tests",
    "upstream's tests stay unmodified unless series.toml says which and why",
)
def _(subject: Subject) -> Iterable[str]:
    if subject.patch.alters:
        return
    for path, text in subject.removed():
        if (
            path.startswith(("tests/", "js_tests/"))
            and text.strip()
            and text in subject.upstream.get(path, "").splitlines()
        ):
            yield f"{path} loses the line {text.strip()!r}"


@rule("tested", "Django: a change of behavior comes with tests")
def _(subject: Subject) -> Iterable[str]:
    if subject.patch.kind in ("feature", "fix") and not any(
        path.startswith("tests/") for path in subject.mail.paths
    ):
        yield "nothing in tests/ is touched"


@rule(
    "documented", "Django: a feature comes with docs, versionadded and a release note"
)
def _(subject: Subject) -> Iterable[str]:
    if subject.patch.kind != "feature":
        return
    if not any(path.startswith("docs/") for path in subject.mail.paths):
        yield "nothing in docs/ is touched"
    if not any(".. version" in text for _, _, text in subject.added()):
        yield "no versionadded or versionchanged is added"
    if not subject.release_note:
        yield f"docs-drafts/release-notes/{subject.patch.slug}.txt is missing"


@rule("docs-width", "Django: docs are wrapped at 79 columns")
def _(subject: Subject) -> Iterable[str]:
    for path, number, text in subject.added():
        if path.startswith("docs/") and len(text) > 79 and " " in text.strip():
            yield f"{path}:{number} has {len(text)} columns"


# Django's own settings; the archive has those of black and isort in
# pyproject.toml, but not the file that holds flake8's.
FLAKE8 = """\
[flake8]
extend-ignore = E203
max-line-length = 88
max-doc-length = 79
per-file-ignores =
    */django/core/cache/backends/filebased.py:W601
    */django/core/cache/backends/base.py:W601
    */django/core/cache/backends/redis.py:W601
    */tests/cache/tests.py:W601
"""

# Each runs once, over the files of all patches that end so:
# (name, reason, ending, module and options).
TOOLS = (
    (
        *("black", "Django formats its code with it", ".py"),
        "black --quiet --config pyproject.toml --check --diff",
    ),
    (
        *("isort", "Django sorts its imports with it", ".py"),
        "isort --settings-path pyproject.toml --check-only",
    ),
    ("flake8", "Django's own settings", ".py", "flake8 --config flake8.ini"),
    (
        *("blacken-docs", "Django formats the code in its docs", ".txt"),
        "blacken_docs --rst-literal-blocks --line-length 88",
    ),
    ("sphinx-lint", "Django checks its docs with it", ".txt", "sphinxlint"),
    (
        *("spelling", "Django: US spelling, and its own list of words", ".added"),
        "codespell_lib --builtin clear,rare,en-GB_to_en-US"
        " --ignore-words spelling_wordlist",
    ),
)


def reasons() -> dict[str, str]:
    """Return rule → why it is one."""
    return {name: reason for name, (reason, _) in RULES.items()} | {
        name: reason for name, reason, _, _ in TOOLS
    }


def check(subject: Subject) -> dict[str, list[str]]:
    """Return rule → what it finds, for each rule that finds something."""
    found = {name: list(finds(subject)) for name, (_, finds) in RULES.items()}
    return {name: lines for name, lines in found.items() if lines}


def _tool_findings(
    name: str, command: str, folder: Path, files: Sequence[str]
) -> Iterator[Finding]:
    """Run a tool in ``folder`` over the files; each is ``<patch>/<path>``."""
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), *files],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named" in done.stderr:
        raise StackError(f"{name} is not installed here", "./scripts/stack setup")
    if done.returncode == 0:
        return
    lines = (done.stdout + done.stderr).strip().splitlines()
    named = [line for line in lines if any(file in line for file in files)]
    for line in named or lines[:3]:
        file = next((file for file in files if file in line), "")
        patch = file.split("/", 1)[0]
        yield Finding(patch or "series", name, line.replace(f"{patch}/", "").strip())


def _texts(store: Git, names: Sequence[str]) -> dict[str, str]:
    """Return the texts of objects such as "COMMIT:PATH"; not of absent ones."""
    out = store.run(
        "cat-file", "--batch", stdin="".join(f"{n}\n" for n in names).encode()
    )
    texts, at = {}, 0
    for name in names:
        head, _, _ = out[at:].partition(b"\n")
        at += len(head) + 1
        if not head.endswith(b" missing"):
            size = int(head.split()[-1])
            texts[name] = out[at : at + size].decode(errors="replace")
            at += size + 1
    return texts


def _subjects(project: Project, patches: Sequence[series.Patch]) -> Iterator[Subject]:
    files = series.files(project, series.load(project))
    made = build.build(project, files)
    store = Git(project.base, bare=True)
    base = upstream.base(project)
    mails = {p.slug: mail.parse(files[p.number - 1].read_bytes()) for p in patches}
    texts = _texts(
        store,
        [
            f"{commit}:{path}"
            for patch in patches
            for commit in (base, made[patch.number - 1].id)
            for path in mails[patch.slug].paths
        ],
    )
    for patch in patches:
        taken = mails[patch.slug]

        def at(commit: str, taken: mail.Mail = taken) -> dict[str, str]:
            return {
                path: texts[f"{commit}:{path}"]
                for path in taken.paths
                if f"{commit}:{path}" in texts
            }

        note = project.drafts / "release-notes" / f"{patch.slug}.txt"
        after = at(made[patch.number - 1].id)
        yield Subject(patch, taken, after, at(base), note.exists())


def lint(project: Project, patches: Sequence[series.Patch]) -> list[Finding]:
    """Return what the rules and the tools find in these patches."""
    found: list[Finding] = []
    names: list[str] = []
    settings = _texts(
        Git(project.base, bare=True),
        [
            f"{upstream.base(project)}:{path}"
            for path in ("pyproject.toml", "docs/spelling_wordlist")
        ],
    )
    with tempfile.TemporaryDirectory(prefix="stack-") as at:
        folder = Path(at)
        (folder / "flake8.ini").write_text(FLAKE8)
        for name, text in settings.items():
            (folder / Path(name.partition(":")[2]).name).write_text(
                text, encoding="utf-8"
            )
        for subject in _subjects(project, patches):
            where = subject.patch.filename.removesuffix(".patch")
            found += [
                Finding(where, name, line)
                for name, lines in check(subject).items()
                for line in lines
            ]
            texts = subject.after | {
                "message.added": subject.mail.message,
                "lines.added": "\n".join(text for _, _, text in subject.added()),
            }
            for path, content in texts.items():
                file = folder / where / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
                names.append(f"{where}/{path}")
        for name, _, ending, command in TOOLS:
            if chosen := [each for each in names if each.endswith(ending)]:
                found += _tool_findings(name, command, folder, chosen)
    return found
