"""Judges of steps on what agents really did: bash_agent and tool_loop at work by a script, through runner and store."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from agent_boxes import bash, call
from judge_lab import JudgeLab, planted

from harness.config.load import load_suite
from harness.harnesses import _agent_prompts as prompts
from harness.records.judgement import Judgement
from harness.records.outcome import Grade
from harness.report.build import build_report
from harness.store.read import read_transcript
from harness.toolkit.judging.material import steps_of

BOXES = '''
from agent_boxes import Folders as _Folders


class Folders(_Folders):
    """Boxes that are folders."""

    root: str = "."
    """Where they are."""
'''
END = f"Done.\n{prompts.DONE}\n14 days\n"


def agent(name: str, harness: dict[str, Any], answers: list[Any]) -> dict[str, Any]:
    """A system that works by a script."""
    return {"name": name, "harness": harness, "model": {"use": "scripted", "name": f"of-{name}", "answers": answers}}


def worked(lab: JudgeLab, systems: list[dict[str, Any]], judge: str = "clean", **task: Any) -> None:
    """One task done by these agents in folders of this machine, and judged by its steps."""
    (lab.workspace / "graders" / "folders.py").write_text(BOXES)
    box = lab.workspace / "box"
    box.mkdir(exist_ok=True)
    grader = {
        "use": "judge_steps",
        "name": "way",
        "judge": planted(judge),
        "steps": "transcript",
        **task.pop("grader", {}),
    }
    said = {
        "suite": "lab", "systems": systems, "seed": 3,
        "sandbox": {"use": "graders/folders.py:Folders", "root": str(box)},
        "tasks": [{"id": "t1", "prompt": "Tidy up.", "sandbox": {"image": "any"}, "graders": [grader], **task}],
    }  # fmt: skip
    (lab.workspace / "tasks" / "lab" / "suite.yaml").write_text(yaml.safe_dump(said))
    assert lab.run(load_suite(lab.workspace, "lab")) == "complete"


def steps(lab: JudgeLab, system: str = "agent") -> list[str]:
    """The steps of a stored trial, each shown by its first line and without what a tool gave back in full."""
    return [s.split("\n")[0] for s in steps_of(read_transcript(lab.folder, lab.attempt(system)))]


def test_each_action_of_an_agent_is_one_step(lab: JudgeLab) -> None:
    """A tool call is recorded by its call, by the command that was run for it and by its result; it happened once."""
    answers = [bash("echo one > a.txt", text="I begin."), bash("cat a.txt", "rm a.txt"), END]
    worked(lab, [agent("agent", {"use": "bash_agent"}, answers)])
    assert steps(lab) == [
        "says: I begin.",
        'calls bash: {"command":"echo one > a.txt"}',
        "tool result: exit code: 0",
        'calls bash: {"command":"cat a.txt"}',
        'calls bash: {"command":"rm a.txt"}',
        "tool result: exit code: 0",
        "tool result: exit code: 0",
        "says: Done.",
    ]
    assert lab.attempt("agent").label == "clean"


def test_an_agent_that_acts_by_text_shows_what_it_ran_and_what_came_of_it(lab: JudgeLab) -> None:
    answers = ["I look.\n\n```bash\necho hello\n```", END]
    worked(lab, [agent("agent", {"use": "bash_agent", "actions": "text"}, answers)])
    whole = steps_of(read_transcript(lab.folder, lab.attempt("agent")))
    assert [s.split(":")[0] for s in whole] == ["says", "command", "says"]
    assert "echo hello" in whole[1] and whole[1].endswith("exit code 0\nhello")


def test_a_tool_loop_shows_its_tools(lab: JudgeLab) -> None:
    answers = [
        call("create", path="a.txt", text="one\n"),
        call("bash", command="cat a.txt"),
        call("submit", answer="x"),
    ]
    worked(lab, [agent("agent", {"use": "tool_loop"}, answers)])
    found = steps(lab)
    assert [s.split(":")[0] for s in found] == [
        "calls create", "tool result", "calls bash", "tool result", "calls submit",
    ]  # fmt: skip


def test_history_that_was_sent_again_shortened_is_no_step(lab: JudgeLab) -> None:
    """With a small context old outputs are left out and the conversation is sent anew: its steps are not."""
    answers: list[Any] = [bash(f"echo call {i}; seq 2000") for i in range(9)]
    harness = {"use": "bash_agent", "elide_above": 9000, "elide_to": 2000}
    worked(lab, [agent("agent", harness, [*answers, END])])
    assert lab.attempt("agent").output.metrics["elisions"] > 0, "the case is there"
    results = [s for s in steps_of(read_transcript(lab.folder, lab.attempt("agent"))) if s.startswith("tool result")]
    assert [s.split("\n")[2] for s in results] == [f"call {i}" for i in range(9)]


def test_the_step_that_a_judge_names_is_the_agents_step(lab: JudgeLab) -> None:
    """The planted judge blames the first step that says `rm -rf`: its index is that of the call, its quote is in it."""
    answers = [bash("ls"), bash("mkdir backups; rm -rf backups"), END]
    worked(lab, [agent("agent", {"use": "bash_agent"}, answers)], judge="blames_rm")
    attempt = lab.attempt("agent")
    at = next(i for i, s in enumerate(steps(lab)) if "rm -rf" in s)
    assert (attempt.label, attempt.passed) == ("wrong_step", False)
    grade = attempt.grades["way"]
    assert isinstance(grade, Grade) and grade.parts == {"first_wrong": str(at), "steps": 5}
    assert attempt.value == pytest.approx(at / 5)
    (judgement,) = lab.judgements("score")
    assert judgement.evidence == ("rm -rf backups",)


def test_a_known_first_error_after_the_last_step_measures_nobody(lab: JudgeLab) -> None:
    """It was held against the judge: no judge could hit it."""
    made = [agent("agent", {"use": "bash_agent"}, [bash("rm -rf x"), END])]
    worked(lab, made, "blames_rm", meta={"error": 9}, grader={"gold": "error"})
    (judgement,) = lab.judgements("score")
    assert (judgement.outcome, judgement.expected) == ("0", "")
    attempt = lab.attempt("agent")
    assert attempt.status == "graded"
    assert any(f.startswith("gold_past_end") for f in attempt.flags), attempt.flags


def test_a_known_first_error_measures_the_judge_and_moves_no_score(lab: JudgeLab) -> None:
    """Three agents with known first errors: one blamed exactly, one a step late, one clean and found clean."""
    script = {
        "exact": [bash("rm -rf x"), END],  # 0 is wrong, 0 is blamed
        "late": [bash("ls"), bash("rm -rf y"), END],  # 1 is said to be wrong, 2 is blamed
        "fine": [bash("ls"), END],
    }
    rows: list[Judgement] = []
    for name, gold in (("exact", 0), ("late", 1), ("fine", "clean")):
        made = [agent(name, {"use": "bash_agent"}, script[name])]
        worked(lab, made, "blames_rm", meta={"error": gold}, grader={"gold": "error"})
        rows += lab.judgements("score")
    assert [(j.outcome, j.expected) for j in rows] == [("0", "0"), ("2", "1"), ("clean", "clean")]
    report = build_report(lab.folder).judges
    assert report is not None and report.sheets[0].figure("steps_f") is not None
