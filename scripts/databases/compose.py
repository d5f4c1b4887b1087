"""The servers of compose.yaml, for machines that have Docker."""

import subprocess
from pathlib import Path

from common.errors import StackError, last_line

FILE = Path(__file__).parents[2] / "compose.yaml"
URL_LABEL = "django-patch-stack.url"


def answers() -> bool:
    """Tell whether docker compose is installed and its daemon answers in 10 s."""
    command = ["docker", "compose", "ls"]
    try:
        subprocess.run(command, capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def urls() -> dict[str, str]:
    """Return the URL of each service that is a target, as the labels there say."""
    import yaml  # type: ignore[import-untyped]

    services = yaml.safe_load(FILE.read_text())["services"]
    return {
        name: service["labels"][URL_LABEL]
        for name, service in services.items()
        if URL_LABEL in service.get("labels", {})
    }


def has(name: str) -> bool:
    """Tell whether docker compose can start a server for the target of this name."""
    return answers() and name in urls()


def command(service: str, *verb: str) -> list[str]:
    """Return docker compose VERB… SERVICE."""
    file = ("--file", str(FILE), "--profile", service)
    return ["docker", "compose", *file, *verb, service]


def start(service: str) -> bool:
    """Start it and wait until it is healthy; StackError if it does not become so.

    Return False if it was up already: then it is not ours to end.
    """
    if _run(service, "ps", "--quiet", "--status", "running").strip():
        return False
    try:
        _run(service, "up", "--detach", "--wait")
    except BaseException:
        stop(service)
        raise
    return True


def stop(service: str) -> None:
    """Stop it and remove its data."""
    _run(service, "rm", "--stop", "--force", "--volumes")


def _run(service: str, *verb: str) -> str:
    composed = command(service, *verb)
    done = subprocess.run(composed, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(
            f"docker compose failed: {last_line(done.stderr)}", " ".join(composed)
        )
    return done.stdout
