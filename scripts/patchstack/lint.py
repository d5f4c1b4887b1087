"""Django's own rules, and what breaks git am, for each patch."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.errors import StackError
from common.git import IDENTITY, Git
from common.project import Project
from patchstack import build, mail, series, upstream

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_AM_ENDS = re.compile(r"^(From [0-9a-f]{40} |---( |$)|diff -|Index: )")
_UNDERLINE = re.compile(r"^([-=~^])\1{3,}$")
_SUBJECT = re.compile(
    r"^((Fixed|Refs) #\d+(, (Fixed|Refs) #\d+)* -- |(?!(Fixed|Refs) #))[A-Z].*\.$"
)
# The irregular verbs that subjects of Django's own history begin with.
_IRREGULAR = re.compile(
    "Brought|Built|Bumped|Cut|Did|Gave|Kept|Left|Let|Made|Put|Ran|Read|Rebuilt|Redid"
    "|Rewrote|Sent|Set|Shut|Split|Sped|Stuck|Took|Taught|Told|Undid|Wrote"
)


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


RULES = {
    "git-am": "git am ends the message at such a line, and loses what follows",
    "subject": 'Django: "Fixed #N -- Past tense.", "Refs #N -- …", or a plain sentence',
    "past-tense": "Django: the subject says what the commit did",
    "message-width": "Django: 72 columns, so that git log fits in a terminal",
    "message-body": "Django: the message says why; the diff says what",
    "ticket": "series.toml and the message must name the same ticket",
    "author": "upstream credits people, and the tool is not one",
    "upstream-tests": "they stay unmodified unless series.toml says which and why",
    "tested": "Django: a change of behavior comes with tests",
    "documented": "Django: a feature has docs, versionadded and a release note",
    "docs-width": "Django: docs are wrapped at 79 columns",
}


def section_until(text: str, number: int) -> list[str]:
    """Return the lines of a section of reStructuredText until the one of a number.

    >>> section_until("A\\n====\\n\\nB\\n----\\none\\ntwo\\nthree", 7)
    ['one', 'two']
    """
    section: list[str] = []
    for line in text.splitlines()[:number]:
        section.append(line)
        if _UNDERLINE.match(line):
            section.clear()
    return section


def of_message(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield (rule, finding) for the message and the author."""
    title, body, author = (
        subject.mail.subject,
        subject.mail.body,
        subject.mail.author,
    )
    for line in body.splitlines():
        if _AM_ENDS.match(line):
            yield "git-am", f"the message has the line {line!r}"
    if not _SUBJECT.match(title):
        yield "subject", f"{title!r} is not of that form"
    verb = title.split(" -- ")[-1].split(" ")[0]
    if not verb.endswith("ed") and not _IRREGULAR.fullmatch(verb):
        yield "past-tense", f"{verb!r} is not a verb in the past tense"
    for line in subject.mail.message.splitlines():
        if len(line) > 72 and " " in line.strip():
            yield "message-width", f"{len(line)} columns: {line!r}"
    if len(body.split()) < 5:
        yield "message-body", "there is no body"
    named = [int(n) for n in re.findall(r"#(\d+)", title)]
    ticket = subject.patch.ticket
    if (ticket is None) != (not named) or (ticket and ticket not in named):
        yield "ticket", f"series.toml says {ticket}, the subject {named or 'none'}"
    if not re.fullmatch(r".+ <[^@ ]+@[^@ ]+>", author):
        yield "author", f"{author!r} is no name with an address"
    if IDENTITY[1] in author:
        yield "author", "the author is this tool's own identity"


def of_diff(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield (rule, finding) for the diff."""
    patch, paths, added = subject.patch, subject.mail.paths, [*subject.added()]
    for path, text in subject.removed():
        if (
            not patch.alters
            and path.startswith(("tests/", "js_tests/"))
            and text.strip()
            and text in subject.upstream.get(path, "").splitlines()
        ):
            yield "upstream-tests", f"{path} loses the line {text.strip()!r}"
    if patch.kind in ("feature", "fix") and not any(
        path.startswith("tests/") for path in paths
    ):
        yield "tested", "nothing in tests/ is touched"
    if patch.kind == "feature":
        if not any(path.startswith("docs/") for path in paths):
            yield "documented", "nothing in docs/ is touched"
        if not any(
            ".. version" in line
            for path, number, _ in added
            if path.startswith("docs/")
            for line in section_until(subject.after[path], number)
        ):
            yield "documented", "no section has a versionadded or versionchanged"
        if not subject.release_note:
            yield "documented", f"docs-drafts/release-notes/{patch.slug}.txt is missing"
    for path, number, text in added:
        if path.startswith("docs/") and len(text) > 79 and " " in text.strip():
            yield "docs-width", f"{path}:{number} has {len(text)} columns"


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
    """Return rule → reason."""
    return RULES | {name: reason for name, reason, _, _ in TOOLS}


def _tool_findings(
    name: str, command: str, folder: Path, files: Sequence[str], installed: str
) -> Iterator[str]:
    """Run a tool in ``folder`` over the files; each is ``<patch>/<path>``.

    A folder ``installed`` may hold other versions of the tools.
    """
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), *files],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": installed},
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
        what = line.replace(f"{patch}/", "").strip()
        yield f"{patch or 'series'}: {name}: {what}"


def texts(store: Git, commit: str, paths: Sequence[str]) -> dict[str, str]:
    """Return the texts of the files that exist in a commit, by path."""
    names = "".join(f"{commit}:{path}\n" for path in paths).encode()
    out = store.run("cat-file", "--batch", stdin=names)
    found = {}
    for path in paths:
        head, _, out = out.partition(b"\n")
        if not head.endswith(b" missing"):
            size = int(head.split()[-1])
            found[path] = out[:size].decode(errors="replace")
            out = out[size + 1 :]
    return found


def lint(project: Project, patches: Sequence[series.Patch]) -> list[str]:
    """Return the findings of the rules and the tools in these patches."""
    made = build.build(project, series.files(project, series.load(project)))
    chosen = [(patch, made[patch.number - 1].id) for patch in patches]
    store = Git(project.base, bare=True)
    return lint_commits(project, store, upstream.base(project), chosen)


def lint_commits(
    project: Project,
    store: Git,
    base: str,
    made: Iterable[tuple[series.Patch, str]],
    installed: str = "",
) -> list[str]:
    """Return the findings in commits of a repository that are patches on ``base``.

    The settings of the tools are those of ``base``. The tools are our own, or those
    in the folder ``installed``.
    """
    found: list[str] = []
    names: list[str] = []
    settings = ("pyproject.toml", "docs/spelling_wordlist")
    with tempfile.TemporaryDirectory(prefix="stack-") as at:
        folder = Path(at)
        (folder / "flake8.ini").write_text(FLAKE8)
        for path, text in texts(store, base, settings).items():
            (folder / Path(path).name).write_text(text, encoding="utf-8")
        for patch, commit in made:
            taken = mail.parse(build.format_patch(store, commit))
            after, before = (texts(store, at, taken.paths) for at in (commit, base))
            note = project.drafts / "release-notes" / f"{patch.slug}.txt"
            subject = Subject(patch, taken, after, before, note.exists())
            where = patch.filename.removesuffix(".patch")
            broken = [*of_message(subject), *of_diff(subject)]
            found += [f"{where}: {name}: {what}" for name, what in broken]
            written = subject.after | {
                "message.added": subject.mail.message,
                "lines.added": "\n".join(text for _, _, text in subject.added()),
            }
            for path, content in written.items():
                file = folder / where / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content, encoding="utf-8")
                names.append(f"{where}/{path}")

        def run(name: str, _: str, ending: str, command: str) -> list[str]:
            chosen = [each for each in names if each.endswith(ending)]
            if not chosen:
                return []
            return list(_tool_findings(name, command, folder, chosen, installed))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for lines in pool.map(run, *zip(*TOOLS, strict=True)):
                found += lines
    return found
