"""Looking at an artifact: as bytes, text, JSON, a tree of files, or what a probe brought back."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from harness.api import Json

MAX_ENTRIES = 100_000
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")


class NotThere(Exception):
    """What a check looks at is not there, or is not of that kind; the message says what."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree: `kind` is file, folder or link; `mode` its permission bits."""

    kind: str
    mode: int
    data: bytes = b""
    target: str = ""


@dataclass(frozen=True)
class Seen:
    """An artifact's bytes, None when it was not there to be taken."""

    data: bytes | None

    @property
    def bytes(self) -> bytes:
        """The bytes. Raises NotThere."""
        if self.data is None:
            raise NotThere("it is absent")
        return self.data

    @property
    def text(self) -> str:
        """UTF-8 text. Raises NotThere."""
        try:
            return self.bytes.decode("utf-8")
        except UnicodeDecodeError as e:
            raise NotThere(f"it is not UTF-8 text (byte {e.start})") from e

    @cached_property
    def json(self) -> Json:
        """The JSON value. Raises NotThere."""
        try:
            return msgspec.json.decode(self.bytes)
        except (msgspec.DecodeError, RecursionError) as e:
            raise NotThere(f"it is not JSON: {e}") from e

    @cached_property
    def tree(self) -> Mapping[str, Entry]:
        """The entries of a tree by path below its folder. Raises NotThere."""
        found: dict[str, Entry] = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(self.bytes), mode="r:") as tar:
                for number, member in enumerate(tar):
                    if number >= MAX_ENTRIES:
                        raise NotThere(f"more than {MAX_ENTRIES:,} entries")
                    if path := member.name.strip("/"):
                        found[path] = _entry(tar, member)
        except tarfile.TarError as e:
            raise NotThere("it is not a tree") from e
        return found

    def inside(self, path: str) -> Seen:
        """A file of a tree. Raises NotThere for what is there and is no file."""
        if self.data is None:
            return Seen(None)
        entry = self.tree.get(path)
        if entry is not None and entry.kind != "file":
            raise NotThere(f"{path} is a {entry.kind}")
        return Seen(entry.data if entry else None)

    @property
    def rows(self) -> list[Json]:
        """What a query brought: a list, or `rows` of an object. Raises NotThere."""
        said = self.json
        rows = said.get("rows") if isinstance(said, dict) else said
        if not isinstance(rows, list):
            raise NotThere("there are no rows in it")
        return rows


def at_path(value: Json, path: str) -> Json:
    """The value at `a.b[0].c`; the whole for an empty path. Raises NotThere."""
    place = 0
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            raise NotThere(f"'{path}' is no path")
        place = step.end()
        try:
            value = value[int(step[2])] if step[2] is not None else value[step[1]]
        except (KeyError, IndexError, TypeError) as e:
            raise NotThere(f"there is nothing at {path[:place]}") from e
    return value


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    mode = member.mode & 0o7777
    if member.isreg():
        data = tar.extractfile(member)
        return Entry("file", mode, data.read() if data else b"")
    if member.isdir():
        return Entry("folder", mode)
    return Entry("link", mode, target=member.linkname) if member.issym() or member.islnk() else Entry("other", mode)
