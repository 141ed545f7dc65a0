"""`run --dry-run`: what a run would refuse is refused, and what its judges will be asked is counted and priced."""

from __future__ import annotations

import json
from typing import Any

import pytest
from judge_lab import JudgeLab, planted
from test_judging_money import META, WRONG, priced

from harness.cli.main import main

CRITERIA = [{"id": n, "text": f"Says {n}", "points": 1} for n in "abc"]


def dry(lab: JudgeLab, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    code = main(["run", "--suite", "lab", "--dry-run", "--workspace", str(lab.workspace), *more])
    told = capsys.readouterr()
    return code, told.out, told.err


def plan_of(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, out, err = dry(lab, capsys, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_judge_that_is_the_subject_is_refused_by_the_plan_too(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = "openai/gpt-5.4-2026-03-05"
    systems = [{"name": "kin", "harness": "single_turn", "model": model}]
    suite: dict[str, Any] = {"use": "judge_reference", "judge": {"model": model}}
    lab.suite(suite, {}, systems=systems, task={"reference": "14"})
    code, out, err = dry(lab, capsys)
    assert (code, out) == (2, "")
    assert "it would judge its own work" in err
    lab.suite(
        {**suite, "judge": {"model": "openai/gpt-5.4-mini-2026-03-05"}}, {}, systems=systems, task={"reference": "1"}
    )
    code, out, err = dry(lab, capsys)
    assert code == 0
    assert "warning: a run would be refused here: OPENAI_API_KEY is not set" in err, "a key is no fault of the plan"
    code, out, err = dry(lab, capsys, "--strict")
    assert (code, out) == (2, "")
    assert "is of the family of system 'kin'" in err


def test_other_refusals_of_a_run_are_the_plans_too(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    grader = {"use": "judge_pairwise", "judge": planted("honest"), "opponent": {"system": "nobody"}}
    lab.suite(grader, {"a": "x"})
    code, _, err = dry(lab, capsys)
    assert code == 2 and "'nobody', which the suite does not have" in err
    once = {**grader, "opponent": {"field": "e"}, "orders": "random_single"}
    lab.suite(once, {"a": "x"}, task={"meta": {"e": "y"}}, judge_gate={"swap_consistency_min": 0.8})
    code, _, err = dry(lab, capsys)
    assert code == 2 and "shows each pair in one order" in err
    labels = lab.workspace / "graders" / "labels"
    labels.mkdir()
    (labels / "bad.jsonl").write_text("{}\n")
    lab.suite({**grader, "opponent": {"field": "e"}}, {"a": "x"}, task={"meta": {"e": "y"}})
    code, _, err = dry(lab, capsys)
    assert code == 2 and "graders/labels/bad.jsonl:1" in err


@pytest.mark.parametrize(
    ("change", "a_work"),
    [
        ({}, 2),
        ({"repeats": 3}, 6),
        ({"orders": "random_single"}, 1),
        ({"use": "judge_rubric", "criteria": CRITERIA, "repeats": 2}, 6),
        ({"use": "judge_rubric", "criteria": CRITERIA, "repeats": 2, "call": "batched"}, 2),
        ({"use": "judge_select", "against": [{"field": "expert"}, {"field": "expert"}]}, 3),
    ],
)
def test_the_plan_counts_every_order_repeat_and_criterion(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str], change: dict[str, Any], a_work: int
) -> None:
    """A twelfth as many calls were planned for a rubric of six criteria in two repeats as were made."""
    base = {k: v for k, v in priced(lab).items() if k not in ("sentinels", "controls")}
    grader = {**base, **change}
    if "use" in change:
        grader.pop("opponent")
    lab.suite(grader, {"a": WRONG}, task=META, tasks=2)
    (planned,) = plan_of(lab, capsys)["estimates"]
    works = 1 if grader["use"] == "judge_rubric" else 3 if grader["use"] == "judge_select" else 2
    lab.suite({**base, "orders": "random_single"}, {"a": WRONG}, task=META, tasks=2)
    (one,) = plan_of(lab, capsys)["estimates"]
    # Of a call the 1,000 tokens of output cost 8 times as much as one of input: gpt-5.4's list price is 2.5 and 15.
    each = (500 + 7 + works * 1_000) * 2.5 + 1_000 * 15
    single = (500 + 7 + 2 * 1_000) * 2.5 + 1_000 * 15
    assert planned["usd"] / one["usd"] == pytest.approx(a_work * each / single, rel=0.01)


def test_sentinels_and_controls_are_planned_as_they_are_then_asked(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    controls = {"null_answers": 2, "padded": 9, "identical": 1, "audit_items": 2}
    grader = {**priced(lab), "repeats": 2, "controls": controls}
    suite = lab.suite(grader, {"a": WRONG}, task=META, tasks=3)
    planned = {c["what"]: c for c in plan_of(lab, capsys)["judge_checks"]}
    assert {what: (c["works"], c["calls"]) for what, c in planned.items()} == {
        "sentinels": (4, 16), "controls": (8, 2 * 4 + 3 * 4 + 4 + 2 * 4),
    }  # fmt: skip
    lab.run(suite)
    roles = [j.role for j in lab.judgements()]
    assert planned["sentinels"]["calls"] == roles.count("sentinel")
    assert planned["controls"]["calls"] == sum(r.startswith("control:") or r == "audit" for r in roles)
    code, out, _ = dry(lab, capsys)
    assert code == 0
    assert f"sentinels of {planned['controls']['grader']}: 4 works, 16 judge calls  about $" in out


def test_works_with_a_planted_order_are_planned_with_their_second_hearing(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    grader = {**priced(lab), "controls": {"injection": 3}}
    suite = lab.suite(grader, {"a": WRONG}, task=META, tasks=3)
    (planned,) = [c for c in plan_of(lab, capsys)["judge_checks"] if c["what"] == "controls"]
    lab.run(suite)
    asked = [j.role for j in lab.judgements() if j.role.startswith("control:")]
    assert (planned["works"], planned["calls"]) == (3, len(asked)) and "control:injection:cleaned" in asked


def test_costs_under_other_graders_are_no_estimate(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.run(lab.suite(priced(lab), {"a": WRONG}, task=META))
    assert plan_of(lab, capsys)["estimates"][0]["basis"] == "past runs"
    lab.suite({**priced(lab), "repeats": 9}, {"a": WRONG}, task=META)
    assert plan_of(lab, capsys)["estimates"][0]["basis"] == "prompt length"


@pytest.mark.parametrize(("model", "pinned"), [("openai/gpt-5.4", False), ("openai/gpt-5.4-2026-03-05", True)])
def test_a_judge_without_a_snapshot_is_warned_of_and_refused_by_strict(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str], model: str, pinned: bool
) -> None:
    lab.suite({"use": "judge_reference", "judge": {"model": model}}, {"a": "x"}, task={"reference": "14"})
    code, _, err = dry(lab, capsys)
    assert code == 0
    assert ("names no snapshot" in err) is not pinned
    code, _, err = dry(lab, capsys, "--strict")
    assert code == (0 if pinned else 2), err
    assert ("tasks/lab/suite.yaml:" in err and "names no snapshot: the provider may change it" in err) is not pinned
