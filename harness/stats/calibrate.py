"""How far a chart may go before it alarms: Monte Carlo, for one suite's own tasks, epochs and baseline.

A yearly budget of false alarms goes in; limits come out, the same for the same seed. Reference points of our own
simulations are in docs/design/011. Textbook constants (h = 5, k = .5) gave a false alarm in 44 % of quiet years.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.stats.drift import ALLOWANCE, Limits, Pool, cusum, scales
from harness.stats.intervals import Numbers

YEAR = 365
NIGHT_SDS = (0.0, 0.1, 0.3)
"""How much all tasks move together in a night, on the logit scale. Which one holds is hardly seen in 10 to 20 nights,
so limits hold for the worst."""
CRASH_SHARE, DOWN_SHARE = 0.1, 0.9
"""Of a chart's budget: the crash rule's own part; harm by crash or CUSUM together. The rest is for gains."""
BLOCK = 250


@dataclass(frozen=True, slots=True)
class Plan:
    """What limits are made for. `budget` is the chance of any false alarm of this chart in `nights` quiet nights."""

    budget: float
    seed: int = 0
    replicates: int = 2000
    nights: int = YEAR
    k: float = ALLOWANCE


def limits_for_tasks(base: Pool, epochs: float, plan: Plan) -> Limits:
    """Limits of a pass-rate chart: worlds like this baseline, a baseline drawn in each, then a quiet year.

    The true rates are drawn from what the baseline leaves open, Beta(k + 1/2, n - k + 1/2). `epochs` is K of a night.
    """
    k, n = base.successes[base.trials > 0], base.trials[base.trials > 0]
    found = []
    for number, night_sd in enumerate(NIGHT_SDS):
        rng = np.random.default_rng([plan.seed, number])
        worlds = []
        for start in range(0, plan.replicates, BLOCK):
            count = min(BLOCK, plan.replicates - start)
            rates = np.clip(rng.beta(k + 0.5, n - k + 0.5, (count, len(k))), 1e-9, 1 - 1e-9)
            worlds.append(_quiet(rng, rates, max(1, round(epochs)), base.nights, night_sd, plan.nights))
        found.append(_limits(np.concatenate(worlds), plan))
    return _worst(found)


def limits_for_numbers(nights: int, plan: Plan) -> Limits:
    """Limits of a chart of a plain number (a log cost, a share): normal nights, mean and spread known from `nights`."""
    rng = np.random.default_rng([plan.seed, nights])
    base = rng.standard_normal((plan.replicates, nights))
    z = (rng.standard_normal((plan.replicates, plan.nights)) - base.mean(axis=1, keepdims=True)) / np.sqrt(
        1 + 1 / nights
    )
    return _limits(z / scales(base, z, floor=1e-9), plan)


def _quiet(rng: np.random.Generator, rates: Numbers, epochs: int, nights: int, night_sd: float, year: int) -> Numbers:
    """Scaled z of quiet years; rows are worlds. The sum over tasks of a monitored night is drawn as a normal number."""
    worlds, tasks = rates.shape
    logit = np.log(rates) - np.log1p(-rates)
    baseline = np.empty((nights, worlds, tasks))
    for night in range(nights):
        baseline[night] = rng.binomial(epochs, _shifted(logit, rng.normal(0, night_sd, (worlds, 1))))
    n = nights * epochs
    k = baseline.sum(axis=0)
    r = (k + 0.5) / (n + 1)
    spread = (r * (1 - r)).sum(axis=1)
    inside = (baseline.sum(axis=2).T / epochs - (k / n).sum(axis=1)[:, None]) / np.sqrt(
        spread * (1 / epochs - 1 / n) / (1 - 1 / nights)
    )[:, None]
    z = np.empty((worlds, year))
    for night in range(year):
        p = rates if night_sd == 0 else _shifted(logit, rng.normal(0, night_sd, (worlds, 1)))
        noise = rng.standard_normal(worlds) * np.sqrt((p * (1 - p)).sum(axis=1) / epochs)
        z[:, night] = (p.sum(axis=1) + noise - (k / n).sum(axis=1)) / np.sqrt(spread * (1 / epochs + 1 / n))
    return z / scales(inside, z)


def _shifted(logit: Numbers, by: Numbers) -> Numbers:
    moved: Numbers = 1 / (1 + np.exp(-(logit + by)))
    return moved


def _limits(z: Numbers, plan: Plan) -> Limits:
    """Limits that keep the shares of the budget in these quiet years."""
    deepest = -z.min(axis=1)
    crash = _above(deepest, plan.budget * CRASH_SHARE)
    harm = cusum(z, plan.k).max(axis=1)
    quiet = deepest <= crash
    left = plan.budget * DOWN_SHARE - float(np.mean(~quiet))
    down = _above(np.where(quiet, harm, 0.0), max(left, 0.0))
    up = _above(cusum(-z, plan.k).max(axis=1), plan.budget * (1 - DOWN_SHARE))
    return Limits(down, up, crash)


def _above(values: Numbers, share: float) -> float:
    """A value that at most this share of `values` passes, rounded up to two decimals."""
    allowed = int(np.floor(share * len(values)))
    return float(np.ceil(np.sort(values)[len(values) - 1 - allowed] * 100) / 100)


def _worst(found: list[Limits]) -> Limits:
    return Limits(max(f.down for f in found), max(f.up for f in found), max(f.crash for f in found))
