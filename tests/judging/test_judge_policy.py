"""`judge_gate:` of a suite: wrong words are told with their place, and its thresholds reach the run's report."""

from __future__ import annotations

from typing import Any

import pytest
from judge_lab import JudgeLab, planted

from harness.engine.prepare import preflight
from harness.errors import ConfigError
from harness.prices import PriceBook
from harness.report.build import build_report

GRADER = {"use": "judge_pairwise", "judge": planted("first"), "opponent": {"field": "reference"}}
TASK = {"reference": "Within 14 days."}


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"swap_consistency_mn": 0.5}, "swap_consistency_min"),
        ({"swap_consistency_min": 2}, "less than or equal to 1"),
        ({"min_pairs": 0}, "greater than or equal to 2"),
        ({"position_effect_equiv": 0}, "greater than 0"),
        ({"null_answer_wins_max": -1}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_threshold_is_refused_at_its_place(lab: JudgeLab, said: dict[str, float], word: str) -> None:
    with pytest.raises(ConfigError) as e:
        lab.suite(GRADER, {"work": "Thirty days."}, task=TASK, judge_gate=said)
    told = e.value.render()
    assert "tasks/lab/suite.yaml:" in told
    assert word in told


def test_the_suites_thresholds_are_those_of_the_runs_report(lab: JudgeLab) -> None:
    """An always-first judge on 60 pairs: invalid by the defaults, and with both thresholds off nobody knows."""
    lab.run(lab.suite(GRADER, {"work": "Thirty days."}, task=TASK, tasks=60))
    assert build_report(lab.folder).exit_code == 3
    off = {"swap_consistency_min": None, "position_effect_equiv": None}
    lab.run(lab.suite(GRADER, {"work": "Thirty days."}, task=TASK, tasks=60, judge_gate=off))
    report = build_report(lab.folder)
    assert report.judges is not None
    assert (report.exit_code, report.judges.validity) == (0, "inconclusive")
    assert "a judge which always says the same would fail" in " ".join(report.judges.warnings)


def test_a_judge_that_only_ever_picks_the_first_slot_is_no_valid_select_judge(lab: JudgeLab) -> None:
    """It picks each of two candidates once, is never without a verdict, and is perfectly repeatable."""
    grader = {"use": "judge_select", "judge": planted("first"), "against": [{"field": "reference"}], "repeats": 2}
    lab.run(lab.suite(grader, {"work": "Thirty days."}, task=TASK, tasks=60))
    report = build_report(lab.folder)
    assert report.judges is not None
    (s,) = report.judges.sheets
    found = {n: f.value for n in ("rotation_consistency", "position_effect", "repetition_stability")
             if (f := s.figure(n)) is not None}  # fmt: skip
    assert found == {"rotation_consistency": 0, "position_effect": 1, "repetition_stability": 1}
    states = {c.name: c.state for c in s.checks}
    assert states["swap_consistency_min"] == states["position_effect_equiv"] == "failed"
    assert (report.exit_code, s.validity) == (3, "invalid")


@pytest.mark.parametrize(
    ("gate", "grader", "told"),
    [
        ({"repetition_stability_min": 0.9}, {"repeats": 1}, "asks each question once"),
        ({"swap_consistency_min": 0.8}, {"orders": "random_single"}, "shows each pair in one order"),
        ({"repetition_stability_min": None}, {"repeats": 1}, ""),
        ({"swap_consistency_min": None}, {"orders": "random_single"}, ""),
        ({"repetition_stability_min": 0.9}, {"repeats": 1, "controls": {"audit_items": 5}}, ""),
    ],
)
def test_a_gate_that_cannot_be_met_is_refused_before_the_run(
    lab: JudgeLab, gate: dict[str, Any], grader: dict[str, Any], told: str
) -> None:
    suite = lab.suite({**GRADER, **grader}, {"work": "Thirty days."}, task=TASK, judge_gate=gate)
    if not told:
        preflight(suite, suite.systems, suite.tasks, PriceBook.load(None), allow_unpriced=True)
        return
    with pytest.raises(ConfigError) as e:
        preflight(suite, suite.systems, suite.tasks, PriceBook.load(None), allow_unpriced=True)
    assert told in e.value.render()
