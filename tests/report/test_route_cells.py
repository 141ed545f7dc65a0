"""Routing must not overclaim: planted effect 18, and what is said when one system really is better, or cheaper."""

from __future__ import annotations

import os

import numpy as np
import pytest

from harness.config.needs import Needs
from harness.report.route_cell import Overall, advise
from harness.report.route_decide import Table

R = 4000 if os.environ.get("HARNESS_SIMULATE") == "full" else 200


def table(passed, cost=None, seconds=None, critical=None, family=None):
    tasks, systems = passed.shape
    ones = np.ones_like(passed, dtype=float)
    return Table(
        tasks=tuple(f"t{i}" for i in range(tasks)),
        names=tuple("abcdefgh"[:systems]),
        passed=passed.astype(float),
        cost=ones * np.array(cost if cost is not None else [1.0] * systems),
        seconds=ones if seconds is None else seconds,
        critical=np.zeros_like(ones) if critical is None else critical,
        trials=ones.astype(np.int64),
        family=np.arange(tasks) if family is None else family,
    )


def advice(found, needs=None):
    known = [found.passed[~np.isnan(found.passed[:, i]), i] for i in range(len(found.names))]
    rates = {name: (float(x.mean()) if len(x) else 0.5, 10.0) for name, x in zip(found.names, known, strict=True)}
    return advise((), found, needs or Needs(), Overall(found, rates), 0)


def world(rng, rates, tasks):
    """Systems on tasks of one shared difficulty."""
    hard = rng.normal(0, 1, (tasks, 1))
    p = 1 / (1 + np.exp(-(np.log(np.array(rates) / (1 - np.array(rates))) * 1.2 - hard)))
    return rng.random((tasks, len(rates))) < p


def test_six_equal_systems_on_twenty_tasks_have_no_supported_winner():
    rng = np.random.default_rng(18)
    costs = [1.0, 0.5, 0.4, 0.3, 0.2, 0.1]
    said = [advice(table(world(rng, [0.7] * 6, 20), costs)) for _ in range(R)]
    supported = np.mean([a.status == "supported" for a in said])
    assert supported <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / R) * (R < 1000)
    assert np.mean([a.status == "insufficient" for a in said]) > 0.9
    assert all(a.need and a.need > 20 for a in said if a.status == "insufficient")


def test_a_close_second_is_not_called_worse():
    rng = np.random.default_rng(19)
    said = [advice(table(world(rng, [0.80, 0.79], 100))) for _ in range(R)]
    wrong = [a.status == "supported" and a.choice == "b" for a in said]
    assert np.mean(wrong) <= 0.05


def test_equal_systems_on_many_tasks_tie_and_the_cheap_one_is_taken():
    rng = np.random.default_rng(20)
    said = [advice(table(world(rng, [0.75, 0.75], 600), [1.0, 0.2])) for _ in range(40)]
    ties = [a for a in said if a.status == "tie"]
    assert len(ties) > 32
    assert all(a.choice == "b" for a in ties)


def test_a_worse_system_is_not_taken_for_a_tie_by_the_margin():
    """The cheap one is worse by exactly the margin: calling that no worse is the error that alpha bounds."""
    rng = np.random.default_rng(21)
    wrong = 0
    for _ in range(R):
        a = rng.random(200) < 0.8
        lost = rng.random(200) < 0.10 / 0.8  # 10 points of what the other solves
        found = advice(table(np.stack([a, a & ~lost], axis=1), [1.0, 0.1]))
        wrong += found.choice == "b"
    assert wrong / R <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / R)


def test_a_better_system_is_supported():
    rng = np.random.default_rng(22)
    said = advice(table(world(rng, [0.9, 0.5], 150), [1.0, 0.1]))
    assert (said.choice, said.status, said.runner_up) == ("a", "supported", "b")
    assert said.lines[0].best == 1.0


def test_a_success_floor_is_shown_by_a_bound_and_not_by_the_rate():
    passed = np.ones((20, 2))
    passed[:2, 0] = 0  # 90 % of 20: the bound is far under .85
    passed[:, 1] = 0
    said = advice(table(passed), Needs(min_success=0.85))
    assert said.status == "insufficient"
    assert "success of 85% not shown" in said.why
    assert said.need and said.need > 100
    assert {line.name: line.fits for line in said.lines} == {"a": "unknown", "b": "no"}


def test_when_every_system_misses_a_need_none_is_advised():
    said = advice(table(np.zeros((60, 2))), Needs(min_success=0.5))
    assert (said.status, said.choice) == ("none", "")


def test_critical_errors_are_bounded_exactly():
    critical = np.zeros((100, 2))
    critical[:8, 1] = 1
    passed = np.ones((100, 2))
    said = advice(table(passed, critical=critical), Needs(max_critical=0.04))
    assert {line.name: line.fits for line in said.lines} == {"a": "yes", "b": "unknown"}
    assert (
        advice(table(passed, critical=critical), Needs(max_critical=0.02)).lines[0].fits == "unknown"
    )  # 0 of 100: 3.6 %


def test_p95_needs_enough_tasks():
    quick = np.tile(np.linspace(1, 2, 40)[:, None], (1, 2))
    said = advice(table(np.ones((40, 2)), seconds=quick), Needs(p95_s=10))
    assert said.status == "insufficient"
    assert said.need == 72  # ln(.05 / 2 candidates) / ln(.95)
    many = np.tile(np.linspace(1, 2, 200)[:, None], (1, 2))
    assert advice(table(np.ones((200, 2)), seconds=many), Needs(p95_s=10)).lines[0].fits == "yes"


def test_a_price_of_failure_chooses_the_dear_system_where_failures_are_dear():
    rng = np.random.default_rng(23)
    found = table(world(rng, [0.9, 0.6], 300), [0.5, 0.05])
    assert advice(found, Needs(loss_per_failure=0.2)).choice == "b"
    dear = advice(found, Needs(loss_per_failure=50))
    assert (dear.choice, dear.status) == ("a", "supported")


def test_a_system_alone_in_its_cell_is_not_supported():
    """A hidden finding of the first try: `0 % of 1 task: supported, the only one`."""
    passed = np.full((5, 2), np.nan)
    passed[:, 0] = 0
    assert advice(table(passed)).status == "insufficient"


def test_an_unknown_price_is_never_the_cheaper_one():
    rng = np.random.default_rng(24)
    found = table(world(rng, [0.75, 0.75], 600), [1.0, np.nan])
    assert advice(found).choice == "a" or advice(found).status != "tie"


def test_a_failure_with_a_price_needs_systems_with_a_price():
    found = table(np.ones((30, 2)), [np.nan, 1.0])
    said = advice(found, Needs(loss_per_failure=5))
    assert {line.name: line.fits for line in said.lines} == {"a": "unknown", "b": "yes"}
    assert advice(table(np.ones((30, 2)), [np.nan, np.nan]), Needs(loss_per_failure=5)).status == "insufficient"


def test_under_eight_families_there_are_no_odds():
    said = advice(table(np.ones((30, 2)), family=np.arange(30) % 4))
    assert {(line.best, line.bounds) for line in said.lines} == {(None, None)}


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_tiny_cells_are_insufficient_and_say_how_many_are_needed(tasks):
    rng = np.random.default_rng(25)
    wide = table(world(rng, [0.9, 0.5], 100))
    small = table(wide.passed[:tasks])
    found = advise((), small, Needs(), Overall(wide, {"a": (0.9, 10.0), "b": (0.5, 10.0)}), 0)
    assert found.status == "insufficient"
    assert found.need and 20 < found.need < 500
    assert all(line.shrunk is not None and 0 < line.shrunk < 1 for line in found.lines)
