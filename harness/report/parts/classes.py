"""3 Task classes: which tasks are solid, flaky or dead, from all attempts on the same things; and what moved."""

from __future__ import annotations

from collections import Counter

import numpy as np

from harness.records.content import Json
from harness.report.columns import Columns
from harness.report.evidence import Evidence
from harness.report.section import Section, Table
from harness.report.words import many, percent, some
from harness.stats.multiple import benjamini_hochberg
from harness.stats.paired import fisher
from harness.stats.repeats import CLASS_ATTEMPTS, task_classes

MOST_MOVERS = 10
FDR = 0.10
"""Movers are named where the adjusted p is under this: exploration, never a gate."""


def classes(e: Evidence) -> Section:
    """Unavailable when nothing was graded."""
    if not any(len(ok) for ok in e.graded):
        return Section("classes", "task classes", why_not="no trial was graded")
    rows, notes, data = [], [], {}
    for name, ok in zip(e.names, e.graded, strict=True):
        always, never, mixed = _in_this_run(ok)
        pooled = {task: counts for (system, task), counts in e.history.pooled.items() if system == name}
        tasks = sorted(pooled)
        won = np.array([pooled[t][0] for t in tasks], dtype=np.float64)
        n = np.array([pooled[t][1] for t in tasks], dtype=np.float64)
        found = task_classes(won, n)
        count: Counter[str] = Counter(found)
        rows.append(
            (
                name,
                f"{always:,} / {mixed:,} / {never:,}",
                f"{int(np.median(n)) if len(n) else 0:,}",
                *(f"{count[c]:,}" for c in ("solid", "flaky", "dead", "unknown")),
                f"{len(tasks) - count['solid'] - count['dead']:,} of {len(tasks):,}",
            )
        )
        for word in ("flaky", "dead"):
            if names := [t for t, c in zip(tasks, found, strict=True) if c == word]:
                notes.append(f"{name}: {word}: {some(names)}")
        data[name] = {"attempts_median": float(np.median(n)) if len(n) else None, **_counted(count)}
    header = ("system", "this run: always/mixed/never", "attempts", "solid", "flaky", "dead", "unknown", "can move")
    pooled_of = many(e.history.pooled_runs, "run")
    what = (
        f"classes from {pooled_of} with the same tasks, graders and systems; attempts: median per task; a class needs "
        f"{CLASS_ATTEMPTS} of them; stored answers are the same in every run and are not pooled"
    )
    return Section(
        "classes",
        "task classes",
        tables=(Table("solid, flaky and dead tasks", header, tuple(rows), (what, *notes)), *_movers(e)),
        notes=("solid and dead tasks cannot show a change: what a gate can see are those that can move",),
        methods=(
            "exact intervals of pooled attempts (Clopper and Pearson 1934): solid above 0.8, dead below "
            "0.2 at 90 %, flaky inside 0.1 to 0.9 at 80 %",
        ),
        data={"systems": data, "pooled_runs": e.history.pooled_runs},
    )


def _counted(count: Counter[str]) -> dict[str, Json]:
    return {c: count[c] for c in ("solid", "flaky", "dead", "unknown")}


def _in_this_run(ok: Columns) -> tuple[int, int, int]:
    """Tasks that passed in every graded epoch, in none, and in some."""
    _, at = np.unique(ok.codes("task"), return_inverse=True)
    n, won = np.bincount(at), np.bincount(at, weights=ok.column["passed"])
    return int((won == n).sum()), int((won == 0).sum()), int(((won > 0) & (won < n)).sum())


def _movers(e: Evidence) -> list[Table]:
    """Tasks whose rate differs from the same system's earlier runs."""
    found: list[tuple[str, str, int, int, int, int]] = []
    for name, ok in zip(e.names, e.graded, strict=True):
        task, at = np.unique(ok.codes("task"), return_inverse=True)
        here = zip(
            task.tolist(),
            np.bincount(at, weights=ok.column["passed"]).astype(int).tolist(),
            np.bincount(at).tolist(),
            strict=True,
        )
        for code, won, n in here:
            pooled = e.history.pooled.get((name, e.rows.tasks[code]), (won, n))
            if pooled[1] > n:
                found.append((e.rows.tasks[code], name, won, n, pooled[0] - won, pooled[1] - n))
    if not found:
        return []
    counts = np.array([f[2:] for f in found], dtype=np.float64).T
    adjusted = benjamini_hochberg(fisher(*counts)).tolist()
    ordered = sorted(zip(adjusted, found, strict=True))
    moved = [(q, f) for q, f in ordered if q < FDR]
    rows = tuple(
        (task, system, f"{won_0}/{n_0} {percent(won_0 / n_0)}", f"{won}/{n} {percent(won / n)}", f"{q:.3g}")
        for q, (task, system, won, n, won_0, n_0) in moved[:MOST_MOVERS]
    )
    note = (
        f"{many(len(found), 'pair')} of task and system compared; some move by chance, and these survive a correction"
    )
    if not rows:
        rows = (("none", "", "", "", ""),)
    title = f"top movers against earlier runs: false discovery rate {FDR:.0%}"
    return [Table(title, ("task", "system", "before", "now", "adjusted p"), rows, (note,))]
