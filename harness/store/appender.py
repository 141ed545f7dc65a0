"""A file of lines that only grows: buffered, written whole, mended after a crash."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import DiskFull, StoreError

_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class Appender:
    """A file of lines that only grows. `end` is where the next added line will begin, in bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[bytes] = []
        try:
            self._fd = os.open(path, _APPEND, 0o644)
        except OSError as e:
            raise refused(path.parent, e) from e
        self.end = os.fstat(self._fd).st_size

    def add(self, line: bytes) -> None:
        """Buffer one line."""
        self.lines.append(line)
        self.end += len(line) + 1

    def write(self, count: int) -> None:
        """Write the first `count` buffered lines. Raises DiskFull with the file cut to whole lines."""
        if count <= 0:
            return
        whole = count == len(self.lines)
        lines = self.lines if whole else self.lines[:count]
        data = b"\n".join(lines) + b"\n"
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:] if done else data)
        except OSError as e:
            kept = data.rfind(b"\n", 0, done) + 1
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - (done - kept))
            del self.lines[: data.count(b"\n", 0, kept)]
            raise refused(self.path.parent, e) from e
        if whole:
            self.lines = []
        else:
            del self.lines[:count]

    def mend(self, decoder: msgspec.json.Decoder[Any]) -> str:
        """Cut a torn last line, or end a whole one that lacks only its newline. Returns what was done, in words."""
        size = self.end
        tail = self._tail(size)
        if not tail:
            return ""
        try:
            decoder.decode(tail)
        except (msgspec.DecodeError, UnicodeDecodeError):
            os.ftruncate(self._fd, size - len(tail))
            self.end = size - len(tail)
            return f"{self.path.name}: cut a torn last line of {len(tail)} bytes"
        os.write(self._fd, b"\n")
        self.end = size + 1
        return f"{self.path.name}: ended the last line, which lacked its newline"

    def _tail(self, size: int) -> bytes:
        """The bytes after the last newline."""
        tail = b""
        at = size
        while at > 0:
            step = min(1 << 16, at)
            at -= step
            block = os.pread(self._fd, step, at)
            cut = block.rfind(b"\n")
            tail = block[cut + 1 :] + tail
            if cut >= 0:
                break
        return tail

    def cut(self, end: int) -> None:
        """Give up everything from byte `end` on, which begins a line. Nothing may be buffered."""
        os.ftruncate(self._fd, end)
        self.end = end

    def sync(self) -> None:
        """Wait until the disk has it."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Close the file; what is buffered is lost."""
        os.close(self._fd)


def refused(folder: Path, e: OSError) -> StoreError:
    """The error for a file of a run that cannot be written."""
    if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(
            f"no space left for {folder.name}: {e.strerror}",
            help=f"everything written so far is safe; free some space, then: harness resume {folder.name}",
        )
    return StoreError(f"cannot write {folder.name}: {e.strerror or e}", help="check the disk and its permissions")
