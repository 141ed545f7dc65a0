"""What is kept of a command's output: the first and the last part, never more than the cap in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from harness.sandboxes._engine import Hijacked

PIECE = 64 * 1024
STDERR = 2
PACE = 100 * 1024**2
"""Bytes per second read of a command that has written more than is kept: a runaway must not eat the machine."""


class Kept:
    """Output of one command, both streams under one cap. Half of it is the beginning, half the end."""

    __slots__ = ("_dropped", "_head", "_head_room", "_limit", "_on_output", "_tail", "_tail_room", "total")

    def __init__(self, limit: int, on_output: Callable[[bytes], None] | None = None) -> None:
        self.total = 0
        self._limit = limit
        self._on_output = on_output
        self._head: dict[bool, bytearray] = {False: bytearray(), True: bytearray()}
        self._head_room = limit // 2
        self._tail: deque[tuple[bool, bytes]] = deque()
        self._tail_room = limit - self._head_room
        self._dropped = {False: 0, True: 0}

    def take(self, is_stderr: bool, data: bytes) -> None:
        """Take one piece, in the order of arrival."""
        self.total += len(data)
        if self._on_output is not None:
            self._on_output(data)
        if self._head_room:
            self._head[is_stderr] += data[: self._head_room]
            rest = data[self._head_room :]
            self._head_room = max(0, self._head_room - len(data))
            data = rest
        if data:
            self._tail.append((is_stderr, data))
            self._tail_room -= len(data)
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        while self._tail_room < 0:
            of, data = self._tail.popleft()
            cut = min(len(data), -self._tail_room)
            self._dropped[of] += cut
            self._tail_room += cut
            if cut < len(data):
                self._tail.appendleft((of, data[cut:]))

    @property
    def truncated(self) -> bool:
        """Whether something was left out."""
        return self.total > self._limit

    def stream(self, is_stderr: bool) -> bytes:
        """stdout or stderr; where the middle is missing, a line says how much of it."""
        tail = b"".join(data for of, data in self._tail if of is is_stderr)
        dropped = self._dropped[is_stderr]
        gap = f"\n[... {dropped} bytes left out ...]\n".encode() if dropped else b""
        return bytes(self._head[is_stderr]) + gap + tail


async def pump(stream: Hijacked, stdin: bytes, kept: Kept) -> None:
    """Feed stdin and read the engine's frames to the end of the stream. Raises OSError when the engine is gone."""
    feeding = asyncio.create_task(_feed(stream, stdin)) if stdin else None
    try:
        await _read(stream.reader, kept)
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(stream: Hijacked, stdin: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody reads it any more
        for start in range(0, len(stdin), PIECE):
            stream.writer.write(stdin[start : start + PIECE])
            await stream.writer.drain()
        stream.writer.write_eof()


async def _read(reader: asyncio.StreamReader, kept: Kept) -> None:
    """Frames are one byte of stream number, three of nothing, four of length, then the data (Engine API, attach)."""
    while True:
        try:
            header = await reader.readexactly(8)
        except asyncio.IncompleteReadError:
            return
        left = int.from_bytes(header[4:], "big")
        while left:
            data = await reader.read(min(left, PIECE))
            if not data:
                return
            kept.take(header[0] == STDERR, data)
            left -= len(data)
            if kept.truncated:
                await asyncio.sleep(len(data) / PACE)
