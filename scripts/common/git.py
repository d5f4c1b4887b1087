"""Git with everything shut out that could change what it does."""

import atexit
import functools
import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from common.errors import WAITING, StackError, few

IDENTITY = ("Django patch stack", "patch-stack@example.invalid")

# What a repository of the user may set and what would change a tree, a status or
# a log. Settings outside of a repository are shut out by environment(). The
# command line wins over every file.
SETTINGS = {
    "core.attributesFile": os.devnull,  # Filters and end-of-line rules of the user.
    "core.autocrlf": "false",  # Blobs must be Django's own, byte for byte.
    "core.excludesFile": os.devnull,  # Would hide files from "add" and "status".
    "core.fileMode": "true",  # Executable bits are part of a tree.
    "core.fsmonitor": "false",  # Starts a daemon.
    "core.hooksPath": os.devnull,  # Hooks may refuse, edit or print.
    "core.quotePath": "false",  # Paths come back as they are.
    "core.safecrlf": "false",
    "core.symlinks": "true",
    "diff.algorithm": "histogram",  # Another one gives other hunks.
    "diff.ignoreSubmodules": "none",
    "gc.auto": "0",  # No background process in a throw-away repository.
    "i18n.logOutputEncoding": "utf-8",
    "log.showSignature": "false",
    "submodule.recurse": "false",
}

# How the files of somebody's own clone lie in its work tree is for its user to say.
OF_A_CLONE = ("core.autocrlf", "core.fileMode", "core.symlinks")

# What an unfinished command leaves in a git folder, and how to end it.
UNFINISHED = {
    "rebase-apply/applying": "git am --continue (or --abort)",
    "rebase-apply": "git rebase --continue (or --abort)",
    "rebase-merge": "git rebase --continue (or --abort)",
    "MERGE_HEAD": "git merge --continue (or --abort)",
    "CHERRY_PICK_HEAD": "git cherry-pick --continue (or --abort)",
    "REVERT_HEAD": "git revert --continue (or --abort)",
    "BISECT_LOG": "git bisect reset",
    "sequencer": "git cherry-pick --continue (or --abort)",  # Between two commits.
}


class GitError(Exception):
    """A git command failed; ``stderr`` says how."""

    def __init__(self, command: list[str], stdout: str, stderr: str) -> None:
        super().__init__(f"{shlex.join(command)}: {stderr.strip() or stdout.strip()}")
        self.stdout = stdout
        self.stderr = stderr


@functools.cache
def user_config() -> str:
    """Return a file with the only settings of the user that git is to obey.

    Git takes safe.directory, the folders of other users that it may open, from
    files alone: not from the command line before 2.38, and never for a child.
    """
    found = [
        (key, value)
        for key in ("safe.directory", *OF_A_CLONE)
        for scope in ("--system", "--global")
        for value in subprocess.run(
            ["git", "config", scope, "--includes", "-z", "--get-all", key],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split("\0")[:-1]
    ]
    if not found:
        return os.devnull
    handle, path = tempfile.mkstemp(prefix="stack-git-")
    atexit.register(Path(path).unlink, missing_ok=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        for key, value in found:  # JSON's quotes and escapes are git's as well.
            section, name = key.split(".")
            text = json.dumps(value, ensure_ascii=False)
            file.write(f"[{section}]\n\t{name} = {text}\n")
    return path


def environment() -> dict[str, str]:
    """Return the environment for git: the caller's, less what would leak in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    kept.pop("LANGUAGE", None)
    name, email = IDENTITY
    return kept | {
        "GIT_CONFIG_GLOBAL": user_config(),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": ":",
        "GIT_PAGER": "cat",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "LC_ALL": "C",
        "TZ": "UTC",
    }


class Git:
    """Git in one folder. With ``dry_run``, ``change`` prints and does not run.

    ``clone`` says that the folder is somebody's own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bare: bool = False,
        dry_run: bool = False,
        clone: bool = False,
    ) -> None:
        self.folder = folder
        self.dry_run = dry_run
        self._settings = [
            part
            for key, value in SETTINGS.items()
            if not (clone and key in OF_A_CLONE)
            for part in ("-c", f"{key}={value}")
        ]
        self._where = ["--git-dir" if bare else "-C", str(folder)]
        self.typed = shlex.join(["git", *self._where])

    def run(
        self, *args: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> bytes:
        """Run git and return its standard output. Raise GitError if it fails."""
        done = subprocess.run(
            ["git", *self._where, *self._settings, *args],
            input=stdin,
            env=environment() | (env or {}),
            capture_output=True,
            check=False,
        )
        if b"detected dubious ownership" in done.stderr:
            trust = ["git", "config", "--global", "--add", "safe.directory"]
            raise StackError(
                f"{self.folder} belongs to another user, and git does not open it",
                shlex.join([*trust, str(self.folder)]),
            )
        if done.returncode:
            raise GitError(
                ["git", *args],
                done.stdout.decode(errors="replace"),
                done.stderr.decode(errors="replace"),
            )
        return done.stdout

    def out(
        self, *args: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> str:
        """Return the standard output as text, without the final newlines."""
        done = self.run(*args, stdin=stdin, env=env)
        # A path may be any bytes.
        return done.decode(errors="surrogateescape").rstrip("\n")

    def ok(self, *args: str) -> bool:
        """Tell whether the command succeeds."""
        try:
            self.run(*args)
        except GitError:
            return False
        return True

    def change(self, *args: str) -> None:
        """Run a command that changes what belongs to the user."""
        if self.dry_run:
            print(f"{self.typed} {shlex.join(args)}")
        else:
            self.run(*args)

    def unfinished(self) -> str | None:
        """Return how to end an unfinished command, or None if there is none."""
        options = [part for name in UNFINISHED for part in ("--git-path", name)]
        paths = self.out("rev-parse", *options).splitlines()
        for path, ending in zip(paths, UNFINISHED.values(), strict=True):
            if (self.folder / path).exists():
                return ending
        return None

    def dirty(self, *, untracked: bool = True) -> list[str]:
        """Return the changed (and untracked) files, as ``status`` names them."""
        mode = "all" if untracked else "no"
        return self.out(
            "status", "--porcelain", f"--untracked-files={mode}"
        ).splitlines()

    def refuse_unless_clean(self, *, untracked: bool = True) -> None:
        """Raise StackError for an unfinished command or an uncommitted change."""
        if ending := self.unfinished():
            raise StackError(
                f"{self.folder} is in the middle of another git command",
                f"in that folder: {ending}",
                WAITING,
            )
        if changed := self.dirty(untracked=untracked):
            names = few([line[3:] for line in changed])
            raise StackError(
                f"{self.folder} has changes that are not committed: {names}",
                f"{self.typed} stash --include-untracked (or commit them)",
                WAITING,
            )


def require_git() -> None:
    """Raise StackError unless git knows all options and variables used here."""
    try:
        text = subprocess.run(
            ["git", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError("git was not found", "install git 2.32 or newer") from error
    version = tuple(int(part) for part in text.split()[2].split(".")[:2])
    # GIT_CONFIG_GLOBAL came with 2.32; without it the user's settings leak in.
    if version < (2, 32):
        raise StackError(f"{text.strip()} is too old", "install git 2.32 or newer")
