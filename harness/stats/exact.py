"""Exact statements about counts: intervals, and what zero of n still allows."""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

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
