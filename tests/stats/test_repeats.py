"""Epochs: unbiased by exact sums over every outcome (stats reference 6.7, 13), and classes that need patience."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest
from statsmodels.stats.proportion import proportion_confint

from harness.stats.exact import clopper_pearson, exact_interval, upper_bound
from harness.stats.repeats import consistency, pass_all, pass_at, task_classes


def expected(of, n: int, p: float) -> float:
    """The mean of an estimator over every count of successes, exactly."""
    c = np.arange(n + 1)
    return float((binom.pmf(c, n, p) * of(c, np.full(n + 1, n))).sum())


@pytest.mark.parametrize("n", range(2, 9))
@pytest.mark.parametrize("p", [0.1, 0.5, 0.75, 0.9])
def test_estimators_over_epochs_have_no_bias(n, p):
    for k in range(1, n + 1):
        assert expected(lambda c, m, k=k: pass_all(c, m, k), n, p) == pytest.approx(p**k, abs=1e-9)
        assert expected(lambda c, m, k=k: pass_at(c, m, k), n, p) == pytest.approx(1 - (1 - p) ** k, abs=1e-9)
    assert expected(consistency, n, p) == pytest.approx(1 - 4 * p * (1 - p), abs=1e-9)


def test_the_plug_ins_are_biased_so_the_test_above_can_fail():
    assert expected(lambda c, n: (c / n) ** 3, 5, 0.8) > 0.8**3 + 0.02
    assert expected(lambda c, n: (2 * c / n - 1) ** 2, 3, 0.5) == pytest.approx(1 / 3)


def test_too_few_epochs_are_undefined_and_not_nought():
    assert np.isnan(pass_all(np.array([2.0]), np.array([2.0]), 3)).all()
    assert np.isnan(pass_at(np.array([0.0]), np.array([2.0]), 3)).all()
    assert np.isnan(consistency(np.array([1.0]), np.array([1.0]))).all()


def test_exact_intervals_are_scipys_and_statsmodels():
    for k, n in ((0, 10), (3, 10), (10, 10), (7, 300)):
        ours = exact_interval(k, n)
        theirs = binomtest(k, n).proportion_ci(method="exact")
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert (ours.low, ours.high) == pytest.approx(proportion_confint(k, n, method="beta"), abs=1e-9)
        if k < n:
            upper = binomtest(k, n, alternative="less").proportion_ci(method="exact").high
            assert upper_bound(k, n) == pytest.approx(upper, abs=1e-9)


def test_none_in_a_hundred_is_at_most_three_percent():
    assert [round(100 * upper_bound(0, n), 1) for n in (30, 60, 100, 300, 1000)] == [9.5, 4.9, 3.0, 1.0, 0.3]
    assert upper_bound(5, 5) == 1.0


def test_no_trial_at_all_says_nothing():
    low, high = clopper_pearson(np.array([0.0]), np.array([0.0]))
    assert (low[0], high[0]) == (0.0, 1.0)


def test_classes_need_ten_attempts_and_proof():
    won = np.array([3, 40, 0, 20, 9, 30, 0])
    n = np.array([3, 40, 40, 40, 10, 36, 0])
    assert task_classes(won, n) == ["unknown", "solid", "dead", "flaky", "unknown", "unknown", "unknown"]


def test_a_ninety_percent_task_is_seldom_called_solid_and_never_dead():
    counts = np.arange(31)
    found = task_classes(counts, np.full(31, 30))
    weight = binom.pmf(counts, 30, 0.9)
    assert weight[[c == "dead" for c in found]].sum() < 1e-6
    assert weight[[c == "flaky" for c in found]].sum() < 0.2
    assert binom.pmf(counts, 30, 0.8)[[c == "solid" for c in found]].sum() <= 0.05
