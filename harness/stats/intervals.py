"""Intervals. The unit of analysis is the task, never the attempt row; what cannot be said is None with a reason.

docs/reference/report.md lists the formulas with their papers: Wilson 1927; cluster-robust variance (Miller, arXiv
2411.00640; Cameron & Miller 2015) with t(G-1); the pseudo-task device after Agresti & Coull 1998 and Bonett & Price
2012. Only scipy.special is imported: scipy.stats costs a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri, stdtrit

Numbers: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int64]

FEW_FAMILIES = 8
"""Under this many families no interval about other tasks is given: its true coverage is not known to be 95 %."""
SOME_FAMILIES = 20
"""Under this many the interval is given with a note."""
ASSUMED_ICC = 0.5
"""The share of the variance between families that is assumed where the data cannot tell it."""
ASSUMED_WEIGHT = 2.0
"""What the assumption weighs, against the squared effective number of families; chosen by simulation (design/010)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval, or the reason why there is none."""

    value: float
    interval: Interval | None
    why_not: str = ""


def z_of(level: float) -> float:
    """The normal quantile of a two-sided interval of this level."""
    return float(ndtri(0.5 + level / 2))


def t_of(level: float, df: float) -> float:
    """Student's quantile of a two-sided interval of this level."""
    return float(stdtrit(df, 0.5 + level / 2))


def wilson(p: float, n: float, quantile: float) -> Interval:
    """Wilson's score interval for a share `p` of `n` (which may be an effective number), with any quantile.

    Wilson, JASA 22 (1927). 5 of 5 is [0.57, 1], never a point.
    """
    q2 = quantile * quantile
    centre = (p + q2 / (2 * n)) / (1 + q2 / n)
    half = quantile / (1 + q2 / n) * math.sqrt(p * (1 - p) / n + q2 / (4 * n * n))
    # At the edges rounding could leave the estimate out of its own interval.
    return Interval(max(0.0, min(centre - half, p)), min(1.0, max(centre + half, p)))


def cluster_variance(x: Numbers, family: Codes) -> float:
    """Variance of the mean of `x` with observations in families: G/(G-1) * sum over g of (sum of residuals)^2 / N^2.

    Equals statsmodels' `OLS(x, 1).fit(cov_type="cluster", use_correction=...)` up to its own small-sample factor
    (N-1)/(N-1) = 1. Needs two families; NaN below that.
    """
    n = len(x)
    sums = np.bincount(family, weights=x - x.mean())
    count = len(np.unique(family))
    return float("nan") if count < 2 else float(count / (count - 1) * np.sum(sums**2) / n**2)


def generalisation(x: Numbers, family: Codes, level: float = 0.95) -> Estimate:
    """The mean of task means `x`, as a claim about other tasks of this kind: Wilson with a design effect.

    `family` holds codes 0..G-1. n_eff = N * gain / max(1, deff), quantile t(G-1). deff = V_cluster / (s^2 / N). `gain`
    is p(1-p)/s^2, at least 1, with two pseudo-tasks (0 and 1) added to both: task means over several epochs vary less
    than single draws do, and at 0 or 1 the pseudo-tasks keep that from being taken for certainty. When all task means
    are equal the design effect cannot be seen, and the worst one is assumed: n_eff = G. Where few families have the
    rarer outcome it is seen badly, and is drawn towards ASSUMED_ICC: see `seen_deff`.
    """
    n = len(x)
    if n == 0:
        return Estimate(float("nan"), None, "no task was graded")
    p, g = float(x.mean()), len(np.unique(family))
    if g < 2:
        return Estimate(p, None, "one task" if n == 1 else "one family: nothing can be said about others")
    if g < FEW_FAMILIES:
        kind = "tasks" if g == n else "families"
        return Estimate(p, None, f"{g} {kind}, {FEW_FAMILIES} are needed")
    variance = float(x.var(ddof=1))
    if variance < 1e-12:
        n_eff = float(g)
    else:
        padded = np.concatenate((x, (0.0, 1.0)))
        pm = float(padded.mean())
        gain = max(1.0, pm * (1 - pm) / float(padded.var(ddof=1)))
        n_eff = n * gain / seen_deff(x, family, cluster_variance(x, family) / (variance / n))
    return Estimate(p, wilson(p, n_eff, t_of(level, g - 1)))


def seen_deff(x: Numbers, family: Codes, deff: float) -> float:
    """The design effect that is reckoned with: at least 1, and no less than `deff` averaged with an assumed one.

    The rarer of what was reached (x) and what was missed (1 - x) tells how families differ. It comes from effectively
    E = (sum of families)^2 / (sum of their squares) families; `deff` weighs E^2, the assumed 1 + (size - 1) *
    ASSUMED_ICC weighs ASSUMED_WEIGHT. Without it, three failures in three of ten families look independent, and at a
    mean of 0.9 with half of the variance between families 0.90 was covered, not 0.93 (docs/design/010).
    """
    deff = max(1.0, deff)
    size = np.bincount(family).astype(np.float64)
    effective = min(_effective(np.bincount(family, weights=w).astype(np.float64)) for w in (x, 1.0 - x)) ** 2
    assumed = 1.0 + (float(np.sum(size**2)) / len(x) - 1.0) * ASSUMED_ICC
    return max(deff, (effective * deff + ASSUMED_WEIGHT * assumed) / (effective + ASSUMED_WEIGHT))


def _effective(total: Numbers) -> float:
    """How many families a total comes from, effectively (Kish): all from one is 1, equal shares are their number."""
    squares = float(np.sum(total**2))
    return float(np.sum(total)) ** 2 / squares if squares > 0 else 0.0


def replication(x: Numbers, within: Numbers, epochs: Codes, level: float = 0.95) -> Estimate:
    """The mean of task means `x`, as a claim about this same suite run again: only within-task variance counts.

    `within` is each task's sample variance over its epochs (any value where `epochs` is 1), `epochs` its graded number.
    With one epoch everywhere the within-task variance cannot be seen; Wilson on N tasks bounds it from above, because
    the sum of p_i(1-p_i) is at most N p(1-p). Otherwise sum(s_i^2 / K_i) / N^2 with two pseudo-tasks of a fair coin's
    variance 1/4 among the N, so that the width is never zero; quantile t(sum(K_i - 1)).
    """
    n = len(x)
    if n == 0:
        return Estimate(float("nan"), None, "no task was graded")
    p = float(x.mean())
    repeated = epochs > 1
    if not repeated.any():
        return Estimate(p, wilson(p, n, z_of(level)))
    pooled = float(np.average(within[repeated], weights=epochs[repeated] - 1))
    total = float(np.sum(np.where(repeated, within, pooled) / epochs)) + 2 * 0.25 / float(epochs.mean())
    half = t_of(level, float(np.sum(epochs - 1))) * math.sqrt(total) / (n + 2)
    return Estimate(p, Interval(max(0.0, p - half), min(1.0, p + half)))


def cost_per_success(cost: Numbers, success: Numbers, family: Codes, level: float = 0.95) -> Estimate:
    """Sum of costs over sum of successes, tasks as units, log-delta interval with t(G-1).

    Residuals e_i = c_i - R y_i; SE(log R) = sqrt(V_cluster(e)) / (mean y * R). Two pseudo-tasks at the mean cost, one
    solved and one not, keep a run in which all is equal from having no width. NaN when nothing succeeded: the total is
    then a lower bound.
    """
    solved = float(success.sum())
    if solved <= 0:
        return Estimate(float("nan"), None, "no success")
    ratio = float(cost.sum()) / solved
    g = len(np.unique(family))
    if g < FEW_FAMILIES:
        return Estimate(ratio, None, f"{g} {'tasks' if g == len(cost) else 'families'}, {FEW_FAMILIES} are needed")
    if ratio <= 0:
        return Estimate(ratio, None, "no cost")
    scale = max(1.0, float(success.max()))
    padded_cost = np.concatenate((cost, np.full(2, cost.mean())))
    padded_success = np.concatenate((success, (0.0, scale)))
    padded_family = np.concatenate((family, (family.max() + 1, family.max() + 2)))
    middle = float(padded_cost.sum() / padded_success.sum())
    residuals = padded_cost - middle * padded_success
    se = math.sqrt(cluster_variance(residuals, padded_family)) / float(padded_cost.mean())
    factor = math.exp(t_of(level, g - 1) * se)
    return Estimate(ratio, Interval(min(ratio, middle / factor), max(ratio, middle * factor)))


def quantile(values: Numbers, q: float, level: float = 0.95) -> Estimate:
    """A quantile with its order-statistic interval, whatever the distribution's shape (Conover 1999, section 3.2).

    The interval of `scipy.stats.quantile_test(values, p=q).confidence_interval(level)`. For q = 0.95 a finite upper
    end needs 72 values; without one the quantile is not estimable, and the value is NaN.
    """
    n = len(values)
    if n == 0:
        return Estimate(float("nan"), None, "no value")
    ordered = np.sort(values)
    tail = (1 - level) / 2
    below = np.asarray(bdtr(np.arange(n + 1), n, q))
    low = int(np.argmax(below >= tail)) - 1
    high = int(np.argmax(below >= 1 - tail))
    if high >= n:
        return Estimate(float("nan"), None, f"not estimable (n={n}), max = {ordered[-1]:.3g}")
    if low < 0:
        return Estimate(float("nan"), None, f"not estimable (n={n}), min = {ordered[0]:.3g}")
    return Estimate(float(np.quantile(ordered, q)), Interval(float(ordered[low]), float(ordered[high])))


def bounds(passed: int, graded: int, planned: int) -> Interval:
    """The pass rate if everything not graded had failed, and if it had passed (Manski's worst-case bounds)."""
    if planned == 0:
        return Interval(0.0, 1.0)
    return Interval(passed / planned, (passed + planned - graded) / planned)
