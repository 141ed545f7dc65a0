"""Length: planted preference is found, the controlled rate is at equal length, statsmodels agrees."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from harness.stats.style import controlled, length_control, length_ratio, longer_rate, style_ratio


def drawn(seed, n, slope, lean=0.0):
    rng = np.random.default_rng(seed)
    ratio = rng.normal(lean, 1, n)
    return ratio, (rng.random(n) < 1 / (1 + np.exp(-slope * ratio))).astype(float)


def test_the_fit_equals_statsmodels():
    ratio, won = drawn(1, 300, 0.8)
    won[:30] = 0.5
    cluster = np.arange(300) // 3
    with np.errstate(all="ignore"):
        peer = sm.GLM(won, sm.add_constant(ratio), family=sm.families.Binomial()).fit(
            cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}, tol=1e-14, maxiter=200
        )
    found = length_control(won, ratio, cluster)
    assert found.slope.value == pytest.approx(peer.params[1], abs=1e-9)
    from harness.stats.intervals import t_of

    assert found.slope.interval.high - found.slope.value == pytest.approx(t_of(0.95, 99) * peer.bse[1], abs=1e-9)


def test_a_planted_slope_is_recovered_and_controlled():
    """7.7: slope 1 and no other term; the controlled rate covers .5 while the raw one is above."""
    ratio, won = drawn(2, 2000, 1.0, lean=0.5)
    found = length_control(won, ratio, np.arange(2000))
    assert found.slope.interval.low < 1 < found.slope.interval.high
    assert found.rate.interval.low < 0.5 < found.rate.interval.high
    assert won.mean() > 0.58


def test_coverage_of_slope_and_controlled_rate():
    """200 seeds at nominal 95 %: 4 sigma is 6 points."""
    slopes = rates = 0
    for seed in range(200):
        ratio, won = drawn(seed, 200, 1.0, lean=0.5)
        found = length_control(won, ratio, np.arange(200))
        slopes += found.slope.interval.low <= 1 <= found.slope.interval.high
        rates += found.rate.interval.low <= 0.5 <= found.rate.interval.high
    assert slopes >= 178
    assert rates >= 178


def test_always_the_longer_has_rate_one_no_finite_slope_and_a_controlled_rate_of_a_half():
    rng = np.random.default_rng(3)
    work, other = rng.integers(100, 2000, 200), rng.integers(100, 2000, 200)
    ratio = length_ratio(work, other)
    won = (ratio > 0).astype(float)
    rate, n = longer_rate(won, ratio, np.arange(200))
    assert (rate.value, rate.interval.low > 0.95, n > 150) == (1, True, True)
    found = length_control(won, ratio, np.arange(200))
    assert "length alone" in found.slope.why_not
    assert found.rate.value == pytest.approx(0.5, abs=0.1)


def test_ties_are_no_win_of_the_longer_or_the_shorter():
    ratio = np.array([1.0, 1.0, -1.0, 0.01])
    rate, n = longer_rate(np.array([0.5, 1.0, 0.5, 0.0]), ratio, np.arange(4))
    assert (rate.value, n) == (1, 1)
    assert "no decided pair" in longer_rate(np.full(4, 0.5), ratio, np.arange(4))[0].why_not


@pytest.mark.parametrize(
    ("score", "ratio", "cluster", "word"),
    [
        (np.ones(5), np.arange(5.0), np.arange(5), "20 are needed"),
        (np.ones(30), np.arange(30.0), np.arange(30), "same outcome"),
        (np.arange(30) % 2 * 1.0, np.ones(30), np.arange(30), "same ratio"),
        (np.arange(30) % 2 * 1.0, np.arange(30.0), np.zeros(30, dtype=np.int64), "one family"),
    ],
)
def test_what_cannot_be_fitted_says_why(score, ratio, cluster, word):
    found = length_control(score, ratio, cluster)
    assert found.rate.interval is None
    assert word in found.slope.why_not


def test_a_planted_taste_for_formatting_is_told_from_one_for_length():
    """Both planted together: each slope covers its own, and the rate is that between works that look alike."""
    rng = np.random.default_rng(11)
    ratio, style = rng.normal(0.4, 1, 3000), rng.uniform(-1, 1, 3000) + 0.3
    won = (rng.random(3000) < 1 / (1 + np.exp(-0.5 * ratio - 1.5 * style))).astype(float)
    found = controlled(won, np.stack((ratio, style), axis=1), np.arange(3000))
    for planted, e in zip((0.5, 1.5), found.slopes, strict=True):
        assert e.interval.low < planted < e.interval.high
    assert found.rate.interval.low < 0.5 < found.rate.interval.high
    assert won.mean() > 0.58


def test_style_is_a_density_so_a_longer_text_is_not_a_more_formatted_one():
    one, twice, none = (
        (np.array([4.0]), np.array([400.0])),
        (np.array([8.0]), np.array([800.0])),
        (np.zeros(1), np.ones(1)),
    )
    assert style_ratio(one, twice)[0] == 0
    assert (style_ratio(one, none)[0], style_ratio(none, one)[0], style_ratio(none, none)[0]) == (1, -1, 0)
