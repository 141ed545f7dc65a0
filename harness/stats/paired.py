"""Differences paired by task and clustered by family, with two pseudo-tasks; and the tests that cross-check them.

The interval is docs/reference/comparison.md's: after Bonett & Price 2012 (two pseudo-observations for paired shares)
with the cluster-robust variance of Cameron & Miller 2015. McNemar 1947 (mid-p: Fagerland 2013), Mantel & Haenszel 1959,
Fisher 1934. Only scipy.special is imported: scipy.stats costs a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, chdtrc, gammaln, stdtr, stdtrit

from harness.stats.intervals import Codes, Numbers, cluster_variance

EXACT_FAMILIES = 12
"""Up to this many families every sign pattern is tried; above, FLIPS of them by the seed."""
FLIPS = 4_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference. `low` and `high` are one-sided bounds, each at `alpha`; None with `why_not` when undefined.

    `value` is the plain mean over tasks; `middle` and `se` are those with pseudo-tasks, which the bounds rest on.
    """

    value: float
    low: float | None
    high: float | None
    middle: float
    se: float
    df: int
    tasks: int
    families: int
    why_not: str = ""

    def p_below(self, at: float) -> float | None:
        """One-sided p of *the mean is at least `at`*: small when it is shown to be below."""
        return None if self.low is None else float(stdtr(self.df, (self.middle - at) / self.se))

    def p_above(self, at: float) -> float | None:
        """One-sided p of *the mean is at most `at`*: small when it is shown to be above."""
        return None if self.low is None else float(stdtr(self.df, (at - self.middle) / self.se))

    @property
    def p_two_sided(self) -> float | None:
        """p of *the mean is 0*."""
        below, above = self.p_below(0.0), self.p_above(0.0)
        return None if below is None or above is None else min(1.0, 2 * min(below, above))


def paired(d: Numbers, family: Codes, alpha: float, scale: float = 1.0) -> Difference:
    """The mean of per-task differences `d` with tasks in families.

    Two pseudo-tasks at +scale and -scale are added (`scale` is the metric's range; 0 adds none): without them a suite
    of mostly equal tasks would look certain. Where no task got worse, the lower bound also leaves room for the losses
    that n tasks may have missed, 1 - alpha^(1/n). Undefined for one family, and for no spread without pseudo-tasks.
    """
    n = len(d)
    if n == 0:
        return _undefined(float("nan"), 0, 0, "no task was graded on both sides")
    mean, g = float(d.mean()), len(np.unique(family))
    if g < 2:
        return _undefined(mean, n, g, "one task" if n == 1 else "one family: nothing can be said about others")
    extra = 2 if scale else 0
    share = n / (n + extra)
    variance = cluster_variance(d, np.unique(family, return_inverse=True)[1]) * share**2
    se = math.sqrt(variance + extra * scale**2 / (n + extra) ** 2)
    if se < 1e-15:
        return _undefined(mean, n, g, "all differences are equal")
    reach = float(stdtrit(g - 1, 1 - alpha)) * se
    middle = mean * share
    low = middle - reach
    if scale and not (d < 0).any():
        low = min(low, mean - scale * (1 - alpha ** (1 / n)))
    return Difference(mean, low, middle + reach, middle, se, g - 1, n, g)


def _undefined(value: float, tasks: int, families: int, why: str) -> Difference:
    nan = float("nan")
    return Difference(value, None, None, nan, nan, 0, tasks, families, why)


def sign_flip(d: Numbers, family: Codes, seed: int = 0) -> float | None:
    """Two-sided p of *the families' signs are chance*: exact up to EXACT_FAMILIES, else FLIPS patterns by the seed."""
    sums = np.bincount(np.unique(family, return_inverse=True)[1], weights=d)
    g = len(sums)
    if g < 2:
        return None
    seen = abs(float(sums.sum())) - 1e-12
    if g <= EXACT_FAMILIES:
        signs = 1 - 2 * ((np.arange(2**g)[:, None] >> np.arange(g)) & 1)
        return float(np.mean(np.abs(signs @ sums) >= seen))
    rng = np.random.default_rng(seed)
    beyond = 0
    step = max(1, 4_000_000 // g)
    for start in range(0, FLIPS, step):
        signs = rng.integers(0, 2, size=(min(step, FLIPS - start), g), dtype=np.int8) * 2 - 1
        beyond += int(np.sum(np.abs(signs @ sums) >= seen))
    return (beyond + 1) / (FLIPS + 1)


@dataclass(frozen=True, slots=True)
class McNemar:
    """Discordant pairs and two-sided p values."""

    lost: int
    won: int
    exact: float
    mid: float


def mcnemar(lost: int, won: int) -> McNemar:
    """McNemar's test of `lost` against `won` discordant pairs: exact, and the better calibrated mid-p."""
    n, k = lost + won, min(lost, won)
    if n == 0:
        return McNemar(0, 0, 1.0, 1.0)
    tail = float(bdtr(k, n, 0.5))
    point = math.exp(float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) - n * math.log(2))
    return McNemar(lost, won, min(1.0, 2 * tail), min(1.0, 2 * tail - point))


def mantel_haenszel(passed_a: Numbers, n_a: Numbers, passed_b: Numbers, n_b: Numbers) -> float | None:
    """Two-sided p of *each task is solved as often on both sides*, tasks as strata (no continuity correction).

    Equals `statsmodels.stats.contingency_tables.StratifiedTable(...).test_null_odds(correction=False)`.
    """
    n, m = n_a + n_b, passed_a + passed_b
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = n_b * m / n
        variance = n_a * n_b * m * (n - m) / (n**2 * (n - 1))
    used = (n_a > 0) & (n_b > 0) & (n > 1)
    total = float(variance[used].sum())
    if total <= 0:
        return None
    return float(chdtrc(1, float((passed_b - expected)[used].sum()) ** 2 / total))


def fisher(passed_a: Numbers, n_a: Numbers, passed_b: Numbers, n_b: Numbers) -> Numbers:
    """Two-sided p per task of Fisher's exact test of two shares; counts must be whole."""
    rows = np.stack([passed_a, n_a, passed_b, n_b]).round().astype(np.int64)
    kinds, at = np.unique(rows, axis=1, return_inverse=True)
    found = np.array([_fisher(*kind) for kind in kinds.T.tolist()])
    return found[at.ravel()] if len(found) else np.empty(0)


def _fisher(a: int, n_a: int, b: int, n_b: int) -> float:
    total, n = a + b, n_a + n_b
    k = np.arange(max(0, total - n_b), min(n_a, total) + 1)
    log_p = (
        _choose(n_a, k) + _choose(n_b, total - k) - float(_choose(n, np.array([total]))[0])
    )  # of k successes on side a, given the margins
    p = np.exp(log_p)
    own = p[a - int(k[0])]
    return min(1.0, float(p[p <= own * (1 + 1e-7)].sum()))


def _choose(n: int, k: Codes) -> Numbers:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
