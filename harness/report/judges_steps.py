"""A judge of steps against known first errors: ProcessBench's F, exact hits, near misses, and late blame."""

from __future__ import annotations

import numpy as np

from harness.report.judges_calls import Calls
from harness.report.judges_model import Figure, figure
from harness.report.judges_pairs import SEED
from harness.stats.intervals import Codes, Estimate
from harness.stats.shares import bootstrap, share

NO_STEP = ("clean", "-1")
"""What says that no step is wrong; ProcessBench (arXiv 2412.06559) says -1."""


def steps_figures(measured: Calls, sentinels: Calls) -> tuple[Figure, ...]:
    """First wrong step, where the task or a sentinel knows it: F is the harmonic mean of exact hits on flawed work and
    of *none* on clean work; of flawed work, beside it, how far off the judge was (judge.md 1.6).
    """
    known = [c for calls in (measured, sentinels) for c in (_known(calls),) if len(c)]
    title, n = "first wrong step, F", (sum(len(c.units()[1]) for c in known), "judged with a known answer")
    if not known:
        return (figure("steps_f", title, Estimate(float("nan"), None, "no known first wrong step"), n),)
    said = [w for c in known for w in c.words("outcome")]
    true = [w for c in known for w in c.words("expected")]
    family = np.concatenate([c.column["family"] for c in known])
    hit = np.array([s == t or (s in NO_STEP and t in NO_STEP) for s, t in zip(said, true, strict=True)])
    clean = np.array([t in NO_STEP for t in true])

    def f(rows: Codes) -> float:
        h, c = hit[rows], clean[rows]
        if c.all() or not c.any():
            return float("nan")
        one, other = float(h[c].mean()), float(h[~c].mean())
        return 2 * one * other / (one + other) if one + other else 0.0

    value = f(np.arange(len(hit), dtype=np.int64))
    drawn = bootstrap(f, family, SEED) if value == value else None
    why = "needs flawed and clean work" if value != value else "" if drawn else "too few families for an interval"
    return (figure("steps_f", title, Estimate(value, drawn, why), n), *_gaps(said, true, clean, family))


def _known(calls: Calls) -> Calls:
    """Verdicts on the whole way whose right answer is known."""
    ok = calls.ok()
    return ok.where((ok.column["expected"] > 0) & (ok.column["about"] == 0))


def _gaps(said: list[str], true: list[str], clean: Codes, family: Codes) -> tuple[Figure, ...]:
    """Of flawed work: found exactly, within one step, or blamed later than it happened. A miss is none of them."""
    flawed = np.flatnonzero(~clean)
    if not len(flawed):
        return ()
    gap = np.array([int(said[i]) - int(true[i]) if said[i].isdigit() else np.nan for i in flawed])
    n, of = (len(flawed), "flawed"), family[flawed]
    with np.errstate(invalid="ignore"):
        kinds = (
            ("steps_exact", "  exact, of flawed work", gap == 0),
            ("steps_near", "  within one step", np.abs(gap) <= 1),
            ("steps_late", "  blamed too late", gap > 0),
        )
    return tuple(figure(name, title, share(x.astype(np.float64), of), n) for name, title, x in kinds)
