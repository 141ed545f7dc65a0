"""Files in and out of a container by the engine's archive calls, which also work on a stopped one.

The engine resolves links inside the container's own tree, so no path leads out of it. On the way in, a link where a
file is written is replaced, not followed. On the way out, only regular files are read.
"""

from __future__ import annotations

import io
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, TypeVar, cast

import docker
import requests
from docker.errors import create_api_error_from_http_exception
from docker.utils import decode_json_header

from harness.api import SandboxError
from harness.sandboxes._engine import Engine, NotThere

T = TypeVar("T")

PIECE = 1024 * 1024
STREAM_BYTES = 8 * 1024**3
"""The most that is read through to find the wanted members of a tree."""
NOWHERE = ("too many links", "too many levels of symbolic links")
"""What engines say of links in a circle."""
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


def get_archive(
    engine: Engine, container: str, path: str, max_bytes: int, keep: Callable[[str], bool] | None = None
) -> bytes:
    """A file or folder as a tar, or those of its members that `keep` wants. Raises FileNotFoundError, SandboxError."""
    if keep is None:
        return _fetch(engine, container, path, max_bytes, only_file=False)
    with _archive(engine, container, path) as (pieces, _):
        return engine.guarded(lambda: _sifted(pieces, path, max_bytes, keep))


@contextmanager
def _archive(engine: Engine, container: str, path: str) -> Iterator[tuple[Iterator[bytes], dict[str, Any]]]:
    """The engine's archive in pieces, and its head. Its connection is closed also when it is not read to the end.

    The SDK's own call keeps the connection to itself. A link that leads to itself is nothing that is there. Raises
    FileNotFoundError, SandboxError.
    """
    try:
        answer = engine.guarded(lambda: _asked(engine.api, container, path))
    except NotThere as e:
        raise FileNotFoundError(path) from e
    except SandboxError as e:
        if any(words in str(e) for words in NOWHERE):
            raise FileNotFoundError(path) from e
        raise
    try:
        about = decode_json_header(answer.headers["X-Docker-Container-Path-Stat"])
        yield answer.iter_content(PIECE, False), about
    finally:
        answer.close()


def _asked(api: docker.APIClient, container: str, path: str) -> requests.Response:
    url = f"{api.base_url}/v{api.api_version}/containers/{container}/archive"
    plain = {"Accept-Encoding": "identity"}  # else the engine compresses, which takes three times as long
    answer: requests.Response = api.get(url, params={"path": path}, headers=plain, stream=True, timeout=api.timeout)
    try:
        answer.raise_for_status()
    except requests.HTTPError as e:
        create_api_error_from_http_exception(e)
    return answer


def _sifted(pieces: Iterator[bytes], path: str, max_bytes: int, keep: Callable[[str], bool]) -> bytes:
    """Members that are wanted, copied while the stream goes by, so that only they are in memory."""
    out = io.BytesIO()
    stream = _Stream(pieces, path)
    try:
        with (
            tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", bufsize=PIECE) as tar,
            tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as kept,
        ):
            for member in tar:
                cast(Any, tar).members = []  # else a list of all of them grows
                if not keep(member.name):
                    continue
                if out.tell() + member.size > max_bytes:
                    raise SandboxError("too_big", f"{path} has more than {max_bytes:,} bytes to be taken")
                kept.addfile(member, tar.extractfile(member) if member.isreg() else None)
    except tarfile.TarError as e:
        raise SandboxError("engine", f"the archive of {path} broke off: {e}") from e
    return out.getvalue()


class _Stream:
    """A readable file made of pieces, up to a bound: a tree of sparse files would never end."""

    def __init__(self, pieces: Iterator[bytes], path: str) -> None:
        self._pieces = pieces
        self._path = path
        self._rest = b""
        self._seen = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises SandboxError past the bound."""
        while len(self._rest) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._seen += len(piece)
            if self._seen > STREAM_BYTES:
                raise SandboxError("too_big", f"{self._path} has more than {STREAM_BYTES:,} bytes")
            self._rest = self._rest + piece if self._rest else piece
        part, self._rest = self._rest[:size], self._rest[size:]
        return part


def _fetch(engine: Engine, container: str, path: str, max_bytes: int, *, only_file: bool) -> bytes:
    with _archive(engine, container, path) as (pieces, about):
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


def export(engine: Engine, container: str, read: Callable[[IO[bytes]], T]) -> T:
    """What `read` makes of the container's file system as a tar stream. Raises SandboxError, and what `read` raises."""
    pieces = engine.guarded(lambda: engine.api.export(container, chunk_size=PIECE))
    try:
        guarded = iter(lambda: engine.guarded(lambda: next(pieces, b"")), b"")
        return read(cast("IO[bytes]", _Stream(guarded, "/")))
    finally:
        pieces.close()


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
        if engine.is_podman:  # what is put into a folder that is not there makes it, as root's: Docker answers 404
            engine.guarded(lambda: _must_be_there(engine.api, container, path))
        engine.guarded(lambda: engine.api.put_archive(container, path, archive))
    except NotThere as e:
        raise FileNotFoundError(path) from e
    except SandboxError as e:
        raise SandboxError("disk_full" if "no space left" in str(e) else "path", f"{path}: {e}") from e


def _must_be_there(api: docker.APIClient, container: str, path: str) -> None:
    url = f"{api.base_url}/v{api.api_version}/containers/{container}/archive"
    answer: requests.Response = api.head(url, params={"path": path}, timeout=api.timeout)
    try:
        answer.raise_for_status()
    except requests.HTTPError as e:
        create_api_error_from_http_exception(e)


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
