"""A file of sentinels that does not fit its grader is refused before a run: no judge could ever say what it expects."""

from __future__ import annotations

from typing import Any

import pytest
from judge_lab import JudgeLab, planted

from harness.errors import ConfigError

PAIR = {"use": "judge_pairwise", "opponent": {"field": "expert"}}
RUBRIC = {"use": "judge_rubric", "criteria": [{"id": "day", "text": "Names the day", "points": 1}]}
STEPS = {"use": "judge_steps", "steps": "lines"}


@pytest.mark.parametrize(
    ("grader", "row", "told"),
    [
        (PAIR, {"expect": "correct", "opponent": "b"}, "expects 'correct', and the verdict is one of win, tie, loss"),
        (PAIR, {"expect": "win"}, "it has no `opponent`"),
        (PAIR, {"expect": {"day": "met"}, "opponent": "b"}, "and it is judged as a whole"),
        (RUBRIC, {"expect": {"sorry": "met"}}, "expects something of 'sorry', and what is judged is day"),
        (RUBRIC, {"expect": {"day": "yes"}}, "expects 'yes' of 'day': one of met, not_met"),
        (RUBRIC, {"expect": {}}, "expects nothing"),
        (RUBRIC, {"expect": "good"}, "expects 'good'"),
        ({"use": "judge_reference"}, {"expect": "correct"}, "it has no `reference`"),
        ({"use": "judge_reference"}, {"expect": "win", "reference": "14"}, "one of correct, incorrect, abstained"),
        (STEPS, {"expect": "2", "answer": "one\ntwo"}, "expects '2', and the verdict is one of clean, 0, 1"),
        ({"use": "judge_claims", "sources": "sources"}, {"expect": {"claim 0": "met"}}, "one of supported"),
        ({"use": "judge_select", "against": [{"field": "x"}]}, {"expect": "selected"}, "it has no `opponent`"),
    ],
)
def test_what_can_never_come_out_is_refused(
    lab: JudgeLab, grader: dict[str, Any], row: dict[str, Any], told: str
) -> None:
    """The grader's place and the sentinel's id are told; nothing is asked of anybody."""
    file = lab.write("graders/s.jsonl", [{"id": "odd", "question": "q", "answer": "a", **row}])
    with pytest.raises(ConfigError) as e:
        lab.suite({**grader, "judge": planted("honest"), "sentinels": file}, {"a": "x"}, task={"reference": "14"})
    said = e.value.render()
    assert told in said
    assert "graders/s.jsonl: sentinel 'odd'" in said
    assert "suite.yaml:" in said


def test_faults_of_every_kind_are_told_in_one_go(lab: JudgeLab) -> None:
    """No JSON, a row that does not fit, an id that is there twice, and words that can never come out."""
    good = {"question": "q", "answer": "a", "expect": "correct", "reference": "14"}
    file = lab.write(
        "graders/s.jsonl", [{"id": "one", **good}, {"id": "one", **good}, {"id": "odd", **good, "expect": "win"}]
    )
    with (lab.workspace / file).open("a") as rows:
        rows.write('{"id": \n{"id": "short", "question": "q"}\n')
    with pytest.raises(ConfigError) as e:
        lab.suite({"use": "judge_reference", "judge": planted("honest"), "sentinels": file}, {"a": "x"},
                  task={"reference": "14"})  # fmt: skip
    said = e.value.render()
    lines = ("s.jsonl:2", "the id 'one' is there twice", "s.jsonl:4", "not JSON", "s.jsonl:5", "expect: Field required")
    for told in (*lines, "sentinel 'odd': expects 'win'"):
        assert told in said, said


def test_one_file_can_serve_definitions_with_the_same_criteria_only(lab: JudgeLab) -> None:
    rows = [{"id": f"s{i}", "question": "q", "answer": "a", "expect": {"day": "met"}} for i in range(9)]
    file = lab.write("graders/s.jsonl", rows)
    lab.suite({**RUBRIC, "judge": planted("honest"), "sentinels": file}, {"a": "x"})
    other = {**RUBRIC, "criteria": [{"id": "date", "text": "Names the date", "points": 1}]}
    with pytest.raises(ConfigError) as e:
        lab.suite({**other, "judge": planted("honest"), "sentinels": file}, {"a": "x"})
    assert "and 4 more" in e.value.render()
