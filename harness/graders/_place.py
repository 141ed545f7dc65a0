"""Lay a task's collected artifacts into a clean box, where they were in the work's own."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.api import Box, Task, Work
from harness.graders._clean import apply_patch
from harness.graders._diff import BadPatch, parse_diff
from harness.graders._protected import Guard, climbs_out, matches, shown, sift
from harness.records.task import Collect
from harness.toolkit.changes import apply_changes

MAX_MEMBERS = 200_000
MAX_PATH = 3500
"""Bytes: the engine puts a path of its own before it, and more than 4095 cannot be opened."""
SPECIAL_BITS = 0o6000


@dataclass(slots=True)
class Laid:
    """What was laid down: `names` of artifacts, flags of what was not, and why a patch did not go in."""

    names: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    patch_error: str = ""


async def lay_artifacts(box: Box, work: Work, private: str, only: Sequence[str] | None, guard: Guard) -> Laid:
    """Every collected patch, file, tree, set of changes; what probes brought is laid under `private`/probes.

    Paths that the guard holds (from the root of the box, without the first slash) are left out with a flag. Raises
    SandboxError.
    """
    laid = Laid()
    for one in work.task.collect:
        if only is not None and one.name not in only:
            continue
        data = work.artifact(one.name)
        if data is None:
            continue
        laid.names.append(one.name)
        if one.what == "patch":
            await _patch(box, one, private, data, guard, laid)
        elif one.what == "file":
            if guard.holds(one.path.lstrip("/")):
                laid.flags.append(f"protected_path: {shown(one.path)}")
            else:
                await box.write(one.path, data)
        elif one.what == "tree":
            await box.put_archive("/", clean_tree(data, one.path, guard, laid.flags))
        elif one.what == "changes":
            await _changes(box, one.name, data, guard, laid)
        else:
            await box.write(f"{private}/probes/{one.name}", data)
    return laid


async def _changes(box: Box, name: str, data: bytes, guard: Guard, laid: Laid) -> None:
    try:
        applied = await apply_changes(box, data, guard.allow, guard.holds)
    except ValueError as e:
        laid.flags.append(f"unreadable_changes: {name}: {e}")
        return
    laid.flags += [f"protected_path: {shown(path)}" for path in applied.dropped]
    laid.flags += [f"not_deleted: {shown(path)}" for path in applied.left]


async def _patch(box: Box, one: Collect, private: str, data: bytes, guard: Guard, laid: Laid) -> None:
    try:
        files = parse_diff(data)
    except BadPatch as e:
        laid.patch_error = f"{one.name} is no diff: {e}"
        return
    sifted = sift(files, guard_below(guard, one.path))
    laid.flags += sifted.flags
    if sifted.kept:
        applied = await apply_patch(box, one.path, private, f"{len(laid.names)}.patch", sifted.patch())
        if not applied.ok:
            laid.patch_error = f"{one.name} does not apply: {applied.said[-300:]}"


def guard_below(guard: Guard, root: str) -> Guard:
    """The guard as seen from a folder of the box."""
    above = root.strip("/") + "/"
    globs = [g[len(above) :] if g.startswith(above) else g for g in guard.globs if g.startswith((above, "**"))]
    return Guard(tuple(globs), guard.allow)


def clean_tree(archive: bytes, path: str, guard: Guard, flags: list[str]) -> bytes:
    """A collected tree without what must not come back: devices, set-user-id bits, links out of it, protected paths.

    Its members are named from the folder down, as the engine takes them out; here they get their whole paths. Owners
    and modes stay. A hard link to a file of the tree stays one.
    """
    root = path.strip("/")
    out, seen = io.BytesIO(), 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as old, tarfile.open(fileobj=out, mode="w") as new:
            for member in old:
                seen += 1
                name = posixpath.normpath(member.name)
                inside = not name.startswith(("/", "../")) and name not in (".", "..")
                whole = posixpath.join(root, name)
                fits = seen <= MAX_MEMBERS and len(whole.encode("utf-8", "surrogateescape")) <= MAX_PATH
                why = _why_not(member, name, root) if inside and fits else "unsafe_path"
                if not why and not member.isdir() and _held(guard, whole):
                    why = "protected_path"
                if why:
                    flags.append(f"{why}: /{shown(whole if inside else name.lstrip('/'))}")
                    continue
                if member.islnk():
                    member.linkname = posixpath.join(root, posixpath.normpath(member.linkname))
                member.name, member.mode = whole, member.mode & ~SPECIAL_BITS
                member.pax_headers = {}
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
    except tarfile.TarError:
        flags.append(f"unreadable_tree: /{shown(root)}")
        return _empty()
    return out.getvalue()


def _held(guard: Guard, path: str) -> bool:
    return matches(path, guard.globs) and not matches(path, guard.allow)


def _why_not(member: tarfile.TarInfo, name: str, root: str) -> str:
    if member.isreg() or member.isdir():
        return ""
    if member.islnk():
        return "hard_link" if posixpath.normpath(member.linkname).startswith(("/", "..")) else ""
    if member.issym():
        return "symlink" if climbs_out(name, member.linkname, root) else ""
    return "special_file"


def _empty() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w"):
        pass
    return buffer.getvalue()


def anything(task: Task, work: Work, only: Sequence[str] | None) -> bool:
    """Whether any artifact was left behind."""
    names = [c.name for c in task.collect if only is None or c.name in only]
    return any(work.artifact(name) is not None for name in names)
