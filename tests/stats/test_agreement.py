"""Agreement equal to scikit-learn, krippendorff and irrCAC to 1e-9, and the prevalence paradox of judge.md 3.1."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix, recall_score

from harness.stats.agreement import (
    ac1,
    alpha,
    confusion,
    constant,
    kappa,
    majority,
    observed,
    rotation_consistency,
    table_of,
)

PARADOX = [
    ((45, 5, 5, 45), 0.90, 0.80, 0.80, 0.80, 0.90, 0.90),
    ((65, 5, 5, 25), 0.90, 0.76, 0.83, 0.76, 0.93, 0.83),
    ((90, 5, 3, 2), 0.92, 0.29, 0.91, 0.29, 0.97, 0.29),
    ((90, 5, 5, 0), 0.90, -0.05, 0.89, -0.05, 0.95, 0.00),
    ((80, 20, 0, 0), 0.80, 0.00, 0.76, -0.11, 1.00, 0.00),
]


def raters(cells):
    pp, pf, fp, ff = cells
    judge = np.array([1] * (pp + pf) + [0] * (fp + ff), dtype=np.int64)
    person = np.array([1] * pp + [0] * pf + [1] * fp + [0] * ff, dtype=np.int64)
    return judge, person


@pytest.mark.parametrize(("cells", "po", "k", "a1", "al", "se", "sp"), PARADOX)
def test_the_paradox_table_of_the_reference(cells, po, k, a1, al, se, sp):
    judge, person = raters(cells)
    table = table_of(judge, person, 2)
    found = confusion(judge == 1, person == 1)
    said = (observed(table), kappa(table), ac1(table), alpha(np.stack((judge, person)).astype(float)))
    assert said == pytest.approx((po, k, a1, al), abs=0.006)
    assert (found.sensitivity.value, found.specificity.value) == pytest.approx((se, sp), abs=0.006)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_equals_scikit_learn(seed, weights):
    rng = np.random.default_rng(seed)
    labels = 2 + seed % 4
    a = rng.integers(0, labels, 70)
    b = np.where(rng.random(70) < 0.6, a, rng.integers(0, labels, 70))
    peer = cohen_kappa_score(a, b, labels=list(range(labels)), weights=None if weights == "none" else weights)
    assert abs(kappa(table_of(a, b, labels), weights) - peer) < 1e-9
    assert np.array_equal(table_of(a, b, labels), confusion_matrix(a, b, labels=list(range(labels))))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_equals_the_package_krippendorff_with_gaps(seed, level):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, 5, (4, 40)).astype(float)
    ratings[1] = np.where(rng.random(40) < 0.7, ratings[0], ratings[1])
    ratings[rng.random((4, 40)) < 0.3] = np.nan
    peer = krippendorff.alpha(reliability_data=ratings, level_of_measurement=level)
    assert abs(alpha(ratings, level) - peer) < 1e-9


@pytest.mark.parametrize(
    ("table", "peer"),
    [
        ([[45, 5], [5, 45]], 0.8),
        ([[90, 5], [3, 2]], 0.909828674482),
        ([[80, 20], [0, 0]], 0.756097560976),
        ([[30, 4, 1], [2, 20, 3], [5, 0, 15]], 0.723390768167),
    ],
)
def test_ac1_equals_irrcac(table, peer):
    """Values of irrCAC 0.4.4 (`CAC(table, digits=12).gwet()`), which pins numpy 1 and so is not a dependency."""
    assert abs(ac1(np.array(table, dtype=float)) - peer) < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_sensitivity_and_specificity_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    judge, person = rng.random(50) < 0.6, rng.random(50) < 0.7
    found = confusion(judge, person)
    assert abs(found.sensitivity.value - recall_score(person, judge)) < 1e-9
    assert abs(found.specificity.value - recall_score(~person, ~judge)) < 1e-9
    assert found.both + found.judge_only + found.person_only + found.neither == 50


def test_what_has_no_value_is_not_a_number_rather_than_a_score():
    same = np.array([[7.0, 0.0], [0.0, 0.0]])
    assert math.isnan(kappa(same))
    assert math.isnan(ac1(np.array([[7.0]])))
    assert math.isnan(alpha(np.array([[1.0, 1.0], [1.0, 1.0]])))
    assert math.isnan(alpha(np.array([[1.0, np.nan], [np.nan, 2.0]])))
    only_passes = confusion(np.array([True, False]), np.array([True, True]))
    assert (only_passes.specificity.interval, only_passes.specificity.why_not) == (None, "no label fails")


def test_a_tied_vote_has_no_winner_whatever_the_order():
    assert majority(np.array([2, 1, 2, 1])) is None
    assert majority(np.array([1, 2, 2])) == majority(np.array([2, 1, 2])) == 2


def test_the_constant_judge_is_the_commonest_label():
    assert constant(np.array([0, 1, 1, 1])) == 0.75


def test_rotation_consistency():
    item, rotation = np.repeat([0, 1, 2], 4), np.tile([0, 1, 2, 3], 3)
    chosen = np.array([5, 5, 5, 5, 0, 1, 2, 3, 0, 0, 1, 1])
    assert rotation_consistency(item, rotation, chosen) == pytest.approx([1, 0, 1 / 3])
    assert math.isnan(rotation_consistency(np.array([0]), np.array([0]), np.array([0]))[0])
    assert len(rotation_consistency(*(np.zeros(0, dtype=np.int64),) * 3)) == 0


def test_repeats_of_one_rotation_do_not_hide_that_the_slot_decides():
    """Two candidates, three repeats, always the first slot: within a rotation always the same, between them never."""
    item, rotation = np.zeros(6, dtype=np.int64), np.repeat([0, 1], 3)
    assert rotation_consistency(item, rotation, rotation)[0] == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40))
def test_agreement_does_not_care_who_is_called_judge(pairs):
    a, b = (np.array(x, dtype=np.int64) for x in zip(*pairs, strict=True))
    one, other = table_of(a, b, 3), table_of(b, a, 3)
    assert kappa(one) == pytest.approx(kappa(other), nan_ok=True, abs=1e-12)
    assert ac1(one) == pytest.approx(ac1(other), abs=1e-12)
