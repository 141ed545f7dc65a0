"""Confidence: equal to scikit-learn and scipy where they have it, and honest by simulation (stats 6.7, 14)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score

from harness.stats.calibration import (
    auroc,
    brier,
    brier_skill,
    calibration,
    reliability_bins,
    risk_coverage,
)


def drawn(n: int, over: float, seed: int, places: int | None = None):
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.5, 1, n)
    sure = sure if places is None else sure.round(places)
    return sure, (rng.random(n) < sure - over).astype(float), np.arange(n)


@pytest.mark.parametrize("places", [None, 1])
def test_brier_and_auroc_are_scikit_learns(places):
    sure, right, family = drawn(400, 0.05, 3, places)
    assert brier(sure, right, family).value == pytest.approx(brier_score_loss(right, sure), abs=1e-9)
    found = auroc(sure, right, family)
    assert found.value == pytest.approx(roc_auc_score(right, sure), abs=1e-9)
    u = mannwhitneyu(sure[right == 1], sure[right == 0]).statistic
    assert found.value == pytest.approx(u / (right.sum() * (1 - right).sum()), abs=1e-9)
    assert found.interval.low < found.value < found.interval.high


def test_bins_are_scikit_learns_by_quantiles():
    sure, right, family = drawn(500, 0.0, 4)
    shares, means = calibration_curve(right, sure, n_bins=10, strategy="quantile")
    bins = reliability_bins(sure, right, family)
    assert [b.right for b in bins] == pytest.approx(shares.tolist(), abs=1e-9)
    assert [b.sure for b in bins] == pytest.approx(means.tolist(), abs=1e-9)


def test_equal_confidences_stay_in_one_bin_and_their_order_changes_nothing():
    sure, right, family = drawn(300, 0.1, 5, places=1)
    order = np.random.default_rng(0).permutation(300)
    bins = reliability_bins(sure, right, family)
    assert len({b.sure for b in bins}) == len(bins)
    mixed = reliability_bins(sure[order], right[order], family[order])
    assert [(b.n, round(b.right, 12)) for b in bins] == [(b.n, round(b.right, 12)) for b in mixed]
    assert risk_coverage(sure, right).area == pytest.approx(risk_coverage(sure[order], right[order]).area)
    assert auroc(sure, right, family).value == pytest.approx(auroc(sure[order], right[order], family).value)


@pytest.mark.parametrize("n", [100, 300, 1000])
def test_the_corrected_error_of_a_calibrated_system_is_nothing(n):
    """Test 14: within 0.01 of 0; the plain one is far from it at n = 100."""
    found = [calibration(*drawn(n, 0.0, seed), seed=seed) for seed in range(60)]
    assert abs(np.mean([c.corrected.value for c in found])) < 0.01
    assert np.mean([c.corrected.interval.low > 0 for c in found]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    if n == 100:
        assert np.mean([c.error for c in found]) > 0.07


def test_overconfidence_by_a_tenth_is_found_at_a_thousand():
    found = [calibration(*drawn(1000, 0.1, seed), seed=seed) for seed in range(40)]
    assert np.mean([c.corrected.interval.low > 0 for c in found]) >= 0.8


def test_epochs_that_repeat_an_answer_add_no_certainty():
    """Rows of one family widen the null and the interval: the same 100 answers five times are 100 answers."""
    sure, right, family = drawn(100, 0.1, 8)
    once = calibration(sure, right, family)
    five = calibration(np.repeat(sure, 5), np.repeat(right, 5), np.repeat(family, 5))
    rows = calibration(np.repeat(sure, 5), np.repeat(right, 5), np.arange(500))
    assert five.under_null > 1.8 * rows.under_null
    wide, narrow = five.corrected.interval, rows.corrected.interval
    assert wide.high - wide.low > 1.8 * (narrow.high - narrow.low)
    assert wide.high - wide.low == pytest.approx(once.corrected.interval.high - once.corrected.interval.low, rel=0.25)


def test_two_confidences_are_two_bins_however_they_are_mixed():
    sure = np.array([0.6] * 22 + [0.95] * 24)
    bins = reliability_bins(sure, np.zeros(46), np.arange(46))
    assert [(b.n, b.sure) for b in bins] == [(22, pytest.approx(0.6)), (24, pytest.approx(0.95))]


def test_bars_of_the_diagram_do_not_shrink_when_answers_are_repeated():
    sure, right, family = drawn(100, 0.1, 8)
    once = reliability_bins(sure, right, family)
    five = reliability_bins(np.repeat(sure, 5), np.repeat(right, 5), np.repeat(family, 5))
    assert [b.interval.low for b in five] == pytest.approx([b.interval.low for b in once])


def test_a_confidence_that_never_changes_tells_nothing_and_has_no_interval():
    right = np.array([1.0, 0.0] * 50)
    found = auroc(np.full(100, 0.9), right, np.arange(100))
    assert (found.value, found.interval) == (0.5, None)
    assert "the same" in found.why_not


@pytest.mark.parametrize(("right", "why"), [(1.0, "every answer was right"), (0.0, "no answer was right")])
def test_one_outcome_only_has_no_auroc(right, why):
    found = auroc(np.linspace(0, 1, 30), np.full(30, right), np.arange(30))
    assert np.isnan(found.value)
    assert found.why_not == why
    assert np.isnan(brier_skill(np.linspace(0, 1, 30), np.full(30, right)))


def test_risk_coverage_ends_at_everything():
    sure, right, _ = drawn(200, 0.0, 2)
    curve = risk_coverage(sure, right)
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(1 - right.mean())
    order = np.argsort(-sure)
    by_hand = np.mean(np.cumsum(1 - right[order]) / np.arange(1, 201))
    assert curve.area == pytest.approx(by_hand)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=60))
def test_nothing_breaks_on_any_answers(rows):
    sure, right = (np.array(c, dtype=float) for c in zip(*rows, strict=True))
    family = np.arange(len(rows))
    found = calibration(sure, right, family)
    assert 0 <= found.error <= 1
    assert sum(b.n for b in found.bins) == len(rows)
    assert 0 <= risk_coverage(sure, right).area <= 1
    brier(sure, right, family)
    auroc(sure, right, family)
