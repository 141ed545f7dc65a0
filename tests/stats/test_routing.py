"""Odds of being the best, small cells, and how many tasks would settle it."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.routing import LEAST_PRIOR, MOST_PRIOR, odds, prior_weight, shrunk, tasks_needed


def test_the_clearly_best_is_best_in_every_resample_and_loses_nothing():
    loss = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 0.5]] * 5)
    found = odds(loss, np.arange(15), 0)
    assert found.best.tolist() == [1.0, 0.0]
    assert found.regret[0] == 0.0
    assert found.regret[1] == pytest.approx(2.5 / 3, abs=0.05)


def test_equal_candidates_share_the_odds():
    loss = np.tile(np.array([[0.3, 0.3, 0.3]]), (12, 1))
    assert odds(loss, np.arange(12), 0).best == pytest.approx([1 / 3] * 3)


def test_a_family_is_drawn_whole():
    """Ten tasks of one family are one observation: with two families the bootstrap must see four samples, not 2^20."""
    loss = np.array([[0.0, 1.0]] * 10 + [[1.0, 0.0]] * 10)
    found = odds(loss, np.array([0] * 10 + [1] * 10), 0)
    assert found.best == pytest.approx([0.5, 0.5], abs=0.03)
    assert found.regret[0] == pytest.approx(0.25, abs=0.03)


def test_the_same_seed_gives_the_same_odds():
    loss = np.random.default_rng(1).random((30, 4))
    assert odds(loss, np.arange(30), 5).best.tolist() == odds(loss, np.arange(30), 5).best.tolist()


def test_cells_that_differ_keep_their_own_rate_and_cells_that_do_not_share():
    rng = np.random.default_rng(2)
    n = np.full(40, 30)
    alike = prior_weight(rng.binomial(n, 0.7), n)
    apart = prior_weight(rng.binomial(n, rng.beta(1, 1, 40)), n)
    assert apart < 5 < alike <= MOST_PRIOR
    assert apart >= LEAST_PRIOR
    assert shrunk(0, 2, 0.8, 8) == pytest.approx(0.64)


def test_one_cell_or_a_perfect_one_needs_no_division_by_zero():
    assert prior_weight([3], [4]) == LEAST_PRIOR
    assert prior_weight([4, 5], [4, 5]) == MOST_PRIOR
    assert prior_weight([], []) == LEAST_PRIOR


def test_the_need_shrinks_with_the_margin_and_never_is_what_there_is():
    d = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], 60, p=[0.1, 0.8, 0.1])
    assert tasks_needed(d, 0.05, 1) > tasks_needed(d, 0.10, 1) > 60
    assert tasks_needed(d, 0.10, 5) > tasks_needed(d, 0.10, 1)
    assert tasks_needed(np.zeros(5), 0.9, 1) >= 6
    # (1.645 + 0.842)^2 * 0.2 / 0.1^2 = 124: the table of discordance .20 and 10 points in the reference says 118.
    assert 100 < tasks_needed(d, 0.10, 1) < 170
