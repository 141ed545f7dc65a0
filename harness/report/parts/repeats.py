"""9 Consistency: whether the same question gets the same outcome, and whether all of k epochs pass."""

from __future__ import annotations

import math

import numpy as np

from harness.report.columns import Columns
from harness.report.evidence import Evidence
from harness.report.section import Figure, Section, Series, Table
from harness.report.words import percent, percents
from harness.stats.intervals import FEW_FAMILIES, Codes, Interval, Numbers, cluster_variance, generalisation, t_of
from harness.stats.repeats import consistency, pass_all, pass_at


def repeats(e: Evidence) -> Section:
    """Unavailable with one epoch: nothing was repeated."""
    if e.manifest.epochs < 2:
        return Section("consistency", "consistency", why_not="one epoch: nothing was repeated; run with --epochs 3")
    if not any(len(ok) for ok in e.graded):
        return Section("consistency", "consistency", why_not="no trial was graded")
    most = e.manifest.epochs
    rows, series, data = [], [], {}
    for name, ok in zip(e.names, e.graded, strict=True):
        task, won, n = _counts(ok)
        ks = range(1, most + 1)
        curve = [_mean(pass_all(won, n, k), e.family[task]) for k in ks]
        steady = _consistency(won, n, e.family[task])
        few = int((n < most).sum())
        rows.append(
            (
                name,
                steady[0],
                *(c[0] for c in curve if c),
                _mean(pass_at(won, n, most), e.family[task])[0],
                f"{few:,} of {len(n):,}",
            )
        )
        shown = [(k, c) for k, c in zip(ks, curve, strict=True) if not math.isnan(c[1])]
        if shown:
            nan = float("nan")
            ends = [c[2] or Interval(nan, nan) for _, c in shown]
            series.append(
                Series(
                    name,
                    tuple(float(k) for k, _ in shown),
                    tuple(c[1] for _, c in shown),
                    tuple(i.low for i in ends),
                    tuple(i.high for i in ends),
                )
            )
        data[name] = {"consistency": steady[1], "pass_all": [c[1] for c in curve], "dropped": few}
    header = ("system", "consistency", *(f"pass^{k}" for k in range(1, most + 1)), f"pass@{most}", "tasks dropped")
    notes = [
        "consistency: 1 is always the same outcome, 0 a fair coin; pass^k: all of k epochs pass; pass@k: at least one",
        f"tasks dropped: fewer than {most} graded epochs, so they say nothing about pass^{most}",
    ]
    stored = [s.name for s in e.systems if s.stored]
    if stored:
        notes.append(
            f"{', '.join(stored)}: stored answers; where one answer is played in every epoch, nothing was repeated"
        )
    return Section(
        "consistency",
        "consistency",
        tables=(Table("the same question again", header, tuple(rows), tuple(notes)),),
        figures=(
            Figure("lines", "pass^k: the chance that k epochs all pass", "k", "pass^k", tuple(series), share_y=True),
        ),
        methods=(
            "consistency 1 - 4 m(1-m) K/(K-1) and pass^k C(c,k)/C(n,k), pass@k 1 - C(n-c,k)/C(n,k): unbiased per task "
            "(Yao 2024, Chen 2021), then means over tasks",
        ),
        data={"systems": data},
    )


def _counts(ok: Columns) -> tuple[Codes, Numbers, Numbers]:
    task, at = np.unique(ok.codes("task"), return_inverse=True)
    n = np.bincount(at, minlength=len(task)).astype(np.float64)
    won = np.bincount(at, weights=ok.column["passed"], minlength=len(task)).astype(np.float64)
    return task, won, n


def _mean(per_task: Numbers, family: Codes) -> tuple[str, float, Interval | None]:
    """In words, the mean over tasks that have a number, and its interval for other tasks."""
    known = ~np.isnan(per_task)
    if not known.any():
        return "undefined: too few graded epochs", float("nan"), None
    own = np.unique(family[known], return_inverse=True)[1].astype(np.int64)
    found = generalisation(per_task[known], own)
    said = percent(found.value) + (f" {percents(found.interval)}" if found.interval else "")
    return said, found.value, found.interval


def _consistency(won: Numbers, n: Numbers, family: Codes) -> tuple[str, float]:
    found = consistency(won, n)
    known = ~np.isnan(found)
    if not known.any():
        return "undefined: no task has two graded epochs", float("nan")
    value = float(found[known].mean())
    own = np.unique(family[known], return_inverse=True)[1].astype(np.int64)
    shown = f"{min(1.0, max(0.0, value)):.3f}"
    groups = int(own.max()) + 1
    variance = cluster_variance(found[known], own) if groups >= FEW_FAMILIES else 0.0
    if variance <= 0:
        return shown, value
    half = t_of(0.95, groups - 1) * math.sqrt(variance)
    return f"{shown} [{max(0.0, value - half):.3f}, {min(1.0, value + half):.3f}]", value
