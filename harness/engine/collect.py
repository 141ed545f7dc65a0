"""What leaves a box: artifacts, taken out after the work ended (docs/design/006).

    probes of the living box -> the box is stopped -> files, trees and patches through the engine's archive call

Nothing that the work left behind is run here. What is absent gives no artifact: the grader says what that means. What
was refused gives a flag.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.engine.patch import take_patch
from harness.engine.paths import leaves_tree, left_out
from harness.engine.probes import CleanBox, is_alive, probe
from harness.errors import SandboxError
from harness.plugins.contracts import Box
from harness.records.outcome import Artifact
from harness.records.task import Collect, SandboxSpec
from harness.toolkit.taken import take_changes

REFUSED = ("too_big", "path")
"""Faults of a SandboxError that say something about the work, not about the engine."""


@dataclass(slots=True)
class Collected:
    """What was taken, and words on what was refused."""

    artifacts: list[Artifact] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


async def collect(box: Box, wanted: Sequence[Collect], spec: SandboxSpec, clean: CleanBox) -> Collected:
    """Take what is asked for from a box of `spec`: first what must live, then what must not. Raises SandboxError.

    The box is stopped afterwards, whatever was asked for.
    """
    found = Collected()
    for one in wanted:
        if is_alive(one):
            await _take(box, one, spec, clean, found)
    await box.stop()
    for one in wanted:
        if not is_alive(one):
            await _take(box, one, spec, clean, found)
    by_name = {a.name: a for a in found.artifacts}
    found.artifacts = [by_name[one.name] for one in wanted if one.name in by_name]
    return found


async def _take(box: Box, one: Collect, spec: SandboxSpec, clean: CleanBox, found: Collected) -> None:
    try:
        data, flags = await _one(box, one, spec, clean)
    except FileNotFoundError:
        return
    except SandboxError as e:
        if e.fault not in REFUSED:
            raise
        found.flags.append(f"{e.fault}: {one.name}: {e}")
        return
    found.flags += flags
    if data is None:
        return
    if len(data) > one.max_bytes:
        found.flags.append(f"too_big: {one.name}: {len(data):,} bytes, at most {one.max_bytes:,} are taken")
        return
    found.artifacts.append(Artifact(one.name, data))


async def _one(box: Box, one: Collect, spec: SandboxSpec, clean: CleanBox) -> tuple[bytes | None, Sequence[str]]:
    """The bytes of one artifact and flags. Raises FileNotFoundError, SandboxError."""
    match one.what:
        case "patch":
            return await take_patch(box, one, clean)
        case "file":
            return await box.read(one.path, max_bytes=one.max_bytes), ()
        case "tree":
            return _tree(await box.get_archive(one.path), one)
        case "changes":
            roots = [str(root) for root in one.options.get("roots", ["/"])]
            return await take_changes(box, roots, one.exclude, one.max_bytes), ()
        case _:
            return await probe(box, one, spec, clean), ()


def _tree(archive: bytes, one: Collect) -> tuple[bytes | None, Sequence[str]]:
    """The tar of a folder, its members named from the folder down, to be extracted into it (`put_archive`).

    Files, folders and links that stay inside; a second name of a file is a file of its own.
    """
    out, flags = io.BytesIO(), []
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as tar,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as kept,
    ):
        top = tar.next()
        if top is None or not top.isdir():
            raise SandboxError("path", f"{one.path} is not a folder")
        for member in tar:
            name = member.name.removeprefix(top.name.rstrip("/") + "/")
            if member is top or name == top.name or left_out(name, one.exclude):
                continue
            if member.issym() and leaves_tree(name, member.linkname, one.path):
                flags.append(f"link_leaves_tree: {name} -> {member.linkname}")
                continue
            data = tar.extractfile(member) if member.isreg() or member.islnk() else None
            if data is None and not (member.isdir() or member.issym()):
                continue
            if out.tell() > one.max_bytes:  # second names of one file are a file each
                raise SandboxError("too_big", f"{one.path} is more than {one.max_bytes:,} bytes")
            _add(kept, member, name, data.read() if data is not None else None)
    return out.getvalue(), flags


def _add(out: tarfile.TarFile, member: tarfile.TarInfo, name: str, data: bytes | None) -> None:
    copy = tarfile.TarInfo(name)
    copy.mode, copy.uid, copy.gid, copy.mtime = member.mode, member.uid, member.gid, member.mtime
    if data is not None:
        copy.size = len(data)
        out.addfile(copy, io.BytesIO(data))
        return
    copy.type, copy.linkname = member.type, member.linkname
    out.addfile(copy)
