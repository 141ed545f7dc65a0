"""The drift charts against worlds whose truth is known (planted effects 10, 11 and 12), and against a naive loop.

Reduced here: R replicates and three standard errors of Monte Carlo. `make simulate` runs the same at full size.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

from harness.stats.calibrate import Plan, limits_for_numbers, limits_for_tasks
from harness.stats.drift import Limits, Pool, Series, adjusted, chart, cusum, moved_tasks, scale_of, scales

FULL = os.environ.get("HARNESS_SIMULATE") == "full"
R = 2000 if FULL else 240
TASKS = 100 if FULL else 60
BUDGET = 0.10


def beta_rates(rng, worlds, tasks):
    """Mostly easy or hard: Beta(.75, .25), mean .75."""
    return np.clip(rng.beta(0.75, 0.25, (worlds, tasks)), 1e-6, 1 - 1e-6)


def night(rng, rates, sd, factor=1.0):
    """One night of each world: binomial with one shared shift of all logits; a change multiplies the rates."""
    moved = rates
    if sd:
        odds = rates / (1 - rates) * np.exp(rng.normal(0, sd, (len(rates), 1)))
        moved = odds / (1 + odds)
    return (rng.random(rates.shape) < moved * factor).astype(float)


def simulate(seed, m, nights, sd, *, factor=lambda t: 1.0, tasks=None, worlds=None, missing=None):
    """Baseline and monitored z of many worlds: `(pools, inside, z)`; `missing(rng, rates)` masks a night's tasks."""
    rng = np.random.default_rng(seed)
    rates = beta_rates(rng, worlds or R, tasks or TASKS)
    base = np.stack([night(rng, rates, sd) for _ in range(m)], axis=1)
    later = np.stack([night(rng, rates, sd, factor(t)) for t in range(nights)], axis=1)
    graded = np.ones_like(later)
    if missing is not None:
        graded = np.stack([missing(rng, rates) for _ in range(nights)], axis=1).astype(float)
    inside, z, pools = np.empty((len(rates), m)), np.empty((len(rates), nights)), []
    for w in range(len(rates)):
        pool = Pool(base[w].sum(axis=0), np.full(rates.shape[1], float(m)), m)
        inside[w] = adjusted(base[w], np.ones_like(base[w]), pool, inside=True) * math.sqrt(1 - 1 / m)
        z[w] = adjusted(later[w] * graded[w], graded[w], pool)
        pools.append(pool)
    return pools, inside, z


def limits_of(pools, m, budget=BUDGET):
    """One calibration for all worlds of a cell, from a typical one: they have the same size and shape."""
    middle = sorted(pools, key=lambda p: float((p.rates * (1 - p.rates)).sum()))[len(pools) // 2]
    return limits_for_tasks(middle, 1, Plan(budget, replicates=2000 if FULL else 1000))


def harm(inside, z, limits):
    """Per world and night, whether the chart has alarmed for harm."""
    scaled = z / scales(inside, z)
    return (cusum(scaled) > limits.down) | (scaled < -limits.crash)


@pytest.mark.parametrize("m", [10, 20, 30])
def test_a_quiet_year_rarely_alarms_whatever_the_nights_share(m):
    for sd in (0.0, 0.1, 0.3):
        pools, inside, z = simulate(100 * m + round(10 * sd), m, 365, sd)
        limits = limits_of(pools, m)
        scaled = z / scales(inside, z)
        any_alarm = harm(inside, z, limits).any(axis=1) | (cusum(-scaled) > limits.up).any(axis=1)
        tolerance = 3 * math.sqrt(BUDGET * (1 - BUDGET) / len(z))
        assert any_alarm.mean() <= BUDGET + tolerance, (m, sd, limits)


def first_alarm(inside, z, limits):
    hits = harm(inside, z, limits)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 10_000)


@pytest.mark.parametrize(("points", "least"), [(5, 0.80), (10, 0.99)])
def test_a_step_is_found_within_two_weeks(points, least):
    pools, inside, z = simulate(points, 20, 14, 0.1, factor=lambda t: 1 - points / 75, tasks=100)
    found = (first_alarm(inside, z, limits_of(pools, 20)) <= 14).mean()
    assert found >= least - 3 * math.sqrt(least * (1 - least) / len(z))


def test_a_slow_slide_is_found_within_a_month():
    pools, inside, z = simulate(7, 20, 30, 0.1, factor=lambda t: 1 - 0.25 * (t + 1) / 75, tasks=100)
    found = (first_alarm(inside, z, limits_of(pools, 20)) <= 30).mean()
    assert found >= 0.9 - 3 * math.sqrt(0.9 * 0.1 / len(z))


@pytest.mark.parametrize("points", [5, 10])
def test_the_onset_of_a_step_is_dated_to_the_night(points):
    quiet = 20
    pools, inside, z = simulate(
        50 + points, 20, 50, 0.1, factor=lambda t: 1.0 if t < quiet else 1 - points / 75, tasks=100, worlds=120
    )
    limits = limits_of(pools, 20)
    errors = []
    for base, one in zip(inside, z, strict=True):
        found = [a for a in chart(Series(base, one), limits).alarms if a.rule == "down" and a.night >= quiet]
        errors += [abs(a.onset - quiet) for a in found[:1]]
    assert len(errors) > 80
    assert np.median(errors) <= 2


def test_hard_tasks_that_go_missing_move_nothing():
    """Test 12: missing .02 + .25 (1 - rate), which makes the raw mean rise by two points with no change at all."""

    def missing(rng, rates):
        return rng.random(rates.shape) >= 0.02 + 0.25 * (1 - rates)

    _, inside, z = simulate(12, 20, 60, 0.1, tasks=100, missing=missing)
    scaled = z / scales(inside, z)
    size = (scaled < -1.645).mean()
    assert size <= 0.06
    assert abs(scaled.mean()) < 0.1


def test_z_is_what_a_naive_loop_says():
    rng = np.random.default_rng(1)
    base = Pool(rng.integers(0, 21, 7).astype(float), np.array([20, 20, 20, 0, 20, 20, 12.0]), 20)
    base = Pool(np.minimum(base.successes, base.trials), base.trials, 20)
    graded = rng.integers(0, 4, (5, 7)).astype(float)
    passed = np.minimum(rng.integers(0, 4, (5, 7)), graded)
    for row in range(5):
        moved = variance = 0.0
        for i in range(7):
            k, n, big_k = base.successes[i], base.trials[i], graded[row, i]
            if n and big_k:
                r = (k + 0.5) / (n + 1)
                moved += passed[row, i] / big_k - k / n
                variance += r * (1 - r) * (1 / big_k + 1 / n)
        assert adjusted(passed, graded, base)[row] == pytest.approx(moved / math.sqrt(variance))


def test_a_night_without_a_known_task_has_no_z():
    base = Pool(np.array([5.0]), np.array([10.0]), 10)
    assert math.isnan(adjusted(np.zeros((1, 1)), np.zeros((1, 1)), base)[0])


def test_many_charts_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(2)
    base, z = rng.normal(size=(6, 12)), rng.normal(size=(6, 80))
    z[3, 20] = -15
    for w in range(6):
        series = Series(base[w], z[w])
        one = chart(series, Limits(5, 5, 9))
        assert np.allclose(one.scale, scales(base, z)[w])
        assert np.allclose(one.down, cusum(z / scales(base, z))[w])
        assert np.allclose(one.up, cusum(-z / scales(base, z))[w])


def test_a_hollow_night_changes_neither_sum_nor_spread():
    rng = np.random.default_rng(3)
    base, z = rng.normal(size=20), rng.normal(size=30)
    holed = np.insert(z, 10, np.nan)
    whole, gap = chart(Series(base, z), Limits(5, 5, 9)), chart(Series(base, holed), Limits(5, 5, 9))
    assert gap.down[10] == gap.down[9]
    assert np.allclose(np.delete(gap.down, 10), whole.down)
    assert np.isnan(gap.scaled[10])


def test_one_terrible_night_does_not_blind_the_chart():
    """Without a bound on one step, a night at -15 made the spread 2.4 for months: it saw nothing more."""
    base = np.random.default_rng(4).normal(size=20)
    z = np.random.default_rng(5).normal(size=40)
    z[3] = -15.0
    assert scale_of(Series(base, z))[-1] < 1.5


def test_an_alarm_is_raised_once_until_it_is_acknowledged_and_again_after():
    z = np.full(30, -2.0)
    base = np.random.default_rng(6).normal(size=20)
    limits = Limits(5, 5, 9)
    assert [a.rule for a in chart(Series(base, z), limits).alarms] == ["down"]
    again = chart(Series(base, z), limits, resets=[12])
    assert [a.night > 12 for a in again.alarms] == [False, True]
    assert again.down[13] < again.down[12]


def test_gain_and_crash_have_rules_of_their_own():
    base = np.random.default_rng(7).normal(size=20)
    up = chart(Series(base, np.full(10, 3.0)), Limits(5, 5, 4)).alarms
    crash = chart(Series(base, np.array([0.1, -0.2, -6.0, 0.1])), Limits(50, 50, 4)).alarms
    assert [a.rule for a in up] == ["up"]
    assert [(a.rule, a.night) for a in crash] == [("crash", 2)]


def test_a_smaller_budget_and_a_shorter_baseline_ask_for_wider_limits():
    wide, narrow = limits_for_numbers(20, Plan(0.02)), limits_for_numbers(20, Plan(0.2))
    short = limits_for_numbers(10, Plan(0.2))
    assert wide.down > narrow.down
    assert short.down > narrow.down
    assert limits_for_numbers(20, Plan(0.2)) == narrow  # the same seed, the same limits


def test_a_quiet_year_of_a_plain_number_rarely_alarms():
    rng = np.random.default_rng(8)
    for m in (10, 20):
        limits = limits_for_numbers(m, Plan(BUDGET))
        base = rng.normal(size=(1000, m))
        z = (rng.normal(size=(1000, 365)) - base.mean(axis=1, keepdims=True)) / math.sqrt(1 + 1 / m)
        scaled = z / scales(base, z, floor=1e-9)
        hits = (cusum(scaled) > limits.down) | (scaled < -limits.crash) | (cusum(-scaled) > limits.up)
        assert hits.any(axis=1).mean() <= BUDGET + 3 * math.sqrt(BUDGET * (1 - BUDGET) / 1000)


def test_the_tasks_that_fell_have_the_smallest_p():
    base = Pool(np.array([20.0, 20.0, 10.0]), np.array([20.0, 20.0, 20.0]), 20)
    p = moved_tasks(np.array([10.0, 1.0, 5.0]), np.array([10.0, 10.0, 10.0]), base)
    assert p.argmin() == 1
    assert p[1] < 1e-6
    assert math.isnan(moved_tasks(np.zeros(1), np.zeros(1), Pool(np.ones(1), np.ones(1), 1))[0])
