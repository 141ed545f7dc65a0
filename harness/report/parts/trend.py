"""14 Trend excerpt: where this run stands among the nights before it, when there are any."""

from __future__ import annotations

from harness.report.evidence import Evidence
from harness.report.history import LedgerLine
from harness.report.section import Figure, Section, Series, Table
from harness.report.words import many, percent
from harness.stats.intervals import wilson, z_of

NIGHTS = 10
"""Runs of the same things that are shown; a chart with alarms needs more of them: `harness trend`."""


def trend(e: Evidence) -> Section:
    """Earlier runs of the same things, side by side. Unavailable when this is the first."""
    floor = e.manifest.coverage_floor
    nights = [ln for ln in e.history.ledger if ln.same and ln.graded and not ln.regrade_of]
    lines = [ln for ln in nights if (ln.graded or 0) >= floor * (ln.planned - ln.skipped)]
    if len(lines) < 2:
        why = "this is the first valid run of these tasks, graders and systems; a trend needs earlier ones"
        return Section("trend", "trend excerpt", why_not=why)
    shown = lines[-NIGHTS:]
    rows = tuple((ln.run, ln.created[:10], *(_rate(ln, name) for name in e.names)) for ln in shown)
    x = tuple(float(i) for i in range(1, len(shown) + 1))
    title = f"last {many(len(shown), 'run')} of the same things: passed of graded trials"
    thin = len(nights) - len(lines)
    note = "for looking only; alarms with a budget of false ones: harness trend"
    notes = (note, f"{many(thin, 'run')} with too little coverage left out") if thin else (note,)
    return Section(
        "trend",
        "trend excerpt",
        tables=(Table(title, ("run", "date", *e.names), rows, notes),),
        figures=(
            Figure(
                "lines", "Passed of graded trials, run by run", "run, oldest first", "share passed",
                tuple(_series(name, x, shown) for name in e.names), share_y=True,
            ),
        ),
        methods=("shares of trials with Wilson's interval; a picture, not a test",),
        data={"runs": [{"run": ln.run, "passed": ln.passed, "graded": ln.graded} for ln in shown]},
    )  # fmt: skip


def _rate(line: LedgerLine, system: str) -> str:
    won, n = line.by_system.get(system, (0, 0))
    return f"{percent(won / n)} of {n:,}" if n else "not graded"


def _series(name: str, x: tuple[float, ...], lines: list[LedgerLine]) -> Series:
    found = [(at, ln.by_system[name]) for at, ln in zip(x, lines, strict=True) if name in ln.by_system]
    spans = [wilson(won / n, float(n), z_of(0.95)) for _, (won, n) in found]
    return Series(
        name,
        tuple(at for at, _ in found),
        tuple(won / n for _, (won, n) in found),
        tuple(s.low for s in spans),
        tuple(s.high for s in spans),
    )
