"""Paired differences between variants of a task, and rates of small groups drawn towards their common mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.stats.intervals import FEW_FAMILIES, Codes, Estimate, Interval, Numbers, cluster_variance, t_of


def paired_difference(d: Numbers, family: Codes, level: float = 0.95) -> Estimate:
    """The mean of differences in [-1, 1], two-sided, with two pseudo-pairs +1 and -1 and t(G-1).

    m' = sum d/(N+2), V' = V (N/(N+2))^2 + 2/(N+2)^2 with V clustered (Bonett and Price 2012). Equal variants never give
    an interval of no width. The value is the plain mean.
    """
    n, g = len(d), len(np.unique(family))
    if n == 0:
        return Estimate(float("nan"), None, "no pair was graded")
    value = float(d.mean())
    if g < FEW_FAMILIES:
        pairs, families = "pair" if n == 1 else "pairs", "family" if g == 1 else "families"
        return Estimate(value, None, f"{n} {pairs} in {g} {families}, {FEW_FAMILIES} are needed")
    own = np.unique(family, return_inverse=True)[1].astype(np.int64)
    variance = cluster_variance(d, own) * (n / (n + 2)) ** 2 + 2 / (n + 2) ** 2
    middle, half = float(d.sum()) / (n + 2), t_of(level, g - 1) * math.sqrt(variance)
    return Estimate(value, Interval(max(-1.0, min(value, middle - half)), min(1.0, max(value, middle + half))))


@dataclass(frozen=True, slots=True)
class Pooled:
    """Group means drawn towards their common mean: `weight` 1 keeps a group's own, 0 takes the common one."""

    common: float
    between: float
    value: Numbers
    weight: Numbers


def partially_pooled(mean: Numbers, variance: Numbers) -> Pooled | None:
    """Empirical Bayes shrinkage of group means with known variances; None for fewer than two groups.

    tau^2 between groups by the method of moments (DerSimonian and Laird 1986), then weight = tau^2/(tau^2 + v)
    (Efron and Morris 1975).
    """
    if len(mean) < 2:
        return None
    w = 1 / variance
    fixed = float((w * mean).sum() / w.sum())
    q = float((w * (mean - fixed) ** 2).sum())
    scale = float(w.sum() - (w**2).sum() / w.sum())
    between = max(0.0, (q - (len(mean) - 1)) / scale) if scale > 0 else 0.0
    full = 1 / (variance + between)
    common = float((full * mean).sum() / full.sum())
    weight = between / (between + variance)
    return Pooled(common, between, common + weight * (mean - common), weight)
