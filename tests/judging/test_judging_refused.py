"""What a user says wrong about judges: each is refused before anybody is asked, at its place, with what would help."""

from __future__ import annotations

from typing import Any

import pytest
from judge_lab import JudgeLab, planted

from harness.cli.main import main
from harness.errors import ConfigError

PAIR: dict[str, Any] = {"use": "judge_pairwise", "judge": planted("honest"), "opponent": {"field": "expert"}}
REFERENCE: dict[str, Any] = {"use": "judge_reference", "judge": planted("honest")}
META = {"meta": {"expert": "Within 14 days."}, "reference": "14 days"}


def refused(lab: JudgeLab, grader: dict[str, Any], **more: Any) -> str:
    """The whole message."""
    with pytest.raises(ConfigError) as e:
        lab.suite(grader, {"a": "Within 14 days."}, **{"task": META, **more})
    return e.value.render()


def test_every_faulty_line_of_a_file_of_sentinels_is_named(lab: JudgeLab) -> None:
    (lab.workspace / "graders" / "s.jsonl").write_text(
        '{"id": "a", "question": "q", "expect": "correct"}\n'
        "{oops\n"
        '{"id": "b", "question": "q", "expct": "correct"}\n'
        '["id"]\n'
    )
    told = refused(lab, {**REFERENCE, "sentinels": "graders/s.jsonl"})
    for line in ("2:1: not JSON", "3:1: expect: Field required", "3:1: expct: Extra inputs", "4:1: a row must be an"):
        assert f"graders/s.jsonl:{line}" in told
    assert "help: keys: id, question, answer, expect" in told


def test_a_sentinel_that_is_there_twice_is_named_with_both_lines(lab: JudgeLab) -> None:
    row = {"id": "a", "question": "q", "expect": "correct"}
    lab.write("graders/s.jsonl", [row, {**row, "id": "b"}, row])
    told = refused(lab, {**REFERENCE, "sentinels": "graders/s.jsonl"})
    assert "graders/s.jsonl:3:1: the id 'a' is there twice" in told
    assert "the first is in line 1" in told


@pytest.mark.parametrize("grader", [{**REFERENCE, "sentinels": "no.jsonl"}, {**PAIR, "opponent": {"file": "no.jsonl"}}])
def test_a_file_that_is_missing_is_said_with_what_would_help(lab: JudgeLab, grader: dict[str, Any]) -> None:
    told = refused(lab, grader)
    assert "error: no such file: no.jsonl" in told
    assert "help: paths are relative to the workspace" in told


def test_a_file_of_answers_is_refused_for_every_faulty_line(lab: JudgeLab) -> None:
    rows = [{"id": "t1", "answer": "x"}, {"id": "t2"}, {"id": "t1", "answer": "y"}]
    lab.write("answers/expert.jsonl", rows)
    told = refused(lab, {**PAIR, "opponent": {"file": "answers/expert.jsonl"}})
    assert "answers/expert.jsonl:2:1: a row is {id: TASK, answer: TEXT}" in told
    assert "answers/expert.jsonl:3:1: the answer to 't1' is there twice" in told
    assert "the first is in line 1: keep one" in told


def test_an_empty_file_of_answers_is_refused(lab: JudgeLab) -> None:
    lab.write("answers/none.jsonl", [])
    told = refused(lab, {**PAIR, "opponent": {"file": "answers/none.jsonl"}})
    assert "error: answers/none.jsonl has no answer" in told
    assert "help: one JSON object a line: id (the task) and answer" in told


def test_a_file_outside_the_workspace_is_no_fault_of_ours(lab: JudgeLab) -> None:
    """It said `JudgePairwise.check failed: ValueError: not in the subpath`."""
    outside = lab.workspace.parent / "elsewhere.jsonl"
    outside.write_text("no json\n")
    told = refused(lab, {**PAIR, "opponent": {"file": str(outside)}})
    assert f"{outside}:1:1: not JSON" in told and "check failed" not in told


@pytest.mark.parametrize(
    ("grader", "what"),
    [
        ({**PAIR, "opponent": {"field": "exprt"}}, "it has no `exprt` to compare with; its `meta` has expert"),
        (
            {"use": "judge_select", "judge": planted("honest"), "against": [{"field": "expert"}, {"field": "two"}]},
            "it has no `two` to compare with; its `meta` has expert",
        ),
        (
            {"use": "judge_claims", "judge": planted("honest"), "sources": "notes"},
            "it has no sources in `notes`; its `meta` has expert",
        ),
        ({"use": "judge_claims", "judge": planted("honest")}, "it has no text file, and `sources` is files"),
        (
            {"use": "judge_steps", "judge": planted("clean"), "steps": "lines", "gold": "error"},
            "`gold` names `error`, which it lacks; its `meta` has expert",
        ),
        (
            {"use": "judge_steps", "judge": planted("clean"), "steps": "lines", "gold": "expert"},
            "its `expert` is 'Within 14 days.': the number of a step from 0, or clean",
        ),
        (
            {"use": "all_of", "graders": [REFERENCE, {**PAIR, "opponent": {"field": "exprt"}}]},
            "part 2: it has no `exprt` to compare with",
        ),
    ],
    ids=["opponent", "one of several", "sources", "no file", "no gold", "gold is no step", "inside another grader"],
)
def test_a_field_that_the_task_lacks_is_said_before_a_system_is_asked(
    lab: JudgeLab, grader: dict[str, Any], what: str
) -> None:
    told = refused(lab, grader)
    assert f"cannot judge this task: {what}" in told
    assert "--> tasks/lab/suite.yaml:" in told


@pytest.mark.parametrize(
    "grader",
    [
        {**REFERENCE, "escalate": {"to": [{**planted("tie"), "name": "second"}]}},
        {**PAIR, "orders": "random_single", "escalate": {"person": True, "when": ["panel_disagrees"]}},
    ],
    ids=["one judge of the reference", "one judge, one order"],
)
def test_an_escalation_that_can_never_come_is_refused(lab: JudgeLab, grader: dict[str, Any]) -> None:
    told = refused(lab, grader)
    assert "nothing is ever handed on" in told
    assert "help: when: [ungraded], or name a panel, or say repeats: 2" in told


def test_an_escalation_of_repeats_that_disagree_is_taken(lab: JudgeLab) -> None:
    escalate = {"to": [{**planted("honest"), "name": "second"}]}
    lab.suite({**REFERENCE, "repeats": 2, "escalate": escalate}, {"a": "x"}, task=META)


@pytest.mark.parametrize("share", [-0.5, 1.5])
def test_a_tolerance_of_numbers_is_a_share(lab: JudgeLab, share: float) -> None:
    assert "is out of range" in refused(lab, {**REFERENCE, "numbers": share})


@pytest.mark.parametrize("kind", ["identical", "near_identical"])
def test_controls_of_pairs_are_refused_where_no_pair_is_judged(lab: JudgeLab, kind: str) -> None:
    told = refused(lab, {**REFERENCE, "controls": {kind: 3}})
    assert f"`{kind}` controls are pairs, and this grader judges none" in told


def test_calibrate_tells_every_fault_of_every_file_at_once(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.run(lab.suite({**REFERENCE, "name": "gold"}, {"a": "Within 14 days."}, task=META, tasks=2))
    label = {"grader": "gold", "task": "t1", "system": "a", "epoch": 1, "labeler": "ann", "label": "correct"}
    one = lab.workspace / lab.write("one.jsonl", [{"grader": "gold"}, label, label, {**label, "task": "t9"}])
    two = lab.workspace / lab.write("two.jsonl", [{**label, "labeler": "kim", "label": "fine"}])
    with two.open("a") as file:
        file.write("{oops\n")
    gone = lab.workspace / "gone.jsonl"
    words = ["judge", "calibrate", "--workspace", str(lab.workspace)]
    assert main([*words, *(w for path in (one, two, gone) for w in ("--labels", str(path)))]) == 2
    told = capsys.readouterr().err
    for what in (
        "not a label: Object missing required field `task`\n  --> one.jsonl:1:1",
        "'ann' labelled 't1' twice\n  --> one.jsonl:3:1",
        "'gold' judged no task 't9' in this run\n  --> one.jsonl:4:1",
        "'gold' has no verdict 'fine'\n  --> two.jsonl:1:1",
        "not a label: JSON is malformed",
        "cannot read 'gone.jsonl'",
        "6 errors",
    ):
        assert what in told, told


def test_labels_of_a_misspelt_grader_are_not_left_out_in_silence(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.run(lab.suite({**REFERENCE, "name": "gold"}, {"a": "Within 14 days."}, task=META))
    label = {"grader": "gold", "task": "t1", "system": "a", "epoch": 1, "labeler": "ann", "label": "correct"}
    path = lab.write("l.jsonl", [label, {**label, "grader": "golt"}])
    main(["judge", "calibrate", "--workspace", str(lab.workspace), "--labels", str(lab.workspace / path)])
    told = capsys.readouterr().err
    assert "left out: 1 label for 'golt', which judged nothing in this run: did you mean 'gold'?" in told
