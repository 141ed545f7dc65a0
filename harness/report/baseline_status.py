"""What a baseline is worth: how much it holds, how old it is, what can be detected against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from harness.report.baseline import Baseline, measured_of
from harness.report.identity import family_of
from harness.report.section import Table
from harness.report.tallies import PASS_RATE
from harness.report.words import money, percent
from harness.stats.intervals import FEW_FAMILIES
from harness.stats.power import Design, detectable

EPOCHS = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class Facts:
    """A baseline in numbers; `detectable` is the loss that a run of 1, 3, 5 epochs shows with 80 % power."""

    nights: int
    tasks: int
    families: int
    attempts_per_task: float
    pass_rate: float
    age_days: float
    expires: str
    ended: bool
    detectable: dict[str, float]


def facts_of(b: Baseline, now: datetime) -> Facts:
    """The numbers of a baseline on a day."""
    measured = measured_of(b)
    tally = measured.tallies[PASS_RATE]
    used = tally.n > 0
    design = baseline_design(b)
    return Facts(
        nights=len(b.nights),
        tasks=len(b.tasks),
        families=_families(b),
        attempts_per_task=float(tally.n.mean()),
        pass_rate=float(tally.mean[used].mean()) if used.any() else 0.0,
        age_days=round(b.age_days(now), 2),
        expires=b.expires,
        ended=b.is_over(now),
        detectable={str(k): round(detectable(design(k)), 4) for k in EPOCHS} if design else {},
    )


class _Designs:
    """A run of k epochs against this baseline."""

    def __init__(self, tasks: int, trials: float, within: float, families: int, rate: float) -> None:
        self._tasks, self._trials, self._within, self._families, self._rate = tasks, trials, within, families, rate

    def __call__(self, epochs: int) -> Design:
        return Design(
            self._tasks, self._trials, epochs, self._within, self._within, families=self._families, rate=self._rate
        )


def baseline_design(b: Baseline) -> _Designs | None:
    """Designs of later runs: the same system on the same tasks, so only luck within tasks varies. A loss widens it, and
    families tell how well it is known.

    Without a repeated trial the variance within tasks is at most p(1-p) of the suite's mean.
    """
    tally = measured_of(b).tallies[PASS_RATE]
    used = tally.take(tally.n > 0)
    if len(used.n) < 2:
        return None
    repeated = used.n > 1
    p = float(used.mean.mean())
    within = float(used.within[repeated].mean()) if repeated.any() else p * (1 - p)
    least = max(within, 0.25 / (len(used.n) + 2))
    families = _families(b)
    units = families if families >= FEW_FAMILIES else 0  # under that, `compare` judges a loss on the tasks themselves
    return _Designs(len(used.n), float(len(used.n) / np.sum(1 / used.n)), least, units, p)


def _families(b: Baseline) -> int:
    """How many families the graded tasks are of."""
    measured = measured_of(b)
    used = measured.tallies[PASS_RATE].n > 0
    return len(np.unique(family_of(measured, by_family=True)[used]))


def status_sections(b: Baseline) -> tuple[Table, ...]:
    """Nights, and what can be detected."""
    nights = tuple(
        (n.run, n.created, percent(n.totals.passed / n.totals.graded if n.totals.graded else None),
         f"{n.totals.graded:,}/{n.totals.planned:,}", money(n.totals.cost_usd) if not n.totals.unpriced else "unpriced")
        for n in b.nights
    )  # fmt: skip
    found = [Table("nights", ("run", "created", "passed", "graded", "cost"), nights)]
    design = baseline_design(b)
    if design is not None:
        rows = tuple((str(k), f"{100 * detectable(design(k)):.1f} points") for k in EPOCHS)
        note = "a loss of the same system on these tasks, shown four times of five, one-sided 5%"
        found.append(Table("detectable by a later run", ("epochs", "loss"), rows, (note,)))
    return tuple(found)
