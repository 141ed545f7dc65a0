"""The work's patch: what differs between a folder of the stopped box and the same folder of a clean one.

    the engine lists what changed -> the clean box says what its own ignore rules leave out -> the rest is taken as
    data -> git in the clean box compares, with a git directory that the work never saw

No git runs on a tree the work touched: files of the work are only ever blobs beside the clean tree. Attributes,
configuration and ignore rules of the work have no part in it. A rename is written as a removal and an addition, so
that every part of the patch speaks of one path.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import resources
from pathlib import PurePosixPath
from secrets import token_hex

from harness.engine.paths import leaves_tree, left_out
from harness.engine.probes import CleanBox
from harness.errors import SandboxError
from harness.plugins.contracts import MAX_READ_BYTES, Box, Completed
from harness.records.task import Collect, SandboxSpec
from harness.toolkit.protected import VERIFIER_COMMANDS, shadow
from harness.toolkit.taken import LOST, as_listed

MOST_PATHS = 200_000
MOST_PLANTED = 20
COMPARE_S = 600.0
NO_GIT, NO_RULES = 3, 4
"""Exit codes of patch_prepare.sh."""


@dataclass(slots=True)
class Taken:
    """New files and links by path, as tar members with their bytes; folders; and what was refused."""

    members: dict[str, tuple[tarfile.TarInfo, bytes]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


async def take_patch(box: Box, one: Collect, clean: CleanBox) -> tuple[bytes | None, Sequence[str]]:
    """The patch from a stopped box (empty when nothing changed), and flags. None when the folder is gone.

    Raises SandboxError; its fault is `too_big` when the work is more than can be compared.
    """
    root = str(PurePosixPath(one.path))
    flags: list[str] = []
    everywhere = await box.changes()
    changed = _under(everywhere, root)
    flags += _planted(everywhere, root)
    if changed.get("") == "deleted" or not await _is_folder(box, root, changed):
        return None, [*flags, f"no_folder: {one.name}: {root} is gone"]
    paths = _candidates(changed, one.exclude, flags)
    if len(paths) > MOST_PATHS:
        raise SandboxError("too_big", f"{len(paths):,} paths changed in {root}, at most {MOST_PATHS:,} are compared")
    if not paths:
        return b"", flags
    async with AsyncExitStack() as stack:
        desk = await _desk(stack, clean, root, paths)
        ignored = await desk.ignored(flags)
        wanted = [p for p in paths if p not in ignored]
        taken = await _fetch(box, root, {p for p in wanted if changed[p] != "deleted"})
        gone = [p for p in wanted if changed[p] == "deleted" and LOST not in p]
        flags += [f"lost_name: {p} was deleted" for p in wanted if changed[p] == "deleted" and LOST in p][:MOST_PLANTED]
        patch = await desk.compare(taken, gone, one.max_bytes)
    return patch, [*flags, *taken.flags]


def _planted(changes: Iterable[tuple[str, str]], root: str) -> list[str]:
    """Flags of what the work made outside the folder where programs of a grader would meet it. It is not collected."""
    found = []
    for kind, path in changes:
        if kind == "deleted" or path.startswith(f"{root.rstrip('/')}/"):
            continue
        folder, _, name = path.rpartition("/")
        if shadow(path, ()) or (folder.endswith("/bin") and name in VERIFIER_COMMANDS):
            found.append(f"planted: {path}")
    return found[:MOST_PLANTED]


def _under(changes: Iterable[tuple[str, str]], root: str) -> dict[str, str]:
    """What changed, by path from `root` down; `root` itself is the empty path."""
    inside = root.rstrip("/") + "/"
    found = {}
    for kind, path in changes:
        if path == root:
            found[""] = kind
        elif path.startswith(inside):
            found[path.removeprefix(inside)] = kind
    return found


async def _is_folder(box: Box, root: str, changed: Mapping[str, str]) -> bool:
    """Whether the root is still a folder. Something changed inside it: it is. Else the head of its archive says."""
    if len(changed) > 1 or "" not in changed:
        return True
    heads: list[str] = []

    def keep(name: str) -> bool:
        heads.append(name)
        return len(heads) == 1

    try:
        archive = await box.get_archive(root, keep=keep)
    except FileNotFoundError:
        return False
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        top = tar.next()
        return top is not None and top.isdir()


def _candidates(changed: Mapping[str, str], exclude: Sequence[str], flags: list[str]) -> list[str]:
    """Paths to look at: none of git's own folders, nothing excluded."""
    nested: set[str] = set()
    paths = []
    for path in sorted(changed):
        parts = path.split("/")
        at = next((i for i, part in enumerate(parts) if part.casefold() == ".git"), None)
        if at:
            nested.add("/".join(parts[: at + 1]))
        if path and at is None and not left_out(path, exclude):
            paths.append(path)
    flags += [f"nested_git: {path}" for path in sorted(nested)]
    return paths


async def _fetch(box: Box, root: str, wanted: set[str]) -> Taken:
    """New files and links. Raises SandboxError, `too_big` where second names of files make them too much."""
    taken = Taken()
    if not wanted:
        return taken
    top = PurePosixPath(root).name

    def below(name: str) -> str:
        return name.strip("/").removeprefix(f"{top}/")

    archive = await box.get_archive(root, keep=lambda name: as_listed(below(name)) in wanted)
    second: dict[str, bytes] = {}
    size = 0
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            name = below(member.name)
            if member.isdir():
                taken.folders.append(name)
            elif member.issym() and leaves_tree(name, member.linkname, root):
                taken.flags.append(f"link_leaves_tree: {name} -> {member.linkname}")
            elif member.issym():
                taken.members[name] = (member, b"")
            elif member.isreg() or member.islnk():
                if member.isreg() or member.linkname not in second:
                    second[member.linkname or member.name] = await _content(box, tar, member, f"{root}/{name}")
                data = second[member.linkname or member.name]
                size += len(data)
                if size > MAX_READ_BYTES:
                    raise SandboxError("too_big", f"{root} has more than {MAX_READ_BYTES:,} bytes to be taken")
                taken.members[name] = (member, data)
    return taken


async def _content(box: Box, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> bytes:
    """A file's bytes. A second name of a file that is not wanted itself is asked for alone."""
    try:
        data = tar.extractfile(member)
    except KeyError:
        return await box.read(path)
    return data.read() if data is not None else b""


@dataclass(frozen=True, slots=True)
class Desk:
    """A clean box with the clean tree at `root` and a folder of ours, where patches are made."""

    box: Box
    root: str
    folder: str
    prepared: Completed

    async def ignored(self, flags: list[str]) -> set[str]:
        """Changed paths that the clean tree's rules leave out."""
        if self.prepared.exit_code == NO_RULES:
            flags.append("ignore_rules: could not be applied to what changed; nothing was left out")
        said = await self._said(self.prepared, "ignored", MAX_READ_BYTES)
        return {name.removeprefix("./") for name in _names(said)}

    async def compare(self, taken: Taken, gone: Sequence[str], max_bytes: int) -> bytes:
        """The patch from the clean tree to what was taken, less what is gone. Raises SandboxError."""
        members = taken.members
        data = {"touched": _list([*members, *gone]), "folders": _list(taken.folders), "new.list": _list(members)}
        name = self.folder.strip("/")
        await self.box.put_archive("/", _tar(name, data, {f"new/{n}": m for n, m in members.items()}))
        done = await _run(self.box, self.folder, "patch_compare.sh", self.root)
        return await self._said(done, "patch", max_bytes)

    async def _said(self, done: Completed, file: str, max_bytes: int) -> bytes:
        """What a step printed; from the file that it printed where that was too much to be kept."""
        return await self.box.read(f"{self.folder}/{file}", max_bytes=max_bytes) if done.truncated else done.stdout


async def _desk(stack: AsyncExitStack, clean: CleanBox, root: str, paths: Sequence[str]) -> Desk:
    """A clean box of the task's image; where that has no git, one of the default image with the clean tree in it."""
    folder = f"/harness-{token_hex(8)}"
    box = await stack.enter_async_context(clean(None))
    done = await _prepare(box, folder, root, paths)
    if done.exit_code == NO_GIT:
        other = await stack.enter_async_context(clean(SandboxSpec()))
        await _copy_tree(box, other, root)
        box, done = other, await _prepare(other, folder, root, paths)
    if done.exit_code == NO_GIT:
        raise SandboxError("collect", f"the patch of {root} cannot be made: there is no git in a clean box")
    return Desk(box, root, folder, done)


async def _prepare(box: Box, folder: str, root: str, paths: Sequence[str]) -> Completed:
    scripts = resources.files("harness.engine") / "scripts"
    names = ("patch_env.sh", "patch_prepare.sh", "patch_compare.sh")
    data = {name: (scripts / name).read_bytes() for name in names}
    await box.put_archive("/", _tar(folder.strip("/"), {**data, "paths": _list(f"./{p}" for p in paths)}, {}))
    return await _run(box, folder, "patch_prepare.sh", root, (0, NO_GIT, NO_RULES))


async def _run(box: Box, folder: str, script: str, root: str, fine: Sequence[int] = (0,)) -> Completed:
    done = await box.exec(["/bin/sh", f"{folder}/{script}", folder, root], timeout_s=COMPARE_S, workdir="/")
    if done.timed_out:
        raise SandboxError("too_big", f"what changed in {root} was not compared within {COMPARE_S:g} s")
    if done.oom_killed or done.disk_full:
        used = "memory" if done.oom_killed else "disk"
        raise SandboxError("too_big", f"what changed in {root} is more than the box's {used} lets git compare")
    if done.exit_code not in fine:
        said = done.stderr.decode("utf-8", "replace").strip()[-1000:]
        raise SandboxError("collect", f"the patch of {root} cannot be made ({script}, exit {done.exit_code}): {said}")
    return done


async def _copy_tree(box: Box, other: Box, root: str) -> None:
    archive = await box.get_archive(root, max_bytes=MAX_READ_BYTES)
    parent = str(PurePosixPath(root).parent)
    await other.exec(["mkdir", "-p", parent], user="0", workdir="/")
    await other.put_archive(parent, archive)


def _names(data: bytes) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in data.split(b"\0") if name]


def _list(names: Iterable[str]) -> bytes:
    return b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in names)


def _tar(folder: str, data: Mapping[str, bytes], files: Mapping[str, tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Our folder, which the box's user may write in, and files in it. Of the work's members only what git keeps."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_folder(folder, 0o777))
        for name, content in data.items():
            tar.addfile(*_regular(f"{folder}/{name}", content, 0o644))
        if files:
            tar.addfile(_folder(f"{folder}/new", 0o755))
        for above in sorted({str(a) for name in files for a in PurePosixPath(name).parents} - {".", "new"}):
            tar.addfile(_folder(f"{folder}/{above}", 0o755))
        for name, (member, content) in files.items():
            if member.issym():
                link = tarfile.TarInfo(f"{folder}/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, member.linkname
                tar.addfile(link)
            else:
                tar.addfile(*_regular(f"{folder}/{name}", content, 0o755 if member.mode & 0o100 else 0o644))
    return out.getvalue()


def _folder(name: str, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, mode
    return member


def _regular(name: str, content: bytes, mode: int) -> tuple[tarfile.TarInfo, io.BytesIO]:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    return member, io.BytesIO(content)
