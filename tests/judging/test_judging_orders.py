"""`orders: audit`: one drawn order for most pairs, both for a share; and controls that plant a whole corpus."""

from __future__ import annotations

import math

import pytest
from judge_lab import JudgeLab, planted
from test_judging_measured import measured, sheet

from harness.report.build import build_report
from harness.toolkit.judging.attacks import NULL_ANSWERS, SHELLS, attacks

RIGHT, WRONG = "It takes 14 days.", "It takes 30 days."


def orders_of(lab: JudgeLab) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for j in lab.judgements("score"):
        found.setdefault(j.task, set()).add(j.order)
    return found


def value(report: object, name: str) -> float:
    found = sheet(report).figure(name)  # type: ignore[arg-type]  # a JudgeReport
    assert found is not None
    assert found.value is not None
    return found.value


def test_a_drawn_share_is_shown_in_both_orders_and_measures_the_judge(lab: JudgeLab) -> None:
    """Share .5 of 200: the number is binomial. Always-first: PE 1 and PC 0 on that half; the mean stays at a half."""
    report = measured(lab, "first", n=200, grader={"orders": "audit", "audit_share": 0.5})
    shown = orders_of(lab)
    both = sum(len(orders) == 2 for orders in shown.values())
    assert abs(both - 100) < 4 * math.sqrt(200 * 0.25)
    assert len(lab.judgements("score")) == 200 + both
    assert (value(report, "swap_consistency"), value(report, "position_effect")) == (0, 1)
    assert sheet(report).figure("swap_consistency").n == both  # type: ignore[union-attr]
    assert sheet(report).validity == "invalid"
    rate = sheet(report).figure("win_rate")
    assert rate is not None
    assert rate.value is not None
    assert rate.n == 200
    assert f"{both} in both orders, {200 - both} in one" in rate.note
    assert abs(rate.value - 0.5) < 4 * 0.5 / math.sqrt(200 - both)
    assert rate.interval is not None
    assert "incomplete" not in (sheet(report).figure("swap_consistency").note or "")  # type: ignore[union-attr]


def test_the_mean_over_drawn_orders_equals_the_mean_over_both_where_order_says_nothing(lab: JudgeLab) -> None:
    whole = value(measured(lab, "oracle", n=60), "win_rate")
    assert value(measured(lab, "oracle", n=60, grader={"orders": "audit", "audit_share": 0.2}), "win_rate") == whole
    assert value(measured(lab, "oracle", n=60, grader={"orders": "random_single"}), "win_rate") == whole == 0.5


def test_the_same_seed_draws_the_same_pairs(lab: JudgeLab) -> None:
    own = {"orders": "audit"}
    measured(lab, "oracle", n=40, grader=own)
    one = orders_of(lab)
    measured(lab, "oracle", n=40, grader=own)
    assert orders_of(lab) == one
    measured(lab, "oracle", n=40, grader=own, seed=4)
    assert orders_of(lab) != one


def test_sentinels_and_controls_are_shown_in_both_orders(lab: JudgeLab) -> None:
    rows = [{"id": f"r{i}", "question": "q", "answer": RIGHT, "opponent": WRONG, "expect": "win"} for i in range(4)]
    grader = {
        "use": "judge_pairwise", "opponent": {"field": "expert"}, "judge": planted("honest"), "orders": "audit",
        "audit_share": 0.01, "sentinels": lab.write("graders/s.jsonl", rows), "controls": {"padded": 3},
    }  # fmt: skip
    lab.run(lab.suite(grader, {"a": WRONG}, task={"meta": {"expert": RIGHT}}, tasks=3))
    assert len(lab.judgements("sentinel")) == 8
    assert len(lab.judgements("control:padded")) == 6
    assert len(lab.judgements("score")) == 3


def test_a_drawn_share_may_stand_before_a_swap_gate_and_one_order_may_not(lab: JudgeLab) -> None:
    gate = {"judge_gate": {"swap_consistency_min": 0.75}}
    report = measured(lab, "oracle", n=8, grader={"orders": "audit"}, **gate)
    assert sheet(report).validity == "inconclusive"
    from harness.errors import ConfigError

    with pytest.raises(ConfigError, match="shows each pair in one order"):
        measured(lab, "oracle", n=8, grader={"orders": "random_single"}, **gate)


def test_items_of_the_run_are_audited_at_its_end(lab: JudgeLab) -> None:
    """One order is scored; five works are asked again in both orders twice, and show the bias. The score stays."""
    report = measured(lab, "first", n=12, grader={"orders": "random_single", "controls": {"audit_items": 5}})
    assert len(lab.judgements("audit")) == 5 * 2 * 2
    assert value(report, "position_effect") == 1
    assert value(report, "repetition_stability") == 1
    assert sheet(report).figure("win_rate").n == 12  # type: ignore[union-attr]


def test_all_plants_the_whole_corpus_into_few_works(lab: JudgeLab) -> None:
    controls = {"null_answers": "all", "injection": "all"}
    grader = {
        "use": "judge_pairwise", "opponent": {"field": "expert"}, "judge": planted("gullible"), "controls": controls,
        "injection": "record",
    }  # fmt: skip
    lab.run(lab.suite(grader, {"a": WRONG}, task={"meta": {"expert": RIGHT}}, tasks=2))
    assert len(attacks()) >= 40
    assert len({j.case for j in lab.judgements("control:injection")}) == len(attacks())
    assert len({j.case for j in lab.judgements("control:null_answers")}) == SHELLS == len(NULL_ANSWERS) + 2
    judges = build_report(lab.folder).judges
    assert judges is not None
    moved = sheet(judges).figure("injection_effective")
    assert moved is not None
    said = {j.case for j in lab.judgements("control:injection") if j.outcome == "win"}
    assert (moved.n, moved.value) == (len(attacks()), len(said) / len(attacks())), "each one counts for itself"
    assert len(said) > 40


def test_the_right_answer_to_another_question_must_lose(lab: JudgeLab) -> None:
    """Gold of another item (judge.md 5.3 i): a judge that looks for any good answer is caught."""
    grader = {"use": "judge_reference", "judge": planted("foreign"), "controls": {"null_answers": "all"}}
    suite = lab.suite(grader, {"a": "It is oak, so 14 days."}, task={"reference": "14 days"}, tasks=2)
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    path.write_text(path.read_text().replace("reference: 14 days", "reference: oak", 1))
    from harness.config.load import load_suite

    del suite
    lab.run(load_suite(lab.workspace, "lab"))
    won = [j for j in lab.judgements("control:null_answers") if j.outcome == "correct"]
    assert len(won) == 1
