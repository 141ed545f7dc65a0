"""Rows 10, 11, 12 and 18: a year of nights, steps and slides, hard tasks that go missing, and routing among equals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "stats"), str(TESTS / "report")]

from cells import Cell, Row, at_least, at_most  # noqa: E402
from test_drift import BUDGET, first_alarm, harm, limits_of, simulate  # noqa: E402
from test_route_cells import advice, table, world  # noqa: E402

from harness.stats.drift import Series, chart, cusum, scales  # noqa: E402

BLOCK = 100
"""Worlds simulated at once: a year of 100 tasks in 100 worlds is 30 MB."""


def blocks(replicates: int) -> Iterator[tuple[int, int]]:
    """Numbers of blocks and their sizes."""
    for number, start in enumerate(range(0, replicates, BLOCK)):
        yield number, min(BLOCK, replicates - start)


def row_10(replicates: int) -> list[Cell]:
    cells = []
    for m in (10, 20, 30):
        limits = None  # one calibration a baseline's length: worlds of a cell have the same size and shape
        for sd in (0.0, 0.1, 0.3):
            alarms = 0
            for number, size in blocks(replicates):
                pools, inside, z = simulate([m, round(10 * sd), number], m, 365, sd, tasks=100, worlds=size)
                limits = limits or limits_of(pools, m)
                up = (cusum(-z / scales(inside, z)) > limits.up).any(axis=1)
                alarms += int((harm(inside, z, limits).any(axis=1) | up).sum())
            what = f"{m} baseline nights, night sd {sd}: an alarm in a quiet year"
            cells.append(at_most(what, alarms / replicates, BUDGET, replicates))
    return cells


def row_11(replicates: int) -> list[Cell]:
    plans = (
        ("-5 points found in 14 nights", 14, 0.80, lambda t: 1 - 5 / 75),
        ("-10 points found in 14 nights", 14, 0.99, lambda t: 1 - 10 / 75),
        ("-0.25 points a night found in 30 nights", 30, 0.90, lambda t: 1 - 0.25 * (t + 1) / 75),
    )
    cells = []
    for at, (what, nights, least, factor) in enumerate(plans):
        found = 0
        for number, size in blocks(replicates):
            pools, inside, z = simulate([11, at, number], 20, nights, 0.1, factor=factor, tasks=100, worlds=size)
            found += int((first_alarm(inside, z, limits_of(pools, 20)) <= nights).sum())
        cells.append(at_least(what, found / replicates, least, replicates))
    for points in (5, 10):
        errors: list[int] = []
        for number, size in blocks(replicates):
            pools, inside, z = simulate(
                [111, points, number], 20, 50, 0.1, tasks=100, worlds=size,
                factor=lambda t, points=points: 1.0 if t < 20 else 1 - points / 75,
            )  # fmt: skip
            limits = limits_of(pools, 20)
            for base, one in zip(inside, z, strict=True):
                late = [a for a in chart(Series(base, one), limits).alarms if a.rule == "down" and a.night >= 20]
                errors += [abs(a.onset - 20) for a in late[:1]]
        cells.append(Cell(f"-{points} points: median error of the onset, nights", float(np.median(errors)), 0.0, 2.0))
    return cells


def row_12(replicates: int) -> list[Cell]:
    def missing(rng: np.random.Generator, rates: np.ndarray) -> np.ndarray:
        return rng.random(rates.shape) >= 0.02 + 0.25 * (1 - rates)

    beyond = nights = 0
    for number, size in blocks(replicates):
        _, inside, z = simulate([12, number], 20, 60, 0.1, tasks=100, worlds=size, missing=missing)
        scaled = z / scales(inside, z)
        beyond += int((scaled < -1.645).sum())
        nights += scaled.size
    return [Cell("z < -1.645 in a night with no change", beyond / nights, 0.0, 0.06)]


def row_18(replicates: int) -> list[Cell]:
    rng = np.random.default_rng(18)
    costs = [1.0, 0.5, 0.4, 0.3, 0.2, 0.1]
    said = [advice(table(world(rng, [0.7] * 6, 20), costs)).status for _ in range(replicates)]
    return [
        at_most(
            "6 equal systems, 20 tasks: a supported winner", said.count("supported") / replicates, 0.05, replicates
        ),
        at_least("reported as insufficient", said.count("insufficient") / replicates, 0.90, replicates),
    ]


ROWS = [
    Row(10, "365 quiet nights, 10 to 30 baseline nights", f"an alarm in <= {BUDGET:.0%} of years", row_10, 100, 1500),
    Row(
        11, "steps of 5 and 10 points, a slide", ">= 0.80 and 0.99 in 14 nights, slide >= 0.9 in 30", row_11, 100, 1500
    ),
    Row(12, "hard tasks go missing, no change", "size <= 0.06, as if nothing were missing", row_12, 60, 1000),
    Row(18, "6 equal systems, 20 tasks a cell", "supported <= 0.05; insufficient is said", row_18, 100, 4000),
]
