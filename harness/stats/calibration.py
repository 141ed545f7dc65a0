"""Whether a stated confidence is worth something: Brier, AUROC, calibration error against its own null, risk-coverage.

`sure` is the confidence in [0, 1], `right` is 1 or 0, `family` a code per row; rows of one family stand and fall
together in every interval. Formulas and sources: docs/reference/report.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.intervals import (
    FEW_FAMILIES,
    Codes,
    Estimate,
    Interval,
    Numbers,
    cluster_variance,
    t_of,
    wilson,
    z_of,
)

ECE_TASKS = 100
"""Under this many tasks the calibration error says mostly that there are few: a perfect system shows 0.10."""
MOST_BINS = 10
DRAWS = 400
"""Replicates of a resampling; fewer for large runs, whose noise is small."""
_WORK = 4_000_000


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of similar confidence: means of both, and Wilson's interval of the share right with a design effect."""

    n: int
    sure: float
    right: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """The expected calibration error, what a perfectly calibrated system would show with these answers, and the rest.

    `corrected` is the difference, with an interval by resampling families.
    """

    error: float
    under_null: float
    corrected: Estimate
    bins: tuple[Bin, ...]


def brier(sure: Numbers, right: Numbers, family: Codes) -> Estimate:
    """The mean of (sure - right)^2, with a cluster-robust t interval (Brier 1950)."""
    loss = (sure - right) ** 2
    value, g = float(loss.mean()), len(np.unique(family))
    if g < FEW_FAMILIES:
        return Estimate(value, None, f"{g} families, {FEW_FAMILIES} are needed")
    half = t_of(0.95, g - 1) * math.sqrt(cluster_variance(loss, family))
    return Estimate(value, Interval(max(0.0, value - half), min(1.0, value + half)))


def brier_skill(sure: Numbers, right: Numbers) -> float:
    """1 - Brier / (p(1-p)): better than always saying the base rate p is positive. NaN where p is 0 or 1."""
    p = float(right.mean())
    return 1 - float(((sure - right) ** 2).mean()) / (p * (1 - p)) if 0 < p < 1 else float("nan")


def auroc(sure: Numbers, right: Numbers, family: Codes, seed: int = 0) -> Estimate:
    """P(confidence of a right answer > of a wrong one) + half of the ties; interval by resampling families.

    The area under the ROC curve as Mann and Whitney's statistic (Hanley and McNeil 1982).
    """
    if len(sure) and (sure == sure[0]).all():
        return Estimate(0.5, None, "every confidence is the same")
    order = np.argsort(sure, kind="stable")
    start = np.flatnonzero(np.concatenate(([True], np.diff(sure[order]) > 0)))
    own, groups = _codes(family[order])
    good = right[order]

    def area(weight: Numbers) -> float:
        won = np.add.reduceat(weight * good, start)
        lost = np.add.reduceat(weight * (1 - good), start)
        below = np.cumsum(lost) - lost / 2
        whole = float(won.sum() * lost.sum())
        return float((won * below).sum()) / whole if whole > 0 else float("nan")

    value = area(np.ones(len(sure)))
    if math.isnan(value):
        return Estimate(value, None, "every answer was right" if right.all() else "no answer was right")
    if groups < FEW_FAMILIES:
        return Estimate(value, None, f"{groups} families, {FEW_FAMILIES} are needed")
    draws = [area(w[own]) for w in _weights(groups, seed, _draws(len(sure), most=300))]
    return Estimate(value, _percentiles(np.array(draws)))


def calibration(sure: Numbers, right: Numbers, family: Codes, seed: int = 0) -> Calibration:
    """The expected calibration error over bins of equal mass (Naeini et al. 2015), corrected for its own bias.

    Answers of equal confidence stay in one bin, as in scikit-learn's `calibration_curve(strategy="quantile")`; up to
    ten different confidences are bins of their own. The null is drawn with right ~ Bernoulli(sure), its noise widened
    by the design effect of the residuals in families. The interval is the corrected error +- t(G-1) times the standard
    deviation over resampled families.
    """
    at = _bins(sure)
    bins = _of_bins(right, sure, at, family)
    own, groups = _codes(family)
    residual = right - sure
    error = float(np.abs(np.bincount(at, weights=residual)).sum()) / len(sure)
    centred = residual - (np.bincount(at, weights=residual) / np.maximum(np.bincount(at), 1))[at]
    spread = float((centred**2).sum())
    deff = max(1.0, float((np.bincount(own, weights=centred) ** 2).sum()) / spread) if spread > 0 else 1.0
    null = _null_error(sure, at, seed) * math.sqrt(deff)
    if groups < FEW_FAMILIES:
        return Calibration(error, null, Estimate(error - null, None, f"{groups} families"), bins)
    sums = np.zeros((groups, len(np.bincount(at))))
    np.add.at(sums, (own, at), residual)
    sizes = np.bincount(own).astype(np.float64)
    w = _weights(groups, seed, _draws(groups))
    drawn = np.abs(w @ sums).sum(axis=1) / (w @ sizes)
    half = t_of(0.95, groups - 1) * float(drawn.std(ddof=1))
    return Calibration(error, null, Estimate(error - null, Interval(error - null - half, error - null + half)), bins)


def reliability_bins(sure: Numbers, right: Numbers, family: Codes) -> tuple[Bin, ...]:
    """The bins of a reliability diagram; fewer for few answers."""
    return _of_bins(right, sure, _bins(sure), family)


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Answering only from some confidence on: the share still answered, and the share wrong among those.

    One point for each distinct confidence, highest first. `area` is the mean risk over coverage (AURC).
    """

    threshold: Numbers
    coverage: Numbers
    risk: Numbers
    area: float


def risk_coverage(sure: Numbers, right: Numbers) -> RiskCoverage:
    """Geifman and El-Yaniv 2017, arXiv 1705.08500. Errors among equal confidences are spread evenly over them."""
    order = np.argsort(-sure, kind="stable")
    levels, start = np.unique(-sure[order], return_index=True)
    ends = np.append(start[1:], len(sure))
    wrong = np.concatenate(([0.0], np.cumsum(1 - right[order])))
    k = np.arange(1, len(sure) + 1)
    smooth = np.interp(k, np.append(0, ends), wrong[np.append(0, ends)])
    return RiskCoverage(-levels, ends / len(sure), wrong[ends] / ends, float((smooth / k).mean()))


def _bins(sure: Numbers) -> Codes:
    """A bin for every answer: of equal mass, or one for each confidence where few different ones are said."""
    levels, level = np.unique(sure, return_inverse=True)
    if len(levels) <= MOST_BINS:
        return level.astype(np.int64)
    count = max(1, min(MOST_BINS, len(sure) // 10))
    edges = np.unique(np.quantile(sure, np.linspace(0, 1, count + 1)))
    at = np.searchsorted(edges[1:-1], sure)
    return np.unique(at, return_inverse=True)[1].astype(np.int64)


def _of_bins(right: Numbers, sure: Numbers, at: Codes, family: Codes) -> tuple[Bin, ...]:
    found, z = [], z_of(0.95)
    for b in range(int(at.max()) + 1):
        inside = at == b
        y, own = right[inside], np.unique(family[inside], return_inverse=True)[1]
        p, n = float(y.mean()), len(y)
        spread = float(((y - p) ** 2).sum())
        # Where all are alike the design effect cannot be seen, and the worst one is assumed.
        worst = n / (int(own.max()) + 1)
        deff = float((np.bincount(own, weights=y - p) ** 2).sum()) / spread if spread > 0 else worst
        found.append(Bin(n, float(sure[inside].mean()), p, wilson(p, n / max(1.0, deff), z)))
    return tuple(found)


def _null_error(sure: Numbers, at: Codes, seed: int) -> float:
    drawn = np.random.default_rng(seed).random((_draws(len(sure)), len(sure)))
    off = (drawn < sure) - sure
    return float(np.abs(off @ np.eye(int(at.max()) + 1)[at]).sum(axis=1).mean()) / len(sure)


def _codes(family: Codes) -> tuple[Codes, int]:
    own = np.unique(family, return_inverse=True)[1].astype(np.int64)
    return own, int(own.max()) + 1


def _draws(n: int, most: int = DRAWS) -> int:
    return int(np.clip(_WORK // max(n, 1), 50, most))


def _weights(groups: int, seed: int, draws: int) -> NDArray[np.float64]:
    """How often each family is drawn, in each replicate of a bootstrap: draws x groups."""
    drawn = np.random.default_rng(seed).integers(groups, size=(draws, groups))
    at = drawn + groups * np.arange(draws)[:, None]
    return np.bincount(at.ravel(), minlength=draws * groups).reshape(draws, groups).astype(np.float64)


def _percentiles(drawn: Numbers) -> Interval | None:
    kept = drawn[~np.isnan(drawn)]
    return Interval(*np.quantile(kept, (0.025, 0.975)).tolist()) if len(kept) >= 40 else None
