"""Paired differences: equal to scipy and statsmodels where those have them; never without width."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from harness.stats.intervals import Interval
from harness.stats.multiple import benjamini_hochberg, holm
from harness.stats.paired import fisher, mantel_haenszel, mcnemar, paired, sign_flip
from harness.stats.power import Design, detectable, epochs_for, power_of, tasks_for
from harness.stats.ratios import Spending, cost_ratio, fieller, time_ratio

RNG = np.random.default_rng(7)
EXACT = 1e-9


def own(n: int) -> np.ndarray:
    return np.arange(n)


@pytest.mark.parametrize("groups", [8, 25, 60])
def test_cluster_bounds_equal_statsmodels_without_pseudo_tasks(groups: int) -> None:
    d, family = RNG.normal(size=120), RNG.integers(0, groups, 120)
    ours = paired(d, family, 0.05, scale=0.0)
    fit = OLS(d, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": family, "use_correction": False}, use_t=True)
    g = len(np.unique(family))
    se = float(fit.bse[0]) * math.sqrt(g / (g - 1))
    assert ours.se == pytest.approx(se, abs=EXACT)
    assert ours.low == pytest.approx(d.mean() - stats.t.ppf(0.95, g - 1) * se, abs=EXACT)


def test_time_ratio_is_the_paired_t_test() -> None:
    a, b = RNG.normal(size=40), RNG.normal(0.1, 1, size=40)
    ratio, d = time_ratio(a, b, own(40), 0.05)
    t = stats.ttest_rel(b, a)
    assert d.p_two_sided == pytest.approx(t.pvalue, abs=EXACT)
    low, high = t.confidence_interval(0.90)
    assert (ratio.low, ratio.high) == pytest.approx((math.exp(low), math.exp(high)), abs=EXACT)


def test_pseudo_tasks_by_hand() -> None:
    d = np.array([1.0, 0, 0, -1, 0, 0, 1, 0])
    ours = paired(d, own(8), 0.05)
    padded = np.append(d, [1, -1])
    assert ours.middle == pytest.approx(padded.mean())
    variance = np.var(d, ddof=1) / 8 * 0.8**2 + 2 / 100
    assert ours.se == pytest.approx(math.sqrt(variance))


@pytest.mark.parametrize("n", [2, 12, 50])
def test_equal_runs_never_have_a_zero_width(n: int) -> None:
    d = paired(np.zeros(n), own(n), 0.05)
    assert d.low is not None and d.high is not None
    assert d.high - d.low > 2 * math.sqrt(2) / (n + 2)


@pytest.mark.parametrize(("n", "families", "word"), [(1, 1, "one task"), (9, 1, "one family"), (0, 0, "no task")])
def test_what_cannot_be_said_is_undefined_and_not_zero(n: int, families: int, word: str) -> None:
    d = paired(np.zeros(n), np.zeros(n, dtype=int) if families else own(n), 0.05)
    assert (d.low, d.high, d.p_two_sided) == (None, None, None)
    assert word in d.why_not


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (3, 9), (12, 12), (40, 21)])
def test_mcnemar_equals_statsmodels(lost: int, won: int) -> None:
    ours = mcnemar(lost, won)
    theirs = statsmodels_mcnemar([[5, lost], [won, 5]], exact=True).pvalue
    assert ours.exact == pytest.approx(min(1.0, theirs), abs=EXACT)
    if lost + won:
        point = stats.binom.pmf(min(lost, won), lost + won, 0.5)
        twice = 2 * stats.binom.cdf(min(lost, won), lost + won, 0.5)
        assert ours.mid == pytest.approx(min(1.0, twice - point), abs=EXACT)


def test_mantel_haenszel_equals_statsmodels() -> None:
    n_a, n_b = RNG.integers(1, 6, 30), RNG.integers(1, 6, 30)
    a, b = RNG.binomial(n_a, 0.6), RNG.binomial(n_b, 0.4)
    tables = [np.array([[y, n2 - y], [x, n1 - x]]) for x, n1, y, n2 in zip(a, n_a, b, n_b, strict=True) if n1 + n2 > 1]
    theirs = StratifiedTable(tables).test_null_odds(correction=False).pvalue
    assert mantel_haenszel(a * 1.0, n_a * 1.0, b * 1.0, n_b * 1.0) == pytest.approx(theirs, abs=EXACT)


def test_fisher_equals_scipy() -> None:
    n_a, n_b = RNG.integers(1, 30, 60), RNG.integers(1, 5, 60)
    a, b = RNG.binomial(n_a, 0.7), RNG.binomial(n_b, 0.4)
    theirs = [
        stats.fisher_exact([[x, n1 - x], [y, n2 - y]]).pvalue for x, n1, y, n2 in zip(a, n_a, b, n_b, strict=True)
    ]
    assert fisher(a * 1.0, n_a * 1.0, b * 1.0, n_b * 1.0) == pytest.approx(theirs, abs=EXACT)


def test_sign_flip_equals_scipy_on_few_families() -> None:
    sums = np.array([0.5, -0.2, 0.7, 0.1, 0.4, -0.1, 0.3])
    theirs = stats.permutation_test(
        (sums,), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    ).pvalue
    assert sign_flip(sums, own(7)) == pytest.approx(theirs, abs=EXACT)


def test_holm_and_benjamini_hochberg_equal_statsmodels() -> None:
    p = RNG.random(40) ** 2
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1], abs=EXACT)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=EXACT)
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), abs=EXACT)
    assert (holm([]), len(benjamini_hochberg(np.empty(0)))) == ([], 0)


def test_fieller_solves_its_equation() -> None:
    cost, success = RNG.lognormal(size=80), RNG.binomial(1, 0.5, 80).astype(float)
    found = fieller(cost, success, own(80))
    assert isinstance(found, Interval)
    for end in (found.low, found.high):
        residual = cost - end * success
        se = residual.std(ddof=1) / math.sqrt(80)
        assert abs(residual.mean() / se) == pytest.approx(stats.t.ppf(0.975, 79), rel=1e-6)


def test_a_cost_ratio_without_successes_has_its_reason() -> None:
    cost = np.ones(10)
    ratio = cost_ratio(Spending(cost, np.zeros(10)), Spending(cost, cost), own(10), 0.05)
    assert ratio.low is None
    assert "no success" in ratio.why_not


def test_equal_costs_have_a_ratio_of_one_with_a_width() -> None:
    side = Spending(np.ones(20), np.ones(20))
    ratio = cost_ratio(side, side, own(20), 0.05)
    assert ratio.low is not None and ratio.high is not None
    assert ratio.low < 0.95 < 1 < 1.05 < ratio.high


def test_a_settling_design_settles_and_the_next_smaller_does_not() -> None:
    design = Design(100, 1, 1, 0.094, 0.094)
    n = tasks_for(design, 0.05)
    assert n is not None
    assert detectable(Design(n, 1, 1, 0.094, 0.094), 0.8) <= 0.05 < detectable(Design(n - 1, 1, 1, 0.094, 0.094), 0.8)
    k = epochs_for(design, 0.05)
    assert k is not None
    assert detectable(Design(100, k, k, 0.094, 0.094)) <= 0.05 < detectable(Design(100, k - 1, k - 1, 0.094, 0.094))
    assert power_of(design, detectable(design)) == pytest.approx(0.8, abs=1e-9)


def test_no_number_of_epochs_helps_where_tasks_differ() -> None:
    assert epochs_for(Design(30, 1, 1, 0.05, 0.05, between=0.2), 0.05) is None


def test_reference_table_of_required_tasks() -> None:
    """stats_ci.md 1.6: 489 tasks for 5 points at discordance 0.2; pseudo-tasks cost a few more."""
    within = (0.2 - 0.05**2) / 2
    n = tasks_for(Design(100, 1, 1, within, within), 0.05)
    assert n is not None
    assert 489 <= n <= 489 * 1.05


def test_a_loss_is_sought_in_the_noise_that_it_brings_about() -> None:
    """Tasks that pass 90 of 100 times vary less than those that pass 80: the power before has to be that after."""
    p = np.linspace(0.6, 0.98, 100)
    within = float((p * (1 - p)).mean())
    told = Design(100, 1, 1, within, within, rate=float(p.mean()))
    after = float(((p - 0.1) * (1 - p + 0.1)).mean())
    known = Design(100, 1, 1, within, after)
    assert math.isclose(told.after(0.1).within_b, after)
    assert power_of(told, 0.1) == power_of(known, 0.1) < power_of(Design(100, 1, 1, within, within), 0.1)
    least = detectable(told)
    assert math.isclose(detectable(told.after(least)), least, abs_tol=1e-9)
    assert math.isclose(power_of(told, least), 0.8, abs_tol=1e-6)
