"""Small titled tables of words, drawn as plain text or as GitHub Markdown: for trends and advice."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table and what must be said under it."""

    title: str
    header: Row
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def grid_text(grid: Grid, width: int) -> list[str]:
    """The table in lines; its last column is wrapped when the line would be longer than `width`."""
    rows = [grid.header, *grid.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(grid.header))]
    room = max(24, width - 2 - sum(widths[:-1]) - 2 * (len(widths) - 1))
    lines = [grid.title]
    for number, row in enumerate(rows):
        cells = [cell.ljust(w) for cell, w in zip(row[:-1], widths[:-1], strict=True)]
        wrapped = textwrap.wrap(row[-1], room) or [""]
        lines.append("  " + "  ".join([*cells, wrapped[0]]).rstrip())
        indent = " " * (2 + sum(widths[:-1]) + 2 * (len(widths) - 1))
        lines += [indent + more for more in wrapped[1:]]
        if number == 0:
            lines.append("  " + "  ".join("-" * min(w, room) for w in widths))
    for note in grid.notes:
        lines += textwrap.wrap(f"- {note}", width - 2, initial_indent="  ", subsequent_indent="    ")
    return lines


def grid_markdown(grid: Grid) -> list[str]:
    """The table in Markdown lines. Names from tasks and suites cannot break out of their cells."""
    lines = [f"## {plain(grid.title)}", "", _cells(grid.header), "|" + " --- |" * len(grid.header)]
    lines += [_cells(row) for row in grid.rows] + [""]
    lines += [f"- {plain(note)}" for note in grid.notes]
    return [*lines, ""] if grid.notes else lines


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(c) for c in cells) + " |"


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    for mark in ("\\", *"`*_|<>[]#&~", "://"):
        text = text.replace(mark, "\\" + mark)
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def printable_lines(lines: Sequence[str]) -> str:
    """Lines as one text that neither a terminal nor GitHub's log obeys (there `::error::` begins a command)."""
    text = "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n".join(line.rstrip() for line in lines))
    return re.sub(r"(?m)^(\s*)::", r"\1: :", text)
