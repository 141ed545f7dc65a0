"""An alarm of tonight, looked at once more the same night with fresh epochs (stats_ci.md 1.8): chance or not?

The confirmation is a run of its own and no night: it enters no chart, no baseline, and clears nothing. The alarm stays
until it is acknowledged with a cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.cli._night_run import Tonight, confirmation_run
from harness.cli._trend import drawn_of
from harness.errors import Exit
from harness.report.nightly import Step
from harness.report.nights import nights_of
from harness.report.trend_model import ChartSaid, Trend, TrendOptions
from harness.store.history import Night

SEEN_Z = 1.645
"""Seen again: the fresh epochs alone are this far off the baseline the same way, one-sided 5 %."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm whose night is tonight; `up` is one of gain, any other is one of harm."""

    system: str
    chart: str
    up: bool


def alarms_of_tonight(at: Tonight, run: str) -> tuple[Raised, ...]:
    """Alarms that tonight's run raised; those of systems that play stored answers would be the same again."""
    trend = _trend(at)
    stored = {n.system for n in nights_of(at.workspace / "runs" / run) if n.stored}
    found = (
        Raised(c.system, c.name, a.rule == "up")
        for s in trend.systems
        if s.system not in stored
        for c in s.charts
        for a in c.alarms
        if c.points[a.night].run == run
    )
    return tuple(dict.fromkeys(found))  # a crash is often a slide too


def confirm_step(at: Tonight, alarms: Sequence[Raised]) -> Step:
    """Run again what alarmed, or go on with it, and hold it against the same baseline."""
    systems = list(dict.fromkeys(a.system for a in alarms))
    code, run = confirmation_run(at, systems)
    path = at.workspace / "runs" / run
    if code == Exit.INTERRUPTED:
        return Step("confirm", "not measured", f"{run} was interrupted: the same command goes on")
    nights = [n for n in nights_of(path) if n.system in systems]
    charts = {(c.system, c.name): c for s in _trend(at, systems, nights).systems for c in s.charts}
    said = [_said(a, charts.get((a.system, a.chart)), run) for a in alarms]
    again = sum(seen for seen, _ in said)
    words = f"{again} of {len(said)} alarms seen again with fresh epochs in {run}"
    more = "" if again else "; maybe chance, but the alarm stays until it is acknowledged with a cause"
    return Step("confirm", "failed" if again else "ok", words + more, tuple(line for _, line in said))


def _said(alarm: Raised, chart: ChartSaid | None, run: str) -> tuple[bool, str]:
    name = f"{alarm.system}: {alarm.chart}"
    point = chart.points[-1] if chart and chart.points and chart.points[-1].run == run else None
    if point is None or point.z is None:
        return False, f"{name}: not measured again{f': {point.why}' if point and point.why else ''}"
    seen = point.z > SEEN_Z if alarm.up else point.z < -SEEN_Z
    return seen, f"{name}: {'seen again' if seen else 'not seen again'}, z = {point.z:+.1f}"


def _trend(at: Tonight, systems: Sequence[str] = (), also: Sequence[Night] = ()) -> Trend:
    says = at.suite.nightly
    options = TrendOptions(
        at.now, None, says.yearly_alarms, 0, at.args.replicates, tuple(systems), says.control if not also else ""
    )
    return drawn_of(at.workspace, at.suite.name, options, record=False, also=also).trend
