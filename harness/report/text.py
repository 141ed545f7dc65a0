"""A report for a terminal: plain, stable text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from harness.report.model import Report
from harness.report.reliability import FullReport
from harness.report.section import Row, Table
from harness.report.tables import headline, loud, tables


def render_text(report: Report, width: int = 100, *, slices: bool = False) -> str:
    """The short report in lines of at most `width` characters where words allow; a wide table is folded by columns."""
    lines = _head(report, width)
    for table in tables(report, slices=slices):
        lines += [*_table(table, width), ""]
    lines += [f"more, and figures: harness report {report.identity['run']} --format html", ""]
    return _printable(lines)


def render_full_text(full: FullReport, width: int = 100) -> str:
    """Every section, numbered; figures are named, since only the HTML page draws them."""
    lines = _head(full.report, width)
    for number, section in full.numbered:
        title = f"{number} {section.title}"
        lines += [title, "=" * len(title), ""]
        if section.why_not:
            lines += [*textwrap.wrap(f"unavailable: {section.why_not}", width - 2, **_INDENT), ""]
        for note in section.notes:
            lines += textwrap.wrap(note, width - 2, **_INDENT)
        lines += [""] if section.notes else []
        for table in section.tables:
            lines += [*_table(table, width), ""]
    return _printable(lines)


def table_lines(head: list[str], tables: Sequence[Table], width: int = 100) -> str:
    """Some tables alone, under these lines."""
    return _printable([*head, *(line for table in tables for line in [*_table(table, width), ""])]) + "\n"


_INDENT: dict[str, Any] = {"initial_indent": "  ", "subsequent_indent": "  ", "break_long_words": False}


def _head(report: Report, width: int) -> list[str]:
    lines = [*headline(report), ""]
    for line in loud(report):
        lines += textwrap.wrap(f"!! {line}", width, subsequent_indent="   ", break_long_words=False)
    return [*lines, ""] if loud(report) else lines


def _printable(lines: list[str]) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n".join(line.rstrip() for line in lines))


def _table(table: Table, width: int) -> list[str]:
    lines = [table.title]
    for part, columns in enumerate(_fold(table, width)):
        lines += [""] if part else []
        lines += _grid([table.header, *table.rows], columns, width)
    for note in table.notes:
        lines += textwrap.wrap(f"- {note}", width - 2, initial_indent="  ", subsequent_indent="    ")
    return lines


def _widths(rows: list[Row]) -> list[int]:
    return [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]


def _fold(table: Table, width: int) -> list[list[int]]:
    """Column numbers of each part; every part begins with column 0."""
    widths = _widths([table.header, *table.rows])
    parts, current, used = [], [0], 2 + widths[0]
    for i, w in enumerate(widths[1:], 1):
        if i == len(widths) - 1 and width - used - 2 >= _ROOMY:
            w = min(w, width - used - 2)  # its words can go on below
        if used + 2 + w > width and len(current) > 1:
            parts.append(current)
            current, used = [0], 2 + widths[0]
        current.append(i)
        used += 2 + w
    return [*parts, current]


def _grid(rows: list[Row], columns: list[int], width: int) -> list[str]:
    """Rows in columns; where the last one is too wide for the line, its words go on below."""
    widths = _widths(rows)
    room = width - 2 - sum(widths[i] + 2 for i in columns[:-1])
    last = columns[-1]
    if len(columns) > 1 and widths[last] > room >= _NARROWEST:
        widths[last] = room
    drawn = [line for row in rows for line in _wrapped(row, columns, widths)]
    head = len(_wrapped(rows[0], columns, widths))
    return [*drawn[:head], "  " + "  ".join("-" * widths[i] for i in columns), *drawn[head:]]


_NARROWEST = 20
_ROOMY = 28


def _wrapped(row: Row, columns: list[int], widths: list[int]) -> list[str]:
    *before, last = columns
    parts = textwrap.wrap(row[last], widths[last]) if len(row[last]) > widths[last] else [row[last]]
    first = [row[i].ljust(widths[i]) for i in before]
    blank = [" " * widths[i] for i in before]
    return ["  " + "  ".join([*(first if n == 0 else blank), part.ljust(widths[last])]) for n, part in enumerate(parts)]
