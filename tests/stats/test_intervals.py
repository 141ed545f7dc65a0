"""Parity with scipy and statsmodels, and coverage by simulation with stated Monte Carlo tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from harness.stats.intervals import (
    Estimate,
    cluster_variance,
    cost_per_success,
    generalisation,
    quantile,
    replication,
    t_of,
    wilson,
    z_of,
)

REPLICATES = 600


def singles(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (20, 20), (3, 12), (77, 100), (1, 1000)])
def test_wilson_equals_statsmodels(k, n):
    low, high = proportion_confint(k, n, 0.05, "wilson")
    ours = wilson(k / n, n, z_of(0.95))
    assert abs(ours.low - low) < 1e-9
    assert abs(ours.high - high) < 1e-9


def test_quantiles_equal_scipy():
    for df in (1, 4, 11, 99):
        assert abs(t_of(0.95, df) - scipy.stats.t.ppf(0.975, df)) < 1e-9
    assert abs(z_of(0.9) - scipy.stats.norm.ppf(0.95)) < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_cluster_variance_equals_statsmodels(seed):
    rng = np.random.default_rng(seed)
    family = rng.integers(0, 9, 80).astype(np.int64)
    x = rng.random(80) + family / 10
    fit = sm.OLS(x, np.ones(80)).fit(cov_type="cluster", cov_kwds={"groups": family}, use_t=True)
    assert abs(cluster_variance(x, family) - float(fit.bse[0]) ** 2) < 1e-12
    interval = fit.conf_int()[0]
    mean = float(x.mean())
    half = t_of(0.95, len(set(family.tolist())) - 1) * math.sqrt(cluster_variance(x, family))
    assert abs(interval[0] - (mean - half)) < 1e-9


@pytest.mark.parametrize(("n", "q"), [(12, 0.5), (50, 0.5), (72, 0.95), (300, 0.95), (1000, 0.95), (59, 0.5)])
def test_quantile_intervals_equal_scipy(n, q):
    values = np.random.default_rng(n).lognormal(0, 1, n)
    theirs = scipy.stats.quantile_test(values, p=q).confidence_interval(0.95)
    ours = quantile(values, q).interval
    assert ours is not None
    assert abs(ours.low - theirs.low) < 1e-9
    assert abs(ours.high - theirs.high) < 1e-9


def test_p95_needs_72_values():
    assert quantile(np.arange(71.0), 0.95).interval is None
    assert "not estimable (n=71), max = 70" in quantile(np.arange(71.0), 0.95).why_not
    assert quantile(np.arange(72.0), 0.95).interval is not None


# What must never be said


def test_five_of_five_is_not_certain():
    same_again = replication(np.ones(5), np.zeros(5), np.ones(5, dtype=np.int64)).interval
    assert same_again is not None
    assert same_again.low == pytest.approx(0.5655, abs=1e-3)
    assert generalisation(np.ones(5), singles(5)).interval is None


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("k", [1, 3])
def test_no_interval_has_no_width(p, k):
    x = np.full(20, p)
    epochs = np.full(20, k, dtype=np.int64)
    for found in (generalisation(x, singles(20)), replication(x, np.zeros(20), epochs)):
        assert found.interval is not None
        assert found.interval.high - found.interval.low > 0.03
        assert found.interval.low <= p <= found.interval.high


@pytest.mark.parametrize("g", [1, 2, 7])
def test_few_families_are_undefined_and_never_certain(g):
    x = np.tile([0.0, 1.0], 20)
    found = generalisation(x, np.arange(40, dtype=np.int64) % g)
    assert found.interval is None
    assert found.why_not


def test_equal_families_are_assumed_to_be_fully_alike():
    wide = generalisation(np.ones(100), np.arange(100, dtype=np.int64) // 10).interval
    assert wide is not None
    assert wide.low < 0.7, "10 families of 10 equal tasks are worth 10, not 100"


def test_equal_costs_and_all_solved_is_not_certain():
    found = cost_per_success(np.full(12, 0.5), np.ones(12), singles(12))
    assert found.interval is not None
    assert found.interval.low < 0.46 < 0.55 < found.interval.high


def test_no_success_has_no_cost_per_success():
    found = cost_per_success(np.full(12, 0.5), np.zeros(12), singles(12))
    assert math.isnan(found.value)
    assert found.interval is None


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 10), st.integers(1, 4))
def test_every_estimate_is_in_its_interval_and_the_interval_in_0_1(scores, families, k):
    x = np.array(scores)
    family = np.arange(len(x), dtype=np.int64) % families
    family = np.unique(family, return_inverse=True)[1].astype(np.int64)
    epochs = np.full(len(x), k, dtype=np.int64)
    for found in (generalisation(x, family), replication(x, x * (1 - x), epochs)):
        if found.interval:
            assert 0 <= found.interval.low <= found.value + 1e-12
            assert found.value - 1e-12 <= found.interval.high <= 1


# Coverage. Tolerance: 3 * sqrt(.95 * .05 / 600) = .027 around the stated band.


def coverage(draw: Callable[[np.random.Generator], tuple[Estimate, float]], seed: int) -> float:
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(REPLICATES):
        found, truth = draw(rng)
        assert found.interval is not None
        hits += found.interval.low - 1e-12 <= truth <= found.interval.high + 1e-12
    return hits / REPLICATES


@pytest.mark.parametrize("icc", [0.0001, 0.2, 0.5])
@pytest.mark.parametrize("mean", [0.6, 0.9])
@pytest.mark.parametrize("g", [10, 20])
def test_the_headline_interval_covers_with_families(g, mean, icc):
    a, b = mean * (1 / icc - 1), (1 - mean) * (1 / icc - 1)

    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        rate = rng.beta(a, b, g)
        x = (rng.random((g, 10)) < rate[:, None]).astype(float).ravel()
        return generalisation(x, np.repeat(np.arange(g, dtype=np.int64), 10)), mean

    assert coverage(draw, 1) >= (0.90 if icc < 0.5 else 0.86) - 0.027 * (icc > 0.3)


def test_rows_taken_for_tasks_would_cover_far_too_little():
    """The fault that the task-level analysis avoids; shown, so that the next test means something."""

    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        y = (rng.random((50, 10)) < rng.beta(0.6, 0.4, 50)[:, None]).astype(float)
        return Estimate(0.6, wilson(float(y.mean()), y.size, z_of(0.95))), 0.6

    assert coverage(draw, 2) < 0.75


@pytest.mark.parametrize(("n", "k", "a", "b"), [(50, 5, 0.6, 0.4), (50, 10, 0.6, 0.4), (50, 5, 3, 2), (100, 3, 9, 1)])
def test_the_headline_interval_covers_with_epochs(n, k, a, b):
    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        return generalisation(rng.binomial(k, rng.beta(a, b, n)) / k, singles(n)), a / (a + b)

    assert 0.95 - 0.03 <= coverage(draw, 3) <= 0.995


@pytest.mark.parametrize(
    ("n", "k", "a", "b"), [(12, 3, 0.75, 0.25), (50, 5, 0.95, 0.05), (100, 3, 3, 2), (50, 1, 3, 1)]
)
def test_the_run_again_interval_covers_the_suites_own_rate(n, k, a, b):
    rates = np.random.default_rng(9).beta(a, b, n)

    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        y = (rng.random((n, k)) < rates[:, None]).astype(float)
        within = y.var(axis=1, ddof=1) if k > 1 else np.zeros(n)
        return replication(y.mean(axis=1), within, np.full(n, k, dtype=np.int64)), float(rates.mean())

    assert coverage(draw, 4) >= 0.95 - 0.027


@pytest.mark.parametrize(("n", "p"), [(50, 0.3), (50, 0.7), (100, 0.3), (300, 0.7)])
def test_cost_per_success_covers_with_skewed_costs(n, p):
    truth = math.exp(0.5) * (p + (1 - p) * math.exp(0.5)) / p

    def draw(rng: np.random.Generator) -> tuple[Estimate, float]:
        y = (rng.random(n) < p).astype(float)
        return cost_per_success(rng.lognormal(0, 1, n) * np.where(y > 0, 1, math.exp(0.5)), y, singles(n)), truth

    assert coverage(draw, 5) >= 0.92 - 0.027
