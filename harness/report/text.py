"""A report for a terminal: plain, stable text."""

from __future__ import annotations

import textwrap

from harness.report.model import Report
from harness.report.sections import Row, Section, headline, loud, sections


def render_text(report: Report, width: int = 100, *, slices: bool = False) -> str:
    """The report in lines of at most `width` characters where words allow; a wide table is folded by columns."""
    lines = [*headline(report), ""]
    for line in loud(report):
        lines += textwrap.wrap(f"!! {line}", width, subsequent_indent="   ", break_long_words=False)
    if loud(report):
        lines.append("")
    for section in sections(report, slices=slices):
        lines += [*_section(section, width), ""]
    if report.slices and not slices:
        lines += [f"{len(report.slices)} slices by shape and tag: harness report --slices", ""]
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n".join(line.rstrip() for line in lines))


def _section(section: Section, width: int) -> list[str]:
    lines = [section.title]
    for part, columns in enumerate(_fold(section, width)):
        lines += [""] if part else []
        lines += _grid([section.header, *section.rows], columns)
    for note in section.notes:
        lines += textwrap.wrap(f"- {note}", width - 2, initial_indent="  ", subsequent_indent="    ")
    return lines


def _widths(rows: list[Row]) -> list[int]:
    return [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]


def _fold(section: Section, width: int) -> list[list[int]]:
    """Column numbers of each part; every part begins with column 0."""
    widths = _widths([section.header, *section.rows])
    parts, current, used = [], [0], 2 + widths[0]
    for i, w in enumerate(widths[1:], 1):
        if used + 2 + w > width and len(current) > 1:
            parts.append(current)
            current, used = [0], 2 + widths[0]
        current.append(i)
        used += 2 + w
    return [*parts, current]


def _grid(rows: list[Row], columns: list[int]) -> list[str]:
    widths = _widths(rows)
    lines = ["  " + "  ".join(row[i].ljust(widths[i]) for i in columns) for row in rows]
    return [lines[0], "  " + "  ".join("-" * widths[i] for i in columns), *lines[1:]]
