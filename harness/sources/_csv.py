"""CSV with every value as text: `007` and `3.10` stay what they are."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from harness.api import Row, UsageFault
from harness.errors import Place

DELIMITERS = ",;\t|"
_LARGEST_FIELD = 2**31 - 1


def csv_rows(path: Path, shown: str, delimiter: str | None) -> Iterator[Row]:
    """Rows under the names of the first line. Raises UsageFault with the line for a row that does not fit them."""
    csv.field_size_limit(_LARGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            yield from _rows(f, shown, delimiter)
    except UnicodeDecodeError as e:
        raise _not_utf8(path, shown) from e
    except OSError as e:
        raise UsageFault(f"cannot read {shown}: {e.strerror}") from e


def _rows(f: TextIO, shown: str, delimiter: str | None) -> Iterator[Row]:
    first = f.readline()
    f.seek(0)
    reader = csv.reader(f, delimiter=delimiter or _found(first), strict=True)
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            place, start = Place(shown, start, 1), reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = _header(cells, place)
                continue
            if len(cells) != len(header):
                what = f"the row has {len(cells)} values, the first line names {len(header)} columns"
                raise UsageFault(what, place=place, help='a value that holds the delimiter or a line break is in "..."')
            yield Row(dict(zip(header, cells, strict=True)), f"{shown}:{place.line}")
    except csv.Error as e:
        raise UsageFault(f"not CSV: {e}", place=Place(shown, start, 1)) from e
    if header is None:
        raise UsageFault("the file is empty", place=Place(shown), help="the first line names the columns")


def _not_utf8(path: Path, shown: str) -> UsageFault:
    """The first byte that is not UTF-8, by its offset in the file."""
    raw = path.read_bytes()
    try:
        raw.decode()
    except UnicodeDecodeError as e:
        place = Place(shown, raw.count(b"\n", 0, e.start) + 1, 1)
        what = f"not UTF-8: byte 0x{raw[e.start]:02x} at offset {e.start}"
        return UsageFault(what, place=place, help="save the file as UTF-8")
    return UsageFault("not UTF-8", place=Place(shown), help="save the file as UTF-8")


def _header(cells: list[str], place: Place) -> list[str]:
    header = [c.strip() for c in cells]
    twice = [name for name, n in Counter(header).items() if n > 1]
    if "" in header:
        raise UsageFault(f"column {header.index('') + 1} has no name", place=place, help="the first line names columns")
    if twice:
        raise UsageFault(f"the column '{twice[0]}' is there twice", place=place, help="rename one of them")
    return header


def _found(line: str) -> str:
    """The delimiter that is most frequent in the first line; a comma if there is none."""
    counts = {d: line.count(d) for d in DELIMITERS}
    best = max(counts, key=lambda d: counts[d])
    return best if counts[best] else ","
