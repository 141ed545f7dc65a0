"""What a box's work changed in its file system, applied to a clean box of the same image.

The tar (of `taken.take_changes`) holds `changes.json` (what was deleted) and the changed files under `root/` by their
full paths, with owners and modes. What it holds is the work's own: it is only ever unpacked inside a box.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.api import Box
from harness.toolkit.box_links import links_astray
from harness.toolkit.protected import COMMAND_FOLDERS, is_system, shadow

HEAD = "changes.json"
TREE = "root/"
AT_ONCE = 200
"""Paths in one `rm`."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done to a clean box: `dropped` are paths on protected places and links that lead to such or to a
    verifier's, `left` could not be deleted."""

    files: int
    deleted: tuple[str, ...]
    dropped: tuple[str, ...]
    left: tuple[str, ...]


async def apply_changes(
    box: Box, archive: bytes, allow: Sequence[str] = (), held: Callable[[str], bool] = lambda path: False
) -> Applied:
    """Apply changes to a clean box. What would change how a verifier runs is dropped, not applied (`protected`).

    `allow` are globs of paths that are applied all the same; `held` says which others are dropped too, by their path
    from the root without its first slash. Raises SandboxError; ValueError for an archive that is not of
    `take_changes`.
    """
    gone, members = _read(archive)
    files = [f"/{name}" for name, (member, _) in members.items() if not member.isdir()]
    commands = await _commands(box)
    dropped = {path for path in (*files, *gone) if shadow(path, commands, allow)}
    dropped |= await _existing(box, [p for p in files if p not in dropped and is_system(p, allow)])
    dropped |= {path for path in gone if is_system(path, allow)}
    dropped |= {path for path in (*files, *gone) if held(path.lstrip("/"))}
    deleted = [path for path in gone if path not in dropped]
    left = await _delete(box, deleted)
    kept = {n: m for n, m in members.items() if f"/{n}" not in dropped and not _under(n, dropped)}
    if kept:
        await box.put_archive("/", _tar(kept))
    astray = await _without_links(box, kept, lambda p: bool(shadow(p, commands, allow)) or held(p.lstrip("/")))
    dropped |= astray
    kept = {n: m for n, m in kept.items() if f"/{n}" not in astray}
    applied = sum(not member.isdir() for member, _ in kept.values())
    return Applied(applied, tuple(deleted), tuple(sorted(dropped)), tuple(left))


async def _without_links(
    box: Box, members: Mapping[str, tuple[tarfile.TarInfo, bytes]], held: Callable[[str], bool]
) -> set[str]:
    """Remove the links that may not stay, until no other is led astray by what they led to; their paths."""
    links = {f"/{name}": member.linkname for name, (member, _) in members.items() if member.issym()}
    files = [f"/{name}" for name, (member, _) in members.items() if not member.isdir()]
    gone: set[str] = set()
    while astray := await links_astray(box, links, files, held):
        gone |= set(astray)
        links = {path: target for path, target in links.items() if path not in gone}
        await _delete(box, sorted(astray))
    return gone


def _tar(members: Mapping[str, tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members.values():
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)
    return out.getvalue()


async def _commands(box: Box) -> frozenset[str]:
    """Names of the commands the image has."""
    said = await box.exec(["ls", "-A", *COMMAND_FOLDERS], timeout_s=60.0)
    return frozenset(said.stdout.decode("utf-8", "replace").split("\n"))


async def _existing(box: Box, paths: Sequence[str]) -> set[str]:
    """Those of the paths that are there."""
    script = 'for p in "$@"; do if [ -e "$p" ] || [ -L "$p" ]; then printf "%s\\n" "$p"; fi; done'
    found: set[str] = set()
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start : start + AT_ONCE]
        said = await box.exec(["sh", "-c", script, "sh", *some], user="0", timeout_s=60.0)
        found |= {line for line in said.stdout.decode("utf-8", "replace").split("\n") if line}
    return found


def _under(name: str, dropped: Iterable[str]) -> bool:
    return any(f"/{name}".startswith(f"{path}/") for path in dropped)


def _read(archive: bytes) -> tuple[list[str], dict[str, tuple[tarfile.TarInfo, bytes]]]:
    """What was deleted, and the members by their path without its first slash. Raises ValueError."""
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    gone: list[str] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                data = tar.extractfile(member) if member.isreg() else None
                body = data.read() if data is not None else b""
                name = member.name.removeprefix(TREE)
                if member.name == HEAD:
                    gone = [path for path in json.loads(body)["deleted"] if path.startswith("/")]
                elif not member.name.startswith(TREE) or ".." in name.split("/") or name.startswith("/"):
                    raise ValueError(f"'{member.name}' is no name in an archive of changes")
                else:
                    member.name = name
                    members[name] = (member, body)
    except tarfile.TarError as e:
        raise ValueError(f"not an archive of changes: {e}") from e
    return gone, members


async def _delete(box: Box, paths: Sequence[str]) -> list[str]:
    """Delete as root and as the box's user: without capabilities root cannot delete in others' folders."""
    for start in range(0, len(paths), AT_ONCE):
        for user in ("0", ""):
            await box.exec(["rm", "-rf", "--", *paths[start : start + AT_ONCE]], user=user, timeout_s=60.0)
    return sorted(await _existing(box, paths))
