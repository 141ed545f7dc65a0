"""A report as JSON: `summary.json`."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from harness.records.content import Json
from harness.report.model import Report
from harness.report.reliability import FullReport
from harness.report.section import Section

SUMMARY_FORMAT = 1
"""Version of the layout of `summary.json`."""


def to_json(report: Report) -> dict[str, Json]:
    """The whole report as JSON values: field names as in `harness.report.model`, null where there is no number."""
    said: dict[str, Any] = {"format": SUMMARY_FORMAT, **_without_nan(msgspec.to_builtins(report))}
    for system, found in zip(report.systems, said["systems"], strict=True):
        found["coverage"]["share"] = system.coverage.share
    if report.judges is None:
        del said["judges"]
    return said


def full_json(full: FullReport) -> dict[str, Json]:
    """The short report's values, and every section with its numbers and its tables as they are shown."""
    return {**to_json(full.report), "sections": [_section(s) for _, s in full.numbered]}


def _section(section: Section) -> Json:
    return {
        "key": section.key,
        "title": section.title,
        "why_not": section.why_not or None,
        "notes": list(section.notes),
        "tables": [
            {"title": t.title, "header": list(t.header), "rows": [list(r) for r in t.rows], "notes": list(t.notes)}
            for t in section.tables
        ],
        "methods": list(section.methods),
        "data": _without_nan(section.data),
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(v) for v in value]
    return value
