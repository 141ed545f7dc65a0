"""Planted judges against their closed forms, the properties of judge.md 7.7, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import planted as judges
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from harness.stats.shares import binomial_p, share, sign_flip_p
from harness.stats.swap import (
    aggregate,
    classes,
    consistency,
    direction,
    effect,
    position,
    position_share,
    scores,
    stability,
)

N = 2000
SINGLE = np.arange(N)


def planted(judge, repeats=3, n=N, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.choice([1, -1], n)
    return judges.counts(rng, truth, judge, repeats)


def near(x, value, n=N, sd=0.5):
    return abs(x - value) <= 4 * sd / math.sqrt(n)


@pytest.mark.parametrize(("slot", "pe"), [(0, 1.0), (1, -1.0)])
def test_always_one_slot(slot, pe):
    ab, ba = planted(judges.always(slot))
    pc, rs = consistency(ab, ba), stability(ab, ba)
    assert (pc.mean(), rs.mean(), position(ab, ba).mean()) == (0, 1, pe)
    assert position_share(pc, rs, SINGLE, 1).value == 1
    assert (aggregate(ab, ba, "conservative") == 0.5).all()
    assert (scores(ab).mean(), scores(ba).mean()) == ((1, 0) if slot == 0 else (0, 1))
    assert set(classes(ab, ba)) == {"flip_primacy" if slot == 0 else "flip_recency"}
    assert effect(position(ab, ba), SINGLE, 0.1, 1).verdict == "biased"
    assert share(pc, SINGLE).interval.high < 0.01


@pytest.mark.parametrize(
    ("judge", "pc", "rs", "pe"),
    [
        (judges.oracle(), 1, 1, 0),
        (judges.coin(0.7), 0.42, 0.58, 0.40),
        (judges.per_call(0.3), 0.70, 0.79, 0.30),
        (judges.per_item(0.3, N), 0.70, 1.00, 0.30),
        (judges.noisy(0.15), 0.745, 0.745, 0),
        (judges.tie(), 1, 1, 0),
    ],
    ids=["oracle", "coin", "per call", "per item", "noise", "always tie"],
)
def test_closed_forms(judge, pc, rs, pe):
    ab, ba = planted(judge)
    assert near(consistency(ab, ba).mean(), pc)
    assert near(stability(ab, ba).mean(), rs)
    b = position(ab, ba)
    assert near(b.mean(), pe, sd=1)
    found = effect(b, SINGLE, 0.1, 1)
    assert found.wide.low - 0.01 <= pe <= found.wide.high + 0.01
    assert found.verdict == ("biased" if pe else "order_blind")


def test_noise_leans_to_no_side_in_95_of_100_seeds():
    hits = 0
    for seed in range(200):
        ab, ba = planted(judges.noisy(0.15), repeats=1, n=100, seed=seed)
        b = position(ab, ba)
        hits += direction(b, np.arange(100), repeated=False, seed=1).p > 0.05
    assert hits >= 190


def test_a_win_in_one_order_and_a_tie_in_the_other():
    ab, ba = np.tile([1, 0, 0], (50, 1)), np.tile([0, 1, 0], (50, 1))
    assert set(classes(ab, ba)) == {"half_primacy"}
    assert set(classes(ba, ab)) == {"half_recency"}
    assert (aggregate(ab, ba, "average") == 0.75).all()
    assert (aggregate(ab, ba, "conservative") == 0.5).all()
    assert (aggregate(ab, ba, "sign") == 1).all()
    assert np.isnan(aggregate(ab, ba, "discard")).all()


def test_one_repeat_has_no_stability_rather_than_a_perfect_one():
    ab, ba = planted(judges.oracle(), repeats=1)
    assert np.isnan(stability(ab, ba)).all()
    assert position_share(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64), 1).why_not


def test_no_inconsistent_pair_has_no_direction_and_an_interval_by_the_rule_of_three():
    b = np.zeros(60)
    assert direction(b, np.arange(60), repeated=False, seed=1).p is None
    found = effect(b, np.arange(60), 0.1, 1)
    assert found.method == "rule of three"
    assert found.wide.high == pytest.approx(-math.log(0.05) / 60)
    assert effect(np.zeros(10), np.arange(10), 0.1, 1).verdict == "inconclusive"


def test_not_significant_is_not_unbiased():
    b = np.array([0.5, -0.5] * 8 + [0.0] * 4)
    found = effect(b, np.arange(20), 0.1, 1)
    assert found.wide.low < 0 < found.wide.high
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 12), (6, 12), (40, 100), (0, 0)])
def test_the_direction_test_equals_scipy(k, n):
    peer = scipy.stats.binomtest(k, n).pvalue if n else 1.0
    assert abs(binomial_p(k, n) - peer) < 1e-9


def test_sign_flips_equal_scipy_permutation_test():
    x = np.array([0.5, 1.0, -0.5, 1.0, 0.5, 0.0, 1.0])
    peer = scipy.stats.permutation_test(
        (x,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert abs(sign_flip_p(x, np.arange(7), 1) - peer) < 1e-9


@pytest.mark.parametrize(("k", "n"), [(18, 30), (30, 50), (60, 100), (0, 40), (40, 40)])
def test_unclustered_consistency_is_wilson(k, n):
    x = np.array([1.0] * k + [0.0] * (n - k))
    low, high = proportion_confint(k, n, 0.05, "wilson")
    found = share(x, np.arange(n)).interval
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_families_count_once_however_many_pairs_they_have():
    x = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    once = share(x, np.arange(10))
    tenfold = share(np.repeat(x, 10), np.repeat(np.arange(10), 10))
    as_rows = share(np.repeat(x, 10), np.arange(100))
    assert tenfold.value == once.value
    assert tenfold.interval.high - tenfold.interval.low > 0.9 * (once.interval.high - once.interval.low)
    assert as_rows.interval.high - as_rows.interval.low < 0.5 * (once.interval.high - once.interval.low)


def test_one_family_says_nothing_about_others():
    assert share(np.ones(9), np.zeros(9, dtype=np.int64)).interval is None
    assert effect(np.ones(9), np.zeros(9, dtype=np.int64), 0.1, 1).wide is None


pairs = st.lists(
    st.tuples(st.lists(st.integers(0, 2), min_size=3, max_size=3), st.lists(st.integers(0, 2), min_size=3, max_size=3)),
    min_size=2,
    max_size=20,
)


def tables(rows):
    made = [np.zeros((len(rows), 3), dtype=np.int64) for _ in range(2)]
    for i, both in enumerate(rows):
        for table, verdicts in zip(made, both, strict=True):
            for v in verdicts:
                table[i, v] += 1
    return made


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_exchanging_the_candidates_mirrors_the_score_and_nothing_else(rows):
    ab, ba = tables(rows)
    # The other candidate's view: what was BA is its AB, its wins were losses.
    mirror_ab, mirror_ba = ba[:, ::-1], ab[:, ::-1]
    for rule in ("conservative", "average", "sign"):
        assert aggregate(mirror_ab, mirror_ba, rule) == pytest.approx(1 - aggregate(ab, ba, rule))
    assert consistency(mirror_ab, mirror_ba) == pytest.approx(consistency(ab, ba))
    assert stability(mirror_ab, mirror_ba) == pytest.approx(stability(ab, ba))
    assert position(mirror_ab, mirror_ba) == pytest.approx(position(ab, ba))


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_what_must_hold_for_any_table(rows):
    ab, ba = tables(rows)
    b = position(ab, ba)
    assert (np.abs(b) <= 1).all()
    assert aggregate(ab, ba, "average") == pytest.approx((scores(ab) + scores(ba)) / 2)
    pc = consistency(ab, ba)
    assert ((pc >= 0) & (pc <= 1)).all()
    # Exchanging the two orders changes nothing but which slot is called the first.
    assert consistency(ba, ab) == pytest.approx(pc)
    assert stability(ba, ab) == pytest.approx(stability(ab, ba))
    assert position(ba, ab) == pytest.approx(-b)
    for rule in ("conservative", "average", "sign"):
        assert aggregate(ba, ab, rule) == pytest.approx(aggregate(ab, ba, rule))
    same = pc > 1 - 1e-12
    for rule in ("average", "discard", "sign"):
        assert aggregate(ab, ba, rule)[same] == pytest.approx(aggregate(ab, ba, "conservative")[same])


@settings(max_examples=80, deadline=None)
@given(pairs)
def test_the_position_effect_of_single_calls_is_shi_et_als_fairness_with_half_flips(rows):
    """PF of Shi et al. (arXiv 2406.07791) is recency rate - primacy rate, here of hard and half flips alike."""
    ab, ba = tables([(a[:1], b[:1]) for a, b in rows])
    found = classes(ab, ba)
    n = len(found)
    primacy, recency = (sum(c.endswith(word) for c in found) for word in ("primacy", "recency"))
    raw = recency * recency / (primacy + recency) - primacy * primacy / (primacy + recency) if primacy + recency else 0
    assert raw / n == pytest.approx((recency - primacy) / n)
    hard = (found.count("flip_primacy") - found.count("flip_recency")) / n
    half = (found.count("half_primacy") - found.count("half_recency")) / n
    assert position(ab, ba).mean() == pytest.approx(hard + half / 2)


def test_noise_is_never_below_position_on_average():
    """E[RS - PC] >= 0 for every judge; judged on 300 random ones, 4 sigma."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(300):
        p, q = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3))
        ab, ba = rng.multinomial(3, p, 40), rng.multinomial(3, q, 40)
        found.append(float((stability(ab, ba) - consistency(ab, ba)).mean()))
    assert np.mean(found) >= -4 * np.std(found) / math.sqrt(300)


@pytest.mark.parametrize(("n", "method", "least"), [(100, "normal", 0.90), (30, "bootstrap", 0.88)])
def test_coverage_of_the_position_effect(n, method, least):
    """Planted beta .2 with noise; 300 seeds at nominal 95 %: 4 sigma is 5 points."""
    hits = 0
    for seed in range(300):
        ab, ba = planted(judges.per_call(0.2), repeats=1, n=n, seed=seed)
        found = effect(position(ab, ba), np.arange(n), 0.1, seed)
        assert found.method in (method, "rule of three")
        hits += found.wide.low <= 0.2 <= found.wide.high
    assert hits / 300 >= least


def test_few_clusters_invert_the_exact_test():
    b = np.array([1.0, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0])
    found = effect(b, np.arange(7), 0.1, 1)
    assert found.method == "sign-flip"
    assert found.wide.low > 0
    assert effect(b[:4], np.arange(4), 0.1, 1).wide.low == -1  # 16 flips cannot reject anything at 5 %
