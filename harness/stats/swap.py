"""The same pair judged in both orders: consistency, repeat stability, position effect, and one outcome of two.

Definitions and closed forms: reference judge.md, 2.2 and 2.3. Counts are (pairs, 3): wins, ties, losses of the work
under test in one order, over the repeats. Order AB shows the work first, BA second. Slot space and candidate space
are kept apart: everything here is in candidate space, and the position effect is the difference of the two orders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.stats.intervals import Codes, Estimate, Interval, Numbers, cluster_variance, t_of, z_of
from harness.stats.shares import binomial_p, bootstrap, bootstrap_mean, codes_of, sign_flip_p

Counts: TypeAlias = NDArray[np.int64]
Rule = Literal["conservative", "average", "sign", "discard"]
Verdict = Literal["order_blind", "biased", "inconclusive"]
Class = Literal[
    "consistent_decisive", "consistent_tie", "flip_primacy", "flip_recency", "half_primacy", "half_recency"
]  # fmt: skip

NORMAL_FROM = 50
"""Pairs from which the normal interval of the position effect is used: 94 % coverage at 100 (judge.md 7.4)."""
SIGN_FLIP_UNDER = 10
"""Clusters under which a bootstrap is not believed, and the sign-flip test is inverted instead."""
COIN_FORCED, COIN_TIES = 1 / 2, 1 / 3
"""Swap consistency of a judge that throws a coin: forced choice, and with ties drawn as often."""


def scores(counts: Counts) -> Numbers:
    """Mean outcome of each pair in one order: win 1, tie a half, loss 0. NaN where there is no verdict."""
    n = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((counts[:, 0] + 0.5 * counts[:, 1]) / n, dtype=np.float64)


def consistency(ab: Counts, ba: Counts) -> Numbers:
    """PC of each pair: the chance that a verdict in one order and one in the other name the same outcome."""
    return np.asarray((ab * ba).sum(axis=1) / (ab.sum(axis=1) * ba.sum(axis=1)), dtype=np.float64)


def stability(ab: Counts, ba: Counts) -> Numbers:
    """RS of each pair: the chance that two repeats of one order agree, mean of the orders with two repeats or more.

    NaN where neither order was repeated. The counts must be of fresh calls: what a cache repeats is not a repeat.
    """
    found = np.full((2, len(ab)), np.nan)
    for i, counts in enumerate((ab, ba)):
        n = counts.sum(axis=1)
        many = n > 1
        found[i, many] = ((counts * (counts - 1)).sum(axis=1)[many]) / (n * (n - 1))[many]
    seen = ~np.isnan(found)
    total = np.where(seen, found, 0.0).sum(axis=0)
    return np.asarray(np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), np.nan), dtype=np.float64)


def position(ab: Counts, ba: Counts) -> Numbers:
    """b of each pair, -1 (always the second slot) to +1 (always the first). Content cancels: score_AB - score_BA."""
    return np.asarray(scores(ab) - scores(ba), dtype=np.float64)


def position_share(pc: Numbers, rs: Numbers, cluster: Codes, seed: int) -> Estimate:
    """The part of all inconsistency that position causes, (RS - PC) / (1 - PC); the rest is the judge's own noise."""

    def ratio(rows: Codes) -> float:
        p, r = float(pc[rows].mean()), float(rs[rows].mean())
        return float("nan") if p > 1 - 1e-12 else (r - p) / (1 - p)

    if len(pc) == 0:
        return Estimate(float("nan"), None, "no pair was repeated within an order")
    value = ratio(np.arange(len(pc), dtype=np.int64))
    if math.isnan(value):
        return Estimate(value, None, "no pair was inconsistent: there is nothing to share out")
    interval = bootstrap(ratio, cluster, seed)
    return Estimate(value, interval, "" if interval else "too few clusters or inconsistent pairs for an interval")


@dataclass(frozen=True, slots=True)
class Effect:
    """A slot or label effect: mean, intervals of 95 % and 90 %, and what they allow to say. `method` names the rule."""

    value: float
    wide: Interval | None
    narrow: Interval | None
    verdict: Verdict
    method: str
    why_not: str = ""


def effect(b: Numbers, cluster: Codes, delta: float, seed: int) -> Effect:
    """The mean of `b` with its intervals, and whether it is within +-`delta`, outside, or not known.

    Order blind: the 90 % interval lies within +-delta (two one-sided tests, Schuirmann 1987). Biased: the 95 %
    interval excludes 0 and the value is above delta / 2. *Not significant* alone is inconclusive (judge.md 7.4, 8.6).
    """
    if len(b) == 0:
        return Effect(float("nan"), None, None, "inconclusive", "none", "no pair has a verdict in both orders")
    value = float(b.mean())
    if len(np.unique(cluster)) < 2:
        return Effect(value, None, None, "inconclusive", "none", "one family of tasks only")
    (wide, method), (narrow, _) = (_interval(b, cluster, level, seed) for level in (0.95, 0.9))
    if -delta <= narrow.low and narrow.high <= delta:
        verdict: Verdict = "order_blind"
    elif (wide.low > 0 or wide.high < 0) and abs(value) > delta / 2:
        verdict = "biased"
    else:
        verdict = "inconclusive"
    return Effect(value, wide, narrow, verdict, method)


def _interval(b: Numbers, cluster: Codes, level: float, seed: int) -> tuple[Interval, str]:
    n, codes = len(b), codes_of(cluster)
    groups = int(codes.max()) + 1
    mean = float(b.mean())
    if float(b.max() - b.min()) < 1e-12:
        # Rule of three (Hanley & Lippman-Hand 1983): at most this share of clusters would be otherwise.
        other = min(1.0, -math.log(1 - level) / groups)
        return _clip(mean - other * (1 + mean), mean + other * (1 - mean)), "rule of three"
    if n >= NORMAL_FROM and groups >= SIGN_FLIP_UNDER:
        quantile = z_of(level) if groups == n else t_of(level, groups - 1)
        half = quantile * math.sqrt(cluster_variance(b, codes))
        return _clip(mean - half, mean + half), "normal"
    if groups >= SIGN_FLIP_UNDER:
        drawn = bootstrap_mean(b, cluster, seed, level)
        if drawn is not None:
            return _clip(drawn.low, drawn.high), "bootstrap"
    return _inverted(b, cluster, 1 - level, seed), "sign-flip"


def _inverted(b: Numbers, cluster: Codes, alpha: float, seed: int) -> Interval:
    """The means that a sign-flip test at `alpha` does not reject, by bisection from the mean outwards."""
    mean = float(b.mean())

    def end(outer: float) -> float:
        if sign_flip_p(b - outer, cluster, seed) > alpha:
            return outer
        inner = mean
        for _ in range(20):
            middle = (inner + outer) / 2
            inner, outer = (middle, outer) if sign_flip_p(b - middle, cluster, seed) > alpha else (inner, middle)
        return outer

    return Interval(end(-1.0), end(1.0))


def _clip(low: float, high: float) -> Interval:
    return Interval(max(-1.0, low), min(1.0, high))


@dataclass(frozen=True, slots=True)
class Direction:
    """Which way inconsistent pairs lean. `p` is None where no pair is inconsistent: there is nothing to test."""

    primacy: int
    recency: int
    p: float | None
    method: str


def direction(b: Numbers, cluster: Codes, *, repeated: bool, seed: int) -> Direction:
    """Exact two-sided binomial of primacy against recency; by sign flips where pairs were repeated or are clustered."""
    first, second = int((b > 1e-12).sum()), int((b < -1e-12).sum())
    if first + second == 0:
        return Direction(0, 0, None, "no inconsistent pair")
    if repeated or len(np.unique(cluster)) < len(b):
        return Direction(first, second, sign_flip_p(b, cluster, seed), "sign-flip permutation")
    return Direction(first, second, binomial_p(first, first + second), "exact binomial")


def outcomes(counts: Counts) -> Counts:
    """The outcome of each pair in one order: 1 win, 0 tie, -1 loss, by its mean score over the repeats."""
    s = scores(counts)
    return np.where(s > 0.5 + 1e-12, 1, np.where(s < 0.5 - 1e-12, -1, 0)).astype(np.int64)


def classes(ab: Counts, ba: Counts) -> list[Class]:
    """What became of each pair under the swap (judge.md 7.3)."""
    found: list[Class] = []
    for first, second in zip(outcomes(ab).tolist(), outcomes(ba).tolist(), strict=True):
        lean = first - second
        if lean == 0:
            found.append("consistent_decisive" if first else "consistent_tie")
        elif abs(lean) == 2:
            found.append("flip_primacy" if lean > 0 else "flip_recency")
        else:
            found.append("half_primacy" if lean > 0 else "half_recency")
    return found


def aggregate(ab: Counts, ba: Counts, rule: Rule) -> Numbers:
    """One score in [0, 1] of two orders; NaN where the rule drops the pair. The rules: judge.md 2.3."""
    if rule == "average":
        return np.asarray((scores(ab) + scores(ba)) / 2, dtype=np.float64)
    if rule == "sign":
        total = scores(ab) + scores(ba) - 1
        return np.asarray(np.where(total > 1e-12, 1.0, np.where(total < -1e-12, 0.0, 0.5)), dtype=np.float64)
    first, second = outcomes(ab), outcomes(ba)
    otherwise = 0.5 if rule == "conservative" else np.nan
    return np.asarray(np.where(first == second, (first + 1) / 2, otherwise), dtype=np.float64)
