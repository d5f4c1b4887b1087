"""Check each patch against Django's own rules, and against what breaks git am.

The rules: commit message, authorship, formatting (Django's black, isort, flake8
and blacken-docs, at its versions, on the files a patch touches), spelling and
line length in docs, tests and release notes that must be there. --rules lists
them with their reasons.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from common.errors import FINDINGS, OK, StackError
from common.git import IDENTITY, Git
from common.project import Project
from patchstack import build, mail, series, upstream

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


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
    """A patch as the rules see it."""

    patch: series.Patch
    mail: mail.Mail
    # Path to the text of every file that the patch leaves changed or new, and
    # the text of the same file in upstream, where upstream has it.
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


class Rule:
    """One check of one patch."""

    id: ClassVar[str]
    reason: ClassVar[str]

    def check(self, subject: Subject) -> Iterable[str]:
        raise NotImplementedError


class AmSafe(Rule):
    id = "git-am"
    reason = "git am ends the message at such a line, and loses what follows"

    _LINE = re.compile(r"^(From [0-9a-f]{40} |---( |$)|diff -|Index: )")

    def check(self, subject: Subject) -> Iterable[str]:
        for line in subject.mail.body.splitlines():
            if self._LINE.match(line):
                yield f"the message has the line {line!r}"


class SubjectLine(Rule):
    id = "subject"
    reason = 'Django: "Fixed #N -- Past tense.", "Refs #N -- …", or a plain sentence'

    _FORM = re.compile(
        r"^((Fixed|Refs) #\d+(, (Fixed|Refs) #\d+)* -- |(?!(Fixed|Refs) #))[A-Z].*\.$"
    )

    def check(self, subject: Subject) -> Iterable[str]:
        if not self._FORM.match(subject.mail.subject):
            yield f"{subject.mail.subject!r} is not of that form"


class PastTense(Rule):
    id = "past-tense"
    reason = "Django: the subject says what the commit did"

    # The irregular verbs that subjects of Django's own history begin with.
    _IRREGULAR: ClassVar = {
        *("Brought", "Built", "Bumped", "Cut", "Did", "Gave", "Kept", "Left", "Let"),
        *("Made", "Put", "Ran", "Read", "Rebuilt", "Redid", "Rewrote", "Sent", "Set"),
        *("Shut", "Split", "Sped", "Stuck", "Took", "Taught", "Told", "Undid", "Wrote"),
    }

    def check(self, subject: Subject) -> Iterable[str]:
        verb = subject.mail.subject.split(" -- ")[-1].split(" ")[0]
        if not verb.endswith("ed") and verb not in self._IRREGULAR:
            yield f"{verb!r} is not a verb in the past tense"


class MessageWidth(Rule):
    id = "message-width"
    reason = "Django: 72 columns, so that git log is readable in a terminal"

    def check(self, subject: Subject) -> Iterable[str]:
        for line in subject.mail.message.splitlines():
            if len(line) > 72 and " " in line.strip():
                yield f"{len(line)} columns: {line!r}"


class MessageBody(Rule):
    id = "message-body"
    reason = "Django: the message says why; the diff says what"

    def check(self, subject: Subject) -> Iterable[str]:
        if len(subject.mail.body.split()) < 5:
            yield "there is no body"


class Ticket(Rule):
    id = "ticket"
    reason = "series.toml and the message must name the same ticket"

    def check(self, subject: Subject) -> Iterable[str]:
        named = [int(n) for n in re.findall(r"#(\d+)", subject.mail.subject)]
        ticket = subject.patch.ticket
        if (ticket is None) != (not named) or (ticket and ticket not in named):
            yield f"series.toml says {ticket}, the subject {named or 'none'}"


class Author(Rule):
    id = "author"
    reason = "upstream credits people, and the tool is none"

    def check(self, subject: Subject) -> Iterable[str]:
        if not re.fullmatch(r".+ <[^@ ]+@[^@ ]+>", subject.mail.author):
            yield f"{subject.mail.author!r} is no name with an address"
        if IDENTITY[1] in subject.mail.author:
            yield "the author is this tool's own identity"


class UpstreamTests(Rule):
    id = "upstream-tests"
    reason = "upstream's tests stay unmodified unless series.toml says which and why"

    def check(self, subject: Subject) -> Iterable[str]:
        if subject.patch.alters:
            return
        path = ""
        for line in subject.mail.diff.splitlines():
            if line.startswith("--- a/"):
                path = line.removeprefix("--- a/")
            elif (
                line.startswith("-")
                and not line.startswith("--- ")
                and path.startswith(("tests/", "js_tests/"))
                and line[1:] in subject.upstream.get(path, "").splitlines()
                and line[1:].strip()
            ):
                yield f"{path} loses the line {line[1:].strip()!r}"


class Tested(Rule):
    id = "tested"
    reason = "Django: a change of behavior comes with tests"

    def check(self, subject: Subject) -> Iterable[str]:
        if subject.patch.kind in ("feature", "fix") and not any(
            path.startswith("tests/") for path in subject.mail.paths
        ):
            yield "nothing in tests/ is touched"


class Documented(Rule):
    id = "documented"
    reason = "Django: a feature comes with docs, versionadded and a release note"

    def check(self, subject: Subject) -> Iterable[str]:
        if subject.patch.kind != "feature":
            return
        if not any(path.startswith("docs/") for path in subject.mail.paths):
            yield "nothing in docs/ is touched"
        if ".. version" not in "\n".join(text for _, _, text in subject.added()):
            yield "no versionadded or versionchanged is added"
        if not subject.release_note:
            yield f"docs-drafts/release-notes/{subject.patch.slug}.txt is missing"


class DocsWidth(Rule):
    id = "docs-width"
    reason = "Django: docs are wrapped at 79 columns"

    def check(self, subject: Subject) -> Iterable[str]:
        for path, number, text in subject.added():
            if path.startswith("docs/") and len(text) > 79 and " " in text.strip():
                yield f"{path}:{number} has {len(text)} columns"


RULES: tuple[Rule, ...] = (
    AmSafe(),
    SubjectLine(),
    PastTense(),
    MessageWidth(),
    MessageBody(),
    Ticket(),
    Author(),
    UpstreamTests(),
    Tested(),
    Documented(),
    DocsWidth(),
)

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


@dataclass(frozen=True)
class Tool:
    """A linter run once over the touched files of all patches."""

    id: str
    reason: str
    ending: str
    command: tuple[str, ...]
    # Django's spelling_wordlist is given to the tool that has this flag.
    words: str | None = None


TOOLS = (
    Tool(
        "black",
        "Django formats its code with it",
        ".py",
        ("black", "--quiet", "--config", "pyproject.toml", "--check", "--diff"),
    ),
    Tool(
        "isort",
        "Django sorts its imports with it",
        ".py",
        ("isort", "--settings-path", "pyproject.toml", "--check-only"),
    ),
    Tool(
        "flake8", "Django's own settings", ".py", ("flake8", "--config", "flake8.ini")
    ),
    Tool(
        "blacken-docs",
        "Django formats the code in its docs",
        ".txt",
        ("blacken_docs", "--rst-literal-blocks", "--line-length", "88"),
    ),
    Tool("sphinx-lint", "Django checks its docs with it", ".txt", ("sphinxlint",)),
    Tool(
        "spelling",
        "Django: US spelling; its own word list is respected",
        ".added",
        ("codespell_lib", "--builtin", "clear,rare,en-GB_to_en-US"),
        words="--ignore-words",
    ),
)


def _tool_findings(tool: Tool, folder: Path, names: Sequence[str]) -> Iterator[Finding]:
    """Run the tool in ``folder`` over the files; each is ``<patch>/<path>``."""
    chosen = [name for name in names if name.endswith(tool.ending)]
    if not chosen:
        return
    words = [tool.words, "spelling_wordlist"] if tool.words else []
    done = subprocess.run(
        [sys.executable, "-m", *tool.command, *words, *chosen],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named" in done.stderr:
        raise StackError(f"{tool.id} is not installed here", "./scripts/stack setup")
    if done.returncode == 0:
        return
    lines = (done.stdout + done.stderr).strip().splitlines()
    named = [line for line in lines if any(name in line for name in chosen)]
    for line in named or lines[:3]:
        name = next((name for name in chosen if name in line), "")
        patch = name.split("/", 1)[0]
        yield Finding(patch or "series", tool.id, line.replace(f"{patch}/", "").strip())


def _subjects(project: Project, patches: Sequence[series.Patch]) -> Iterator[Subject]:
    files = series.files(project, series.load(project))
    made = build.build(project, files)
    store = Git(project.base, bare=True)
    base = upstream.base(project)

    def text(commit: str, path: str) -> str | None:
        if not store.ok("cat-file", "-e", f"{commit}:{path}"):
            return None
        return store.run("show", f"{commit}:{path}").decode(errors="replace")

    for patch in patches:
        commit = made[patch.number - 1].id
        taken = mail.parse(files[patch.number - 1].read_bytes())
        after = {path: text(commit, path) for path in taken.paths}
        before = {path: text(base, path) for path in taken.paths}
        yield Subject(
            patch,
            taken,
            {path: content for path, content in after.items() if content is not None},
            {path: content for path, content in before.items() if content is not None},
            (project.drafts / "release-notes" / f"{patch.slug}.txt").exists(),
        )


def lint(project: Project, patches: Sequence[series.Patch]) -> list[Finding]:
    """Return what the rules and the tools find in these patches."""
    found: list[Finding] = []
    names: list[str] = []
    store = Git(project.base, bare=True)
    base = upstream.base(project)
    with tempfile.TemporaryDirectory(prefix="stack-") as name:
        folder = Path(name)
        (folder / "flake8.ini").write_text(FLAKE8)
        for path in ("pyproject.toml", "docs/spelling_wordlist"):
            known = store.ok("cat-file", "-e", f"{base}:{path}")
            settings = store.run("show", f"{base}:{path}") if known else b""
            (folder / Path(path).name).write_bytes(settings)
        for subject in _subjects(project, patches):
            where = subject.patch.filename.removesuffix(".patch")
            for rule in RULES:
                found += [Finding(where, rule.id, what) for what in rule.check(subject)]
            texts = subject.after | {
                "message.added": subject.mail.message,
                "lines.added": "\n".join(text for _, _, text in subject.added()),
            }
            for path, content in texts.items():
                file = folder / where / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
                names.append(f"{where}/{path}")
        for tool in TOOLS:
            found += _tool_findings(tool, folder, names)
    return found


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patches", nargs="*", metavar="PATCH", help="default: all")
    parser.add_argument(
        "--rules", action="store_true", help="list the rules with their reasons"
    )


def run(args: argparse.Namespace, project: Project) -> int:
    if args.rules:
        reasons = {rule.id: rule.reason for rule in RULES}
        reasons |= {tool.id: tool.reason for tool in TOOLS}
        for name, reason in reasons.items():
            print(f"{name:<16}{reason}")
        return OK
    patches = series.load(project)
    chosen = [series.find(patches, name) for name in args.patches] or patches
    found = lint(project, chosen)
    for finding in found:
        print(finding)
    if not found:
        print(f"{len(chosen)} patches, nothing found")
    return FINDINGS if found else OK
