"""A trend as titled tables of words: what text and Markdown both draw."""

from __future__ import annotations

from harness.report.grids import Grid, Row
from harness.report.trend_model import Acknowledged, AlarmSaid, ChartSaid, SystemTrend, Trend

RULES = {
    "down": "slid or stepped the wrong way",
    "crash": "one night alone is far off",
    "up": "better than can be explained: a leak, or a grader that passes everything?",
}


def many(n: int, word: str) -> str:
    """`1 night`, `2 nights`."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def trend_head(trend: Trend) -> tuple[str, ...]:
    """What it is about, and the verdict in one line."""
    nights = max((s.nights for s in trend.systems), default=0)
    return (
        f"trend of suite {trend.suite}: {trend.state.upper()}",
        f"{many(nights, 'night')}, at {trend.now}; false alarms: {trend.yearly_alarms:.0%} a year over all charts",
    )


def trend_loud(trend: Trend) -> tuple[str, ...]:
    """What must not be overlooked: problems first, then each alarm with its verdict."""
    found = [f"NO VERDICT: {p}" for p in trend.problems]
    for s in trend.systems:
        for c in s.charts:
            found += [f"ALARM: {s.system}: {c.name}: {alarm_words(c, a)}" for a in c.alarms]
        if s.verdict:
            found.append(f"{s.system}: {s.verdict}")
    return tuple(found)


def alarm_words(chart: ChartSaid, alarm: AlarmSaid) -> str:
    """An alarm in one sentence."""
    night, onset = chart.points[alarm.night].created[:10], chart.points[alarm.onset].created[:10]
    when = f"on {night}" if alarm.rule == "crash" else f"since about {onset}, alarmed on {night}"
    size = ""
    if alarm.change is not None and alarm.low is not None and alarm.high is not None:
        unit = " points" if chart.unit == "%" else " %"
        size = f" by about {100 * alarm.change:+.1f}{unit} [{100 * alarm.low:+.1f}, {100 * alarm.high:+.1f}]"
    return f"{RULES[alarm.rule]}{size} {when}"


def ack_words(chart: ChartSaid, ack: Acknowledged) -> str:
    """An acknowledged alarm in one line: which, when it was looked into, by whom, and what it was."""
    night = chart.points[ack.night].created[:10]
    who = f" by {ack.by}" if ack.by else ""
    return f"{chart.name}: the alarm of {night} was acknowledged on {ack.at[:10]}{who}: {ack.cause}"


def trend_grids(trend: Trend) -> tuple[Grid, ...]:
    """Charts, alarms with their ladder, changes, what was left out."""
    found = [_charts(s) for s in trend.systems]
    for s in trend.systems:
        found += _ladder(s)
    found += _changes(trend)
    if trend.left_out:
        rows = tuple((r.run, r.why) for r in trend.left_out[-10:])
        more = len(trend.left_out) - len(rows)
        found.append(Grid("runs left out", ("run", "why"), rows, (f"and {more} older",) if more else ()))
    if trend.acks:
        found.append(Grid("acknowledged", ("what",), tuple((a,) for a in trend.acks[-10:])))
    return tuple(found)


def _charts(s: SystemTrend) -> Grid:
    rows = tuple(_chart_row(c) for c in s.charts)
    known = [ack_words(c, a) for c in s.charts for a in c.acknowledged]
    hollow = [f"{many(s.hollow, 'night')} drawn hollow and not accumulated"] if s.hollow else []
    title = f"{s.system}: {s.state}, {many(s.nights, 'night')}"
    header = ("chart", "state", "newest", "expected", "down/limit", "up/limit", "baseline")
    return Grid(title, header, rows, (*known, *s.notes, *hollow))


def _chart_row(c: ChartSaid) -> Row:
    last = next((p for p in reversed(c.points) if p.value is not None), None)
    if c.limits is None or last is None:
        return (c.name, c.state, value_words(c, last.value if last else None), c.why, "", "", "")
    newest = c.points[-1]
    down, up = (0.0, 0.0) if c.anew else (newest.down, newest.up)
    expected = "" if last.low is None else f"{value_words(c, last.low)} to {value_words(c, last.high)}"
    return (
        c.name,
        c.state,
        value_words(c, last.value),
        expected,
        f"{down:.1f}/{c.limits.down:.1f}",
        f"{up:.1f}/{c.limits.up:.1f}",
        f"{value_words(c, c.middle)}, {c.baseline_nights} nights",
    )


def value_words(chart: ChartSaid, value: float | None) -> str:
    """A value in the chart's unit."""
    if value is None:
        return "none"
    if chart.unit == "%":
        return f"{100 * min(1.0, max(0.0, value)):.1f}%"
    if chart.unit == "$":
        return f"${value:.4f}"
    return f"{value:.3g} s" if chart.unit == "s" else f"{value:,.0f}"


def _ladder(s: SystemTrend) -> list[Grid]:
    if not s.rungs:
        return []
    rows = tuple((r.name, r.state, r.said) for r in s.rungs)
    notes = [s.verdict]
    notes += [f"{r.name}, after the alarm and so no cause of it: {r.later}" for r in s.rungs if r.later]
    for c in s.charts:
        for a in c.alarms:
            if a.tasks:
                more = f" and {len(a.tasks) - 8} more" if len(a.tasks) > 8 else ""
                notes.append(f"passing less often since then: {', '.join(a.tasks[:8])}{more}")
    notes.append('when the cause is known: harness trend ack --suite ... --cause "..." (--rebaseline to accept it)')
    title = f"{s.system}: where it comes from, from what is ours to what is the provider's"
    return [Grid(title, ("rung", "state", "what was seen"), rows, tuple(dict.fromkeys(notes)))]


def _changes(trend: Trend) -> list[Grid]:
    if not trend.changes:
        return []
    newest = sorted(trend.changes, key=lambda c: (c.created, c.system, c.what))[-12:]
    rows = tuple((c.created[:16].replace("T", " "), c.system, c.what, c.before, c.after) for c in newest)
    more = len(trend.changes) - len(rows)
    notes = (f"and {many(more, 'older change')}",) if more else ()
    return [Grid("what changed from night to night", ("night", "system", "what", "before", "after"), rows, notes)]
