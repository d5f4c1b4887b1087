"""Show the state of each patch and of django-upstream/src.

clean     the file is the one that series.lock knows
edited    the file differs from series.lock: run verify
unlocked  series.lock does not know the file: run export
planned   series.toml has a table, but there is no file yet
missing   series.lock knows the patch, but there is no file
"""

import argparse
import dataclasses
import json
from typing import Any

from common.errors import OK, StackError
from common.project import Project
from patchstack import series, src, upstream


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def patch_state(project: Project, slug: str, locked: str | None) -> str:
    """Return the state of a patch; ``locked`` is its sha256 in series.lock."""
    file = series.found(project).get(slug)
    if file is None:
        return "missing" if locked else "planned"
    if locked is None:
        return "unlocked"
    return "clean" if series.sha256(file.read_bytes()) == locked else "edited"


def src_state(project: Project) -> dict[str, Any]:
    """Return the state of src, or the fault in it, as plain data."""
    if not project.src.exists():
        return {"state": "absent", "next": "./scripts/stack apply"}
    try:
        git = src.require(project)
        state = src.state(git)
    except StackError as error:
        return {"state": "foreign", "why": error.facts, "next": error.then}
    name, then = "applied", None
    if state.unfinished:
        name, then = "unfinished", state.unfinished
    elif state.dirty:
        name, then = "dirty", "commit or stash there"
    elif not state.exported:
        name, then = "not exported", "./scripts/stack export"
    elif series.found(project).keys() - (src.seen(git) or {}).keys():
        name, then = "applied in part", "./scripts/stack apply"
    return {"state": name, "head": state.head, "dirty": list(state.dirty), "next": then}


def run(args: argparse.Namespace, project: Project) -> int:
    locked = {entry.slug: entry.sha256 for entry in series.load_lock(project).patches}
    states = {
        patch: patch_state(project, patch.slug, locked.get(patch.slug))
        for patch in series.load(project)
    }
    pin = upstream.load_pin(project)
    here = src_state(project)
    if args.json:
        rows = [
            dataclasses.asdict(patch) | {"file": patch.filename, "state": state}
            for patch, state in states.items()
        ]
        data = {"upstream": f"{pin.name} {pin.version}", "patches": rows, "src": here}
        print(json.dumps(data, indent=2))
        return OK
    print(f"{pin.name} {pin.version}, {len(states)} patches")
    for patch, state in states.items():
        ticket = f"#{patch.ticket}" if patch.ticket else ""
        about = f"{state:<9}{patch.kind:<9}{patch.status:<10}{ticket}"
        print(f"  {patch.filename:<40} {about}".rstrip())
    print(f"{project.shown(project.src)}: {here['state']}")
    if here["next"]:
        print(f"  next: {here['next']}")
    return OK
