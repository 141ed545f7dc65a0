"""Choosing among systems on the same tasks: how sure one is of the best, what a wrong choice costs, and small cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from harness.stats.intervals import Codes, Numbers

RESAMPLES = 2000
LEAST_PRIOR, MOST_PRIOR = 2.0, 50.0
"""Weight of the overall rate in a small cell, in tasks: estimated, and kept between these."""


@dataclass(frozen=True, slots=True)
class Odds:
    """By candidate: the share of resampled suites in which it is the best, and what choosing it loses on average."""

    best: Numbers
    regret: Numbers


def odds(loss: Numbers, family: Codes, seed: int, resamples: int = RESAMPLES) -> Odds:
    """Paired Bayesian bootstrap over families (Rubin, Ann. Stat. 9, 1981): the same weights for every candidate.

    `loss` has a row per task and a column per candidate; lower is better. Ties share. A candidate that is never best
    has 0, which is not a proof.
    """
    codes = np.unique(family, return_inverse=True)[1]
    groups = int(codes.max()) + 1 if len(codes) else 0
    sums = np.zeros((groups, loss.shape[1]))
    np.add.at(sums, codes, loss)
    sizes = np.bincount(codes, minlength=groups).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.standard_exponential((resamples, groups))
    means = (drawn @ sums) / (drawn @ sizes)[:, None]
    least = means.min(axis=1, keepdims=True)
    ties = np.isclose(means, least, rtol=0, atol=1e-12)
    best = (ties / ties.sum(axis=1, keepdims=True)).mean(axis=0)
    return Odds(best, (means - least).mean(axis=0))


def prior_weight(successes: Sequence[float], trials: Sequence[float]) -> float:
    """How many tasks the overall rate weighs in a cell: beta-binomial, by moments over the cells (Kleinman 1973).

    The less the cells differ beyond chance, the more.
    """
    n, k = np.asarray(trials, dtype=np.float64), np.asarray(successes, dtype=np.float64)
    used = n > 0
    if used.sum() < 2:
        return LEAST_PRIOR
    n, k = n[used], k[used]
    p = float(k.sum() / n.sum())
    chance = p * (1 - p)
    if chance <= 0:
        return MOST_PRIOR
    mean_n = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    between = float((n * (k / n - p) ** 2).sum()) / (len(n) - 1) - chance
    rho = max(0.0, between / ((mean_n - 1) * chance + between)) if mean_n > 1 else 0.0
    return float(min(MOST_PRIOR, max(LEAST_PRIOR, 1 / rho - 1))) if rho > 0 else MOST_PRIOR


def shrunk(k: float, n: float, overall: float, weight: float) -> float:
    """A cell's rate, drawn towards the overall one by `weight` tasks."""
    return (k + weight * overall) / (n + weight)


def tasks_needed(difference: Numbers, margin: float, tests: int, alpha: float = 0.05, power: float = 0.8) -> int:
    """About how many tasks show *not worse by the margin* for a difference that varies like this and is 0 in truth.

    n = (z_(alpha / tests) + z_power)^2 (variance / margin^2): Miller, arXiv 2411.00640. Two pseudo-tasks at +-1 keep a
    cell in which all agree from asking for none.
    """
    padded = np.concatenate((difference, (1.0, -1.0)))
    reach = float(ndtri(1 - alpha / max(1, tests)) + ndtri(power))
    return max(len(difference) + 1, math.ceil(reach**2 * float(padded.var(ddof=1)) / margin**2))
