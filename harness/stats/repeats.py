"""What several epochs of a task tell: pass@k, pass^k, consistency, and whether a task is solid, flaky or dead.

All per task and unbiased; a number that the epochs cannot give is NaN, never 0 (docs/reference/report.md).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from harness.stats.exact import clopper_pearson
from harness.stats.intervals import Numbers

TaskClass = Literal["solid", "flaky", "dead", "unknown"]
CLASS_ATTEMPTS = 10
"""Under this many graded attempts a task has no class: a 90 % task shows no failure in 5 attempts 6 times in 10."""
SOLID, DEAD = 0.8, 0.2
FLAKY = (0.1, 0.9)


def pass_at(passed: Numbers, n: Numbers, k: int) -> Numbers:
    """The chance that at least one of k attempts passes: 1 - C(n-c, k)/C(n, k) (Chen et al. 2021, arXiv 2107.03374)."""
    return 1 - pass_all(n - passed, n, k)


def pass_all(passed: Numbers, n: Numbers, k: int) -> Numbers:
    """pass^k, the chance that k attempts all pass: C(c, k)/C(n, k) (Yao et al. 2024, arXiv 2406.12045).

    NaN where n < k. The plug-in (c/n)^k is biased upwards.
    """
    passed, n = np.asarray(passed, dtype=np.float64), np.asarray(n, dtype=np.float64)
    steps = np.arange(k)[:, None]
    share = np.prod(np.maximum(passed - steps, 0) / np.maximum(n - steps, 1), axis=0)
    return np.where(n >= k, share, np.nan)


def consistency(passed: Numbers, n: Numbers) -> Numbers:
    """1 - 4p(1-p) per task without bias: 1 - 4 m(1-m) K/(K-1); NaN for one epoch.

    1 means always the same outcome, 0 a fair coin; single tasks may be negative, so average before clipping. The
    plug-in (2m-1)^2 says 0.33 of a fair coin seen three times.
    """
    n = np.asarray(n, dtype=np.float64)
    mean = np.asarray(passed, dtype=np.float64) / np.maximum(n, 1)
    return np.where(n >= 2, 1 - 4 * mean * (1 - mean) * n / np.maximum(n - 1, 1), np.nan)


def task_classes(passed: Numbers, n: Numbers) -> list[TaskClass]:
    """The class of each task from its pooled attempts on one fingerprint.

    From 10 attempts on. Solid: the lower end of the exact 90 % interval is above 0.8; dead: its upper end is below
    0.2; flaky: the exact 80 % interval lies inside (0.1, 0.9); else unknown.
    """
    low90, high90 = clopper_pearson(passed, n, 0.90)
    low80, high80 = clopper_pearson(passed, n, 0.80)
    found: list[TaskClass] = []
    for i, seen in enumerate(np.asarray(n).tolist()):
        if seen < CLASS_ATTEMPTS:
            found.append("unknown")
        elif low90[i] > SOLID:
            found.append("solid")
        elif high90[i] < DEAD:
            found.append("dead")
        elif low80[i] > FLAKY[0] and high80[i] < FLAKY[1]:
            found.append("flaky")
        else:
            found.append("unknown")
    return found
