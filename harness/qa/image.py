"""An image's whole file system, read as a stream: what of a task's hidden side is in it, and its git repositories.

Nothing of the image is executed. Programs in machine code (ELF) are not searched; zip, gzip, xz and bzip2 files are
opened, Debian packages too, and archives in them.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

NOT_SEARCHED = ("proc/", "sys/", "dev/")
MAX_FILE = 64 * 1024**2
MAX_UNPACKED = 128 * 1024**2
MAX_GIT_FILE = 1024**2
MAX_ZIP_TAIL = 66_000
"""Where a zip's end is: it may have 64 KiB of comment."""
AR_HEAD = 60
DEPTH = 4
"""Archives in archives: a wheel in a tar in a gzip is three."""
COMPRESSED: Mapping[bytes, Callable[[IO[bytes]], gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File]] = {
    b"\x1f\x8b": lambda f: gzip.GzipFile(fileobj=f), b"\xfd7zXZ\x00": lzma.LZMAFile, b"BZh": bz2.BZ2File,
}  # fmt: skip
_OBJECT = re.compile(r"objects/(?:[0-9a-f]{2}/[0-9a-f]{38,62}|pack/pack-[0-9a-f]{40,64}\.(?:pack|idx))")
_GIT = re.compile(r"(.*?)(?:^|/)([^/]*\.git)/(.+)", re.DOTALL)
_HEADS = re.compile(
    r"(?:HEAD|[A-Z]+_HEAD|config|packed-refs|shallow|objects/info/(?:http-)?alternates|refs/.+|logs/.+)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Needles:
    """What is looked for: lines of the answer, lines and names of hidden tests; `keep` are paths to keep."""

    answer: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    keep: frozenset[str] = frozenset()


@dataclass(slots=True)
class Hit:
    """What one file of the image holds."""

    answer: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Repository:
    """A git folder in the image: `heads` its small files by name in it; its objects lie under `objects` on the host."""

    path: str
    objects: Path
    heads: dict[str, str] = field(default_factory=dict)
    n_objects: int = 0


@dataclass(slots=True)
class Image:
    """What was found. `files` counts regular files, `searched` those that were looked into; `kept` are whole texts."""

    hits: dict[str, Hit] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    files: int = 0
    searched: int = 0
    too_big: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def read_image(stream: IO[bytes], needles: Needles, spool: Path) -> Image:
    """Search a tar of the whole file system. Git objects are written under `spool`, which the caller removes.

    Raises tarfile.TarError for a stream that breaks off.
    """
    image = Image()
    sought = _encoded(needles)
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            name = member.name.lstrip("./")
            if not member.isreg() or name.startswith(NOT_SEARCHED):
                continue
            image.files += 1
            if member.size > MAX_FILE and not _OBJECT.search(name):
                image.too_big.append(f"/{name}")
                continue
            data = tar.extractfile(member)
            if data is None:
                continue
            if (in_git := _GIT.fullmatch(name)) and _git_file(image, in_git, data, spool):
                continue
            whole = data.read()
            if f"/{name}" in needles.keep:
                image.kept[f"/{name}"] = whole.decode("utf-8", "replace")
            _search(image, f"/{name}", whole, sought)
    return image


def _encoded(needles: Needles) -> list[tuple[str, str, bytes]]:
    groups: Mapping[str, Sequence[str]] = {"answer": needles.answer, "hidden": needles.hidden, "names": needles.names}
    return [(kind, text, text.encode()) for kind, texts in groups.items() for text in texts]


def _search(image: Image, path: str, data: bytes, sought: list[tuple[str, str, bytes]]) -> None:
    if not sought or data.startswith(b"\x7fELF"):
        return
    image.searched += 1
    for piece in _pieces(data):
        for kind, text, needle in sought:
            if needle in piece:
                getattr(image.hits.setdefault(path, Hit()), kind).add(text)


def _pieces(data: bytes, depth: int = DEPTH) -> Iterator[bytes]:
    """The bytes, and what they hold where they are an archive of a kind that caches are full of.

    So are archives in these (a wheel in a tar). A zip is known by its end: older caches of pip put words of their own
    before it.
    """
    yield data
    if _is_tar(data):
        inner = _archives_in(data)
    else:
        inner = _unzipped(data) if b"PK\x05\x06" in data[-MAX_ZIP_TAIL:] else _unpacked(data)
    for piece in inner:
        if depth > 1:
            yield from _pieces(piece, depth - 1)
        else:
            yield piece


def _is_tar(data: bytes) -> bool:
    return data[257:262] == b"ustar"


def _unpacked(data: bytes) -> Iterator[bytes]:
    """What a compressed file holds, up to a size; of a Debian package its files."""
    if data.startswith(b"!<arch>\n"):
        data = data[max(data.find(b"data.tar"), 0) :]
        data = data[AR_HEAD:]
    opened = next((open_it for magic, open_it in COMPRESSED.items() if data.startswith(magic)), None)
    if opened is None:
        return
    try:
        with opened(io.BytesIO(data)) as packed:
            yield packed.read(MAX_UNPACKED)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return


def _archives_in(data: bytes) -> Iterator[bytes]:
    """Files of a tar that are archives themselves; the others are read as they stand in it."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is not None and (whole := file.read()).startswith((b"PK\x03\x04", *COMPRESSED)):
                    yield whole
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError):
        return


def _unzipped(data: bytes) -> Iterator[bytes]:
    room = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for entry in packed.infolist():
                if entry.file_size <= room:
                    room -= entry.file_size
                    yield packed.read(entry)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, OSError, ValueError):
        return


def _git_file(image: Image, found: re.Match[str], data: IO[bytes], spool: Path) -> bool:
    """Keep a file of a git folder. False for what is no part of one, to be searched as any other."""
    above, folder, name = found.groups()
    root = "/" + "/".join(part for part in (above, folder) if part)
    if not (_OBJECT.fullmatch(name) or _HEADS.fullmatch(name)):
        return False
    repository = image.repositories.get(root)
    if repository is None:
        objects = spool / f"{len(image.repositories)}" / "objects"
        repository = image.repositories[root] = Repository(root, objects)
    if _OBJECT.fullmatch(name):
        place = repository.objects / name.removeprefix("objects/")
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as out:
            while piece := data.read(MAX_GIT_FILE):
                out.write(piece)
        repository.n_objects += 1
    else:
        repository.heads[name] = data.read(MAX_GIT_FILE).decode("utf-8", "replace")
    return True
