"""What a section of a report is: tables, figures and notes, or the reason why there are none. Renderers draw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.records.content import Json

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table and what must be said under it. The first column names the row."""

    title: str
    header: Row
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """One line or set of points; `low` and `high` are the ends of each point's interval, or empty."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure shows, as data. Every number in it stands in a table or in `summary.json` too.

    `lines` joins the points of each series, `points` does not; `ranges` draws a row for each of `names` (y is unused)
    with its interval; `stacks` draws a bar for each of `names`, to which every series adds its x. `unit` share means
    axes in percent; `diagonal` draws y = x.
    """

    kind: Literal["lines", "points", "ranges", "stacks"]
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    names: tuple[str, ...] = ()
    share_x: bool = False
    share_y: bool = False
    diagonal: bool = False
    log_x: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One chapter of the full report. `why_not` says why it is unavailable; then it has nothing else.

    `notes` stand above the tables. `methods` name what was computed, with its source: the last section gathers them.
    `data` holds its numbers for `summary.json`, null where there is none.
    """

    key: str
    title: str
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    why_not: str = ""
    methods: tuple[str, ...] = ()
    data: dict[str, Json] = field(default_factory=dict)
