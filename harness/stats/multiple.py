"""Several questions at once: Holm for a family that decides, Benjamini-Hochberg for looking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.stats.intervals import Numbers


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values that hold the chance of any false alarm (Holm, Scand J Stat 6, 1979)."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted = [1.0] * len(p)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted


def benjamini_hochberg(p: Numbers) -> Numbers:
    """Adjusted p values that hold the share of false discoveries (Benjamini and Hochberg, JRSS B 57, 1995)."""
    n = len(p)
    if n == 0:
        return np.empty(0)
    order = np.argsort(-p, kind="stable")
    scaled = p[order] * n / np.arange(n, 0, -1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted
