"""Two grammars of Oracle's SQL that know nothing of each other.

"oceanbase" is the grammar of OceanBase's Oracle mode, "antlr" the PL/SQL grammar of
the ANTLR project. Both are strict, and both know the syntax up to 21c: an INSERT
whose SELECT has no FROM, which Django makes for 23ai, is nothing to them.

They come from npm, at the versions of package-lock.json, once, into the user's
cache folder. Nothing of the packages is run at that.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import StackError
from common.progress import step
from common.project import user_cache
from databases.family import Unavailable
from lab.oracle import checks, mutants

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json")
AGAIN = "./scripts/stack oracle"
# Without a network it would try three times, for over a minute.
NPM = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
INSTALL_NODE = "install Node.js 18 or newer with npm (Debian: apt-get install npm)"

type Verdicts = Mapping[str, Mapping[str, str | None]]


@dataclass(frozen=True)
class Report:
    """``accepted`` and ``newer`` (the syntax of 23ai) count different statements."""

    accepted: int = 0
    newer: int = 0
    mutants: int = 0
    findings: Sequence[str] = field(default_factory=tuple)

    def __str__(self) -> str:
        return (
            f"{self.accepted} statements accepted by both grammars,"
            f" {self.newer} in the syntax of 23ai rejected by both,"
            f" {self.mutants} mutants planted, {len(self.findings)} findings"
        )


def program(name: str) -> str:
    """Return the path of a program of Node.js; Unavailable if there is none."""
    if found := shutil.which(name):
        return found
    raise Unavailable(f"{name} is not installed", INSTALL_NODE)


def installed() -> Path:
    """Return the folder of the grammars' packages, installing them if need be.

    Unavailable without Node.js, or if the packages cannot be downloaded.
    """
    pinned = b"".join((HERE / name).read_bytes() for name in FILES)
    folder = user_cache() / "oracle-grammars" / hashlib.sha256(pinned).hexdigest()[:16]
    if folder.is_dir():
        return folder
    npm = program("npm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as work:
        fresh = Path(work) / "packages"
        fresh.mkdir()
        for name in FILES:
            shutil.copy(HERE / name, fresh)
        with step("installing two grammars of Oracle's SQL"):
            done = subprocess.run(
                [npm, "ci", *NPM],
                cwd=fresh,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "error" in line]
            raise Unavailable(
                f"npm cannot install the grammars: {' | '.join(said[:3])[:300]}",
                f"with a network, or a registry that npm is configured for: {AGAIN}",
            )
        # Another run may have been faster.
        if not folder.is_dir():
            fresh.rename(folder)
    return folder


def verdicts(statements: Mapping[str, str]) -> Verdicts:
    """Return name → grammar → what it says against the statement, None if nothing."""
    node, folder = program("node"), installed()
    done = subprocess.run(
        [node, HERE / "check.js"],
        input=json.dumps(statements),
        env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "Error" in line]
        raise StackError(
            f"the grammars do not run: {' '.join(said[:1]) or done.stderr[-300:]}",
            f"rm -r {folder} && {AGAIN}",
        )
    found: Verdicts = json.loads(done.stdout)
    return found


def is_newer(sql: str) -> bool:
    """Whether this is an INSERT with a SELECT without FROM, the syntax of 23ai."""
    words = [token.text for token in checks.tokens(sql)]
    return words[0] == "INSERT" and "SELECT" in words and "DUAL" not in words


def judged(name: str, sql: str, verdict: Mapping[str, str | None]) -> list[str]:
    """Return a line for each grammar that does not say what it must say."""
    if is_newer(sql):
        return [
            f"{grammar} accepts the syntax of 23ai, so stop excepting it: {name}: {sql}"
            for grammar, problem in verdict.items()
            if not problem
        ]
    return [
        f"{grammar} rejects {name}: {problem}: {sql}"
        for grammar, problem in verdict.items()
        if problem
    ]


def check(statements: dict[str, str], good: str) -> Report:
    """Ask both grammars about the statements and the mutants of a good MERGE.

    Unavailable if the grammars cannot be had.
    """
    # The versions of Oracle share most of the statements.
    names = {sql: name for name, sql in reversed(statements.items())}
    asked = {name: sql for sql, name in names.items()}
    planted = mutants.planted(good)
    said = verdicts(asked | planted)
    caught = {
        name: [grammar for grammar, problem in said[name].items() if problem]
        for name in planted
    }
    newer = sum(map(is_newer, asked.values()))
    return Report(
        accepted=len(asked) - newer,
        newer=newer,
        mutants=len(planted),
        findings=[
            *(
                line
                for name, sql in asked.items()
                for line in judged(name, sql, said[name])
            ),
            *mutants.missed(planted, mutants.GRAMMARS, caught),
        ],
    )
