"""Patch files as git writes them: pure functions over their bytes."""

import email
import email.header
import email.policy
import re
from dataclasses import dataclass

_INDEX = re.compile(rb"^index [0-9a-f]+\.\.[0-9a-f]+", re.MULTILINE)
_HUNK = re.compile(rb"^@@ -[0-9]+(,[0-9]+)? \+[0-9]+(,[0-9]+)? @@.*$", re.MULTILINE)
_DIFF = re.compile(rb"^diff --git ", re.MULTILINE)
_PATHS = re.compile(r"^diff --git a/(?P<old>.+) b/(?P<new>.+)$", re.MULTILINE)


def mask(patch: bytes) -> bytes:
    """Return the patch without what an earlier patch in the series can change.

    Those are the blob ids of ``index`` lines and the positions in ``@@`` lines
    (the function named behind them included); nothing else.

    >>> mask(b"index 12ab..34cd 100644\\n@@ -1,2 +3,4 @@ def f\\n")
    b'index  100644\\n@@\\n'
    """
    return _HUNK.sub(b"@@", _INDEX.sub(b"index ", patch))


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
