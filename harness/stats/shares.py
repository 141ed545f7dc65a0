"""Shares and means of judged units that hang together: intervals that know about clusters, and resampling of clusters.

A unit is a pair, an answer or a criterion that was judged; a cluster is the family of its task. Orders, repeats and
judges of one unit are never independent rows (reference: judge.md 4.3; Miller, arXiv 2411.00640).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import bdtr, ndtr

from harness.stats.intervals import Codes, Estimate, Interval, Numbers, cluster_variance, t_of, wilson, z_of

DRAWS = 1000
"""Bootstrap draws (judge.md 4.3)."""


def codes_of(cluster: Codes) -> Codes:
    """The same clusters, numbered 0..G-1."""
    return np.unique(cluster, return_inverse=True)[1].astype(np.int64)


def share(x: Numbers, cluster: Codes, level: float = 0.95) -> Estimate:
    """The mean of values in [0, 1]: Wilson by unit; with a design effect and t(G-1) where clusters hold several units.

    n_eff = n * gain / max(1, deff), as in `intervals.generalisation`: gain is p(1-p)/s^2 with two pseudo-units, at
    least 1, for values between 0 and 1. When all values are equal the design effect cannot be seen: n_eff = G.
    """
    n = len(x)
    if n == 0:
        return Estimate(float("nan"), None, "nothing was measured")
    p, groups = float(x.mean()), len(np.unique(cluster))
    if groups == 1 and n > 1:
        return Estimate(p, None, "one family of tasks only")
    variance = float(x.var(ddof=1)) if n > 1 else 0.0
    padded = np.concatenate((x, (0.0, 1.0)))
    middle = float(padded.mean())
    gain = max(1.0, middle * (1 - middle) / float(padded.var(ddof=1)))
    if groups == n:
        return Estimate(p, wilson(p, n * gain if variance > 1e-12 else n, z_of(level)))
    if variance <= 1e-12:
        n_eff = float(groups)
    else:
        n_eff = n * gain / max(1.0, cluster_variance(x, codes_of(cluster)) / (variance / n))
    return Estimate(p, wilson(p, n_eff, t_of(level, groups - 1)))


def bootstrap(
    statistic: Callable[[Codes], float], cluster: Codes, seed: int, level: float = 0.95, draws: int = DRAWS
) -> Interval | None:
    """Percentile interval of `statistic(rows)` over whole clusters drawn with replacement, seeded; None if undefined.

    Levels are widened for few clusters after Hesterberg, American Statistician 69 (2015). Draws in
    which the statistic does not exist (NaN) are left out; with more than a tenth of them there is no interval.
    """
    codes = codes_of(cluster)
    groups = int(codes.max()) + 1 if len(codes) else 0
    if groups < 2:
        return None
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(groups + 1))
    rng = np.random.default_rng(seed)
    found = np.empty(draws)
    for i in range(draws):
        picked = rng.integers(0, groups, groups)
        size = starts[picked + 1] - starts[picked]
        begin = np.cumsum(size) - size
        found[i] = statistic(order[np.arange(size.sum()) + np.repeat(starts[picked] - begin, size)].astype(np.int64))
    kept = found[~np.isnan(found)]
    return None if len(kept) < 0.9 * draws else percentiles(kept, groups, level)


def bootstrap_mean(x: Numbers, cluster: Codes, seed: int, level: float = 0.95, draws: int = DRAWS) -> Interval | None:
    """`bootstrap` of the mean, without a loop: for a few hundred clusters at most."""
    codes = codes_of(cluster)
    sums, sizes = np.bincount(codes, weights=x), np.bincount(codes)
    groups = len(sums)
    if groups < 2:
        return None
    picked = np.random.default_rng(seed).integers(0, groups, (draws, groups))
    return percentiles(sums[picked].sum(axis=1) / sizes[picked].sum(axis=1), groups, level)


def percentiles(found: Numbers, groups: int, level: float = 0.95) -> Interval:
    """Hesterberg's expanded percentile interval of bootstrap draws over `groups` clusters (two or more).

    Quantiles are those of Weibull, k / (draws + 1): interpolated between the first and the last draw instead, 100 draws
    hold 0.93 where 0.95 is meant.
    """
    tail = float(ndtr(-math.sqrt(groups / (groups - 1)) * t_of(level, groups - 1)))
    low, high = np.quantile(found, (tail, 1 - tail), method="weibull")
    return Interval(float(low), float(high))


def binomial_p(k: int, n: int) -> float:
    """Exact two-sided p of `k` of `n` at a half; `scipy.stats.binomtest(k, n).pvalue`. 1 where n is 0."""
    return 1.0 if n == 0 else min(1.0, 2 * float(bdtr(min(k, n - k), n, 0.5)))


def sign_flip_p(x: Numbers, cluster: Codes, seed: int, draws: int = 4000) -> float:
    """Two-sided p of mean 0 by flipping the sign of whole clusters.

    All flips up to 12 clusters, seeded draws up to 1,000, the normal limit above. Fisher 1935, section 21; Canay,
    Romano & Shaikh, Econometrica 85 (2017) for clusters.
    """
    sums = np.bincount(codes_of(cluster), weights=x)
    groups = len(sums)
    seen = abs(float(sums.sum()))
    if groups <= 12:
        flips = 1.0 - 2.0 * ((np.arange(2**groups)[:, None] >> np.arange(groups)) & 1)
        return float(np.mean(np.abs(flips @ sums) >= seen - 1e-9))
    if groups > 1000:
        return float(2 * ndtr(-seen / math.sqrt(float((sums**2).sum())))) if seen > 0 else 1.0
    flips = np.random.default_rng(seed).choice((-1.0, 1.0), (draws, groups))
    return float((1 + np.sum(np.abs(flips @ sums) >= seen - 1e-9)) / (draws + 1))
