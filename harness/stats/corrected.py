"""A judge's pass rate corrected by people's labels, by the design that the labels allow; refused where it misleads.

Labels drawn at random from this very run: PPI++ (Angelopoulos, Duchi & Zrnic, arXiv 2311.01453). Labels from
elsewhere: Rogan & Gladen, AJE 107 (1978), with the interval of Lee et al., arXiv 2511.21140. The other way round is
wider than no judge at all, or wrong with confidence: simulations in the reference, judge.md 3.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.stats.intervals import Codes, Estimate, Interval, Numbers, cluster_variance, t_of, wilson, z_of
from harness.stats.shares import codes_of


@dataclass(frozen=True, slots=True)
class Labelled:
    """Items that a person labelled: what the judge said (`f`) and what the person said (`y`), both in [0, 1].

    `weight` is the inverse of the probability with which the item was drawn; `cluster` its family of tasks.
    """

    f: Numbers
    y: Numbers
    weight: Numbers
    cluster: Codes


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected share. `design` is `ppi++`, `labels only` or `rogan-gladen`; `note` says what to know about it.

    `power` is the lambda of PPI++: 0 leaves the judge out, 1 trusts it fully.
    """

    design: str
    estimate: Estimate
    power: float | None = None
    note: str = ""


def ppi(labelled: Labelled, rest: Numbers, rest_cluster: Codes | None, level: float = 0.95) -> Corrected:
    """PPI++: theta = lambda mean(rest) + mean of labelled (y - lambda f).

    `rest` holds the judge's scores of what was not labelled. Without clusters (None) it is `ppi_py.ppi_mean_ci`, its
    power tuning included; with them both variances are cluster-robust. A label class that nobody gave leaves the
    judge's error there unseen: then the labels alone are used, with Wilson's interval (judge.md 7.5).
    """
    m = len(labelled.y)
    if m == 0:
        return Corrected("ppi++", Estimate(float("nan"), None, "no item of this run is labelled"))
    if len(np.unique(labelled.y)) < 2:
        return _labels_only(labelled, level, "all labels are the same: the judge's error on the others was not seen")
    if m < 2 or not len(rest):
        return _labels_only(labelled, level, "every judged item is labelled: the judge adds nothing")
    w = labelled.weight * m / labelled.weight.sum()
    y, f = labelled.y, labelled.f
    power = _power(w, y, f, rest)
    rectifier = w * (y - power * f)
    value = power * float(rest.mean()) + float(rectifier.mean())
    if rest_cluster is None:
        variance = power**2 * float(rest.var()) / len(rest) + float(rectifier.var()) / m
        quantile = z_of(level)
    else:
        groups = len(np.unique(labelled.cluster))
        if groups < 2:
            why = "all labels are of one family of tasks only"
            return Corrected("ppi++", Estimate(value, None, why), power)
        variance = power**2 * _variance(rest, rest_cluster) + _variance(rectifier, labelled.cluster)
        quantile = t_of(level, groups - 1)
    half = quantile * math.sqrt(variance)
    note = f"{m} labels: 100 are needed to decide, 200 to report" if m < 100 else ""
    return Corrected("ppi++", Estimate(value, Interval(max(0.0, value - half), min(1.0, value + half))), power, note)


def _variance(x: Numbers, cluster: Codes) -> float:
    found = cluster_variance(x, codes_of(cluster))
    return float(x.var()) / len(x) if math.isnan(found) else found


def _power(w: Numbers, y: Numbers, f: Numbers, rest: Numbers) -> float:
    """The lambda that makes the interval shortest: cov(y, f) / ((1 + m/n) var f), in [0, 1] (PPI++, example 6.1)."""
    m, n = len(y), len(rest)
    plain = float(rest.mean()) + float((w * (y - f)).mean())
    gy, gf, gr = w * (y - plain), w * (f - plain), rest - plain
    cov = float(((gy - gy.mean()) * (gf - gf.mean())).mean())
    var = float(np.concatenate((gf, gr)).var(ddof=1))
    return 0.0 if var < 1e-15 else min(1.0, max(0.0, cov / ((1 + m / n) * var)))


def _labels_only(labelled: Labelled, level: float, note: str) -> Corrected:
    w = labelled.weight / labelled.weight.sum()
    value = float((w * labelled.y).sum())
    effective = 1 / float((w**2).sum())  # Kish 1965
    return Corrected("labels only", Estimate(value, wilson(value, effective, z_of(level))), 0.0, note)


@dataclass(frozen=True, slots=True)
class Passes:
    """How often a judge was right: on truly passing work `hit` of `passing`, on failing work `cleared` of `failing`."""

    hit: int
    passing: int
    cleared: int
    failing: int


def rogan_gladen(p: float, n: int, known: Passes, level: float = 0.95) -> Corrected:
    """theta = (p + Sp - 1) / (Se + Sp - 1) with the adjusted interval of Lee et al.; `p` is the share passed of `n`.

    Refused without labels in both classes, and unless Se + Sp > 1 even at the lower end of its interval: such a judge
    says nothing about the truth, and dividing by its information would only inflate noise.
    """
    design = "rogan-gladen"
    if known.passing == 0 or known.failing == 0:
        which = "passing" if known.passing == 0 else "failing"
        return Corrected(design, Estimate(float("nan"), None, f"no label of {which} work: its error rate is not known"))
    if n == 0:
        return Corrected(design, Estimate(float("nan"), None, "nothing was judged"))
    z = z_of(level)
    z2 = z * z
    p1 = (n * p + z2 / 2) / (n + z2)
    se, sp = (known.hit + 1) / (known.passing + 2), (known.cleared + 1) / (known.failing + 2)
    n1, m1, m0 = n + z2, known.passing + 2, known.failing + 2
    vse, vsp = se * (1 - se) / m1, sp * (1 - sp) / m0
    if known.hit / known.passing + known.cleared / known.failing <= 1 or se + sp - 1 - z * math.sqrt(vse + vsp) <= 0:
        why = (
            f"the judge is uninformative: sensitivity {known.hit}/{known.passing} and specificity "
            f"{known.cleared}/{known.failing} do not add up to more than 1 with certainty"
        )
        return Corrected(design, Estimate(float("nan"), None, why))
    information = se + sp - 1
    theta = (p1 + sp - 1) / information
    shift = 2 * z2 * (-(1 - theta) * vsp + theta * vse)
    half = z * math.sqrt(p1 * (1 - p1) / n1 + (1 - theta) ** 2 * vsp + theta**2 * vse) / information
    raw = (p + known.cleared / known.failing - 1) / (known.hit / known.passing + known.cleared / known.failing - 1)
    value = min(1.0, max(0.0, raw))
    low, high = max(0.0, theta + shift - half), min(1.0, theta + shift + half)
    rare = min(known.passing, known.failing)
    note = f"{rare} labels in the rarer class: 30 are needed" if rare < 30 else ""
    return Corrected(design, Estimate(value, Interval(min(low, value), max(high, value))), None, note)


CLASS_LABELS = 30
"""Labels that each class needs before its column of the confusion matrix is believed (judge.md 3.2)."""
WIDEST = 0.5
"""Half width from which a corrected score says nothing: the score lies between 0 and 1."""


def confusion(counts: Codes, table: Numbers, worth: Numbers, level: float = 0.95) -> Corrected:
    """Rogan-Gladen for several classes: theta = C^-1 p, the score is worth . theta; delta-method interval.

    `counts` is how often the judge said each class; `table` (judge, person) counts labelled items from elsewhere;
    C[j, t] = P(judge says j | truth is t). Both sampling errors are in it: p's, and each column's, of which a half is
    added to each cell (Agresti-Coull in spirit: a column of zeros has no variance). Refused with fewer than 30 labels
    in a class, and for a judge whose answers hardly depend on the truth.
    """
    design = "confusion matrix"
    n, per_class = int(counts.sum()), table.sum(axis=0)
    if not n:
        return Corrected(design, Estimate(float("nan"), None, "nothing was judged"))
    if (per_class < CLASS_LABELS).any():
        why = f"{int(per_class.min())} labels in the rarest class: {CLASS_LABELS} are needed in each"
        return Corrected(design, Estimate(float("nan"), None, why))
    k = len(counts)
    p = counts / n
    raw = table / per_class
    soft, sizes = (table + 0.5) / (per_class + 0.5 * k), per_class + 0.5 * k
    uninformative = Corrected(
        design, Estimate(float("nan"), None, "the judge is uninformative: what it says hardly depends on the truth")
    )
    if np.linalg.cond(soft) > 1e3 or np.linalg.cond(raw) > 1e3:
        return uninformative
    theta = np.clip(np.linalg.solve(raw, p), 0.0, None)
    theta = theta / theta.sum()
    inner = np.linalg.solve(soft, p)
    spread = (np.diag(p) - np.outer(p, p)) / n
    for t in range(k):
        c = soft[:, t]
        spread = spread + inner[t] ** 2 * (np.diag(c) - np.outer(c, c)) / sizes[t]
    lever = np.linalg.solve(soft.T, worth)
    half = z_of(level) * math.sqrt(max(0.0, float(lever @ spread @ lever)))
    if half >= WIDEST:
        return uninformative
    value, centre = float(worth @ theta), float(worth @ inner)
    interval = Interval(max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value)))
    return Corrected(design, Estimate(value, interval))
