"""The command line: one verb, one module; this folder is the import root."""

import argparse
import importlib
import importlib.util
import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from common.errors import USAGE, StackError
from common.git import GitError, require_git
from common.project import Project

# In the order in which a user meets them. Imported only when asked for, so that
# the verbs that need nothing but Python and git run without .venv.
VERBS = (
    *("setup", "fetch", "apply", "status", "export", "diff", "lint", "verify"),
    *("rebase", "prove", "test", "coverage", "overview", "bench", "load", "race"),
    *("stress", "fuzz", "oracle", "report", "wheel", "db-up", "db-down"),
)
WITHOUT_GIT = {"setup", "db-up", "db-down"}
PASSING_ON = {"test"}


def module_of(verb: str) -> str:
    """Return the name of a verb's module."""
    return f"verbs.{verb.replace('-', '_')}"


def usage() -> str:
    lines = ["usage: ./scripts/stack VERB [options]", ""]
    for verb in VERBS:
        # The first line of the docstring, without importing the module.
        spec = importlib.util.find_spec(module_of(verb))
        assert spec is not None
        assert spec.origin is not None
        with Path(spec.origin).open(encoding="utf-8") as file:
            summary = file.readline().strip().strip('"')
        lines.append(f"  {verb:<10}{summary}")
    return "\n".join([*lines, "", "./scripts/stack VERB --help explains a verb."])


class Parser(argparse.ArgumentParser):
    """Words a usage error as every other error."""

    def error(self, message: str) -> NoReturn:
        raise StackError(message, f"{self.prog} --help")


def parser(verb: str) -> argparse.ArgumentParser:
    """Return the parser of a verb; its module's docstring is the help screen."""
    module = importlib.import_module(module_of(verb))
    made = Parser(
        prog=f"./scripts/stack {verb}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(made)
    return made


def run(words: list[str]) -> int:
    """Run one verb and return its exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else USAGE
    verb = words[0]
    if verb not in VERBS:
        raise StackError(
            f"there is no verb {verb}; known: {', '.join(VERBS)}",
            "./scripts/stack --help",
        )
    if verb not in WITHOUT_GIT:
        require_git()
    # Words behind "--" go to another program, in a verb that runs one.
    cut = words.index("--") if verb in PASSING_ON and "--" in words else len(words)
    args = parser(verb).parse_args(words[1:cut])
    args.rest = words[cut + 1 :]
    code = importlib.import_module(module_of(verb)).run(args, Project.here())
    assert isinstance(code, int)
    return code


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run one verb; turn every error that a user can cause into one line."""
    # Servers and folders are removed in "finally" blocks: make SIGTERM reach them.
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # Any path can be printed.
            stream.reconfigure(errors="backslashreplace")
    try:
        return run(sys.argv[1:] if argv is None else argv)
    except StackError as error:
        facts, code = str(error), error.code
    except GitError as error:
        facts, code = str(error), USAGE
    except BrokenPipeError:
        # The reader has gone; Python must not fail once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        facts, code = f"{where}{error.strerror or error}", USAGE
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if (Path(__file__).parent / name).is_dir():
            raise
        facts, code = (
            f"{name} is not installed\n  next: ./scripts/stack setup --lab",
            USAGE,
        )
    except KeyboardInterrupt:
        facts, code = "stopped", 130
    print(f"stack: {facts}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
