"""The command line: one verb, one module; this folder is the import root."""

import argparse
import importlib
import importlib.util
import signal
import sys
from pathlib import Path
from types import FrameType

from common.errors import USAGE, StackError
from common.git import GitError, require_git
from common.project import Project

# In the order in which somebody meets them. Imported only when asked for, so
# that the verbs which need nothing but Python and git run without .venv.
VERBS = {
    "setup": "verbs.setup",
    "fetch": "verbs.fetch",
    "apply": "patchstack.apply",
    "status": "verbs.status",
    "export": "patchstack.export",
    "diff": "verbs.diff",
    "lint": "verbs.lint",
    "verify": "verbs.verify",
    "prove": "verbs.prove",
    "test": "verbs.test",
    "coverage": "verbs.coverage",
    "overview": "verbs.overview",
    "bench": "verbs.bench",
    "load": "verbs.load",
    "race": "verbs.race",
    "stress": "verbs.stress",
    "fuzz": "verbs.fuzz",
    "oracle": "verbs.oracle",
    "report": "verbs.report",
    "db-up": "verbs.db_up",
    "db-down": "verbs.db_down",
}
WITHOUT_GIT = {"setup", "db-up", "db-down"}
PASSING_ON = {"test"}


def usage() -> str:
    lines = ["usage: ./scripts/stack VERB [options]", ""]
    for verb, module in VERBS.items():
        lines.append(f"  {verb:<10}{_summary(module)}")
    lines += ["", "./scripts/stack VERB --help explains a verb."]
    return "\n".join(lines)


def _summary(module: str) -> str:
    """Return the first line of a module's docstring without importing it."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    with Path(spec.origin).open(encoding="utf-8") as file:
        return file.readline().strip().strip('"')


def parser(verb: str) -> argparse.ArgumentParser:
    """Return the parser of a verb; its module's docstring is the help screen."""
    module = importlib.import_module(VERBS[verb])
    made = argparse.ArgumentParser(
        prog=f"./scripts/stack {verb}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(made)
    return made


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    # What must be stopped or removed is so in "finally": make SIGTERM reach it.
    signal.signal(signal.SIGTERM, _terminate)
    try:
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
        # What follows "--" is for another program, in the verb that has one.
        cut = words.index("--") if verb in PASSING_ON and "--" in words else len(words)
        args = parser(verb).parse_args(words[1:cut])
        args.rest = words[cut + 1 :]
        code = importlib.import_module(VERBS[verb]).run(args, Project.here())
        assert isinstance(code, int)
        return code
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return error.code
    except GitError as error:
        print(f"stack: {error}", file=sys.stderr)
        return USAGE
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in (
            "common",
            "databases",
            "suite",
            "patchstack",
            "lab",
            "verbs",
        ):
            raise
        print(
            f"stack: {error.name} is not installed here\n  next: ./scripts/stack setup",
            file=sys.stderr,
        )
        return USAGE
    except KeyboardInterrupt:
        print("stack: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
