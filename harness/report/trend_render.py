"""A trend as text for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import msgspec

from harness.records.content import Json
from harness.report.grids import grid_markdown, grid_text, plain, printable_lines
from harness.report.trend_model import Trend
from harness.report.trend_words import trend_grids, trend_head, trend_loud

TREND_FORMAT = 1
"""Version of the layout of a trend in JSON."""


def trend_text(trend: Trend, width: int = 100) -> str:
    """The trend in lines of at most `width` characters where words allow."""
    lines = [*trend_head(trend), ""]
    for line in trend_loud(trend):
        lines += textwrap.wrap(f"!! {line}", width, subsequent_indent="   ", break_long_words=False)
    if trend_loud(trend):
        lines.append("")
    for grid in trend_grids(trend):
        lines += [*grid_text(grid, width), ""]
    return printable_lines(lines)


def trend_markdown(trend: Trend, figure: str = "") -> str:
    """The trend as GitHub Markdown; `figure` is a path or URL of its picture."""
    title, about = trend_head(trend)
    lines = [f"# {plain(title)}", "", plain(about), ""]
    lines += [part for line in trend_loud(trend) for part in (f"> **{plain(line)}**", "")]
    if figure:
        lines += [f"![trend of {plain(trend.suite)}]({figure})", ""]
    for grid in trend_grids(trend):
        lines += grid_markdown(grid)
    return "\n".join(lines).rstrip() + "\n"


def trend_json(trend: Trend) -> dict[str, Json]:
    """Everything as JSON values, null where there is no number."""
    found: dict[str, Json] = {"format": TREND_FORMAT, **_finite(msgspec.to_builtins(trend))}
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, (list, tuple)) else value
