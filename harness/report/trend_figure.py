"""A trend as a picture: the pass rate with what the baseline lets expect, its CUSUM, and the charts beside it."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any, Literal

import matplotlib
from matplotlib import dates
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.report.trend_model import ChartSaid, Point, SystemTrend, Trend

_dates: Any = dates  # its stubs have untyped functions
INK, PALE, GRID = "#1f2933", "#8a97a6", "#e4e8ee"
STATE_INK = {"ok": "#1a7f4b", "watch": "#b7791f", "alarm": "#c22f2f", "learning": "#5b6b7f", "stale": "#c22f2f"}
"""Ink of each state; the state is always written too, so that nothing hangs on colour."""
LINE, BAND, HARM, GAIN = "#2563a8", "#d6e4f3", "#c22f2f", "#8a5cb8"
WIDTH, TALL = 12.0, 5.4
"""Inches: the whole picture, and one system."""
MOST_SYSTEMS = 8
LEAST_DAYS = 10.0
"""Days on the axis at least, so that a first night is not drawn as an hour."""


def draw(trend: Trend, kind: Literal["png", "svg"] | str) -> bytes:
    """The picture's bytes; the same trend gives the same bytes. Only the first systems fit: the text has all."""
    shown = trend.systems[:MOST_SYSTEMS]
    style: Any = {
        "font.family": "DejaVu Sans", "font.size": 8.5, "axes.edgecolor": PALE, "axes.labelcolor": INK,
        "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.titlelocation": "left",
        "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.color": GRID, "grid.linewidth": 0.7, "axes.axisbelow": True, "svg.hashsalt": "harness",
    }  # fmt: skip
    with matplotlib.rc_context(style):
        height = 0.75 + TALL * len(shown)
        figure = Figure(figsize=(WIDTH, height), dpi=110, facecolor="white")
        figure.set_layout_engine(ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.06, rect=(0, 0, 1, 1 - 0.7 / height)))
        _head(figure, trend, height)
        blocks = figure.subfigures(len(shown), 1, squeeze=False)
        for row, system in enumerate(shown):
            _system(blocks[row][0], system)
        data = io.BytesIO()
        meta: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(data, format=kind, metadata=meta)
    return data.getvalue()


def _head(figure: Any, trend: Trend, height: float) -> None:
    top = 1 - 0.16 / height
    figure.text(0.012, top, f"Suite {trend.suite}", fontsize=14, weight="bold", va="top")
    figure.text(
        0.012, top - 0.27 / height,
        f"nights up to {trend.now[:16].replace('T', ' ')} UTC; false alarms at most {trend.yearly_alarms:.0%} a year, "
        "over all charts", fontsize=8.5, color=PALE, va="top",
    )  # fmt: skip
    ink = STATE_INK[trend.state]
    figure.text(0.988, top, trend.state.upper(), fontsize=14, weight="bold", color=ink, va="top", ha="right")


def _system(block: Any, system: SystemTrend) -> None:
    main = system.charts[0]
    small = [c for c in system.charts[1:] if any(p.value is not None for p in c.points)][:6]
    block.suptitle(f"{system.system}: {system.state}", x=0.012, ha="left", fontsize=11, weight="bold",
                   color=STATE_INK[system.state])  # fmt: skip
    grid = block.add_gridspec(3, max(1, len(small)), height_ratios=(2.4, 1.25, 1.0))
    top = block.add_subplot(grid[0, :])
    _values(top, main, large=True)
    _alarm_words(top, system)
    _sums(block.add_subplot(grid[1, :], sharex=top), main)
    top.tick_params(labelbottom=False)
    for column, chart in enumerate(small):
        _values(block.add_subplot(grid[2, column]), chart, large=False)


def _values(axes: Any, chart: ChartSaid, *, large: bool) -> None:
    """The nights, filled when they count and hollow when they do not, over what the baseline lets expect."""
    axes.set_title(f"{chart.name}" + (f" ({chart.state})" if chart.state != "ok" else ""), color=STATE_INK[chart.state])
    band = [p for p in chart.points if p.low is not None and p.high is not None]
    if band:
        low, high = [p.low for p in band], [p.high for p in band]
        if chart.unit == "%":
            low, high = [max(0.0, v or 0.0) for v in low], [min(1.0, v or 0.0) for v in high]
        axes.fill_between(_days(band), low, high, color=BAND, linewidth=0, label="expected, 2 sd")
    if chart.middle is not None:
        axes.axhline(chart.middle, color=LINE, linewidth=0.8, linestyle=(0, (4, 3)))
    counted = [p for p in chart.points if p.mark in ("baseline", "watched", "learning") and p.value is not None]
    axes.plot(_days(counted), [p.value for p in counted], color=LINE, linewidth=0.9 if large else 0.7)
    size = 4.2 if large else 2.4
    for marks, face, label in ((("baseline", "learning"), "white", "baseline"), (("watched",), LINE, "watched")):
        some = [p for p in counted if p.mark in marks]
        edge = LINE if face == LINE else PALE
        axes.plot(_days(some), [p.value for p in some], "o", ms=size, mfc=PALE if face == "white" else face, mec=edge,
                  mew=0, label=label if some else None)  # fmt: skip
    hollow = [p for p in chart.points if p.mark in ("hollow", "changed") and p.value is not None]
    axes.plot(_days(hollow), [p.value for p in hollow], "o", ms=size, mfc="white", mec=INK, mew=0.9,
              label="not counted" if hollow else None)  # fmt: skip
    _alarm_lines(axes, chart)
    _ticks(axes, chart, large=large)
    if large and counted:
        _legend(axes)


def _legend(axes: Any) -> None:
    """On the title's line, where no night can be."""
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.985), frameon=False, ncols=6, fontsize=7.5, handletextpad=0.4,
        columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip


def _ticks(axes: Any, chart: ChartSaid, *, large: bool) -> None:
    if chart.unit == "%":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.4g}%"))
    elif chart.unit == "$":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"${v:.3g}"))
    elif chart.unit == "s":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.3g} s"))
    axes.yaxis.set_major_locator(MaxNLocator(5 if large else 3))
    days = _days(list(chart.points))
    if days:
        missing = max(0.0, LEAST_DAYS - (max(days) - min(days)))
        axes.set_xlim(min(days) - 0.7 - missing / 2, max(days) + 0.7 + missing / 2)
    axes.xaxis.set_major_locator(MaxNLocator(12 if large else 3, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{_dates.num2date(v):%-d %b}"))
    if not large:
        axes.tick_params(labelsize=7)


def _sums(axes: Any, chart: ChartSaid) -> None:
    """Both CUSUMs against their limits."""
    axes.set_title("what has added up (CUSUM), in standard deviations of a night")
    nights = [p for p in chart.points if p.mark in ("watched", "hollow", "changed")]
    if chart.limits is None or not nights:
        axes.text(0.5, 0.5, f"learning: {chart.why}", transform=axes.transAxes, ha="center", va="center", color=PALE)
        axes.set_yticks([])
        return
    days = _days(nights)
    axes.step(days, [p.down for p in nights], where="mid", color=HARM, linewidth=1.3, label="worse, limit dashed")
    axes.step(days, [p.up for p in nights], where="mid", color=GAIN, linewidth=1.0, label="better, limit dashed")
    for limit, ink in ((chart.limits.down, HARM), (chart.limits.up, GAIN)):
        axes.axhline(limit, color=ink, linewidth=0.8, linestyle=(0, (4, 3)))
    highest = max(*(p.down for p in nights), *(p.up for p in nights), chart.limits.down, chart.limits.up)
    axes.set_ylim(0, 1.12 * highest)
    _alarm_lines(axes, chart)
    _legend(axes)


def _alarm_lines(axes: Any, chart: ChartSaid) -> None:
    for alarm in chart.alarms:
        onset, night = chart.points[alarm.onset], chart.points[alarm.night]
        axes.axvspan(_day(onset) - 0.5, _day(night) + 0.5, color=HARM, alpha=0.08, linewidth=0)
        axes.axvline(_day(onset) - 0.5, color=HARM, linewidth=1.0)


def _alarm_words(axes: Any, system: SystemTrend) -> None:
    for chart in system.charts[:1]:
        for alarm in chart.alarms[:1]:
            onset = chart.points[alarm.onset]
            change = "" if alarm.change is None else f", about {100 * alarm.change:+.1f} points"
            late = _day(onset) > sum(axes.get_xlim()) / 2
            axes.annotate(
                f"since {onset.created[:10]}{change}", (_day(onset) - 0.5, 1.0), xycoords=("data", "axes fraction"),
                xytext=(-5 if late else 5, -3), textcoords="offset points", color=HARM, weight="bold", fontsize=8.5,
                ha="right" if late else "left", va="top",
            )  # fmt: skip


def _day(point: Point) -> float:
    return float(_dates.date2num(datetime.fromisoformat(point.created)))


def _days(points: list[Point]) -> list[float]:
    return [_day(p) for p in points]
