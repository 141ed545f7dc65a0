"""`judge_gate:` of a suite: wrong words are told with their place, and its thresholds reach the run's report."""

from __future__ import annotations

import pytest
from judge_lab import JudgeLab, planted

from harness.errors import ConfigError
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
    """An always-first judge on 60 pairs: invalid by the defaults, and not where both thresholds are off."""
    lab.run(lab.suite(GRADER, {"work": "Thirty days."}, task=TASK, tasks=60))
    assert build_report(lab.folder).exit_code == 3
    off = {"swap_consistency_min": None, "position_effect_equiv": None}
    lab.run(lab.suite(GRADER, {"work": "Thirty days."}, task=TASK, tasks=60, judge_gate=off))
    report = build_report(lab.folder)
    assert report.judges is not None
    assert (report.exit_code, report.judges.validity) == (0, "valid")
