"""What a comparison can find: power, the smallest detectable change, and how many tasks or epochs settle a question.

Miller, arXiv 2411.00640, section 5, with the pseudo-tasks of `harness.stats.paired` and a design effect for families.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from scipy.special import ndtr, ndtri, stdtrit

POWER = 0.8
MOST_TASKS = 1_000_000
MOST_EPOCHS = 100
ROUNDS = 12
"""Steps to a loss that is detectable under the variance it brings about; each is a tenth of the one before."""


@dataclass(frozen=True, slots=True)
class Design:
    """A paired comparison of two sides on the same tasks.

    `between` is the variance, over tasks, of the change in expected score; `within_a` and `within_b` are mean
    variances within a task, `epochs_a` and `epochs_b` its trials. `deff` is how much families widen the variance of
    the differences, `families` their number (0: each task its own). `rate` is a's mean score where `within_b` is that
    of the same system without a loss: a loss then changes it too. None: `within_b` was measured.
    """

    tasks: int
    epochs_a: float
    epochs_b: float
    within_a: float
    within_b: float
    between: float = 0.0
    deff: float = 1.0
    families: int = 0
    alpha: float = 0.05
    rate: float | None = None

    def after(self, delta: float) -> Design:
        """With `within_b` of tasks that each pass `delta` less often: mean p(1-p) + delta (2 rate - 1) - delta^2."""
        if self.rate is None:
            return self
        moved = self.within_b + delta * (2 * self.rate - 1) - delta**2
        return replace(self, within_b=min(0.25, max(self.within_b / 2, moved)), rate=None)

    @property
    def variance(self) -> float:
        """Variance of the mean difference."""
        within = self.within_a / self.epochs_a + self.within_b / self.epochs_b
        return (self.between + within) * self.deff / self.tasks


def same_tasks(design: Design) -> Design:
    """The design by which a loss is judged where families are too few: the tasks are the units."""
    return replace(design, deff=1.0, families=0)


def power_of(design: Design, delta: float, margin: float = 0.0) -> float:
    """The chance that a loss of `delta` (> 0) is shown to be more than `margin`."""
    share, spread, reach = _parts(design.after(delta))
    if math.isinf(reach):  # one task has no interval, and shows nothing
        return 0.0
    if spread <= 0:
        return 1.0 if share * delta > margin + reach else 0.0
    return float(ndtr((share * delta - margin - reach) / (share * spread)))


def detectable(design: Design, power: float = POWER) -> float:
    """The smallest loss that is shown with this power."""
    if design.rate is None or design.tasks < 2:
        share, spread, reach = _parts(design)
        return (reach + float(ndtri(power)) * share * spread) / share
    found = 0.0
    for _ in range(ROUNDS):  # the loss moves the variance that it is seen against
        found = detectable(design.after(min(1.0, found)), power)
    return found


def _parts(design: Design) -> tuple[float, float, float]:
    """N/(N+2), the standard deviation of the mean difference, and the reach of the one-sided bound."""
    n = design.tasks
    groups = design.families or n
    if groups < 2:
        return 1.0, math.inf, math.inf
    share = n / (n + 2)
    se = math.sqrt(design.variance * share**2 + 2 / (n + 2) ** 2)
    return share, math.sqrt(design.variance), float(stdtrit(groups - 1, 1 - design.alpha)) * se


def tasks_for(design: Design, delta: float, power: float = POWER) -> int | None:
    """The fewest tasks, in families like these, with which `delta` is detectable; None above MOST_TASKS."""
    size = design.tasks / design.families if design.families else 1.0

    def enough(n: int) -> bool:
        made = replace(design, tasks=n, families=max(2, round(n / size)) if design.families else 0)
        return detectable(made, power) <= delta

    return _least(2, MOST_TASKS, enough)


def epochs_for(design: Design, delta: float, power: float = POWER, *, both: bool = True) -> int | None:
    """The fewest epochs (of both sides, or of b alone) with which `delta` is detectable; None when none are enough."""

    def enough(k: int) -> bool:
        made = replace(design, epochs_b=float(k), epochs_a=float(k) if both else design.epochs_a)
        return detectable(made, power) <= delta

    return _least(1, MOST_EPOCHS, enough)


def _least(low: int, high: int, enough: Callable[[int], bool]) -> int | None:
    """The smallest number from `low` to `high` that is enough; what is enough stays enough."""
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
