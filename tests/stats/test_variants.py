from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from harness.stats.variants import paired_difference, partially_pooled


def test_equal_variants_are_not_certain():
    found = paired_difference(np.zeros(12), np.arange(12))
    assert found.value == 0
    assert found.interval.high > 0.15
    assert found.interval.low < -0.15


def test_few_families_have_no_interval_and_none_no_value():
    few = paired_difference(np.array([0.0, -1.0] * 10), np.repeat(np.arange(5), 4))
    assert few.interval is None
    assert few.why_not == "20 pairs in 5 families, 8 are needed"
    assert np.isnan(paired_difference(np.zeros(0), np.zeros(0, dtype=int)).value)


def test_intervals_of_differences_cover_the_truth():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(400):
        d = rng.choice([-1.0, 0.0, 1.0], size=40, p=[0.15, 0.80, 0.05])
        i = paired_difference(d, np.arange(40)).interval
        hits += i.low <= -0.10 <= i.high
    assert hits / 400 >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_between_groups_is_statsmodels_dersimonian_laird():
    mean = np.array([0.9, 0.6, 0.75, 0.2])
    variance = np.array([0.004, 0.01, 0.002, 0.03])
    theirs = combine_effects(mean, variance, method_re="dl")
    ours = partially_pooled(mean, variance)
    assert ours.between == pytest.approx(theirs.tau2, abs=1e-9)
    assert ours.common == pytest.approx(theirs.mean_effect_re, abs=1e-9)


def test_groups_that_do_not_differ_are_drawn_together_and_large_ones_stay():
    alike = partially_pooled(np.array([0.70, 0.72, 0.71]), np.array([0.02, 0.02, 0.02]))
    assert alike.between == 0
    assert np.ptp(alike.value) < 1e-12
    apart = partially_pooled(np.array([0.1, 0.9]), np.array([0.0001, 0.0001]))
    assert apart.value == pytest.approx([0.1, 0.9], abs=0.01)
    assert partially_pooled(np.array([0.5]), np.array([0.1])) is None
