"""Trials with planted effects, as arrays.

    World            tasks and how hard they are: the same for every run made of it
    Conduct          how one system does on it: the planted change, what it costs, how long it takes, what it claims
    Night            one run: epochs, a shared night effect, what goes missing
    draw             the trials of a system on a night (for simulations of thousands of nights)
    simulate_run     the same trials as a run folder (`harness.testing.simulate`)

Effects are planted by multiplying, never by clipping: a null effect is exactly null (stats_ci.md 6.7).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Codes = NDArray[np.int64]

GRADED, UNGRADABLE, INFRA, NOT_RUN = 0, 1, 2, 3
"""What came of a trial. A trial that was not run has no line."""


@dataclass(frozen=True, slots=True)
class World:
    """Tasks with success rates ~ Beta(mean * spread, (1 - mean) * spread).

    `spread` 0 makes every task always solved or never, infinity all alike; `rates` says them one by one instead.
    `families` are of nearly equal size (0: each task its own); `icc` is the correlation of two tasks of a family.
    """

    tasks: int = 100
    families: int = 0
    mean: float = 0.75
    spread: float = 1.0
    icc: float = 0.0
    rates: tuple[float, ...] = ()
    seed: int = 0
    suite: str = "simulated"

    def family(self) -> Codes:
        """A family's number per task."""
        count = self.families or self.tasks
        return np.arange(self.tasks, dtype=np.int64) * count // max(1, self.tasks)

    def rate(self) -> Numbers:
        """The success rate per task."""
        if self.rates:
            return np.array(self.rates, dtype=np.float64)
        rng = np.random.default_rng([self.seed, 1])
        middle = np.full(self.tasks, self.mean)
        if self.icc > 0:
            strength = 1 / self.icc - 1
            of_family = rng.beta(self.mean * strength, (1 - self.mean) * strength, size=self.families or self.tasks)
            middle = of_family[self.family()]
        if math.isinf(self.spread):
            return middle
        if self.spread <= 0:
            return (rng.random(self.tasks) < middle).astype(np.float64)
        low = 1e-9
        return rng.beta(np.maximum(middle * self.spread, low), np.maximum((1 - middle) * self.spread, low))


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a system does on a world.

    `delta` is the planted change of the mean rate (-0.05: five points fewer), by multiplying every task's rate of
    success or of failure. `down` and `up` plant discordance instead: the share of successes that become failures, and
    of failures that become successes. `family_sd` spreads the change over families around the same mean.
    Costs are log-normal around `cost_usd` (failures `failure_cost` times dearer), seconds around `seconds`.
    `confidence_bias` None states no confidence; 0 is perfectly calibrated, 0.1 is over-confident by 0.1. `declares`
    is the share of failed trials that claim to be done; `refuses` the share of failed trials that are refusals.
    """

    delta: float = 0.0
    down: float = 0.0
    up: float = 0.0
    family_sd: float = 0.0
    cost_usd: float = 0.02
    cost_sd: float = 1.0
    failure_cost: float = math.exp(0.5)
    unpriced: float = 0.0
    seconds: float = 12.0
    task_seconds_sd: float = 0.7
    seconds_sd: float = 0.4
    tokens: int = 2_000
    confidence_bias: float | None = None
    declares: float = 0.0
    refuses: float = 0.0
    critical: float = 0.0
    model: str = "sim-1"
    harness: str = "single_turn"
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """Shares of trials that are no measurement, by mechanism.

    `random` and `ungradable` hit any trial; `hard` adds that much times (1 - rate), so that hard tasks go missing;
    `outage` hits that share of the run's trials in a row; `cut` leaves the last share of the run unrun; `tasks` is the
    share of tasks that never ran.
    """

    random: float = 0.0
    hard: float = 0.0
    ungradable: float = 0.0
    outage: float = 0.0
    cut: float = 0.0
    tasks: float = 0.0


@dataclass(frozen=True, slots=True)
class Night:
    """One run. `night_sd` is that of a shift of every rate's logit, shared by the whole run.

    `versions` changes digests of what graded or was asked (`task`, `grader`, `image`, `judge`) away from "1", for
    the first `altered` tasks (0: all).
    """

    epochs: int = 1
    night_sd: float = 0.0
    missing: Missing = Missing()
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    altered: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Trials in the order run. `passed` counts only where `status` is GRADED; `chance` is the true rate of success."""

    task: Codes
    epoch: Codes
    status: Codes
    passed: NDArray[np.bool_]
    chance: Numbers
    cost_usd: Numbers
    seconds: Numbers

    @property
    def graded(self) -> NDArray[np.bool_]:
        """Which trials have a verdict."""
        return np.asarray(self.status == GRADED)


def draw(world: World, night: Night, conduct: Conduct, system: int = 0) -> Drawn:
    """The trials of one system on one night. The same arguments draw the same trials."""
    rng = np.random.default_rng([world.seed, night.seed, system, 2])
    rate = _shifted(changed_rates(world, conduct, rng), night.night_sd, night.seed)
    task = np.empty(0, dtype=np.int64)
    if night.epochs:
        task = np.concatenate([rng.permutation(world.tasks) for _ in range(night.epochs)]).astype(np.int64)
    n = len(task)
    chance = rate[task]
    passed = rng.random(n) < chance
    task_pace = np.random.default_rng([world.seed, 3]).normal(0, conduct.task_seconds_sd, world.tasks)
    seconds = conduct.seconds * np.exp(task_pace[task] + rng.normal(0, conduct.seconds_sd, n))
    cost = conduct.cost_usd * rng.lognormal(0, conduct.cost_sd, n) * np.where(passed, 1.0, conduct.failure_cost)
    return Drawn(
        task=task,
        epoch=np.repeat(np.arange(1, night.epochs + 1), world.tasks),
        status=_statuses(night.missing, task, world.rate()[task], rng),
        passed=passed,
        chance=chance,
        cost_usd=cost,
        seconds=seconds,
    )


def changed_rates(world: World, conduct: Conduct, rng: np.random.Generator) -> Numbers:
    """The world's rates with what is planted: r (1 - down) + (1 - r) up, which never leaves [0, 1]."""
    rate = world.rate()
    if conduct.down or conduct.up:
        rate = rate * (1 - conduct.down) + (1 - rate) * conduct.up
    if not conduct.family_sd:
        return _moved(rate, conduct.delta)
    family = world.family()
    changed = rate.copy()
    for code in range(int(family.max()) + 1):
        inside = family == code
        mean = float(rate[inside].mean())
        # Cut alike on both sides, so that the mean of the change stays what was planted.
        room = max(0.0, min(mean, 1 - mean) - abs(conduct.delta))
        spread = float(np.clip(rng.normal(0, conduct.family_sd), -room, room))
        changed[inside] = _moved(rate[inside], conduct.delta + spread)
    return changed


def _moved(rate: Numbers, delta: float) -> Numbers:
    """Rates of which the mean is `delta` more, by multiplying those of success (down) or of failure (up)."""
    mean = float(rate.mean()) if len(rate) else 0.0
    if delta < 0 and mean > 0:
        return rate * max(0.0, 1 + delta / mean)
    if delta > 0 and mean < 1:
        return 1 - (1 - rate) * max(0.0, 1 - delta / (1 - mean))
    return rate


def _shifted(rate: Numbers, night_sd: float, seed: int) -> Numbers:
    if not night_sd:
        return rate
    shift = float(np.random.default_rng([seed, 4]).normal(0, night_sd))
    inside = (rate > 0) & (rate < 1)
    odds = rate[inside] / (1 - rate[inside]) * math.exp(shift)
    moved = rate.copy()
    moved[inside] = odds / (1 + odds)
    return moved


def _statuses(missing: Missing, task: Codes, rate: Numbers, rng: np.random.Generator) -> Codes:
    """What came of each trial, whatever its verdict would have been."""
    n = len(task)
    status = np.full(n, GRADED, dtype=np.int64)
    status[rng.random(n) < missing.ungradable] = UNGRADABLE
    status[rng.random(n) < missing.random + missing.hard * (1 - rate)] = INFRA
    if missing.outage:
        length = round(missing.outage * n)
        start = int(rng.integers(0, max(1, n - length + 1)))
        status[start : start + length] = INFRA
    if missing.tasks:
        gone = rng.permutation(int(task.max()) + 1)[: round(missing.tasks * (int(task.max()) + 1))]
        status[np.isin(task, gone)] = NOT_RUN
    if missing.cut:
        status[n - round(missing.cut * n) :] = NOT_RUN
    return status
