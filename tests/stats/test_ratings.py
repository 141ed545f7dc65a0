"""Bradley-Terry with ties: equal to a Poisson log-linear fit, planted strengths recovered, bad graphs refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from harness.stats import ratings
from harness.stats.ratings import Games, cyclic_share, elo, rate

TRUE = np.array([0.0, 0.6, 1.5])


def played(seed, n, slot=0.5, nu=0.6, gamma=0.0, both=True):
    rng = np.random.default_rng(seed)
    pair = np.array([(0, 1), (0, 2), (1, 2)])[rng.integers(0, 3, n)]
    x = rng.normal(0, 1, n)
    if both:
        first, second = np.concatenate((pair[:, 0], pair[:, 1])), np.concatenate((pair[:, 1], pair[:, 0]))
        x, cluster = np.concatenate((x, -x)), np.tile(np.arange(n), 2)
    else:
        first, second, cluster = pair[:, 0], pair[:, 1], np.arange(n)
    d = TRUE[first] - TRUE[second] + slot + gamma * x
    weights = np.stack((np.exp(d / 2), np.full(len(d), nu), np.exp(-d / 2)))
    u = rng.random(len(d)) * weights.sum(axis=0)
    result = np.where(u < weights[0], 1, np.where(u < weights[0] + weights[1], 0, -1))
    return Games(first, second, result, cluster, 3, x[:, None] if gamma else np.zeros((len(d), 0)))


def test_the_fit_is_the_poisson_log_linear_model_of_davidson():
    """Fienberg & Larntz 1976: a count of each (first, second, result) with a free term for each (first, second)."""
    games = played(1, 400)
    kinds = sorted(set(zip(games.first.tolist(), games.second.tolist(), strict=True)))
    rows, count = [], []
    for at, (i, j) in enumerate(kinds):
        for r in (1, 0, -1):
            row = np.zeros(len(kinds) + 4)
            row[at] = 1
            for k, sign in ((i, 0.5 * r), (j, -0.5 * r)):
                if k:
                    row[len(kinds) + k - 1] += sign
            row[-2] = 0.5 * r
            row[-1] = r == 0
            rows.append(row)
            count.append(int(((games.first == i) & (games.second == j) & (games.result == r)).sum()))
    peer = sm.GLM(np.array(count), np.array(rows), family=sm.families.Poisson()).fit(tol=1e-15, maxiter=300).params
    found = rate(games, 1, draws=2)
    assert [found.strengths[1].value, found.strengths[2].value, found.slot.value] == pytest.approx(
        peer[-4:-1], abs=1e-8
    )
    assert math.log(found.tie) == pytest.approx(peer[-1], abs=1e-8)


def test_planted_strengths_slot_and_ties_are_recovered():
    found = rate(played(2, 3000), 1, draws=60)
    for e, true in zip((*found.strengths[1:], found.slot), (0.6, 1.5, 0.5), strict=True):
        assert abs(e.value - true) < 4 * (e.interval.high - e.interval.low) / 3.9
    assert found.tie == pytest.approx(0.6, abs=0.06)
    assert elo(math.log(10)) == pytest.approx(1400)


def test_a_style_covariate_takes_length_out():
    found = rate(played(4, 2500, gamma=0.8), 1, draws=40)
    assert found.covariates[0].interval.low < 0.8 < found.covariates[0].interval.high
    assert found.strengths[2].value == pytest.approx(1.5, abs=0.2)


def test_intervals_of_few_tasks_cover_as_often_as_they_say():
    """80 seeds of 12 pairs in both orders, three estimates each: 95 % of 240 are 228, and four standard errors 14.

    Few tasks and few draws are where plain quantiles of the draws are too narrow: they cover 218, widened ones 227.
    """
    hits = 0
    for seed in range(80):
        found = rate(played(100 + seed, 12), seed, draws=100)
        for estimate, true in zip((*found.strengths[1:], found.slot), (*TRUE[1:], 0.5), strict=True):
            hits += estimate.interval is not None and estimate.interval.low <= true <= estimate.interval.high
    assert hits >= 222


def test_games_of_one_cluster_are_one_observation():
    games = played(6, 150)
    many = Games(
        *(np.tile(a, 4) for a in (games.first, games.second, games.result, games.cluster)), 3, np.zeros((1200, 0))
    )
    rows = Games(many.first, many.second, many.result, np.arange(1200), 3, many.covariates)

    def width(g):
        e = rate(g, 1, draws=80).strengths[2]
        return e.interval.high - e.interval.low

    assert width(many) == pytest.approx(width(games), rel=0.05)
    assert width(rows) < 0.7 * width(games)


def test_groups_that_never_met_have_no_common_scale():
    none = np.zeros((2, 0))
    games = Games(np.array([0, 2]), np.array([1, 3]), np.array([1, 1]), np.arange(2), 4, none)
    assert "never compared" in rate(games, 1).why_not


def test_all_ties_and_no_games_are_no_rating():
    n = np.zeros((3, 0))
    zeros = np.zeros(3, dtype=np.int64)
    assert "tie" in rate(Games(zeros, zeros + 1, zeros, np.arange(3), 2, n), 1).why_not
    empty = np.zeros(0, dtype=np.int64)
    assert rate(Games(empty, empty, empty, empty, 2, np.zeros((0, 0))), 1).why_not


def test_the_undefeated_are_held_and_it_is_said():
    first, second = np.array([0, 1] * 20), np.array([1, 0] * 20)
    result = np.where(first == 1, 1, -1)
    found = rate(Games(first, second, result, np.arange(40) // 2, 2, np.zeros((40, 0))), 1, draws=20)
    assert "ridge" in found.note
    assert 1 < found.strengths[1].value < 40


def test_without_ties_it_is_plain_logistic():
    rng = np.random.default_rng(8)
    first, second = np.array([0, 1] * 200), np.array([1, 0] * 200)
    result = np.where(rng.random(400) < 0.6, 1, -1)
    found = rate(Games(first, second, result, np.arange(400) // 2, 2, np.zeros((400, 0))), 1, draws=2)
    design = np.stack((np.where(first == 1, 1.0, -1.0), np.ones(400)), axis=1)
    peer = sm.Logit((result == 1) * 1.0, design).fit(disp=0, tol=1e-14).params
    assert [found.strengths[1].value, found.slot.value] == pytest.approx(peer, abs=1e-9)
    assert found.tie is None


def test_cyclic_triples_are_counted():
    cycle = Games(np.array([0, 1, 2]), np.array([1, 2, 0]), np.array([1, 1, 1]), np.arange(3), 3, np.zeros((3, 0)))
    line = Games(np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([1, 1, 1]), np.arange(3), 3, np.zeros((3, 0)))
    assert cyclic_share(cycle) == (1, 1)
    assert cyclic_share(line) == (0, 1)


@pytest.mark.parametrize("ties", [0.0, 0.6])
def test_one_newton_step_to_a_draw_is_as_good_as_its_whole_fit(monkeypatch, ties):
    """Intervals of a fit with covariates: the same draws, fitted whole and by one step, within 4 % of their width."""
    rng = np.random.default_rng(5)
    n = 1500
    pair = np.array([(0, 1), (0, 2), (1, 2)])[rng.integers(0, 3, n)]
    x = rng.normal(0, 1, (n, 2))
    d = np.array([0.0, 0.6, 1.2])[pair[:, 0]] - np.array([0.0, 0.6, 1.2])[pair[:, 1]] + 0.3 + x @ [0.5, -0.3]
    weights = np.stack((np.exp(d / 2), np.full(n, ties), np.exp(-d / 2)))
    u = rng.random(n) * weights.sum(axis=0)
    result = np.where(u < weights[0], 1, np.where(u < weights[0] + weights[1], 0, -1))
    games = Games(pair[:, 0], pair[:, 1], result, np.arange(n) // 3, 3, x)
    whole = rate(games, 1, draws=150)
    monkeypatch.setattr(ratings, "MANY_KINDS", 0)
    step = rate(games, 1, draws=150)
    for a, b in zip(
        (*whole.strengths[1:], whole.slot, *whole.covariates),
        (*step.strengths[1:], step.slot, *step.covariates),
        strict=True,
    ):
        width = a.interval.high - a.interval.low
        assert a.value == b.value
        assert abs(a.interval.low - b.interval.low) < 0.04 * width
        assert abs(a.interval.high - b.interval.high) < 0.04 * width
