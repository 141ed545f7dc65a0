"""Sections as lines for a terminal, or as GitHub Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.report.section import Row, Table

WIDTH = 110


def draw_text(head: Sequence[str], loud: Sequence[str], sections: Sequence[Table], width: int = WIDTH) -> str:
    """Head, what must not be overlooked, and every section; nothing that a name holds can steer a terminal."""
    lines = [*(" ".join(line.split()) for line in head), ""]
    for line in loud:
        lines += textwrap.wrap(f"!! {line}", width, subsequent_indent="   ", break_long_words=False)
    if loud:
        lines.append("")
    for section in sections:
        lines += [" ".join(section.title.split())]
        if section.rows:
            lines += _grid([section.header, *section.rows], width)
        for note in section.notes:
            lines += textwrap.wrap(f"- {note}", width - 2, initial_indent="  ", subsequent_indent="    ")
        lines.append("")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n".join(_harmless(x) for x in lines))


def _harmless(line: str) -> str:
    """A line that GitHub takes for no command: it reads `::word::` at a line's start, and `##[word]` anywhere."""
    start = line[: len(line) - len(line.lstrip())]
    rest = line.strip().replace("##[", "# #[")
    return start + rest.replace("::", ": :", 1) if rest.startswith("::") else f"{start}{rest}".rstrip()


def _grid(rows: Sequence[Row], width: int) -> list[str]:
    """Aligned columns; a last column that does not fit goes on below itself."""
    rows = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    room = max(24, width - 2 * len(widths) - sum(widths[:-1]))
    widths[-1] = min(widths[-1], room)
    lines = []
    for cells in rows:
        parts = textwrap.wrap(cells[-1], room, break_long_words=False) or [""]
        start = "".join(f"  {cell.ljust(w)}" for cell, w in zip(cells[:-1], widths[:-1], strict=True))
        lines += [f"{start}  {parts[0].ljust(widths[-1])}", *(f"{' ' * len(start)}  {part}" for part in parts[1:])]
    return [lines[0], "  " + "  ".join("-" * w for w in widths), *lines[1:]]


def draw_markdown(head: Sequence[str], loud: Sequence[str], sections: Sequence[Table]) -> str:
    """The same as Markdown; names from tasks and suites cannot break out of their cells."""
    first, *rest = head
    lines = [f"# {plain(first)}", "", *(f"{plain(line)}  " for line in rest), ""]
    for line in loud:
        lines += [f"> **{plain(line)}**", ""]
    for section in sections:
        lines += [f"## {plain(section.title)}", ""]
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
