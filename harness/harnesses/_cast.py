"""A terminal session in asciinema's format, version 2: a header, then `[seconds, "o", text]` a line.

Format: https://docs.asciinema.org/manual/asciicast/v2/
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_BYTES = 16 * 1024**2


@dataclass(slots=True)
class Cast:
    """What was shown, with its times. `clock` gives seconds; `started` is a Unix time. Keys are not recorded."""

    columns: int
    rows: int
    started: float
    clock: Callable[[], float]
    cut: bool = False
    _lines: list[str] = field(default_factory=list)
    _size: int = 0
    _began: float = 0.0
    _text: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def __post_init__(self) -> None:
        self._began = self.clock()

    def shown(self, data: bytes) -> None:
        """Something was shown. A character cut in two by the stream is written when it is whole."""
        if text := self._text.decode(data):
            self._add("o", text)

    def resized(self, columns: int, rows: int) -> None:
        """The terminal has another size."""
        self._add("r", f"{columns}x{rows}")

    def encoded(self) -> bytes:
        """The whole file."""
        header = {"version": 2, "width": self.columns, "height": self.rows, "timestamp": int(self.started)}
        return "\n".join((json.dumps(header), *self._lines, "")).encode()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return round(self.clock() - self._began, 6)

    def _add(self, kind: str, text: str) -> None:
        line = json.dumps([self.seconds, kind, text], ensure_ascii=False)
        self._size += len(line)
        if self._size > MOST_BYTES:
            self.cut = True
            return
        self._lines.append(line)
