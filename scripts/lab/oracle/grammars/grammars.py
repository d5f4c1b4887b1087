"""Two grammars of Oracle's SQL that know nothing of each other.

"oceanbase" is the grammar of OceanBase's Oracle mode, "antlr" the PL/SQL grammar of
the ANTLR project. Both are strict, and both know the syntax up to 21c: they reject an
INSERT whose SELECT has no FROM, which Django makes for 23ai.

They come from npm, at the versions of package-lock.json, once, into the user's
cache folder. npm runs no script of the packages.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.errors import StackError
from common.files import make_whole
from common.progress import step
from common.project import user_cache
from databases.family import Unavailable
from lab.oracle import mutants

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json")
AGAIN = "./scripts/stack oracle"
# Without a network npm would try three times, for over a minute.
NPM = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
INSTALL_NODE = "install Node.js 18 or newer with npm (Debian: apt-get install npm)"

type Verdicts = Mapping[str, Mapping[str, str | None]]


def program(name: str) -> str:
    """Return the path of a program of Node.js; Unavailable if there is none."""
    if found := shutil.which(name):
        return found
    raise Unavailable(f"{name} is not installed", INSTALL_NODE)


def installed() -> Path:
    """Return the folder of the grammars' packages; install them if need be.

    Unavailable without Node.js, or if the packages cannot be downloaded.
    """

    def install(fresh: Path) -> None:
        command = [program("npm"), "ci", *NPM]
        fresh.mkdir()
        for name in FILES:
            shutil.copy(HERE / name, fresh)
        with step("installing two grammars of Oracle's SQL"):
            done = subprocess.run(
                command, cwd=fresh, capture_output=True, text=True, check=False
            )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "error" in line]
            raise Unavailable(
                f"npm cannot install the grammars: {' | '.join(said[:3])[:300]}",
                f"with a network, or a registry that npm is configured for: {AGAIN}",
            )

    pinned = b"".join((HERE / name).read_bytes() for name in FILES)
    folder = user_cache() / "oracle-grammars" / hashlib.sha256(pinned).hexdigest()[:16]
    make_whole(folder, install)
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
    return sql.startswith("INSERT ") and " SELECT " in sql and " FROM DUAL" not in sql


def judged(name: str, sql: str, verdict: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a line for each grammar that does not say what it must say."""
    for grammar, problem in verdict.items():
        if is_newer(sql) and not problem:
            yield (
                f"{grammar} accepts the syntax of 23ai, so stop excepting it:"
                f" {name}: {sql}"
            )
        elif problem and not is_newer(sql):
            yield f"{grammar} rejects {name}: {problem}: {sql}"


def check(statements: dict[str, str], good: str) -> tuple[str, list[str]]:
    """Ask both grammars about the statements and the mutants of a good MERGE.

    Return what they did in words, and the findings. Unavailable if the grammars cannot
    be installed.
    """
    # The versions of Oracle share most of the statements.
    names = {sql: name for name, sql in reversed(statements.items())}
    planted = mutants.planted(good)
    said = verdicts({name: sql for sql, name in names.items()} | planted)
    caught = {
        name: [grammar for grammar, problem in said[name].items() if problem]
        for name in planted
    }
    findings = [
        *(
            line
            for sql, name in names.items()
            for line in judged(name, sql, said[name])
        ),
        *mutants.missed(planted, mutants.GRAMMARS, caught),
    ]
    newer = sum(map(is_newer, names))
    return (
        f"{len(names) - newer} statements accepted by both grammars,"
        f" {newer} in the syntax of 23ai rejected by both,"
        f" {len(planted)} mutants planted, {len(findings)} findings"
    ), findings
