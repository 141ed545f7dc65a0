"""Ratios: what a success costs, and how that changed. Tasks are the units, families the clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from harness.stats.intervals import Codes, Interval, Numbers, cluster_variance
from harness.stats.paired import Difference, paired


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two sides; `low` and `high` one-sided bounds each at `alpha`, None with `why_not` when undefined."""

    value: float
    low: float | None
    high: float | None
    se: float
    df: int
    why_not: str = ""

    def p_at_most(self, limit: float) -> float | None:
        """One-sided p of *the ratio is at most `limit`*: small when it is shown to be above."""
        if self.low is None:
            return None
        return float(stdtr(self.df, (math.log(limit) - math.log(self.value)) / self.se))


def _none(why: str, value: float = float("nan")) -> Ratio:
    return Ratio(value, None, None, float("nan"), 0, why)


def fieller(cost: Numbers, success: Numbers, family: Codes, level: float = 0.95) -> Interval | None:
    """Fieller's interval of sum(cost) / sum(success), clustered; None when it is unbounded (too few successes)."""
    g = len(np.unique(family))
    if g < 2 or success.sum() <= 0:
        return None
    q = float(stdtrit(g - 1, 0.5 + level / 2)) ** 2
    c, y = float(cost.mean()), float(success.mean())
    v_c, v_y = cluster_variance(cost, family), cluster_variance(success, family)
    both = cluster_variance(cost + success, family)
    v_cy = (both - v_c - v_y) / 2
    a, b, e = y * y - q * v_y, c * y - q * v_cy, c * c - q * v_c
    root = b * b - a * e
    if a <= 0 or root < 0:
        return None
    return Interval((b - math.sqrt(root)) / a, (b + math.sqrt(root)) / a)


@dataclass(frozen=True, slots=True)
class Spending:
    """Per task: what all attempts cost, and how many successes there were."""

    cost: Numbers
    success: Numbers


def cost_ratio(a: Spending, b: Spending, family: Codes, alpha: float) -> Ratio:
    """Cost per success of side b over side a, on the same tasks: log-delta, paired by task, clustered by family.

    log R = log mean c - log mean y on each side; the influence of a task on the difference of both is what varies. Two
    pseudo-tasks keep the interval of few tasks from being too narrow: one solved by a and not by b, one the other way.
    """
    for side, name in ((a, "the first side"), (b, "the second side")):
        if side.success.sum() <= 0:
            return _none(f"no success on {name}")
        if side.cost.sum() <= 0:
            return _none(f"no cost on {name}")
    g = len(np.unique(family))
    value = (b.cost.sum() / b.success.sum()) / (a.cost.sum() / a.success.sum())
    if g < 2:
        return _none("one family: nothing can be said about others", float(value))
    influence = (
        b.cost / b.cost.mean() - b.success / b.success.mean() - a.cost / a.cost.mean() + a.success / a.success.mean()
    )
    pseudo = ((_most(a) / a.success.mean()) ** 2 + (_most(b) / b.success.mean()) ** 2) / (len(influence) + 2) ** 2
    se = math.sqrt(cluster_variance(influence, np.unique(family, return_inverse=True)[1]) + float(pseudo))
    reach = float(stdtrit(g - 1, 1 - alpha)) * se
    return Ratio(float(value), float(value * math.exp(-reach)), float(value * math.exp(reach)), se, g - 1)


def _most(side: Spending) -> float:
    """The most that one task added to the successes."""
    return float(side.success.max())


def time_ratio(log_a: Numbers, log_b: Numbers, family: Codes, alpha: float) -> tuple[Ratio, Difference]:
    """The geometric mean of the tasks' ratios of time, b over a, from mean logarithms; and the difference behind it."""
    d = paired(log_b - log_a, family, alpha, scale=0.0)
    value = math.exp(d.value) if d.tasks else float("nan")
    if d.low is None or d.high is None:
        return _none(d.why_not, value), d
    return Ratio(value, math.exp(d.low), math.exp(d.high), d.se, d.df), d
