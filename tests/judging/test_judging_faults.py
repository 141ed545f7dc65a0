"""Faults in the YAML of graders that judge: each at its own line, once; and what panels do with a draw and a quorum."""

from __future__ import annotations

from typing import Any

import pytest
from judge_lab import JudgeLab, planted

from harness.errors import ConfigError

RUBRIC = {"use": "judge_rubric", "judge": planted("honest"), "criteria": []}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("use: judge_rubric\njudge: main\ncriteria:\n- {id: a, text: x, points: 1}\n- {id: a, text: y, points: 2}",
         5, "two criteria are called a"),
        ("use: judge_rubric\njudge: main\ncriteria:\n- {id: a, text: x, points: 0}", 4, "0 points"),
        ("use: judge_rubric\njudge: main\ncriteria:\n- {id: a, text: x, points: -1}", 4, "no criterion has positive"),
        ("use: judge_reference\npanel: [main, other]\npanel_rule:\n  quorum: 5", 4, "a quorum of 5"),
        ("use: judge_reference\npanel: [main, other]\npanel_rule:\n  tie: corect", 4, "did you mean 'correct'?"),
        ("use: judge_reference\njudge: main\nescalate: {}", 3, "neither or both"),
        ("use: judge_reference\njudge: main\nsentinels: gone.jsonl", 3, "no such file: gone.jsonl"),
        ("use: judge_reference\npanel:\n- main\n- main", 4, "two judges are called main"),
        ("use: judge_pairwise\njudge: main\nopponent: {file: gone.jsonl}", 3, "no such file: gone.jsonl"),
        ("use: judge_pairwise\npanel: [main, other]\nopponent: {field: e}\npanel_rule: {tie: ties}",
         4, "did you mean 'tie'? — a draw can mean ungraded, win, tie, loss"),
    ],
)  # fmt: skip
def test_a_fault_is_told_at_its_own_line_and_once(lab: JudgeLab, text: str, line: int, said: str) -> None:
    (lab.workspace / "graders" / "odd.yaml").write_text(text + "\n")
    judges = {n: {"model": {"use": "scripted", "name": n}} for n in ("main", "other")}
    with pytest.raises(ConfigError) as e:
        lab.suite({"use": "odd"}, {"a": "x"}, task={"reference": "y"}, judges=judges)
    told = e.value.render()
    assert f"graders/odd.yaml:{line}:" in told, told
    assert said in told
    assert told.count("error: ") == 1, told


def test_a_list_with_a_wrong_item_is_not_called_empty_as_well(lab: JudgeLab) -> None:
    with pytest.raises(ConfigError) as e:
        lab.suite({**RUBRIC, "criteria": [{"id": "a", "text": "x", "points": "seven"}]}, {"a": "x"})
    told = e.value.render()
    assert "expected a number, found the text 'seven'" in told
    assert "must not be empty" not in told


def test_a_draw_may_be_said_to_mean_nothing(lab: JudgeLab) -> None:
    """`tie: ungraded` is what the specification writes (judge.md 7.1)."""
    panel = [planted("first", name="one"), planted("tie", name="two")]
    own = {"opponent": {"field": "e"}, "panel_rule": {"tie": "ungraded"}}
    grader: dict[str, Any] = {"use": "judge_pairwise", "panel": panel, **own}
    lab.run(
        lab.suite({**grader, "aggregate": "sign", "orders": "random_single"}, {"a": "x"}, task={"meta": {"e": "y"}})
    )
    assert lab.attempt("a").status == "ungradable"


def test_a_panels_quorum_is_not_asked_of_those_it_escalates_to(lab: JudgeLab) -> None:
    """Three must speak of the panel; the two that decide a split panel are no three."""
    panel = [planted(rule, name=f"p-{rule}") for rule in ("honest", "first", "second")]
    to = [planted("honest", name=f"better-{i}") for i in (1, 2)]
    grader = {
        "use": "judge_pairwise", "panel": panel, "panel_rule": {"quorum": 3}, "opponent": {"field": "e"},
        "escalate": {"to": to},
    }  # fmt: skip
    lab.run(lab.suite(grader, {"a": "It takes 14 days."}, task={"meta": {"e": "It takes 30 days."}}))
    found = lab.attempt("a")
    assert (found.status, found.label) == ("graded", "win"), found.trouble
    assert {j.judge for j in lab.judgements()} == {f"p-{r}" for r in ("honest", "first", "second")} | {
        "better-1",
        "better-2",
    }
