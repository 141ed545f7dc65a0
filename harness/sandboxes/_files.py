"""Files in and out of a container by the engine's archive calls, which also work on a stopped one.

The engine resolves links inside the container's own tree, so no path leads out of it. On the way in, a link where a
file is written is replaced, not followed. On the way out, only regular files are read.
"""

from __future__ import annotations

import io
import stat
import tarfile
from pathlib import PurePosixPath
from typing import Any

from harness.api import SandboxError
from harness.sandboxes._engine import Engine, NotThere

PIECE = 1024 * 1024
GO_FOLDER = 1 << 31
GO_LINK = 1 << 27
GO_OTHER = 1 << 19 | 1 << 21 | 1 << 24 | 1 << 25 | 1 << 26
"""Go's os.FileMode bits, in which the engine answers: irregular, char device, socket, pipe, device."""


def read_file(engine: Engine, container: str, path: str, max_bytes: int) -> bytes:
    """A regular file's bytes. Raises FileNotFoundError, SandboxError."""
    archive = _fetch(engine, container, path, max_bytes, only_file=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.next()
        data = tar.extractfile(member) if member is not None and member.isreg() else None
        if data is None:
            raise SandboxError("path", f"{path} is not a regular file")
        return data.read()


def get_archive(engine: Engine, container: str, path: str, max_bytes: int) -> bytes:
    """A file or folder as a tar. Raises FileNotFoundError, SandboxError."""
    return _fetch(engine, container, path, max_bytes, only_file=False)


def _fetch(engine: Engine, container: str, path: str, max_bytes: int, *, only_file: bool) -> bytes:
    try:
        pieces, about = engine.guarded(lambda: engine.api.get_archive(container, path, chunk_size=PIECE))
    except NotThere as e:
        raise FileNotFoundError(path) from e
    try:
        if only_file:
            _refuse_others(about, path)
            if about["size"] > max_bytes:
                raise SandboxError("too_big", f"{path} has {about['size']:,} bytes: at most {max_bytes:,} are read")
        kept, size = [], 0
        room = max_bytes + (2 * tarfile.RECORDSIZE if only_file else 0)
        for piece in engine.guarded(lambda: _all(pieces, room)):
            kept.append(piece)
            size += len(piece)
        if size > room:
            raise SandboxError("too_big", f"{path} is more than {max_bytes:,} bytes as a tar")
    finally:
        pieces.close()
    return b"".join(kept)


def _all(pieces: Any, room: int) -> list[bytes]:
    """Pieces up to the first that is too much."""
    kept, size = [], 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > room:
            break
    return kept


def _refuse_others(about: dict[str, Any], path: str) -> None:
    mode = about["mode"]
    kinds = {GO_LINK: f"a link to {about.get('linkTarget', '')}", GO_FOLDER: "a folder", GO_OTHER: "no regular file"}
    for bit, kind in kinds.items():
        if mode & bit:
            raise SandboxError("path", f"{path} is {kind}: only regular files are read")


def write_file(engine: Engine, container: str, path: str, member: tarfile.TarInfo, data: bytes) -> None:
    """Write a file with the owner and mode of `member`, and the folders it needs. Raises SandboxError."""
    target = PurePosixPath(path)
    absent: list[str] = []
    folder = target.parent
    while True:
        try:
            put_archive(engine, container, str(folder), _one_file(member, absent, target.name, data))
            return
        except FileNotFoundError:
            absent.insert(0, folder.name)
            folder = folder.parent
            if len(absent) > len(target.parts):
                raise SandboxError("path", f"{path} cannot be written") from None


def put_archive(engine: Engine, container: str, path: str, archive: bytes) -> None:
    """Extract a tar into a folder. Raises FileNotFoundError, SandboxError."""
    try:
        engine.guarded(lambda: engine.api.put_archive(container, path, archive))
    except NotThere as e:
        raise FileNotFoundError(path) from e
    except SandboxError as e:
        raise SandboxError("disk_full" if "no space left" in str(e) else "path", f"{path}: {e}") from e


def _one_file(member: tarfile.TarInfo, folders: list[str], name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for i in range(len(folders)):
            folder = tarfile.TarInfo("/".join(folders[: i + 1]))
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o755, member.uid, member.gid
            folder.mtime = member.mtime
            tar.addfile(folder)
        member.name, member.size = "/".join([*folders, name]), len(data)
        tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def user_ids(engine: Engine, container: str, user: str) -> tuple[int, int]:
    """The uid and gid of a user as `docker run --user` understands it: name or number, with or without a group.

    Raises SandboxError when the image has no such user.
    """
    name, _, group = user.partition(":")
    uid, gid = _look_up(engine, container, "/etc/passwd", name)
    if group:
        gid = _look_up(engine, container, "/etc/group", group)[0]
    return uid, gid


def _look_up(engine: Engine, container: str, file: str, name: str) -> tuple[int, int]:
    """Fields 3 and 4 of the line of that name or number; a number without a line is itself, in group 0."""
    if name in ("", "root", "0"):
        return 0, 0
    try:
        lines = read_file(engine, container, file, PIECE).decode("utf-8", "replace").splitlines()
    except (FileNotFoundError, SandboxError):
        lines = []
    for line in lines:
        fields = line.split(":")
        if len(fields) > 3 and name in (fields[0], fields[2]):
            return int(fields[2]), int(fields[3]) if fields[3].isdigit() else 0
    if name.isdigit():
        return int(name), 0
    raise SandboxError("user", f"the image has no user '{name}' in {file}")


def regular(mode: int, owner: tuple[int, int], mtime: float) -> tarfile.TarInfo:
    """The head of a file to be written."""
    member = tarfile.TarInfo()
    member.mode, (member.uid, member.gid), member.mtime = stat.S_IMODE(mode), owner, int(mtime)
    return member
