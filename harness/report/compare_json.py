"""A comparison as JSON: field names as in `harness.report.comparison`, null where there is no number."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from harness.records.content import Json
from harness.report.comparison import Comparison

COMPARE_FORMAT = 1
"""Version of the layout."""


def comparison_json(c: Comparison) -> dict[str, Json]:
    """The whole comparison as JSON values."""
    said = without_nan(msgspec.to_builtins(c, order="deterministic"))
    return {"format": COMPARE_FORMAT, "verdict": c.verdict, "exit_code": int(c.exit_code), **said}


def without_nan(value: Any) -> Any:
    """The value with null for every number that is none, and floats cut to 12 digits so that they are the same."""
    if isinstance(value, float):
        return float(f"{value:.12g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(v) for v in value]
    return value


def encoded(value: Json) -> str:
    """The text of a JSON file."""
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"
