"""Figures as SVG for the HTML page. matplotlib is imported here and nowhere else, so only where a figure is drawn.

Colours are placeholders that become CSS variables: one drawing is readable on light and on dark. The same figure gives
the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator, PercentFormatter

from harness.report.section import Figure

INK, GRID, PAPER = "#010203", "#040506", "#070809"
COLOURS = tuple(f"#0a0b{i:02x}" for i in range(8))
"""Stand for the variables --c0 to --c7 of the page."""
MARKERS = "osD^vPX*"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (6, 1, 1, 1, 1, 1)))
"""Series differ in more than colour."""
WIDTH, ROW, HEIGHT = 5.4, 0.34, 3.5
"""Inches; a phone shows the whole width."""
LONGEST = 28
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 9, "font.family": "sans-serif",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GRID, "xtick.color": INK, "ytick.color": INK,
    "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6, "axes.spines.top": False,
    "axes.spines.right": False, "figure.facecolor": "none", "axes.facecolor": "none", "legend.frameon": False,
}  # fmt: skip


def draw(figure: Figure, salt: str) -> str:
    """The figure as one `<svg>` element, without its heading. `salt` keeps ids of a page's figures apart."""
    rows = len(figure.names)
    height = 1.15 + ROW * max(rows, 1) * (1 + 0.35 * (len(figure.series) - 1)) if figure.kind == "ranges" else HEIGHT
    height = 1.2 + ROW * rows if figure.kind == "stacks" else height
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that a font lacks: the reader's browser has its own fonts
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        axes = canvas.add_subplot()
        _KINDS[figure.kind](axes, figure)
        _finish(canvas, axes, figure)
        out = io.StringIO()
        canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return _for_the_page(out.getvalue())


def _lines(axes: Axes, figure: Figure) -> None:
    for i, s in enumerate(figure.series):
        dash = DASHES[i % len(DASHES)]
        marker = MARKERS[i % len(MARKERS)] if len(s.x) <= 30 else None
        axes.plot(s.x, s.y, color=_colour(i), linestyle=dash, marker=marker, markersize=4, label=_text(s.name))
        if s.low:
            axes.fill_between(s.x, s.low, s.high, color=_colour(i), alpha=0.12, linewidth=0)


def _points(axes: Axes, figure: Figure) -> None:
    for i, s in enumerate(figure.series):
        errors = _errors(s.y, s.low, s.high) if s.low else None
        axes.errorbar(
            s.x, s.y, yerr=errors, fmt=MARKERS[i % len(MARKERS)], color=_colour(i), markersize=5, linewidth=1.2,
            capsize=2, label=_text(s.name),
        )  # fmt: skip


def _ranges(axes: Axes, figure: Figure) -> None:
    """A row for each name; series stand below each other in it."""
    step = 0.8 / max(len(figure.series), 1)
    for i, s in enumerate(figure.series):
        y = [row + (i - (len(figure.series) - 1) / 2) * step * 0.7 for row in range(len(figure.names))]
        axes.errorbar(
            s.x, y, xerr=_errors(s.x, s.low, s.high), fmt=MARKERS[i % len(MARKERS)], color=_colour(i), markersize=5,
            linewidth=2, capsize=0, label=_text(s.name),
        )  # fmt: skip
    _rows(axes, figure)


def _stacks(axes: Axes, figure: Figure) -> None:
    left = [0.0] * len(figure.names)
    for i, s in enumerate(figure.series):
        axes.barh(
            range(len(figure.names)), s.x, left=left, height=0.66, color=_colour(i), edgecolor=PAPER,
            linewidth=0.8, label=_text(s.name),
        )  # fmt: skip
        left = [a + b for a, b in zip(left, s.x, strict=True)]
    _rows(axes, figure)


_KINDS: dict[str, Callable[[Axes, Figure], None]] = {
    "lines": _lines, "points": _points, "ranges": _ranges, "stacks": _stacks,
}  # fmt: skip


def _rows(axes: Axes, figure: Figure) -> None:
    axes.set_yticks(range(len(figure.names)), [_text(n) for n in figure.names])
    axes.set_ylim(len(figure.names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _finish(canvas: Canvas, axes: Axes, figure: Figure) -> None:
    if figure.diagonal:
        axes.plot((0, 1), (0, 1), color=GRID, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    if figure.share_x:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if figure.share_y:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_ylim(-0.03, 1.03)
    if figure.kind in ("ranges", "stacks") and min((v for s in figure.series for v in s.x), default=0) >= 0:
        axes.set_xlim(-0.01, 1.01)
    if figure.share_x and figure.share_y:
        axes.set_xlim(-0.03, 1.03)
    if len(figure.series) > 1:
        canvas.legend(loc="outside upper left", ncols=2 if figure.kind == "stacks" else 3, fontsize=8)


def _errors(value: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...]) -> list[list[float]]:
    """Distances down and up; an interval that does not exist has none."""

    def gap(a: float, b: float) -> float:
        return max(0.0, a - b) if a == a and b == b else 0.0

    ends = list(zip(value, low, high, strict=True))
    return [[gap(v, lo) for v, lo, _ in ends], [gap(hi, v) for v, _, hi in ends]]


def _colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def _text(name: str) -> str:
    """A name as a label: printable, and short enough to leave room for the picture."""
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"


def _for_the_page(svg: str) -> str:
    """Without the XML heading, metadata, global styles and group ids; colours by the page's variables."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"\s*<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r' width="[^"]*pt"| height="[^"]*pt"', "", svg, count=2)
    names = {INK: "--ink", GRID: "--line", PAPER: "--paper", **{c: f"--c{i}" for i, c in enumerate(COLOURS)}}
    for colour, name in names.items():
        svg = svg.replace(colour, f"var({name})")
    return svg.replace("<svg ", '<svg role="img" aria-hidden="true" ', 1)
