"""`harness judge audit --suite S --judge J`: stored work of all runs, judged apart; no run is changed by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from judge_lab import JudgeLab
from test_judge_cmd import figure, said
from test_judging_measured import measured

from harness.cli.main import main
from harness.engine.audit_suite import AUDITS
from harness.records.judgement import Judgement
from harness.store.judgements import iter_judgements


def biased(rule: str, **more: Any) -> dict[str, Any]:
    """A judge under `judges:`."""
    return {"output": "json", "cache": False, "model": {"use": "graders/biased.py:Biased", "rule": rule, **more}}


def audited(lab: JudgeLab) -> list[Judgement]:
    """What the one audit recorded."""
    (folder,) = (lab.workspace / AUDITS).iterdir()
    return list(iter_judgements(folder))


def state(run: Path) -> dict[str, bytes]:
    """Everything a run folder holds."""
    return {p.name: p.read_bytes() for p in sorted(run.iterdir()) if p.is_file()}


def test_work_of_all_runs_is_judged_apart_and_no_run_changes(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "first", n=30)
    one = lab.folder
    measured(lab, "first", n=60, answers={"work": "It is alpha."})
    two = lab.folder
    before = state(one), state(two)
    code, out, err = said(lab, capsys, "audit", "--suite", "lab", "--quiet", "--json")
    assert code == 3
    assert "90 works of" in err
    assert "from 2 runs; no system was called, and no run is changed" in err
    assert (state(one), state(two)) == before
    assert figure(out, "swap_consistency")["n"] == 90
    assert figure(out, "position_effect")["value"] == 1
    assert figure(out, "repetition_stability")["value"] == 1
    found = audited(lab)
    assert {j.role for j in found} == {"audit"}
    assert len(found) == 90 * 2 * 2
    assert {j.data["of"]["run"] for j in found} == {one.name, two.name}  # type: ignore[index,call-overload]  # as written


def test_the_same_answer_in_two_runs_is_one_work(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=20)
    measured(lab, "oracle", n=20, epochs=2)
    _, out, err = said(lab, capsys, "audit", "--suite", "lab", "--quiet", "--json")
    assert figure(out, "swap_consistency")["n"] == 20
    assert "from 1 run;" in err


def test_only_as_many_works_as_asked_for(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=40)
    _, out, _ = said(lab, capsys, "audit", "--suite", "lab", "--pairs", "15", "--repeats", "1", "--quiet", "--json")
    assert figure(out, "swap_consistency")["n"] == 15
    assert len(audited(lab)) == 30


def test_a_judge_that_no_grader_asks_is_tried_and_invalidates_no_run(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    """`second` is named and used nowhere: it is asked in the place of the grader's own judge, and it is a bad one."""
    measured(lab, "oracle", n=60, judges={"other": biased("second")})
    code, out, _ = said(lab, capsys, "audit", "--suite", "lab", "--judge", "other", "--quiet", "--json")
    assert code == 3
    assert {j.judge for j in audited(lab)} == {"other"}
    assert figure(out, "position_effect")["value"] == -1
    main(["report", lab.folder.name, "--workspace", str(lab.workspace), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert [s["judge"] for s in report["judges"]["sheets"]] == ["biased"]
    assert report["exit_code"] == 0


def test_of_a_panel_only_the_judge_that_is_named_is_asked(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"one": biased("oracle"), "two": biased("first"), "three": biased("oracle")}
    measured(lab, "oracle", n=30, judges=names, grader={"judge": None, "panel": list(names)})
    _, out, _ = said(lab, capsys, "audit", "--suite", "lab", "--judge", "two", "--quiet", "--json")
    assert {j.judge for j in audited(lab)} == {"two"}
    assert figure(out, "position_effect")["value"] == 1
    assert json.loads(out)["panels"] == []


def test_one_run_with_another_judge_is_recorded_apart(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=10, judges={"other": biased("first")})
    run = lab.folder
    measured(lab, "oracle", n=20, judges={"other": biased("first")}, answers={"work": "alpha it is"})
    before = state(run)
    _, out, _ = said(lab, capsys, "audit", run.name, "--judge", "other", "--quiet", "--json")
    assert figure(out, "position_effect")["n"] == 10
    assert state(run) == before


def test_work_on_a_task_that_changed_is_left_out_and_counted(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=10)
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    path.write_text(path.read_text().replace("Case 3: alpha", "Case 3, again: alpha"))
    _, out, err = said(lab, capsys, "audit", "--suite", "lab", "--quiet", "--json")
    assert figure(out, "swap_consistency")["n"] == 9
    assert "(1 works left out: their task has changed)" in err


def test_an_opponent_of_the_run_is_that_of_the_works_own_run(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """`work` is compared with `rival` of its own run: of even cases alpha is the better one."""
    rival = {"grader": {"opponent": {"system": "rival"}}, "n": 8}
    measured(lab, "oracle", answers={"work": "alpha one", "rival": "beta one"}, **rival)
    measured(lab, "oracle", answers={"work": "alpha two", "rival": "beta two"}, **rival)
    said(lab, capsys, "audit", "--suite", "lab", "--quiet", "--json")
    found = audited(lab)
    assert len({(j.data["of"]["run"]) for j in found}) == 2  # type: ignore[index,call-overload]  # as written
    assert {j.outcome for j in found if int(j.task[1:]) % 2 == 0} == {"win"}
    assert {j.outcome for j in found if int(j.task[1:]) % 2 == 1} == {"loss"}
    assert {j.slots for j in found} == {("work", "rival"), ("rival", "work")}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--suite", "lag"), "there is no run of the suite 'lag'"),
        (("--suite", "lab", "--judge", "ohter"), "did you mean 'other'"),
        (("--suite", "lab", "--grader", "nobody"), "is no grader of 'lab' with a judge"),
        (("--suite", "lab", "--judge", "keyed"), "ANTHROPIC_API_KEY is not set"),
    ],
)
def test_what_cannot_be_audited_is_refused_and_leaves_nothing(
    lab: JudgeLab,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    judges = {"other": biased("first"), "keyed": {"model": "anthropic/claude-opus-4-7-20260401"}}
    measured(lab, "oracle", n=2, judges=judges)
    code, _, err = said(lab, capsys, "audit", *words, "--quiet")
    assert code == 2
    assert told in err
    assert not (lab.workspace / AUDITS).exists()


def test_work_that_needs_no_judge_is_no_audit(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=3)
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    path.write_text(path.read_text().replace("expert: The answer is beta.", "expert: The answer is alpha."))
    code, _, err = said(lab, capsys, "audit", "--suite", "lab", "--quiet")
    assert code == 5
    assert "none of the stored work came to a judge" in err
    assert list((lab.workspace / AUDITS).iterdir()) == []
