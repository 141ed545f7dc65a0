"""Charts that watch a number night after night: a per-task-adjusted statistic, two CUSUMs, a crash rule, an onset.

    adjusted(nights, base)      how far a night is from the baseline, task by task, in standard deviations
    chart(series, limits, ...)  what accumulates, where it alarms, since when

Page, Biometrika 41 (1954) for the CUSUM; the limits come from `harness.stats.calibrate`, never from a textbook: those
ignore that the baseline is itself an estimate. A night that cannot be believed is NaN: drawn, not accumulated.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.intervals import Numbers

ALLOWANCE = 0.75
"""k of the CUSUM: half of the shift it finds fastest, about 1.5 standard deviations of a night."""
LEAST_NIGHTS = 10
"""Under this many baseline nights no chart is opened: its false alarms could not be bounded usefully."""
FAR = 3.0
"""A step between two nights counts at most as this many standard deviations when the spread is learned: one terrible
night must not make the chart blind for the rest of the year."""
MOST_NIGHTS = 20
"""A baseline that is taken from the history itself grows to this many nights, and then stays."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The baseline: successes and graded epochs per task, and of how many nights. A task with 0 trials is not in it."""

    successes: Numbers
    trials: Numbers
    nights: int

    @property
    def rates(self) -> Numbers:
        """Rates shrunk towards a half by one pseudo-trial, so that a task that never failed still has a variance."""
        shrunk: Numbers = (self.successes + 0.5) / (self.trials + 1.0)
        return shrunk


def adjusted(passed: Numbers, graded: Numbers, base: Pool, *, inside: bool = False) -> Numbers:
    """z of each night against the baseline; rows are nights, columns tasks, a task that was not graded has 0 `graded`.

    z = sum(x_i - k_i/n_i) / sqrt(sum r_i (1 - r_i) (1/K_i + 1/n_i)) over the tasks graded that night and in the
    baseline, so that tasks missing tonight move nothing. `inside` is for nights that are part of the baseline: their
    own share is taken off, 1/K_i - 1/n_i. NaN for a night without such a task.
    """
    there = (graded > 0) & (base.trials > 0)
    n = np.where(base.trials > 0, base.trials, 1.0)
    k = np.where(there, graded, 1.0)
    moved = np.where(there, passed / k - base.successes / n, 0.0).sum(axis=1)
    r = base.rates
    own = np.maximum(1.0 / k - 1.0 / n, 0.0) if inside else 1.0 / k + 1.0 / n
    variance = np.where(there, r * (1 - r) * own, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        z: Numbers = np.where(variance > 0, moved / np.sqrt(variance), np.nan)
    return z


@dataclass(frozen=True, slots=True)
class Series:
    """What a chart is drawn from. `z` has the monitored nights, harm below 0; NaN is a night that is not accumulated.

    `baseline` has the baseline nights on the same scale. `floor` is the least standard deviation a night can have on
    it: 1 for `adjusted`, whose sampling variance is known; for other numbers what no reader would call a change.
    """

    baseline: Numbers
    z: Numbers
    floor: float = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a chart alarms: the CUSUM of harm, that of unexplained gain, and one night alone. Standard deviations."""

    down: float
    up: float
    crash: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: the night it was raised (index into `Series.z`), which rule, and the first night of the change."""

    night: int
    rule: str
    onset: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: z over the night's standard deviation, both sums, and the alarms, each rule once until a reset."""

    scaled: Numbers
    scale: Numbers
    down: Numbers
    up: Numbers
    alarms: tuple[Alarm, ...]


def scale_of(series: Series) -> Numbers:
    """The standard deviation of a night as known on each monitored night, at least `floor`.

    Nights vary more than sampling says (a provider's bad evening moves all tasks at once). The baseline nights tell how
    much, roughly; each pair of successive monitored nights tells it better, and a drift hardly moves their differences
    (von Neumann, Ann. Math. Stat. 12, 1941). Without the second part a lucky baseline doubles the false alarms.
    """
    m = len(series.baseline)
    known = float(np.sum((series.baseline - series.baseline.mean()) ** 2)) if m > 1 else 0.0
    df = float(max(m - 1, 0))
    wider = 1 + 1 / m if m else 1.0  # z carries the baseline's error, which cancels in a difference
    scale = np.empty(len(series.z))
    before = np.nan
    for t, z in enumerate(series.z):
        if not np.isnan(z):
            if not np.isnan(before):
                held = max(series.floor**2, known / df) if df > 0 else series.floor**2
                known += min((z - before) ** 2 / 2 * wider, FAR**2 * held)
                df += 1
            before = z
        scale[t] = max(series.floor, np.sqrt(known / df) if df > 0 else series.floor)
    return scale


def chart(series: Series, limits: Limits, resets: Collection[int] = (), k: float = ALLOWANCE) -> Chart:
    """Both CUSUMs and the crash rule over the monitored nights.

    `resets` are nights after which an acknowledged chart starts from nothing. C_t = max(0, C_{t-1} -+ z_t - k); alarm
    when it passes its limit, onset the night after it was last 0.
    """
    scale = scale_of(series)
    scaled = series.z / scale
    n = len(scaled)
    down, up = np.zeros(n), np.zeros(n)
    alarms: list[Alarm] = []
    low = high = 0.0
    low_from = high_from = 0
    raised: set[str] = set()
    for t, z in enumerate(scaled):
        if not np.isnan(z):
            low, low_from = _step(low, -z - k, low_from, t)
            high, high_from = _step(high, z - k, high_from, t)
            for rule, hit, onset in (
                ("crash", z < -limits.crash, t),
                ("down", low > limits.down, low_from),
                ("up", high > limits.up, high_from),
            ):
                if hit and rule not in raised:
                    raised.add(rule)
                    alarms.append(Alarm(t, rule, onset))
        down[t], up[t] = low, high
        if t in resets:
            low = high = 0.0
            raised.clear()
    return Chart(scaled, scale, down, up, tuple(alarms))


def _step(total: float, by: float, since: int, night: int) -> tuple[float, int]:
    """The next value of a CUSUM, and the night its present rise began."""
    started = night if total <= 0 else since
    return max(0.0, total + by), started


def cusum(z: Numbers, k: float = ALLOWANCE) -> Numbers:
    """The CUSUM of harm of many charts at once: rows are charts, columns nights. For simulations."""
    total = np.zeros(z.shape[0])
    out = np.empty_like(z)
    for t in range(z.shape[1]):
        total = np.maximum(0.0, total - z[:, t] - k)
        out[:, t] = total
    return out


def scales(baseline: Numbers, z: Numbers, floor: float = 1.0) -> Numbers:
    """`scale_of` for many charts without missing nights at once."""
    m = baseline.shape[1]
    known = ((baseline - baseline.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    scale = np.empty_like(z)
    for t in range(z.shape[1]):
        df = max(m - 2 + t, 1)
        if t:
            held = np.maximum(floor**2, known / df)
            known = known + np.minimum((z[:, t] - z[:, t - 1]) ** 2 / 2 * (1 + 1 / m), FAR**2 * held)
        scale[:, t] = np.maximum(floor, np.sqrt(known / max(m - 1 + t, 1)))
    return scale


def moved_tasks(passed: Numbers, graded: Numbers, base: Pool) -> Numbers:
    """One-sided p of each task having become worse: its successes tonight under its shrunk baseline rate (binomial).

    `passed` and `graded` are sums over the nights since the onset. Exploration: correct for how many are looked at.
    NaN where nothing was graded or the baseline has nothing.
    """
    from scipy.special import bdtr  # loads a shared library; only alarms need it

    there: NDArray[np.bool_] = (graded > 0) & (base.trials > 0)
    p = bdtr(np.floor(passed), np.where(there, graded, 1).astype(np.int64), base.rates)
    return np.where(there, p, np.nan)
