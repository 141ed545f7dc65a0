"""Nights as charts: which nights are the baseline, what each chart measures, and how far a night is from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats.drift import LEAST_NIGHTS, MOST_NIGHTS, Pool, Series, adjusted, scale_of
from harness.stats.intervals import Numbers
from harness.store.history import Night

COMPARABLE = 0.8
"""Least share of the baseline's tasks that must be the same tasks tonight; under it the suite is another one."""
ONE_NIGHT = 4.0
"""Most standard deviations that one night adds to the chart of coverage."""


@dataclass(frozen=True, slots=True)
class Split:
    """The nights of a system since its last new baseline, told apart.

    `baseline` and `watched` are indices into `nights`; `why` says of each other night why it is neither. `work` is the
    digest of each baseline task. `changed` are nights of another suite.
    """

    nights: tuple[Night, ...]
    baseline: tuple[int, ...]
    watched: tuple[int, ...]
    why: dict[int, str]
    changed: frozenset[int]
    work: dict[str, str]


def split(
    nights: Sequence[Night], alarmed_early: Callable[[Split], bool], promoted: frozenset[str] = frozenset()
) -> Split:
    """The first nights are the baseline: 10 at least, 20 when there are more and nothing moved among them.

    `promoted` runs, where there are 10 valid ones, are the baseline instead; nights before them, and between them
    without being of them, are not watched. A baseline that grows while it is watched could swallow a slide, so
    `alarmed_early` is asked whether the nights after the first 10 alarm against these; then it stays at 10. Nights
    after the baseline are watched.
    """
    work = _work([n for n in nights if n.run in promoted] or nights)
    why: dict[int, str] = {}
    changed: set[int] = set()
    sound: list[int] = []
    for i, night in enumerate(nights):
        share = _same_work(night, work)
        if night.graded == 0:
            why[i] = "nothing was graded"
        elif share < COMPARABLE:
            changed.add(i)
            why[i] = f"another suite: {share:.0%} of the baseline's {len(work)} tasks are the same"
        elif not night.is_valid:
            why[i] = f"coverage {night.graded}/{night.planned - night.lacking} is under the floor of {night.floor:.0%}"
        else:
            sound.append(i)

    def at(m: int) -> Split:
        return Split(tuple(nights), tuple(sound[:m]), tuple(sound[m:]), why, frozenset(changed), work)

    pinned = [i for i in sound if nights[i].run in promoted]
    if len(pinned) >= LEAST_NIGHTS:
        why |= {i: "not of the promoted baseline" for i in sound if i < pinned[-1] and i not in pinned}
        later = tuple(i for i in sound if i > pinned[-1])
        return Split(tuple(nights), tuple(pinned), later, why, frozenset(changed), work)
    if len(sound) <= LEAST_NIGHTS:
        return at(len(sound))
    early = at(LEAST_NIGHTS)
    if len(sound) <= MOST_NIGHTS:
        return early
    trial = Split(early.nights, early.baseline, tuple(sound[LEAST_NIGHTS:MOST_NIGHTS]), why, early.changed, work)
    return early if alarmed_early(trial) else at(MOST_NIGHTS)


def _work(nights: Sequence[Night]) -> dict[str, str]:
    """The tasks that are watched, and what each is: those of the first valid night."""
    first = next((n for n in nights if n.is_valid), None)
    return {name: t.digest for name, t in first.tasks.items()} if first else {}


def _same_work(night: Night, work: dict[str, str]) -> float:
    """Of the baseline's tasks graded tonight, the share that is still the same. A task not graded is missing, not new.

    A night of only a few of the tasks is under the coverage floor, or was planned so: then it is another suite.
    """
    if not work:
        return 1.0
    planned = max(len(night.tasks), round(night.planned / max(1, night.epochs)))
    known = [name for name in night.tasks if name in work]
    same = sum(night.tasks[name].digest == work[name] for name in known)
    missing = min(len(work) - len(known), max(0, planned - len(night.tasks)))
    return (same + missing) / len(work)


def pool_of(s: Split) -> tuple[Pool, list[str]]:
    """The baseline's successes and trials by task, and the tasks in their order."""
    tasks = sorted(s.work)
    passed, graded = _matrix(s, tasks, s.baseline)
    return Pool(passed.sum(axis=0), graded.sum(axis=0), len(s.baseline)), tasks


def _matrix(s: Split, tasks: list[str], which: Sequence[int]) -> tuple[Numbers, Numbers]:
    """Passed and graded epochs; rows are nights, columns tasks. A task that was changed counts as not graded."""
    passed, graded = np.zeros((len(which), len(tasks))), np.zeros((len(which), len(tasks)))
    column = {name: i for i, name in enumerate(tasks)}
    for row, i in enumerate(which):
        for name, t in s.nights[i].tasks.items():
            if (at := column.get(name)) is not None and t.digest == s.work[name]:
                passed[row, at], graded[row, at] = t.passed, t.graded
    return passed, graded


@dataclass(frozen=True, slots=True)
class Measured:
    """A chart's material: the series, and by night (index of the split) its value and how far it may be from `middle`.

    `watched` are the nights of `series.z`. `spread` is in units of the chart's own standard deviation of a night.
    `pool`, `tasks` and `epochs` (K of a night) are of the tasks' chart only.
    """

    series: Series
    watched: tuple[int, ...]
    middle: float
    value: dict[int, float]
    spread: dict[int, float]
    pool: Pool | None = None
    tasks: tuple[str, ...] = ()
    epochs: float = 0.0


def pass_rate(s: Split) -> Measured:
    """The pass rate moved by what the same tasks did: a night without its hard tasks looks no better."""
    pool, tasks = pool_of(s)
    base = _matrix(s, tasks, s.baseline)
    watched = _matrix(s, tasks, s.watched)
    there = pool.trials > 0
    middle = float((pool.successes[there] / pool.trials[there]).mean()) if there.any() else math.nan
    value: dict[int, float] = {}
    spread: dict[int, float] = {}
    r = pool.rates
    for which, (passed, graded) in ((s.baseline, base), (s.watched, watched)):
        for row, i in enumerate(which):
            seen = (graded[row] > 0) & there
            if not seen.any():
                continue
            k, n = graded[row][seen], pool.trials[seen]
            value[i] = middle + float((passed[row][seen] / k - pool.successes[seen] / n).mean())
            spread[i] = float(np.sqrt((r[seen] * (1 - r[seen]) * (1 / k + 1 / n)).sum()) / seen.sum())
    scale = math.sqrt(1 - 1 / len(s.baseline)) if len(s.baseline) > 1 else 1.0
    inside = adjusted(*base, pool, inside=True) * scale
    series = Series(inside[~np.isnan(inside)], adjusted(*watched, pool))
    epochs = float(base[1].sum() / max(1, (base[1] > 0).sum()))
    return Measured(series, s.watched, middle, value, spread, pool, tuple(tasks), epochs)


@dataclass(frozen=True, slots=True)
class NumberChart:
    """A chart of one number per night. `of` gives it on the scale that is watched, or None; `shown` undoes that scale.

    `harm` is the direction of harm: +1 when more is worse. `floor` is the least standard deviation of a night, from
    the middle of the baseline and the night's size. `always` accumulates nights under the coverage floor too, and a
    single night, which was told when it happened, is not enough for its alarm.
    """

    name: str
    unit: str
    harm: int
    of: Callable[[Night], float | None]
    floor: Callable[[float, Night], float]
    shown: Callable[[float], float]
    why_not: str
    always: bool = False


def number_series(s: Split, number: NumberChart) -> Measured | None:
    """The chart's material; None when fewer than 10 baseline nights have the number."""
    base = {i: v for i in s.baseline if (v := number.of(s.nights[i])) is not None}
    if len(base) < LEAST_NIGHTS:
        return None
    values = np.array(list(base.values()))
    middle = float(values.mean())
    last = s.nights[s.baseline[-1]]
    floor = number.floor(middle, last)
    wider = math.sqrt(1 + 1 / len(values))
    which = s.watched
    if number.always:
        which = tuple(i for i in range(s.baseline[-1] + 1, len(s.nights)) if i not in s.changed)
    shown = {i: v for i in which if (v := number.of(s.nights[i])) is not None}
    z = np.array([-number.harm * (shown[i] - middle) / wider if i in shown else math.nan for i in which])
    base_z = -number.harm * (values - middle)
    series = Series(base_z, z.astype(np.float64), floor)
    if number.always:
        most = ONE_NIGHT * float(scale_of(series)[0]) if len(z) else 0.0
        series = Series(base_z, np.clip(series.z, -most, most), floor)
    return Measured(series, which, middle, base | shown, dict.fromkeys((*base, *shown), wider))


NOTICED_S = 0.05
"""Least standard deviation of a night's p50, in seconds: a machine's own jitter is no change of a system."""


def _log(value: float | None) -> float | None:
    return math.log(value) if value is not None and value > 0 else None


def _share_floor(middle: float, n: int) -> float:
    """Standard deviation of a share of `n`, from a middle kept off 0 and 1 by one pseudo-case."""
    p = (middle * n + 0.5) / (n + 1)
    return math.sqrt(p * (1 - p) / max(1, n))


NUMBERS = (
    NumberChart(
        "cost per success", "$", +1,
        lambda n: _log(n.cost_usd / n.successes) if n.cost_usd and n.successes else None,
        lambda _m, _n: 0.05, math.exp, "no priced calls, or no success",
    ),
    NumberChart(
        "p50", "s", +1,
        lambda n: _log(n.p50_s), lambda m, _n: max(0.05, NOTICED_S * math.exp(-m)), math.exp, "no working time",
    ),
    NumberChart(
        "refusals", "%", +1,
        lambda n: n.refused / n.graded if n.graded else None,
        lambda m, n: _share_floor(m, n.planned), lambda v: v, "nothing graded",
    ),
    NumberChart(
        "output tokens", "tokens", +1, lambda n: _log(n.output_tokens), lambda _m, _n: 0.05, math.exp, "no model calls"
    ),
    NumberChart(
        "coverage", "%", -1, lambda n: n.coverage, lambda m, n: max(0.005, _share_floor(m, n.planned)), lambda v: v,
        "nothing planned", always=True,
    ),
)  # fmt: skip
"""The charts beside the pass rate. Floors of 5 % on log scales: no reader would call less a change."""


def judge_chart(judge: str) -> NumberChart:
    """The share of sentinels, whose answer is known, that a judge got right."""

    def share(night: Night) -> float | None:
        found = night.judges.get(judge)
        return found.hits / found.n if found and found.n else None

    def floor(middle: float, night: Night) -> float:
        return _share_floor(middle, night.judges[judge].n if judge in night.judges else 1)

    return NumberChart(f"sentinels of {judge}", "%", -1, share, floor, lambda v: v, "no sentinels")
