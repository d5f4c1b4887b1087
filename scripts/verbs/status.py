"""Show each patch and where it stands, and what is in django-upstream/src.

state  clean     the file is the one that series.lock knows
       edited    the file differs from series.lock: run verify
       unlocked  series.lock does not know it: run export
"""

import argparse
import dataclasses
import json
from typing import Any

from common.errors import StackError
from common.project import Project
from patchstack import series, src, upstream


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def patch_state(project: Project, patch: series.Patch, lock: series.Lock) -> str:
    locked = {entry.slug: entry for entry in lock.patches}.get(patch.slug)
    file = project.patches / patch.filename
    if not file.exists():
        return "missing"
    if locked is None:
        return "unlocked"
    return "clean" if series.sha256(file.read_bytes()) == locked.sha256 else "edited"


def src_state(project: Project) -> dict[str, Any]:
    """Return what is in src, or what is wrong with it, as plain data."""
    if not project.src.exists():
        return {"state": "absent", "next": "./scripts/stack apply"}
    try:
        git = src.own(project)
        assert git is not None
        state = src.state(git)
    except StackError as error:
        return {"state": "foreign", "why": error.facts, "next": error.then}
    then = None
    if state.unfinished:
        name, then = "unfinished", state.unfinished
    elif state.dirty:
        name, then = "dirty", "commit or stash there"
    elif not state.exported:
        name, then = "not exported", "./scripts/stack export"
    else:
        name = "applied"
    return {"state": name, "head": state.head, "dirty": list(state.dirty), "next": then}


def run(args: argparse.Namespace, project: Project) -> int:
    patches = series.load(project)
    lock = series.load_lock(project)
    pin = upstream.load_pin(project)
    rows = [
        dataclasses.asdict(patch)
        | {"file": patch.filename, "state": patch_state(project, patch, lock)}
        for patch in patches
    ]
    here = src_state(project)
    if args.json:
        print(
            json.dumps(
                {"upstream": f"{pin.name} {pin.version}", "patches": rows, "src": here},
                indent=2,
            )
        )
        return 0
    print(f"{pin.name} {pin.version}, {len(patches)} patches")
    width = max((len(patch.filename) for patch in patches), default=0)
    for row in rows:
        ticket = f"#{row['ticket']}" if row["ticket"] else ""
        print(
            f"  {row['file']:<{width}}  {row['state']:<9}{row['kind']:<9}"
            f"{row['status']:<10}{ticket}"
        )
    print(f"{project.shown(project.src)}: {here['state']}")
    if here["next"]:
        print(f"  next: {here['next']}")
    return 0
