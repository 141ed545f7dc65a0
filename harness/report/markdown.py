"""A report as GitHub Markdown: `report.md`."""

from __future__ import annotations

from harness.report.model import Report
from harness.report.reliability import FullReport
from harness.report.section import Row, Section, Table
from harness.report.tables import headline, loud, tables


def render_markdown(report: Report, *, slices: bool = True) -> str:
    """The short report. Names from tasks and suites cannot break out of their cells."""
    lines = _head(report)
    for table in tables(report, slices=slices):
        lines += _table(table, "##")
    return "\n".join(lines).rstrip() + "\n"


def render_full_markdown(full: FullReport) -> str:
    """Every section, numbered, with links to them at the top; figures are only in the HTML page."""
    lines = _head(full.report)
    numbered = full.numbered
    links = [f"[{n} {_plain(s.title)}](#{n}-{_anchor(s.title)})" for n, s in numbered]
    lines += [" · ".join(links), ""]
    for number, section in numbered:
        lines += _section(number, section)
    return "\n".join(lines).rstrip() + "\n"


def _head(report: Report) -> list[str]:
    run, *rest = headline(report)
    lines = [f"# {_plain(run)}", "", *(f"{_plain(line)}  " for line in rest), ""]
    for line in loud(report):
        lines += [f"> **{_plain(line)}**", ""]
    return lines


def _section(number: int, section: Section) -> list[str]:
    lines = [f"## {number} {_plain(section.title)}", ""]
    if section.why_not:
        lines += [f"*Unavailable: {_plain(section.why_not)}*", ""]
    lines += [f"- {_plain(note)}" for note in section.notes] + ([""] if section.notes else [])
    for table in section.tables:
        lines += _table(table, "###")
    return lines


def _table(table: Table, level: str) -> list[str]:
    title = table.title[0].upper() + table.title[1:]
    lines = [f"{level} {_plain(title)}", "", _row(table.header), "|" + " --- |" * len(table.header)]
    lines += [_row(row) for row in table.rows] + [""]
    lines += [f"- {_plain(note)}" for note in table.notes]
    return [*lines, ""] if table.notes else lines


def _anchor(title: str) -> str:
    """As GitHub makes it: lower case, spaces as dashes, nothing else."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


def _row(cells: Row) -> str:
    return "| " + " | ".join(_plain(c) for c in cells) + " |"


def _plain(text: str) -> str:
    for mark in ("\\", *"`*_|<>[]#&~", "://"):
        text = text.replace(mark, "\\" + mark)
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
