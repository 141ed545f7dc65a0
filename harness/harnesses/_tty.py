"""The terminal of whoever runs harness: raw keys in, bytes out, its size; as it was afterwards, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
import tty
from collections import deque
from collections.abc import Iterator

from harness.api import MissingRequirement
from harness.harnesses._cast import Cast

PIECE = 4096


class Terminal:
    """An open /dev/tty (contract `Screen`). What is shown goes into `cast` too."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._typed: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._resized = asyncio.Event()
        self.cast: Cast | None = None
        self.keys_typed = 0

    def size(self) -> tuple[int, int]:
        """Columns and rows; 80 by 24 where the terminal does not say."""
        rows, columns, *_ = struct.unpack("HHHH", fcntl.ioctl(self._fd, termios.TIOCGWINSZ, bytes(8)))
        return columns or 80, rows or 24

    def show(self, data: bytes) -> None:
        """Write to the terminal and into the cast."""
        if self.cast is not None:
            self.cast.shown(data)
        while data:
            data = data[os.write(self._fd, data) :]

    def tell(self, text: str) -> None:
        """A word of ours: not of the session."""
        os.write(self._fd, text.replace("\n", "\r\n").encode())

    async def keys(self) -> bytes:
        """What was typed."""
        while not self._typed:
            self._news.clear()
            await self._news.wait()
        data = self._typed.popleft()
        self.keys_typed += len(data)
        return data

    async def resized(self) -> None:
        """Return when the size has changed."""
        await self._resized.wait()
        self._resized.clear()
        if self.cast is not None:
            self.cast.resized(*self.size())

    async def ask(self, question: str, answers: str) -> str:
        """One of these letters."""
        self.tell(question)
        while True:
            for letter in (await self.keys()).decode("utf-8", "replace").lower():
                if letter in answers:
                    self.tell(f"{letter}\n")
                    return letter

    def _read(self) -> None:
        try:
            data = os.read(self._fd, PIECE)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._fd)
        self._typed.append(data)
        self._news.set()


@contextlib.contextmanager
def open_terminal() -> Iterator[Terminal]:
    """Take the terminal in raw mode: Ctrl-C is a key. Raises MissingRequirement where there is none."""
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError as e:
        raise MissingRequirement("terminal", f"a person works at a terminal, and there is none ({e.strerror})") from e
    loop = asyncio.get_running_loop()
    before = termios.tcgetattr(fd)
    terminal = Terminal(fd)
    try:
        tty.setraw(fd)
        loop.add_reader(fd, terminal._read)
        loop.add_signal_handler(signal.SIGWINCH, terminal._resized.set)
        yield terminal
    finally:
        loop.remove_reader(fd)
        loop.remove_signal_handler(signal.SIGWINCH)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        os.close(fd)
