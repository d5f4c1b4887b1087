"""The servers of compose.yaml, for machines that have Docker."""

import importlib
import shutil
import subprocess
from pathlib import Path

from common.errors import StackError

FILE = Path(__file__).parents[2] / "compose.yaml"
URL_LABEL = "django-patch-stack.url"
# Seconds that a docker daemon may take to say that it is there.
PATIENCE = 5


def answers() -> bool:
    """Whether docker compose is installed and its daemon answers quickly."""
    if shutil.which("docker") is None:
        return False
    asked = (["docker", "compose", "version"], ["docker", "info"])
    try:
        return all(
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            ).returncode
            == 0
            for command in asked
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def urls() -> dict[str, str]:
    """The URL of each service that is a target, as compose.yaml's labels say."""
    services = importlib.import_module("yaml").safe_load(FILE.read_text())["services"]
    return {
        name: service["labels"][URL_LABEL]
        for name, service in services.items()
        if URL_LABEL in service.get("labels", {})
    }


def command(service: str, *verb: str) -> list[str]:
    """docker compose VERB… SERVICE."""
    return [
        *("docker", "compose", "--file", str(FILE), "--profile", service),
        *verb,
        service,
    ]


def runs(service: str) -> bool:
    """Whether the service is up already: then it is not ours to end."""
    shown = subprocess.run(
        command(service, "ps", "--quiet", "--status", "running"),
        capture_output=True,
        text=True,
        check=False,
    )
    return bool(shown.stdout.strip())


def start(service: str) -> None:
    """Start it and wait until it is healthy; StackError if it does not get so."""
    _run(command(service, "up", "--detach", "--wait"))


def stop(service: str) -> None:
    """End it and throw its data away."""
    _run(command(service, "rm", "--stop", "--force", "--volumes"))


def _run(composed: list[str]) -> None:
    done = subprocess.run(composed, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise StackError(
            f"docker compose failed: {said[-1] if said else 'it says nothing'}",
            " ".join(composed),
        )
