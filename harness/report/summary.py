"""A report as JSON: `summary.json`."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from harness.records.content import Json
from harness.report.model import Report

SUMMARY_FORMAT = 1
"""Version of the layout of `summary.json`."""


def to_json(report: Report) -> dict[str, Json]:
    """The whole report as JSON values: field names as in `harness.report.model`, null where there is no number."""
    said: dict[str, Any] = {"format": SUMMARY_FORMAT, **_without_nan(msgspec.to_builtins(report))}
    for system, found in zip(report.systems, said["systems"], strict=True):
        found["coverage"]["share"] = system.coverage.share
    return said


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(v) for v in value]
    return value
