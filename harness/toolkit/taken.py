"""What a box's work changed in its file system, taken out of the stopped box as one tar (`changes` applies it).

What lies together is asked for together: one call of the engine for each path took an hour for 100,000 new files in a
folder that was there before.
"""

from __future__ import annotations

import fnmatch
import io
import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from posixpath import commonpath

from harness.api import Box, SandboxError
from harness.toolkit.changes import HEAD, TREE

NEVER = ("/proc", "/sys", "/dev", "/scratch", "/run/secrets")
"""Folders that belong to the engine; what is in them is not of the image's file system."""
MADE_BY_ENGINE = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/.dockerenv")
MANY = 50
"""Of more entries of the root than this, all are asked for at once."""
LOST = "\ufffd"
_UNDECODED = re.compile("[\udc80-\udcff]")


def as_listed(name: str) -> str:
    """A name from an archive as the engine's list of changes has it: bytes that are no UTF-8 are lost there."""
    return _UNDECODED.sub(LOST, name)


@dataclass(slots=True)
class Plan:
    """What is to be taken: whole new folders and single paths; what was deleted."""

    whole: list[str] = field(default_factory=list)
    single: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Copies:
    """The tar that is made, what is in it, and how much that is. `bodies` are files by their first name."""

    out: tarfile.TarFile
    max_bytes: int
    exclude: Sequence[str]
    seen: set[str] = field(default_factory=set)
    size: int = 0

    def add(self, member: tarfile.TarInfo, name: str, body: bytes | None) -> None:
        """A member under its full path; a second name of a file is a file of its own. Raises SandboxError."""
        self.seen.add(name)
        copy = tarfile.TarInfo(TREE + name)
        copy.mode, copy.uid, copy.gid, copy.mtime = member.mode, member.uid, member.gid, member.mtime
        if body is None:
            copy.type, copy.linkname = member.type, member.linkname
            self.out.addfile(copy)
            return
        self.size += len(body)
        if self.size > self.max_bytes:
            raise SandboxError("too_big", f"the changes are more than {self.max_bytes:,} bytes")
        copy.size = len(body)
        self.out.addfile(copy, io.BytesIO(body))


async def take_changes(box: Box, roots: Sequence[str], exclude: Sequence[str], max_bytes: int) -> bytes:
    """Everything that differs from the image under `roots`, from a box that was stopped.

    Raises SandboxError (`too_big` when the files are more than `max_bytes`).
    """
    plan = plan_of(await box.changes(), roots, exclude)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        copies = Copies(tar, max_bytes, exclude)
        for folder, paths in _together(plan):
            await _take(box, folder, paths, plan, copies)
        head = tarfile.TarInfo(HEAD)
        data = json.dumps({"deleted": plan.deleted}).encode()
        head.size, head.mode = len(data), 0o644
        tar.addfile(head, io.BytesIO(data))
    return out.getvalue()


def plan_of(changes: Iterable[tuple[str, str]], roots: Sequence[str], exclude: Sequence[str]) -> Plan:
    """What to take for a list of changes. A new folder is taken whole, what is in it is not named again."""
    plan = Plan()
    inside = [(kind, path) for kind, path in sorted(changes, key=lambda c: c[1]) if _is_in(path, roots)]
    for kind, path in inside:
        if _left_out(path, exclude):
            continue
        if any(path.startswith(f"{above}/") for above in reversed(plan.whole[-1:])):
            continue
        if kind == "deleted":
            plan.deleted.append(path)
        elif kind == "added":
            plan.whole.append(path)
        else:
            plan.single.append(path)
    return plan


def _is_in(path: str, roots: Sequence[str]) -> bool:
    if path in MADE_BY_ENGINE or any(path == n or path.startswith(f"{n}/") for n in NEVER):
        return False
    return any(root == "/" or path == root or path.startswith(f"{root.rstrip('/')}/") for root in roots)


def _left_out(path: str, exclude: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, glob) or fnmatch.fnmatchcase(path, f"{glob}/*") for glob in exclude)


def _together(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    """What to ask the engine for: a folder, and those of the paths that are in it, or it itself.

    A name that the list of changes has lost is in no archive: it is looked for in its folder.
    """
    tops: dict[str, list[str]] = defaultdict(list)
    for path in (*plan.whole, *plan.single):
        tops[path.split("/")[1]].append(path)
    if len(tops) > MANY:
        yield "/", [*plan.whole, *plan.single]
        return
    for paths in tops.values():
        folder = commonpath(paths)
        lost = next((i for i, part in enumerate(folder.split("/")) if LOST in part), None)
        yield folder if lost is None else "/".join(folder.split("/")[:lost]) or "/", paths


async def _take(box: Box, folder: str, paths: Sequence[str], plan: Plan, copies: Copies) -> None:
    """Copy the paths, which are `folder` or in it."""
    above = str(PurePosixPath(folder).parent).strip("/")
    whole, single = {*paths} & {*plan.whole}, {*paths} & {*plan.single}

    def full(name: str) -> str:
        return "/".join(part for part in (above, name.strip("/")) if part)

    def wanted(name: str) -> bool:
        path = f"/{as_listed(full(name))}"
        if path in single:
            return True
        while path and path not in whole:
            path = path.rpartition("/")[0]
        return bool(path)

    try:
        room = copies.max_bytes - copies.size + tarfile.RECORDSIZE
        archive = await box.get_archive(folder, max_bytes=room, keep=None if paths == [folder] and whole else wanted)
    except FileNotFoundError:
        return
    second: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = full(member.name)
            if name in copies.seen or _left_out(f"/{name}", copies.exclude):
                continue
            if member.isdir() or member.issym():
                copies.add(member, name, None)
            elif member.isreg():
                copies.add(member, name, _body(tar, member))
            elif member.islnk():
                if member.linkname not in second:
                    second[member.linkname] = await _second(box, tar, member, name)
                copies.add(member, name, second[member.linkname])


def _body(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    data = tar.extractfile(member)
    return data.read() if data is not None else b""


async def _second(box: Box, tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> bytes:
    """What a second name of a file holds, also where the first is not taken."""
    try:
        return _body(tar, member)
    except KeyError:
        return await box.read(f"/{name}")
