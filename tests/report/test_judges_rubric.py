"""The points of a rubric over a run: scores under 0 stay under 0 where the rubric says so, and only the mean is cut."""

from __future__ import annotations

import random

import judged
import pytest

from harness.config.judge_gate import JudgePolicy
from harness.records.judgement import Judgement
from harness.report.judges import About, judge_report
from harness.report.judges_model import Figure
from harness.report.judges_rubric import Rubric

POINTS = {"good": 5.0, "invent": -6.0}


def work(task: int, good: str, invent: str, system: str = "work") -> list[Judgement]:
    """Both criteria of one work; "" is no verdict."""
    return [
        judged.plain(word, task, protocol="rubric", about=about, system=system)
        for about, word in (("good", good), ("invent", invent))
    ]


def points(rows: list[Judgement], rubric: Rubric, system: str = "work") -> Figure:
    report = judge_report(rows, JudgePolicy(), About(rubrics={"facts": rubric}))
    found = report.sheets[0].figure(f"rubric_score:{system}")
    assert found is not None
    return found


MIXED = [
    *(row for i in range(6) for row in work(i, "met", "not_met")),  # 1 each
    *(row for i in range(6, 10) for row in work(i, "not_met", "met")),  # -6/5 each
]


def test_only_the_mean_is_cut_where_the_rubric_says_so() -> None:
    """6 works at 1 and 4 at -1.2: a mean of 0.12; cut one by one it is 0.6."""
    run = points(MIXED, Rubric(POINTS, clip="run_mean"))
    assert run.value == pytest.approx((6 - 4 * 1.2) / 10)
    assert run.n == 10
    assert run.note == "cut as a mean only: 0.120 uncut, 4 works under 0"
    assert run.interval is not None and run.interval.low == 0 < run.interval.high < 1
    assert points(MIXED, Rubric(POINTS)).value == pytest.approx(0.6)


def test_a_mean_under_0_is_told_as_0_with_what_it_was() -> None:
    rows = [row for i in range(8) for row in work(i, "not_met" if i else "met", "met")]
    found = points(rows, Rubric(POINTS, clip="run_mean"))
    assert found.value == 0
    assert "-1.075 uncut, 8 works under 0" in found.note


def test_a_work_with_an_open_criterion_is_none() -> None:
    rows = [*MIXED, *work(20, "met", ""), *work(21, "", "not_met")]
    assert points(rows, Rubric(POINTS, clip="run_mean")).n == 10


def test_a_failed_gate_caps_each_work_before_the_mean() -> None:
    capped = Rubric({"good": 5.0, "scope": 5.0}, {"scope": 0.3})
    rows = [
        judged.plain(word, i, protocol="rubric", about=about)
        for i in range(4)
        for about, word in (("good", "met"), ("scope", "met" if i < 2 else "not_met"))
    ]
    assert points(rows, capped).value == pytest.approx((1 + 1 + 0.3 + 0.3) / 4)


def test_each_system_has_its_own() -> None:
    rows = [*MIXED, *(row for i in range(10) for row in work(i, "met", "not_met", "other"))]
    assert points(rows, Rubric(POINTS), "other").value == 1
    assert points(rows, Rubric(POINTS), "other").interval is None, "equal scores are no width of 0"
    assert points(rows, Rubric(POINTS)).value == pytest.approx(0.6)


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    """300 runs of 40 works, scores 1, 0 or -1.2: the uncut mean 0.14 lies within in 93 to 97 of 100 (4 sigma)."""
    hit = 0
    for seed in range(300):
        rng = random.Random(seed)
        rows = []
        for i in range(40):
            u = rng.random()
            rows += work(
                i, *(("met", "not_met") if u < 0.5 else ("not_met", "met") if u < 0.8 else ("not_met", "not_met"))
            )
        interval = points(rows, Rubric(POINTS, clip="run_mean")).interval
        hit += interval is not None and interval.low <= 0.14 <= interval.high
    assert abs(hit / 300 - 0.95) < 4 * (0.95 * 0.05 / 300) ** 0.5
