"""8 Calibration: whether the confidence that systems state means something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.records.content import Json
from harness.report.columns import Columns
from harness.report.evidence import Evidence
from harness.report.section import Figure, Section, Series, Table
from harness.report.words import percent, span
from harness.stats.calibration import (
    ECE_TASKS,
    Bin,
    Calibration,
    RiskCoverage,
    auroc,
    brier,
    brier_skill,
    calibration,
    reliability_bins,
    risk_coverage,
)
from harness.stats.intervals import Estimate

FEWEST = 20
"""Under this many tasks with a confidence nothing is said."""
COVERAGES = (0.5, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """One system's confidences. `error` is None where there are too few tasks for it."""

    name: str
    n: int
    tasks: int
    of: int
    mean_sure: float
    rate: float
    brier: Estimate
    skill: float
    auroc: Estimate
    error: Calibration | None
    bins: tuple[Bin, ...]
    curve: RiskCoverage


def confidence(e: Evidence) -> Section:
    """Unavailable when no system states a confidence."""
    found = [_measure(e, name, ok) for name, ok in zip(e.names, e.graded, strict=True)]
    measured = [m for m in found if m is not None]
    if not measured:
        how = "no graded answer carries a confidence; ask for one with `confidence: true` of single_turn"
        some = any((~np.isnan(ok.column["confidence"])).any() for ok in e.graded)
        few = f"fewer than {FEWEST} tasks have an answer with a confidence"
        return Section("calibration", "calibration", why_not=few if some else how)
    return Section(
        "calibration",
        "calibration",
        tables=(_table(e, measured), _risk(measured), _diagram(measured)),
        figures=(_reliability(measured), _risk_curve(measured)),
        notes=("confidence is what the systems said (verbalised), not a probability from a model's logits",),
        methods=(
            "Brier score with cluster-robust t interval; skill against the base rate (Brier 1950)",
            "AUROC as Mann and Whitney's statistic, interval by resampling families",
            "calibration error over bins of equal mass (Naeini 2015), minus what a calibrated system would show here",
            "risk-coverage and its area (Geifman and El-Yaniv 2017)",
        ),
        data={"systems": {m.name: _data(m) for m in measured}},
    )


def _measure(e: Evidence, name: str, ok: Columns) -> Measured | None:
    said = ok.where(~np.isnan(ok.column["confidence"]))
    task = said.codes("task")
    tasks = len(np.unique(task))
    if tasks < FEWEST:
        return None
    sure, right, family = said.column["confidence"], said.column["passed"], e.family[task]
    return Measured(
        name=name,
        n=len(said),
        tasks=tasks,
        of=len(ok),
        mean_sure=float(sure.mean()),
        rate=float(right.mean()),
        brier=brier(sure, right, family),
        skill=brier_skill(sure, right),
        auroc=auroc(sure, right, family),
        error=calibration(sure, right, family) if tasks >= ECE_TASKS else None,
        bins=reliability_bins(sure, right, family),
        curve=risk_coverage(sure, right),
    )


def _table(e: Evidence, measured: list[Measured]) -> Table:
    rows = tuple(
        (
            m.name,
            f"{m.n:,} of {m.of:,} ({m.tasks:,} tasks)",
            f"{percent(m.mean_sure)} / {percent(m.rate)}",
            span(m.brier),
            "undefined: all alike" if m.skill != m.skill else f"{m.skill:+.3f}",
            span(m.auroc),
            _error(m),
        )
        for m in measured
    )
    without = [n for n in e.names if n not in {m.name for m in measured}]
    notes = [
        "Brier: 0 is perfect; skill above 0 beats always saying the pass rate; AUROC 0.5: the confidence tells nothing",
        f"calibration error: from {ECE_TASKS} tasks on; a perfect system shows one too, and it is taken off",
    ]
    if without:
        notes.append(f"no confidence from: {', '.join(without)}")
    header = (
        "system",
        "with confidence",
        "mean said / right",
        "Brier",
        "skill",
        "AUROC",
        "calibration error, corrected",
    )
    return Table("confidence against what came of it", header, rows, tuple(notes))


def _error(m: Measured) -> str:
    if m.error is None:
        return f"undefined: {m.tasks} tasks, {ECE_TASKS} are needed"
    return f"{span(m.error.corrected)} (seen {m.error.error:.3f}, by chance {m.error.under_null:.3f})"


def _risk(measured: list[Measured]) -> Table:
    def risk(m: Measured, share: float) -> str:
        at = int(np.searchsorted(m.curve.coverage, share - 1e-9))
        return f"{percent(float(m.curve.risk[at]))} (sure from {m.curve.threshold[at]:.2f})"

    rows = tuple((m.name, *(risk(m, c) for c in COVERAGES), f"{m.curve.area:.3f}") for m in measured)
    header = ("system", *(f"wrong among the surest {c:.0%}" for c in COVERAGES), "area under risk-coverage")
    note = "at least that share: answers of one confidence are taken together"
    return Table("answering only when sure", header, rows, (note,))


def _diagram(measured: list[Measured]) -> Table:
    rows = tuple(
        (
            m.name if i == 0 else "",
            f"{b.n:,}",
            percent(b.sure),
            percent(b.right),
            f"[{100 * b.interval.low:.1f}, {100 * b.interval.high:.1f}]",
        )
        for m in measured
        for i, b in enumerate(m.bins)
    )
    header = ("system", "answers", "said", "right", "95% of right")
    note = "intervals: Wilson with a design effect, so that epochs and families add no certainty"
    return Table("reliability diagram: by confidence said", header, rows, (note,))


def _reliability(measured: list[Measured]) -> Figure:
    series = tuple(
        Series(
            m.name,
            tuple(b.sure for b in m.bins),
            tuple(b.right for b in m.bins),
            tuple(b.interval.low for b in m.bins),
            tuple(b.interval.high for b in m.bins),
        )
        for m in measured
    )
    return Figure(
        "points", "Reliability diagram: on the diagonal, confidence is what it says", "confidence said", "share right",
        series, share_x=True, share_y=True, diagonal=True,
    )  # fmt: skip


def _risk_curve(measured: list[Measured]) -> Figure:
    series = tuple(Series(m.name, tuple(m.curve.coverage.tolist()), tuple(m.curve.risk.tolist())) for m in measured)
    return Figure(
        "lines", "Risk-coverage: wrong answers when only the surest are given", "share answered", "share wrong",
        series, share_x=True, share_y=True,
    )  # fmt: skip


def _data(m: Measured) -> dict[str, Json]:
    interval = m.brier.interval
    return {
        "n": m.n,
        "tasks": m.tasks,
        "brier": m.brier.value,
        "brier_interval": [interval.low, interval.high] if interval else None,
        "skill": m.skill,
        "auroc": m.auroc.value,
        "auroc_interval": [m.auroc.interval.low, m.auroc.interval.high] if m.auroc.interval else None,
        "calibration_error": m.error.error if m.error else None,
        "expected_if_calibrated": m.error.under_null if m.error else None,
        "corrected": m.error.corrected.value if m.error else None,
        "aurc": m.curve.area,
    }
