"""13 Missing data: what was not measured, why, what it could change, and whether it hit one system more."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from harness.report.evidence import Evidence, Mask
from harness.report.section import Section, Table
from harness.report.tables import failed_tables
from harness.report.words import many, percent, percents
from harness.stats.paired import mcnemar

MOST_PAIRS = 15


def missing(e: Evidence) -> Section:
    """Unavailable when nothing was planned. That nothing is missing is said too."""
    if not e.manifest.n_trials:
        return Section("missing", "missing data", why_not="nothing was planned")
    lost = sum(s.coverage.planned - s.coverage.graded for s in e.systems)
    if not lost:
        return Section(
            "missing",
            "missing data",
            tables=tuple(failed_tables(e.systems)),
            notes=(f"nothing is missing: all {e.manifest.n_trials:,} planned trials have a grade",),
            data={"missing": 0},
        )
    flags = _flags(e)
    return Section(
        "missing",
        "missing data",
        tables=(_causes(e), _bounds(e), _hard(e), *_differential(e, flags), *failed_tables(e.systems)),
        notes=("not graded is neither passed nor failed: rates are over graded trials",),
        methods=("worst-case bounds (Manski 1990); exact McNemar on missing flags between systems, by task",),
        data={"missing": lost, "systems": {s.name: {c.name: c.n for c in s.coverage.missing} for s in e.systems}},
    )


def _causes(e: Evidence) -> Table:
    every = sorted({c.name for s in e.systems for c in s.coverage.missing})
    counts = [{c.name: c.n for c in s.coverage.missing} for s in e.systems]
    rows = tuple((cause, *(f"{c.get(cause, 0):,}" for c in counts)) for cause in every)
    return Table("trials without a grade, by cause", ("cause", *e.names), rows)


def _bounds(e: Evidence) -> Table:
    rows = tuple(
        (
            s.name,
            percent(s.passed.value) if s.passed.value is not None else "not graded",
            percents(s.coverage.bounds),
            f"{s.coverage.graded:,} of {s.coverage.planned:,}",
        )
        for s in e.systems
    )
    header = ("system", "pass rate, graded trials", "worst to best case", "graded")
    return Table(
        "what the missing trials could change", header, rows, ("worst to best: all missing failed, all passed",)
    )


def _flags(e: Evidence) -> np.ndarray:
    """For each system and task whether a grade is missing in some planned epoch."""
    n = len(e.rows.tasks)
    return np.stack([np.bincount(ok.codes("task"), minlength=n) < e.manifest.epochs for ok in e.graded])


def _hard(e: Evidence) -> Table:
    """Whether what is missing is harder: how the other systems did on those tasks."""
    n = len(e.rows.tasks)
    graded = np.stack([np.bincount(ok.codes("task"), minlength=n) for ok in e.graded]).astype(np.float64)
    won = np.stack([np.bincount(ok.codes("task"), weights=ok.column["passed"], minlength=n) for ok in e.graded])
    plain = np.array([not s.privileged and bool(won[i].sum()) for i, s in enumerate(e.systems)])
    rows = []
    for i, name in enumerate(e.names):
        others = plain.copy()
        others[i] = False
        of = graded[others].sum(axis=0)
        rate = np.where(of > 0, won[others].sum(axis=0) / np.maximum(of, 1), np.nan)
        lost = graded[i] < e.manifest.epochs
        rows.append((name, f"{int(lost.sum()):,}", _mean(rate, lost), _mean(rate, ~lost)))
    header = ("system", "tasks with a trial missing", "others' pass rate on them", "others' pass rate elsewhere")
    note = "where hard tasks go missing, the pass rate of what is left flatters"
    return Table("are the missing tasks harder?", header, tuple(rows), (note,))


def _mean(rate: np.ndarray, where: Mask) -> str:
    known = rate[where & ~np.isnan(rate)]
    return f"{percent(float(known.mean()))} of {many(len(known), 'task')}" if len(known) else "no other system to ask"


def _differential(e: Evidence, flags: np.ndarray) -> list[Table]:
    if len(e.names) < 2:
        return []
    found = []
    for i, j in combinations(range(len(e.names)), 2):
        b, c = int((flags[i] & ~flags[j]).sum()), int((~flags[i] & flags[j]).sum())
        found.append((mcnemar(b, c).exact, f"{e.names[i]} / {e.names[j]}", b, c))
    found.sort()
    rows = tuple((pair, f"{b:,}", f"{c:,}", f"{p:.3g}") for p, pair, b, c in found[:MOST_PAIRS])
    notes = ["a small p: the two were not measured on the same tasks; compare them only on tasks that both have"]
    if len(found) > MOST_PAIRS:
        notes.append(f"the {MOST_PAIRS} smallest of {len(found)} pairs")
    header = ("systems", "missing only in the first", "only in the second", "McNemar p")
    return [Table("does it hit one system more than another? by task", header, rows, tuple(notes))]
