"""`judgements.jsonl`: what judges said, one line each, written before the attempt it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import StoreError
from harness.records.judgement import Judgement
from harness.store.appender import Appender
from harness.store.encode import encode
from harness.store.read import iter_attempts_of

JUDGEMENTS = "judgements.jsonl"
_read_back = msgspec.json.Decoder(Judgement).decode


def iter_judgements(path: Path) -> Iterator[Judgement]:
    """Every judgement of a run folder in the order written; none when no judge was asked.

    A last line without its newline is left out, as in `iter_attempts`. Raises StoreError naming a damaged line.
    """
    for _, line in _lines(path):
        yield line


def told(judgement: Judgement) -> bytes:
    """A judgement's line: always one that can be read back. Raises TypeError for fields of another type."""
    line = encode(judgement)
    try:
        _read_back(line)
    except msgspec.DecodeError as e:
        raise TypeError(f"the judgement cannot be read back: {e}") from e
    return line


def forget_unrecorded(path: Path, file: Appender) -> str:
    """Drop judgements of attempts that were never recorded: those are made again. Returns what was done, in words.

    A kill between the two writes of a flush leaves such lines, at the end of the file only.
    """
    recorded = set(iter_attempts_of(path))
    first, kept, lost = -1, [], 0
    for at, line in _lines(path):
        if line.attempt and (line.task, line.system, line.epoch, line.attempt) not in recorded:
            first, lost = (at if first < 0 else first), lost + 1
        elif first >= 0:
            kept.append(told(line))
    if not lost:
        return ""
    file.cut(first)
    for again in kept:
        file.add(again)
    file.write(len(kept))
    return f"{JUDGEMENTS}: left out {lost} judgements of attempts that were not recorded"


def _lines(path: Path) -> Iterator[tuple[int, Judgement]]:
    """Each line with the byte at which it begins."""
    try:
        file = (path / JUDGEMENTS).open("rb", buffering=1 << 18)
    except FileNotFoundError:
        return
    except OSError as e:
        raise StoreError(f"cannot read {path.name}/{JUDGEMENTS}: {e.strerror}") from e
    at = 0
    with file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield at, _read_back(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as e:
                raise StoreError(
                    f"{path.name}/{JUDGEMENTS} line {number} is damaged: {e}",
                    help=f"no line is skipped silently; to go without it: sed -i {number}d {JUDGEMENTS}",
                ) from e
            at += len(line)
