"""Exact statements about counts: what zero of n rules out, and whether two paired counts differ."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, betaincinv, gammaln

from harness.stats.intervals import Interval, Numbers


def clopper_pearson(k: Numbers, n: Numbers, level: float = 0.95) -> tuple[Numbers, Numbers]:
    """Exact two-sided limits for k of n, elementwise (Clopper and Pearson 1934); n = 0 gives [0, 1]."""
    tail = (1 - level) / 2
    k, n = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail), 1.0)
    return low, high


def upper_bound(k: int, n: int, level: float = 0.95) -> float:
    """The one-sided exact upper bound of a rate with k of n seen; 0 of 100 is at most 3.0 % (1 - 0.05^(1/100))."""
    return 1.0 if k >= n else float(betaincinv(k + 1, n - k, level))


def exact_interval(k: int, n: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval of one count."""
    low, high = clopper_pearson(np.array([k]), np.array([n]), level)
    return Interval(float(low[0]), float(high[0]))


def mcnemar(b: int, c: int) -> float:
    """Two-sided exact p of McNemar's test from the two discordant counts; 1 without any (McNemar 1947)."""
    if b + c == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))


def fisher(won_a: int, n_a: int, won_b: int, n_b: int) -> float:
    """Two-sided exact p that two independent counts come from one rate (Fisher 1935): tables no likelier than this."""
    total, won = n_a + n_b, won_a + won_b
    x = np.arange(max(0, won - n_b), min(won, n_a) + 1, dtype=np.float64)
    log_p = _log_choose(n_a, x) + _log_choose(n_b, won - x) - _log_choose(total, np.array([float(won)]))
    p = np.exp(log_p)
    return min(1.0, float(p[p <= p[won_a - int(x[0])] * (1 + 1e-7)].sum()))


def _log_choose(n: int, k: Numbers) -> Numbers:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)


def false_discovery(p: Numbers) -> Numbers:
    """p values adjusted for looking at many (Benjamini and Hochberg 1995)."""
    p = np.asarray(p, dtype=np.float64)
    n = len(p)
    order = np.argsort(p)[::-1]
    adjusted = np.empty(n)
    adjusted[order] = np.minimum.accumulate(p[order] * n / np.arange(n, 0, -1))
    return np.minimum(adjusted, 1.0)
