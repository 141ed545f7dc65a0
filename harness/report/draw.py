"""Sections as lines for a terminal, or as GitHub Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.report.sections import Row, Section

WIDTH = 110


def draw_text(head: Sequence[str], loud: Sequence[str], sections: Sequence[Section], width: int = WIDTH) -> str:
    """Head, what must not be overlooked, and every section; nothing that a name holds can steer a terminal."""
    lines = [*head, ""]
    for line in loud:
        lines += textwrap.wrap(f"!! {line}", width, subsequent_indent="   ", break_long_words=False)
    if loud:
        lines.append("")
    for section in sections:
        lines += [section.title, *_grid([section.header, *section.rows])] if section.rows else [section.title]
        for note in section.notes:
            lines += textwrap.wrap(f"- {note}", width - 2, initial_indent="  ", subsequent_indent="    ")
        lines.append("")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n".join(x.rstrip() for x in lines))


def _grid(rows: Sequence[Row]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return [lines[0], "  " + "  ".join("-" * w for w in widths), *lines[1:]]


def draw_markdown(head: Sequence[str], loud: Sequence[str], sections: Sequence[Section]) -> str:
    """The same as Markdown; names from tasks and suites cannot break out of their cells."""
    first, *rest = head
    lines = [f"# {plain(first)}", "", *(f"{plain(line)}  " for line in rest), ""]
    for line in loud:
        lines += [f"> **{plain(line)}**", ""]
    for section in sections:
        lines += [f"## {plain(section.title[0].upper() + section.title[1:])}", ""]
        if section.rows:
            lines += [row(section.header), "|" + " --- |" * len(section.header)]
            lines += [row(cells) for cells in section.rows] + [""]
        if section.notes:
            lines += [*(f"- {plain(note)}" for note in section.notes), ""]
    return "\n".join(lines).rstrip() + "\n"


def row(cells: Row) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(plain(c) for c in cells) + " |"


def plain(text: str) -> str:
    """Text that Markdown takes as it is."""
    for mark in ("\\", *"`*_|<>[]#&~@", "://"):
        text = text.replace(mark, "\\" + mark)
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
