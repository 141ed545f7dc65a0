"""A report as GitHub Markdown: `report.md`."""

from __future__ import annotations

from harness.report.model import Report
from harness.report.sections import Row, Section, headline, loud, sections


def render_markdown(report: Report, *, slices: bool = True) -> str:
    """The report with its slices. Names from tasks and suites cannot break out of their cells."""
    run, *rest = headline(report)
    lines = [f"# {_plain(run)}", "", *(f"{_plain(line)}  " for line in rest), ""]
    for line in loud(report):
        lines += [f"> **{_plain(line)}**", ""]
    for section in sections(report, slices=slices):
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> list[str]:
    title = section.title[0].upper() + section.title[1:]
    lines = [f"## {title}", "", _row(section.header), "|" + " --- |" * len(section.header)]
    lines += [_row(row) for row in section.rows] + [""]
    lines += [f"- {_plain(note)}" for note in section.notes]
    return [*lines, ""] if section.notes else lines


def _row(cells: Row) -> str:
    return "| " + " | ".join(_plain(c) for c in cells) + " |"


def _plain(text: str) -> str:
    for mark in ("\\", *"`*_|<>[]#&~", "://"):
        text = text.replace(mark, "\\" + mark)
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
