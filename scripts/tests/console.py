"""Runs the console lines of the documents that console_lines.toml does not leave out.

python scripts/tests/console.py, from the folder of the checkout: what .ci/run does.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Run by .ci/run itself, before the others.
COMMANDS = ("make", "make test")
# The status of a verb that lacks a database. It says "not run", unlike wrong usage.
UNAVAILABLE = 2


def in_text(text: str) -> Iterator[str]:
    """Yield the commands of the ```console blocks, without their comments."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if command := re.split(r"(?:^|\s)#\s", line)[0].strip():
                yield command


def in_documents(root: Path = ROOT) -> dict[str, list[str]]:
    """Return command → the documents that show it."""
    found: dict[str, list[str]] = {}
    for path in (root / "README.md", *sorted((root / "docs-drafts").rglob("*.md"))):
        for command in in_text(path.read_text(encoding="utf-8")):
            found.setdefault(command, []).append(str(path.relative_to(root)))
    return found


def listed() -> tuple[list[str], dict[str, str]]:
    """Return the commands to run, in order, and command → why it is not run."""
    path = Path(__file__).with_name("console_lines.toml")
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    not_run = {
        command: group["reason"]
        for group in data["not_run"]
        for command in group["lines"]
    }
    return data["run"], not_run


def changed() -> str:
    return subprocess.run(
        ["git", "status", "--porcelain"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def run(command: str) -> str:
    """Run a line in a shell; return "passed", "failed" or "skipped"."""
    began = time.monotonic()
    print(f"$ {command}", flush=True)
    said = ""
    with subprocess.Popen(
        ["bash", "-c", command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            print(line, end="", flush=True)
    unavailable = process.returncode == UNAVAILABLE and ": not run: " in said
    result = "skipped" if unavailable else "failed" if process.returncode else "passed"
    print(f"{result} ({time.monotonic() - began:.0f} s): {command}", flush=True)
    return result


def main() -> int:
    """Run the lines with an empty results/; the one that is there comes back."""
    before = changed()
    results = ROOT / "results"
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "results"
        if results.exists():
            shutil.move(results, kept)
        try:
            done = [run(command) for command in listed()[0]]
        finally:
            shutil.rmtree(results, ignore_errors=True)
            if kept.exists():
                shutil.move(kept, results)
    if changed() != before:
        print(f"failed: the lines changed files of the checkout:\n{changed()}")
        done.append("failed")
    passed, failed, skipped = map(done.count, ("passed", "failed", "skipped"))
    print(f"console lines: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
