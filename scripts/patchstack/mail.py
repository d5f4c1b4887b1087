"""Patch files as git writes them: pure functions over their bytes."""

import email
import email.header
import email.policy
import re
from dataclasses import dataclass

_DIFF = re.compile(rb"^diff --git ", re.MULTILINE)
_PATHS = re.compile(r"^diff --git a/(?P<old>.+) b/(?P<new>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Mail:
    """A patch file taken apart. ``diff`` begins at the first ``diff --git``."""

    author: str
    subject: str
    body: str
    diff: str

    @property
    def message(self) -> str:
        return f"{self.subject}\n\n{self.body}" if self.body else self.subject

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that the patch touches, new names."""
        return tuple(match["new"] for match in _PATHS.finditer(self.diff))


def parse(patch: bytes) -> Mail:
    """Take a patch file apart. Raise ValueError if it is none."""
    start = _DIFF.search(patch)
    if not patch.startswith(b"From ") or start is None:
        raise ValueError("it is not a patch as git format-patch writes it")
    head, diff = patch[: start.start()], patch[start.start() :]
    message = email.message_from_bytes(
        head.split(b"\n", 1)[1], policy=email.policy.compat32
    )

    def header(name: str) -> str:
        raw = str(message[name] or "")
        text = str(email.header.make_header(email.header.decode_header(raw)))
        return re.sub(r"\r?\n[ \t]?", " ", text)

    payload = message.get_payload(decode=True)
    body = payload.decode(errors="replace") if isinstance(payload, bytes) else ""
    return Mail(
        author=header("From"),
        subject=header("Subject"),
        body=body.removesuffix("---\n").rstrip("\n").removesuffix("\n---"),
        diff=diff.decode(errors="replace"),
    )
