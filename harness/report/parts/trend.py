"""14 Trend excerpt: this run on the pass rate's chart, among the nights before it, when there are any."""

from __future__ import annotations

from harness.report.evidence import Evidence
from harness.report.history import LedgerLine
from harness.report.section import Figure, Section, Series, Table
from harness.report.trend_charts import excerpt
from harness.report.trend_model import Point
from harness.report.words import many, percent
from harness.stats.drift import LEAST_NIGHTS
from harness.store.history import Night, TaskNight

SHOWN = 10
"""Newest nights in the table; the figures have them all."""
DRAWN = 4
"""Systems that get a figure of their own."""
MARKS = {"baseline": "baseline", "learning": "learning", "hollow": "not counted", "changed": "another suite"}


def trend(e: Evidence) -> Section:
    """Earlier runs of the same things, night by night. Unavailable when this is the first valid one."""
    lines = [ln for ln in e.history.ledger if ln.same and ln.run in e.history.results and not ln.regrade_of]
    nights = {name: [_night(e, ln, name) for ln in lines] for name in e.names}
    charts = {name: excerpt(found) for name, found in nights.items()}
    sound = {name: len(s.baseline) + len(s.watched) for name, (s, _) in charts.items()}
    if max(sound.values(), default=0) < 2:
        why = "this is the first valid run of these tasks, graders and systems; a trend needs earlier ones"
        return Section("trend", "trend excerpt", why_not=why)
    shown = lines[-SHOWN:]
    at = {name: {p.run: p for p in points} for name, (_, points) in charts.items()}
    tasks = {name: {n.run: len(n.tasks) for n in found} for name, found in nights.items()}
    rows = tuple(
        (ln.run, ln.created[:10], *(_cell(at[n].get(ln.run), tasks[n].get(ln.run, 0)) for n in e.names)) for ln in shown
    )
    notes = [
        f"learning: {n} has {sound[n]} of {LEAST_NIGHTS} baseline nights" for n in e.names if _learns(charts[n][1])
    ]
    apart = {p.run: p.why for _, points in charts.values() for p in points if p.why}
    notes += [f"not counted: {run}: {said}" for run, said in list(apart.items())[-3:]]
    notes.append("for looking only; limits, alarms and where a change comes from: harness trend")
    title = f"last {many(len(shown), 'run')} of the same things: pass rate, moved by the same tasks"
    return Section(
        "trend",
        "trend excerpt",
        tables=(Table(title, ("run", "date", *e.names), rows, tuple(notes)),),
        figures=tuple(_figure(name, at[name]) for name in e.names[:DRAWN] if sound[name] > 1),
        methods=("pass rate's chart of harness trend, adjusted task by task; a picture, not a test",),
        data={
            "systems": {
                name: [{"run": p.run, "mark": p.mark, "value": p.value, "z": p.z, "sum": p.down} for p in points]
                for name, (_, points) in charts.items()
            }
        },
    )


def _night(e: Evidence, line: LedgerLine, system: str) -> Night:
    """A run of the ledger as the chart sees it. Tasks and graders are those of this run, so their digests are equal."""
    found = e.history.results[line.run]
    tasks = {task: TaskNight(won, n) for (name, task), (won, n) in sorted(found.items()) if name == system}
    return Night(
        suite=e.manifest.suite,
        system=system,
        run=line.run,
        created=line.created,
        planned=(line.planned - line.skipped) // max(1, len(line.systems)),
        graded=sum(t.graded for t in tasks.values()),
        floor=e.manifest.coverage_floor,
        epochs=e.manifest.epochs,
        tasks=tasks,
    )


def _learns(points: tuple[Point, ...]) -> bool:
    return any(p.mark == "learning" for p in points)


def _cell(p: Point | None, tasks: int) -> str:
    if p is None or p.value is None:
        return "not graded"
    state = f"z {p.z:+.1f}" if p.z is not None else MARKS.get(p.mark, p.mark)
    return f"{percent(p.value)} of {many(tasks, 'task')}, {state}"


def _figure(name: str, at: dict[str, Point]) -> Figure:
    """The nights, and what the baseline lets expect of each: its middle with two standard deviations."""
    points = [(float(i), p) for i, p in enumerate(at.values(), 1) if p.value is not None and p.mark != "changed"]
    series = [Series(name, tuple(x for x, _ in points), tuple(p.value or 0.0 for _, p in points))]
    known = [(x, p.low, p.high) for x, p in points if p.low is not None and p.high is not None]
    if known:
        low, high = tuple(lo for _, lo, _ in known), tuple(hi for *_, hi in known)
        middle = tuple((lo + hi) / 2 for _, lo, hi in known)
        series.append(Series("expected by the baseline", tuple(x for x, *_ in known), middle, low, high))
    title = f"{name}: pass rate, run by run"
    return Figure("lines", title, "run, oldest first", "pass rate", tuple(series), share_y=True)
