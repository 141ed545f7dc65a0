"""Whether a judge likes the longer answer: how often it wins, the slope, and the win rate at equal length.

Reference judge.md 2.5 and 4.2 (AlpacaEval's length control, arXiv 2404.04475). The covariate is never centred: at
equal length it is 0, so the intercept is the controlled rate; centred on a pool it would be another pool's rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from harness.stats.intervals import Codes, Estimate, Interval, Numbers, t_of, z_of
from harness.stats.shares import codes_of, share

GAP = 0.1
"""Relative difference of length from which one answer counts as longer."""
LEAST = 20
"""Pairs under which no slope is fitted."""
RIDGE = 1e-3
STEEP = 12.0
"""Logits per doubling from which the data are taken for separated: length alone decides every pair."""


def length_ratio(work: Numbers, opponent: Numbers) -> Numbers:
    """log2 of the lengths' ratio: 1 where the work is twice as long. Empty texts count as one character."""
    return np.asarray(np.log2(np.maximum(work, 1) / np.maximum(opponent, 1)), dtype=np.float64)


def style_ratio(work: tuple[Numbers, Numbers], opponent: tuple[Numbers, Numbers]) -> Numbers:
    """(a - b)/(a + b) of the densities of headings, lists and bold words, each side as (marks, length): -1 to 1.

    Densities, so that a longer text is not taken for a more formatted one; 0 where neither has any (judge.md 4.2).
    """
    a, b = (marks / np.maximum(length, 1) for marks, length in (work, opponent))
    total = a + b
    return np.asarray(np.where(total > 0, (a - b) / np.where(total > 0, total, 1), 0.0), dtype=np.float64)


def longer_rate(score: Numbers, ratio: Numbers, cluster: Codes) -> tuple[Estimate, int]:
    """How often the longer answer won, of decided pairs with a real gap; and their number. Ties are left out."""
    kept = (np.abs(ratio) > math.log2(1 + GAP)) & (np.abs(score - 0.5) > 1e-12)
    if not kept.any():
        return Estimate(float("nan"), None, "no decided pair with a difference in length"), 0
    won = ((score[kept] > 0.5) == (ratio[kept] > 0)).astype(np.float64)
    return share(won, cluster[kept]), int(kept.sum())


@dataclass(frozen=True, slots=True)
class Control:
    """Slope of each covariate in logits per unit, and the win rate where all of them are 0: both sides are alike."""

    slopes: tuple[Estimate, ...]
    rate: Estimate

    @property
    def slope(self) -> Estimate:
        """The first covariate's."""
        return self.slopes[0]


def length_control(score: Numbers, ratio: Numbers, cluster: Codes) -> Control:
    """The slope per doubling of length, and the win rate at equal length: `controlled` with one covariate."""
    return controlled(score, ratio[:, None], cluster)


def controlled(score: Numbers, covariates: Numbers, cluster: Codes) -> Control:
    """logit P(win) = a + slopes . covariates by maximum (quasi-)likelihood, ties a half; cluster-robust intervals.

    `statsmodels.GLM(score, [1, x], Binomial()).fit(cov_type="cluster")` without a small-sample factor; quantile
    t(G-1) where clusters hold several pairs. Where they alone decide, a slope has no finite estimate. `covariates` is
    (pairs, k), work less opponent.
    """
    k = covariates.shape[1]
    why = _why_not(score, covariates, cluster)
    if why:
        none = Estimate(float("nan"), None, why)
        return Control((none,) * k, none)
    x = np.column_stack((np.ones(len(score)), covariates))
    beta, bread = _fit(x, score, 0.0)
    separated = not np.isfinite(beta).all() or float(np.abs(beta[1:]).max()) > STEEP
    if separated:
        beta, bread = _fit(x, score, RIDGE * len(score))
    codes = codes_of(cluster)
    groups = int(codes.max()) + 1
    residual = (score - expit(x @ beta))[:, None] * x
    sums = np.stack([np.bincount(codes, weights=residual[:, i]) for i in range(k + 1)], axis=1)
    covariance = bread @ (sums.T @ sums) @ bread
    quantile = z_of(0.95) if groups == len(score) else t_of(0.95, groups - 1)
    half = quantile * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    a, wide = float(beta[0]), float(half[0])
    rate = Estimate(float(expit(a)), Interval(float(expit(a - wide)), float(expit(a + wide))))
    if separated:
        what = "length alone decides" if k == 1 else "length and style alone decide"
        return Control((Estimate(float("nan"), None, f"{what} the pairs: no finite slope"),) * k, rate)
    slopes = zip(beta[1:].tolist(), half[1:].tolist(), strict=True)
    return Control(tuple(Estimate(b, Interval(b - h, b + h)) for b, h in slopes), rate)


def _why_not(score: Numbers, covariates: Numbers, cluster: Codes) -> str:
    if len(score) < LEAST:
        return f"{len(score)} pairs, {LEAST} are needed"
    if len(np.unique(cluster)) < 2:
        return "one family of tasks only"
    if float(np.ptp(covariates, axis=0).min()) < 1e-9:
        return "all pairs have the same ratio of lengths" if covariates.shape[1] == 1 else "no pair differs in style"
    if float(score.max() - score.min()) < 1e-12:
        return "all pairs have the same outcome"
    return ""


def _fit(x: Numbers, y: Numbers, ridge: float) -> tuple[Numbers, Numbers]:
    """Newton steps of a logistic fit; the coefficients and the inverse Hessian. Infinite where they run away."""
    k = x.shape[1]
    beta = np.zeros(k)
    penalty = ridge * np.diag([0.0, *[1.0] * (k - 1)])
    hessian = np.eye(k)
    for _ in range(50):
        p = expit(x @ beta)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + penalty
        if np.linalg.cond(hessian) > 1e12:
            return np.full(k, np.inf), np.full((k, k), np.inf)
        step = np.linalg.solve(hessian, x.T @ (y - p) - penalty @ beta)
        size = float(np.abs(step).max())
        beta = beta + step * min(1.0, 5.0 / size) if size > 0 else beta
        if size < 1e-12:
            break
    return beta, np.asarray(np.linalg.inv(hessian), dtype=np.float64)
