"""The charts of one system: limits by the book, alarms nobody has acknowledged, and what each night looked like."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.records.task import digest_of
from harness.report.trend_model import Acknowledged, AlarmSaid, ChartSaid, Mark, Point, State, TrendOptions
from harness.report.trend_series import (
    NUMBERS,
    Measured,
    NumberChart,
    Split,
    judge_chart,
    number_series,
    pass_rate,
    split,
)
from harness.stats.calibrate import Plan, limits_for_numbers, limits_for_tasks
from harness.stats.drift import LEAST_NIGHTS, Alarm, Chart, Limits, chart, moved_tasks
from harness.store.history import Night
from harness.store.trend_state import Ack, Limit

PASS_RATE, COVERAGE = "pass rate", "coverage"
PASS_WEIGHT, JUDGE_WEIGHT = 6.0, 1.0
"""Shares of a system's budget: half of it for the pass rate, the rest for the charts beside it."""
WEIGHTS = PASS_WEIGHT + JUDGE_WEIGHT + len(NUMBERS)
MOST_REPLICATES = 8000
"""Quiet years simulated at most; a small budget needs more of them, 40 over the budget."""
DISCOVERIES = 0.10
"""False discovery rate of the tasks named under an alarm."""


class LimitsBook:
    """Limits already made, and new ones made on first use. `used` is what to keep."""

    def __init__(self, known: Mapping[str, Limit], options: TrendOptions, systems: int) -> None:
        self._known = known
        self._options = options
        self._share = options.yearly_alarms / max(1, systems) / WEIGHTS
        self.used: dict[str, Limit] = {}

    def of(self, system: str, name: str, weight: float, measured: Measured, nights: int) -> Limits:
        """The limits of one chart."""
        options, budget = self._options, self._share * weight
        plan = Plan(budget, options.seed, min(MOST_REPLICATES, max(options.replicates, math.ceil(40 / budget))))
        if measured.pool is not None:
            pool = measured.pool
            about = digest_of(pool.successes.tolist(), pool.trials.tolist(), pool.nights, measured.epochs)
            return self._get(f"{system}/{name}/{about}", plan, lambda: limits_for_tasks(pool, measured.epochs, plan))
        return self._get(f"numbers/{nights} nights", plan, lambda: limits_for_numbers(nights, plan))

    def _get(self, key: str, plan: Plan, make: Callable[[], Limits]) -> Limits:
        key = f"{key}/{plan.budget:.4g}"
        held = self.used.get(key) or self._known.get(key)
        if held is None or (held.seed, held.replicates) != (plan.seed, plan.replicates):
            made = make()
            held = Limit(
                down=made.down, up=made.up, crash=made.crash, budget=plan.budget, seed=plan.seed,
                replicates=plan.replicates,
            )  # fmt: skip
        self.used[key] = held
        return Limits(held.down, held.up, held.crash)


@dataclass(frozen=True, slots=True)
class Watcher:
    """What the charts of one system share."""

    system: str
    book: LimitsBook
    acks: Sequence[Ack]

    def about(self, name: str) -> list[Ack]:
        """What was said about this chart, and keeps its baseline."""
        same = [a for a in self.acks if a.chart in ("", name) and a.system in ("", self.system)]
        return [a for a in same if not a.rebaseline]

    def resets(self, name: str, nights: Sequence[Night], watched: Sequence[int]) -> set[int]:
        """Watched nights after which this chart was acknowledged, as positions in `watched`."""
        found = set()
        for ack in self.about(name):
            before = [at for at, i in enumerate(watched) if nights[i].created <= ack.until]
            found |= {before[-1]} if before else set()
        return found

    def alarms_early(self, s: Split) -> bool:
        """Whether the pass rate of the watched nights alarms, acknowledged or not."""
        measured = pass_rate(s)
        limits = self.book.of(self.system, PASS_RATE, PASS_WEIGHT, measured, len(s.baseline))
        return bool(chart(measured.series, limits).alarms)


def chart_names(nights: Iterable[Night]) -> tuple[str, ...]:
    """The charts that these nights have."""
    judges = sorted({name for night in nights for name in night.judges})
    return (PASS_RATE, *(n.name for n in NUMBERS), *(judge_chart(j).name for j in judges))


def charts_of(s: Split, watcher: Watcher) -> tuple[ChartSaid, ...]:
    """Every chart of a system: the pass rate, the numbers beside it, the sentinels of its judges."""
    judges = sorted({name for night in s.nights for name in night.judges})
    return (
        _pass_chart(s, watcher),
        *(_number_chart(s, n, 1.0, watcher) for n in NUMBERS),
        *(_number_chart(s, judge_chart(j), JUDGE_WEIGHT / len(judges), watcher) for j in judges),
    )


def _pass_chart(s: Split, watcher: Watcher) -> ChartSaid:
    if len(s.baseline) < LEAST_NIGHTS or not s.watched:
        return _learning(s, PASS_RATE, "%", lambda n: _plain_rate(n))
    measured = pass_rate(s)
    limits = watcher.book.of(watcher.system, PASS_RATE, PASS_WEIGHT, measured, len(s.baseline))
    return _chart(s, PASS_RATE, "%", measured, limits, watcher, lambda v: v)


def _number_chart(s: Split, number: NumberChart, weight: float, watcher: Watcher) -> ChartSaid:
    measured = number_series(s, number) if len(s.baseline) >= LEAST_NIGHTS else None
    if measured is None or not measured.watched:
        return _learning(s, number.name, number.unit, lambda n: _shown(number, n), number.why_not)
    limits = watcher.book.of(watcher.system, number.name, weight, measured, len(measured.series.baseline))
    return _chart(s, number.name, number.unit, measured, limits, watcher, number.shown)


def excerpt(nights: Sequence[Night]) -> tuple[Split, tuple[Point, ...]]:
    """The pass rate's chart of one system as `harness trend` draws it, without limits: no alarm can be said of it."""
    found = split(nights, lambda _: False)
    if len(found.baseline) < LEAST_NIGHTS or not found.watched:
        return found, _learning(found, PASS_RATE, "%", _plain_rate).points
    measured = pass_rate(found)
    drawn = chart(measured.series, Limits(math.inf, math.inf, math.inf))
    return found, _points(found, measured, drawn, lambda v: v)


def _plain_rate(night: Night) -> float | None:
    rates = [t.passed / t.graded for t in night.tasks.values() if t.graded]
    return sum(rates) / len(rates) if rates else None


def _shown(number: NumberChart, night: Night) -> float | None:
    value = number.of(night)
    return None if value is None else number.shown(value)


def _learning(
    s: Split, name: str, unit: str, of: Callable[[Night], float | None], why_not: str = "nothing was graded"
) -> ChartSaid:
    """A chart without limits yet. Its nights are shown as they are."""
    sound = set(s.baseline) | set(s.watched)
    points = tuple(
        Point(n.run, n.created, "learning" if i in sound else _mark_of(s, i), of(n), why=s.why.get(i, ""))
        for i, n in enumerate(s.nights)
    )
    known = sum(p.value is not None for p in points if p.mark == "learning")
    if len(sound) >= LEAST_NIGHTS and not s.watched:
        why = f"{LEAST_NIGHTS} nights are the baseline; the next one is watched"
    elif not known and points:
        why = f"no number: {why_not}"
    else:
        why = f"{known} of {LEAST_NIGHTS} baseline nights"
    return ChartSaid(name, watchless(s), unit, "learning", why, None, len(s.baseline), None, points, ())


def watchless(s: Split) -> str:
    """The system's name, from its nights."""
    return s.nights[0].system if s.nights else ""


def _mark_of(s: Split, i: int) -> Mark:
    return "changed" if i in s.changed else "hollow"


def _chart(
    s: Split,
    name: str,
    unit: str,
    measured: Measured,
    limits: Limits,
    watcher: Watcher,
    shown: Callable[[float], float],
) -> ChartSaid:
    resets = watcher.resets(name, s.nights, measured.watched)
    if name == COVERAGE:  # one night under the floor was told that night; what is watched for is a habit
        limits = Limits(limits.down, limits.up, math.inf)
    drawn = chart(measured.series, limits, resets)
    points = _points(s, measured, drawn, shown)
    last = max(resets, default=-1)
    raised = sorted((a for a in drawn.alarms if a.night > last), key=lambda a: a.rule != "down")
    alarms = tuple(_alarm(a, s, measured, drawn, unit) for a in raised)
    state: State = "alarm" if alarms else "ok"
    acknowledged = last == len(drawn.down) - 1
    if not (alarms or acknowledged) and (drawn.down[-1] > limits.down / 2 or drawn.up[-1] > limits.up / 2):
        state = "watch"
    m = len(measured.series.baseline)
    told = _acknowledged([a for a in drawn.alarms if a.night <= last], s, measured, watcher.about(name))
    middle = shown(measured.middle)
    return ChartSaid(name, watcher.system, unit, state, "", middle, m, limits, points, alarms, told, acknowledged)


def _acknowledged(
    alarms: Sequence[Alarm], s: Split, measured: Measured, acks: Sequence[Ack]
) -> tuple[Acknowledged, ...]:
    """Alarms before the last acknowledgement, each with the first one that reaches to its night."""
    found = []
    for alarm in alarms:
        night, onset = measured.watched[alarm.night], measured.watched[alarm.onset]
        ack = min((a for a in acks if a.until >= s.nights[night].created), key=lambda a: a.at)
        found.append(Acknowledged(alarm.rule, night, onset, ack.at, ack.by, ack.cause))
    return tuple(found)


def _points(s: Split, measured: Measured, drawn: Chart, shown: Callable[[float], float]) -> tuple[Point, ...]:
    at = {i: t for t, i in enumerate(measured.watched)}
    base = set(s.baseline)
    points = []
    down = up = 0.0
    for i, night in enumerate(s.nights):
        value, spread = measured.value.get(i), measured.spread.get(i)
        t = at.get(i)
        scale = drawn.scale[t] if t is not None else drawn.scale[0]
        mark: Mark = "baseline" if i in base else "watched" if t is not None else _mark_of(s, i)
        z = None
        if t is not None:
            down, up = float(drawn.down[t]), float(drawn.up[t])
            z = None if np.isnan(drawn.scaled[t]) else float(drawn.scaled[t])
        if mark == "hollow" and value is None and measured.pool is not None and night.graded:
            value = _hollow_rate(night, measured)
        band = None if spread is None else 2 * float(scale) * spread
        points.append(
            Point(
                run=night.run,
                created=night.created,
                mark=mark,
                value=None if value is None else shown(value),
                low=None if band is None else shown(measured.middle - band),
                high=None if band is None else shown(measured.middle + band),
                z=z,
                down=down,
                up=up,
                why=s.why.get(i, ""),
            )
        )
    return tuple(points)


def _hollow_rate(night: Night, measured: Measured) -> float | None:
    """Where a night under the floor would be drawn: moved by the tasks it has."""
    assert measured.pool is not None
    moved = []
    for name, k, n in zip(measured.tasks, measured.pool.successes, measured.pool.trials, strict=True):
        t = night.tasks.get(name)
        if t is not None and t.graded and n > 0:
            moved.append(t.passed / t.graded - k / n)
    return measured.middle + float(np.mean(moved)) if moved else None


def _alarm(alarm: Alarm, s: Split, measured: Measured, drawn: Chart, unit: str) -> AlarmSaid:
    """The alarm in the chart's units, over the nights since its onset. About: it is told because it is large."""
    which = [i for i in measured.watched[alarm.onset :] if i in measured.value]
    night, onset = measured.watched[alarm.night], measured.watched[alarm.onset]
    if alarm.rule == "crash":
        which = [night]
    m, n = len(measured.series.baseline), len(which)
    mean = float(np.mean([measured.value[i] for i in which])) - measured.middle
    spread = float(np.mean([measured.spread[i] for i in which]))
    half = 1.96 * float(drawn.scale[-1]) * spread * math.sqrt((1 / n + 1 / m) / (1 + 1 / m))
    change, low, high = mean, mean - half, mean + half
    if unit != "%":  # a log scale: the change is a ratio
        change, low, high = (math.expm1(v) for v in (change, low, high))
    return AlarmSaid(alarm.rule, night, onset, change, low, high, _worse_tasks(s, measured, which))


def _worse_tasks(s: Split, measured: Measured, which: Sequence[int]) -> tuple[str, ...]:
    """Tasks that pass less often since the onset than in the baseline: Benjamini-Hochberg at 10 %."""
    if measured.pool is None:
        return ()
    passed, graded = np.zeros(len(measured.tasks)), np.zeros(len(measured.tasks))
    for i in which:
        for at, name in enumerate(measured.tasks):
            t = s.nights[i].tasks.get(name)
            if t is not None and t.digest == s.work[name]:
                passed[at] += t.passed
                graded[at] += t.graded
    p = moved_tasks(passed, graded, measured.pool)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    passes = [rank for rank, at in enumerate(order, 1) if p[at] <= DISCOVERIES * rank / len(order)]
    return tuple(measured.tasks[at] for at in order[: max(passes, default=0)])
