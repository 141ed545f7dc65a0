"""How far raters agree: kappa, AC1, alpha, sensitivity and specificity, from a table or from ratings with gaps.

Never agreement alone: a judge that passes everything agrees with people on all that passes (judge.md 3.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.stats.intervals import Codes, Estimate, Numbers, wilson, z_of

Table: TypeAlias = NDArray[np.float64]
Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]


def table_of(judge: Codes, person: Codes, labels: int) -> Table:
    """Counts of (judge's label, person's label); labels are 0..`labels`-1."""
    found = np.bincount(judge * labels + person, minlength=labels * labels)
    return found.reshape(labels, labels).astype(np.float64)


def observed(table: Table) -> float:
    """Share of equal labels."""
    return float(np.trace(table) / table.sum())


def kappa(table: Table, weights: Weights = "none") -> float:
    """Cohen's kappa, EPM 20 (1960); weighted as Cohen, Psych. Bulletin 70 (1968). NaN where chance alone is 1.

    Equals `sklearn.metrics.cohen_kappa_score`.
    """
    k = len(table)
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))).astype(np.float64)
    cost = apart if weights == "linear" else apart**2 if weights == "quadratic" else (apart > 0).astype(np.float64)
    share = table / table.sum()
    expected = float((cost * np.outer(share.sum(axis=1), share.sum(axis=0))).sum())
    return float("nan") if expected < 1e-15 else 1 - float((cost * share).sum()) / expected


def ac1(table: Table) -> float:
    """Gwet's AC1, BJMSP 61 (2008): chance from mean marginals, pe = sum of pi_k (1 - pi_k) / (K - 1). NaN for K = 1."""
    k = len(table)
    if k < 2:
        return float("nan")
    share = table / table.sum()
    mean = (share.sum(axis=1) + share.sum(axis=0)) / 2
    chance = float((mean * (1 - mean)).sum()) / (k - 1)
    return (observed(table) - chance) / (1 - chance)


def alpha(ratings: Numbers, level: Level = "nominal") -> float:
    """Krippendorff's alpha, 1 - Do/De, of (raters, units) with NaN for absent. NaN where nothing varies or is paired.

    Krippendorff, Content Analysis (2004), chapter 11. Equals the package `krippendorff`.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = np.stack([(ratings == v).sum(axis=0) for v in values], axis=1).astype(np.float64) if len(values) else None
    if counts is None:
        return float("nan")
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        return float("nan")
    pairs = counts.sum(axis=1, keepdims=True) - 1
    coincidence = (counts / pairs).T @ counts - np.diag((counts / pairs).sum(axis=0))
    margin = coincidence.sum(axis=0)
    apart = _apart(values, margin, level)
    expected = float((apart * np.outer(margin, margin)).sum()) / (float(margin.sum()) - 1)
    return float("nan") if expected < 1e-15 else 1 - float((apart * coincidence).sum()) / expected


def _apart(values: Numbers, margin: Numbers, level: Level) -> Table:
    """Squared differences between values, by what kind of numbers they are."""
    if level == "nominal":
        return np.asarray(values[:, None] != values[None, :], dtype=np.float64)
    if level == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2, dtype=np.float64)
    middle = np.cumsum(margin) - margin / 2
    return np.asarray((middle[:, None] - middle[None, :]) ** 2, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Confusion:
    """A judge's passes and fails against a person's, with Wilson intervals.

    `sensitivity` is the share of truly passing work that the judge passes, `specificity` of failing work that it fails.
    """

    both: int
    judge_only: int
    person_only: int
    neither: int
    sensitivity: Estimate
    specificity: Estimate


def confusion(judge: NDArray[np.bool_], person: NDArray[np.bool_]) -> Confusion:
    """The 2x2 table of passes."""
    both, judge_only = int((judge & person).sum()), int((judge & ~person).sum())
    person_only, neither = int((~judge & person).sum()), int((~judge & ~person).sum())
    return Confusion(
        both,
        judge_only,
        person_only,
        neither,
        _rate(both, both + person_only, "passes"),
        _rate(neither, neither + judge_only, "fails"),
    )


def _rate(k: int, n: int, what: str) -> Estimate:
    if n == 0:
        return Estimate(float("nan"), None, f"no label {what}")
    return Estimate(k / n, wilson(k / n, n, z_of(0.95)))


def constant(person: Codes) -> float:
    """Agreement of a judge that always gives the commonest label: what any judge has to beat."""
    return float(np.bincount(person).max() / len(person)) if len(person) else math.nan


def majority(votes: NDArray[np.int64]) -> int | None:
    """The value with the most votes; None on a tie. Never the first one seen (judge.md 1.7)."""
    values, counts = np.unique(votes, return_counts=True)
    best = np.flatnonzero(counts == counts.max())
    return int(values[best[0]]) if len(best) == 1 else None


def rotation_consistency(item: Codes, rotation: Codes, chosen: Codes) -> Numbers:
    """Of each item 0.., the chance that verdicts of two different rotations choose the same; NaN with one rotation.

    One row per verdict. With one verdict a rotation it is sum c(c-1) / (R(R-1)) of judge.md 1.5, and with two
    candidates it is swap consistency. Repeats of one rotation are not held against each other: a judge that always
    takes the first slot agrees with itself there, and would be praised for it.
    """
    n = int(item.max()) + 1 if len(item) else 0

    def squares(*of: Codes) -> Numbers:
        kinds, count = np.unique(np.stack(of), axis=1, return_counts=True)
        return np.bincount(kinds[0], weights=count.astype(np.float64) ** 2, minlength=n).astype(np.float64)

    if not n:
        return np.zeros(0)
    pairs = squares(item) - squares(item, rotation)
    same = squares(item, chosen) - squares(item, rotation, chosen)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(pairs > 0, same / pairs, np.nan), dtype=np.float64)
