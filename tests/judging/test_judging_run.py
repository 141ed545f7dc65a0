"""Judges through the real engine: orders, opponents, sentinels, controls, budgets, stops, resume, reproducibility."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from judge_lab import JudgeLab, planted

from harness.config.load import load_suite
from harness.errors import ConfigError, RunInvalid
from harness.records.judgement import Judgement
from harness.records.outcome import NotGraded
from harness.report.build import build_report
from harness.toolkit.judging.prompt import fill

RIGHT, WRONG = "Within 14 days, by post.", "Within thirty days, I think."
FIELD: dict[str, Any] = {"use": "judge_pairwise", "name": "pair", "opponent": {"field": "expert"}}
META = {"meta": {"expert": "The goods may be returned within 14 days."}}


# Orders and positions


def test_an_always_first_judge_gives_disagreements_and_no_winner(lab: JudgeLab) -> None:
    lab.run(lab.suite({**FIELD, "judge": planted("first")}, {"a": WRONG}, task=META))
    attempt = lab.attempt("a")
    assert (attempt.value, attempt.label) == (0.5, "disagreement")
    assert [(j.order, j.slot, j.outcome) for j in lab.judgements("score")] == [(0, 0, "win"), (1, 0, "loss")]
    assert [j.slots for j in lab.judgements("score")] == [("a", "expert"), ("expert", "a")]


@pytest.mark.parametrize(("rule", "value"), [("conservative", 0.5), ("average", 0.5), ("sign", 0.5)])
def test_two_orders_make_one_outcome(lab: JudgeLab, rule: str, value: float) -> None:
    lab.run(lab.suite({**FIELD, "judge": planted("second"), "aggregate": rule}, {"a": WRONG}, task=META))
    assert lab.attempt("a").value == value


def test_discarded_pairs_are_not_graded(lab: JudgeLab) -> None:
    lab.run(lab.suite({**FIELD, "judge": planted("first"), "aggregate": "discard"}, {"a": WRONG}, task=META))
    assert lab.attempt("a").status == "ungradable"


def test_letters_are_shuffled_apart_from_places_and_verdicts_are_mapped_back(lab: JudgeLab) -> None:
    lab.run(lab.suite({**FIELD, "judge": planted("honest")}, {"a": WRONG}, task=META, tasks=24))
    judged = lab.judgements("score")
    assert {j.labels for j in judged} == {("A", "B"), ("B", "A")}
    assert {j.outcome for j in judged} == {"loss"}
    assert {j.slots[j.slot] for j in judged if j.slot is not None} == {"expert"}


def test_pairs_that_need_no_judge_are_skipped(lab: JudgeLab) -> None:
    same = META["meta"]["expert"] + " \n"
    lab.run(lab.suite({**FIELD, "judge": planted("first")}, {"same": same, "empty": " ", "a": WRONG}, task=META))
    assert (lab.attempt("same").value, lab.attempt("same").label) == (0.5, "identical")
    assert not lab.attempt("empty").passed
    assert {j.system for j in lab.judgements()} == {"a"}


def test_repeats_are_asked_and_recorded_each(lab: JudgeLab) -> None:
    lab.run(lab.suite({**FIELD, "judge": planted("honest"), "repeats": 3}, {"a": WRONG}, task=META))
    assert [(j.order, j.repeat) for j in lab.judgements()] == [(o, r) for o in (0, 1) for r in range(3)]
    assert len({j.seed for j in lab.judgements()}) == 6


# Opponents in the same run


def test_the_opponents_trial_goes_first_and_its_output_is_what_is_compared(lab: JudgeLab) -> None:
    grader = {**FIELD, "opponent": {"system": "base"}, "judge": planted("honest")}
    suite = lab.suite(grader, {"a": WRONG, "base": RIGHT, "c": RIGHT + " Surely."}, tasks=6, epochs=2, concurrency=1)
    assert lab.run(suite) == "complete"
    assert {(a.system, a.label) for a in lab.attempts()} == {("a", "loss"), ("base", ""), ("c", "tie")}
    assert {j.opponent for j in lab.judgements()} == {"base"}


def test_an_opponent_that_is_not_in_the_run_is_no_win(lab: JudgeLab) -> None:
    grader = {**FIELD, "opponent": {"system": "base"}, "judge": planted("honest")}
    lab.run(lab.suite(grader, {"a": RIGHT, "base": WRONG}), systems=["a"])
    assert lab.attempt("a").trouble is not None and lab.attempt("a").trouble.cause == "no_opponent"


def test_an_opponent_that_failed_is_no_win(lab: JudgeLab) -> None:
    grader = {**FIELD, "opponent": {"system": "base"}, "judge": planted("honest")}
    lab.suite(grader, {"a": RIGHT})
    model = {"use": "scripted", "name": "b", "answer": "x", "error": {"fault": "auth"}}
    said = json.dumps({"name": "base", "harness": "single_turn", "model": model})
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    path.write_text(path.read_text().replace("systems:\n", f"systems:\n- {said}\n"))
    lab.run(load_suite(lab.workspace, "lab"))
    assert lab.attempt("base").status == "infra_error"
    assert lab.attempt("a").trouble is not None and lab.attempt("a").trouble.cause == "no_opponent"


def test_a_resumed_run_finds_the_opponent_in_its_folder(lab: JudgeLab) -> None:
    grader = {**FIELD, "opponent": {"system": "base"}, "judge": planted("honest")}
    suite = lab.suite(grader, {"a": WRONG, "base": RIGHT}, tasks=3)
    lab.run(suite)
    path = lab.folder / "attempts.jsonl"
    kept = [line for line in path.read_bytes().splitlines(keepends=True) if json.loads(line)["system"] == "base"]
    path.write_bytes(b"".join(kept))
    assert lab.run(suite, resume=True) == "complete"
    assert {(a.system, a.label) for a in lab.attempts()} == {("a", "loss"), ("base", "")}
    assert len(lab.judgements("score")) == 6, "those of the lost attempts are made again, once"


def test_a_comparison_with_an_unknown_system_is_refused_before_the_run(lab: JudgeLab) -> None:
    grader = {**FIELD, "opponent": {"system": "nobody"}, "judge": planted("honest")}
    with pytest.raises(ConfigError) as e:
        lab.run(lab.suite(grader, {"a": WRONG}))
    assert "nobody" in e.value.render()


# No verdict is never a score


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        ("nonsense", "judge_unparseable"), ("off_menu", "judge_off_menu"), ("both", "judge_ambiguous"),
        ("refuses", "judge_refused"), ("cannot", "judge_refused"),
    ],
)  # fmt: skip
def test_a_reply_without_a_verdict_is_not_graded_with_its_cause(lab: JudgeLab, rule: str, cause: str) -> None:
    lab.run(lab.suite({**FIELD, "judge": planted(rule)}, {"a": RIGHT}, task=META))
    attempt = lab.attempt("a")
    assert (attempt.status, attempt.passed, attempt.value) == ("ungradable", None, None)
    assert attempt.trouble is not None and attempt.trouble.cause == cause
    assert all(j.outcome == "" and j.slot is None for j in lab.judgements())


def test_retries_are_repairs_then_one_fresh_call_and_each_try_is_kept(lab: JudgeLab) -> None:
    judge = planted("nonsense", retries={"repair": 2, "fresh": 1})
    lab.run(lab.suite({**FIELD, "judge": judge}, {"a": RIGHT}, task=META))
    assert [len(j.replies) for j in lab.judgements()] == [4, 4]
    assert {r.raw for j in lab.judgements() for r in j.replies} == {"hmm"}
    assert lab.attempt("a").judge_usage.calls == 8


def test_malformed_replies_are_ungraded_at_the_rate_of_the_closed_form(lab: JudgeLab) -> None:
    """Each call fails with probability r, so a judgement does with r^(1 + repair + fresh): judge.md 7.7."""
    rate, n = 0.5, 400
    judge = planted("honest", rate=rate, retries={"repair": 1, "fresh": 1})
    lab.run(lab.suite({**FIELD, "judge": judge}, {"a": WRONG}, task=META, tasks=n // 2))
    bad = sum(j.status != "ok" for j in lab.judgements("score"))
    p = rate**3
    assert abs(bad - n * p) <= 4 * (n * p * (1 - p)) ** 0.5
    assert {j.outcome for j in lab.judgements("score") if j.status == "ok"} == {"loss"}


def test_one_order_without_a_verdict_leaves_the_pair_without_one(lab: JudgeLab) -> None:
    judge = planted("honest", rate=0.5, retries={"repair": 0, "fresh": 0})
    lab.run(lab.suite({**FIELD, "judge": judge}, {"a": WRONG}, task=META, tasks=40))
    half = 0
    for attempt in lab.attempts():
        status = [j.status for j in lab.judgements("score") if j.task == attempt.task]
        half += sorted(status) == ["ok", "unparseable"]
        assert (attempt.status == "graded") == (status == ["ok", "ok"])
    assert half > 5


# Too long


def test_work_that_does_not_fit_is_not_graded_and_no_call_is_made(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("honest", context=4000)}
    lab.run(lab.suite(grader, {"a": WRONG + " really" * 1000}, task=META))
    assert lab.attempt("a").trouble is not None and lab.attempt("a").trouble.cause == "judge_too_long"
    assert {(j.status, len(j.replies)) for j in lab.judgements()} == {("too_long", 0)}


def test_cut_work_is_cut_alike_on_both_sides_and_recorded(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("longer", context=6000), "too_long": "cut"}
    long_one, longer_one = "word " * 2000, "more " * 4000
    lab.run(lab.suite(grader, {"a": long_one}, task={"meta": {"expert": longer_one}}))
    judged = lab.judgements("score")
    assert {j.status for j in judged} == {"ok"} and all(j.data["cut"] for j in judged)
    assert all(abs(j.lengths[0] - j.lengths[1]) < 5 for j in judged)


# Sentinels


def sentinels(lab: JudgeLab, right: int, wrong: int) -> str:
    rows = [{"id": f"r{i}", "question": "q", "answer": RIGHT, "opponent": WRONG, "expect": "win"} for i in range(right)]
    rows += [
        {"id": f"w{i}", "question": "q", "answer": RIGHT, "opponent": WRONG, "expect": "loss"} for i in range(wrong)
    ]
    return lab.write("graders/s.jsonl", rows)


def test_sentinels_run_first_and_are_recorded_with_what_was_expected(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("honest"), "sentinels": sentinels(lab, 4, 0)}
    assert lab.run(lab.suite(grader, {"a": WRONG}, task=META)) == "complete"
    first = lab.judgements()[:8]
    assert {(j.role, j.outcome, j.expected) for j in first} == {("sentinel", "win", "win")}
    assert {j.role for j in lab.judgements()[8:]} == {"score"}


def test_a_changed_judge_stops_the_run_before_a_system_is_asked(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("honest"), "sentinels": sentinels(lab, 18, 2)}
    with pytest.raises(RunInvalid) as e:
        lab.run(lab.suite(grader, {"a": WRONG}, task=META))
    assert "18 of 20 sentinels of 'pair' came out as frozen (90%, at least 95%)" in str(e.value)
    assert e.value.exit_code == 3
    assert lab.attempts() == []
    assert len(lab.judgements("sentinel")) == 40


def test_a_sentinel_without_a_verdict_does_not_agree(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("nonsense"), "sentinels": sentinels(lab, 3, 0)}
    with pytest.raises(RunInvalid, match="0 of 3"):
        lab.run(lab.suite(grader, {"a": WRONG}, task=META))


# Controls


def test_controls_are_made_at_the_end_and_are_in_no_score(lab: JudgeLab) -> None:
    own = {"identical": 3, "near_identical": 3, "padded": 3, "null_answers": 3, "injection": 3}
    lab.run(lab.suite({**FIELD, "judge": planted("longer"), "controls": own}, {"a": WRONG}, task=META, tasks=5))
    found = {role: {(j.outcome, j.expected) for j in lab.judgements(f"control:{role}")} for role in own}
    assert found["identical"] == {("tie", "tie")}
    assert found["padded"] == {("win", "tie")}, "a judge that takes the longer one is caught"
    assert all(len(lab.judgements(f"control:{role}")) == 6 for role in own)
    assert {a.label for a in lab.attempts()} == {"loss"}


CUES = {"authority": 3, "bandwagon": 3, "sentiment": 3}


@pytest.mark.parametrize(("rule", "moved"), [("honest", 0), ("impressed", 1)])
@pytest.mark.parametrize("alone", [False, True])
def test_twins_with_a_cue_tell_a_judge_that_is_impressed(lab: JudgeLab, rule: str, moved: int, alone: bool) -> None:
    """A source, the crowd, a feeling: the content is the same, so whoever sees content is not moved. Exact."""
    rubric = {"use": "judge_rubric", "criteria": [{"id": "days", "text": "Says 14 days", "points": 1}]}
    grader = {**(rubric if alone else FIELD), "judge": planted(rule), "controls": CUES}
    lab.run(lab.suite(grader, {"a": WRONG}, task=META, tasks=4))
    report = build_report(lab.folder).judges
    assert report is not None
    found = {f.name.removeprefix("control_"): f for f in report.sheets[0].figures if f.name.startswith("control_")}
    assert {kind: f.value for kind, f in found.items()} == dict.fromkeys(CUES, moved)
    assert {f.n for f in found.values()} == {3 if alone else 6}
    for kind in CUES:
        made = lab.judgements(f"control:{kind}")
        assert {j.expected for j in made} == {"not_met" if alone else "tie"}
        assert not any(j.flags for j in made), "a cue is no attack"
    assert not any(j.role.endswith("cleaned") for j in lab.judgements())


def test_identical_controls_show_the_slot_an_always_first_judge_picks(lab: JudgeLab) -> None:
    lab.run(
        lab.suite({**FIELD, "judge": planted("first"), "controls": {"identical": 4}}, {"a": WRONG}, task=META, tasks=5)
    )
    assert {j.slot for j in lab.judgements("control:identical")} == {0}


def test_controls_are_not_made_twice_by_a_resumed_run(lab: JudgeLab) -> None:
    suite = lab.suite(
        {**FIELD, "judge": planted("honest"), "controls": {"padded": 2}}, {"a": WRONG}, task=META, tasks=3
    )
    lab.run(suite)
    lab.run(suite, resume=True)
    assert len(lab.judgements("control:padded")) == 4


# Budget, substitution, self


def test_the_budget_of_calls_holds_across_trials_and_sessions(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("honest"), "budget": {"max_calls": 7}}
    suite = lab.suite(grader, {"a": WRONG}, task=META, tasks=6, concurrency=1)
    lab.run(suite)
    made = sum(j.usage.calls for j in lab.judgements())
    assert made == 7
    causes = {a.trouble.cause for a in lab.attempts() if a.trouble}
    assert causes == {"judge_skipped_budget"}
    path = lab.folder / "attempts.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    lab.run(suite, resume=True)
    assert sum(j.usage.calls for j in lab.judgements()) == 7


def test_a_substituted_judge_stops_the_run_and_gives_no_verdict(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("honest", returns_model="another-model")}
    ending = lab.run(lab.suite(grader, {"a": WRONG}, task=META, tasks=30, concurrency=1))
    assert ending == "judge"
    assert "answered for by another model: another-model" in lab.told[0]
    assert all(a.status == "ungradable" for a in lab.attempts()) and len(lab.attempts()) < 30


def test_a_withdrawn_judge_stops_the_run(lab: JudgeLab) -> None:
    ending = lab.run(
        lab.suite({**FIELD, "judge": planted("honest", fault="not_found")}, {"a": WRONG}, task=META, tasks=9)
    )
    assert ending == "judge" and "cannot be had" in lab.told[0]


def test_a_dated_form_of_an_alias_is_the_same_model(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("honest", returns_model="planted-honest-2026-03-01")}
    assert lab.run(lab.suite(grader, {"a": WRONG}, task=META)) == "complete"
    assert {j.model_returned for j in lab.judgements()} == {"planted-honest-2026-03-01"}


def test_a_judge_that_is_the_subject_is_refused_at_its_place_unless_said_in_words(lab: JudgeLab) -> None:
    judge = {"name": "self", "model": {"use": "scripted", "name": "of-a", "answer": "x"}}
    with pytest.raises(ConfigError) as e:
        lab.run(lab.suite({**FIELD, "judge": judge}, {"a": WRONG}, task=META))
    assert "it would judge its own work" in e.value.render() and "tasks/lab/suite.yaml:" in e.value.render()
    assert (
        lab.run(lab.suite({**FIELD, "judge": judge, "allow_self_judging": True}, {"a": WRONG}, task=META)) == "complete"
    )


# Reproducibility, templates


def untimed(judgement: Judgement) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(judgement, at=0.0, seconds=0.0))


def test_two_runs_with_one_seed_have_the_same_records_but_for_times(lab: JudgeLab) -> None:
    own = {"identical": 2, "padded": 2, "injection": 2}
    suite = lab.suite(
        {**FIELD, "judge": planted("honest"), "controls": own, "repeats": 2},
        {"a": WRONG, "b": RIGHT},
        task=META,
        tasks=4,
    )
    lab.run(suite)
    first = sorted(untimed(j) for j in lab.judgements())
    lab.run(suite)
    assert sorted(untimed(j) for j in lab.judgements()) == first
    assert len(first) > 30


def test_another_seed_asks_in_other_letters(lab: JudgeLab) -> None:
    grader = {**FIELD, "judge": planted("honest")}
    letters = []
    for seed in (1, 2):
        lab.run(lab.suite(grader, {"a": WRONG}, task=META, tasks=12, seed=seed))
        letters.append([j.labels for j in lab.judgements()])
    assert letters[0] != letters[1]


def test_the_secret_is_made_once_and_readable_by_its_owner_only(lab: JudgeLab) -> None:
    lab.run(lab.suite({**FIELD, "judge": planted("honest")}, {"a": WRONG}, task=META))
    path = lab.workspace / ".harness" / "judge.key"
    assert path.stat().st_mode & 0o777 == 0o600 and len(path.read_bytes()) == 32


@pytest.mark.parametrize("text", ["{{reference}}", "{{task}} {{canary}} {{form}}", "{{nonce}}", "<<<end answer A>>>"])
def test_what_looks_like_our_template_stands_in_the_prompt_once_and_word_for_word(text: str) -> None:
    assert fill("a {{x}} b {{y}}", {"x": text, "y": "Y"}) == f"a {text} b Y"


def test_a_placeholder_without_a_value_and_a_value_without_one_are_errors() -> None:
    with pytest.raises(ValueError, match="y"):
        fill("{{x}} {{y}}", {"x": "1"})
    with pytest.raises(ValueError, match="z"):
        fill("{{x}}", {"x": "1", "z": "2"})


# Cache


def test_equal_calls_of_an_earlier_run_cost_nothing_and_are_marked(lab: JudgeLab) -> None:
    own = {"identical": 1}
    judge = planted("honest", cache=True)
    suite = lab.suite({**FIELD, "judge": judge, "controls": own, "repeats": 2}, {"a": WRONG}, task=META)
    lab.run(suite)
    assert [j.cached for j in lab.judgements("score")] == [False] * 4, "repeats never answer for each other"
    lab.run(suite)
    assert [j.cached for j in lab.judgements("score")] == [True] * 4
    assert [j.cached for j in lab.judgements("control:identical")] == [False] * 4
    assert lab.attempt("a").judge_usage.cached == 4


# Panels


def test_a_panel_votes_and_a_draw_is_no_verdict(lab: JudgeLab) -> None:
    def member(name: str, rule: str) -> dict[str, Any]:
        return {**planted(rule), "name": name}

    three = [member("x", "honest"), member("y", "honest"), member("z", "tie")]
    lab.run(lab.suite({**FIELD, "panel": three}, {"a": WRONG}, task=META))
    assert lab.attempt("a").label == "loss"
    assert {j.judge for j in lab.judgements()} == {"x", "y", "z"}
    lab.run(lab.suite({**FIELD, "panel": three[1:]}, {"a": WRONG}, task=META))
    grade = lab.attempt("a").grades["pair"]
    assert isinstance(grade, NotGraded)


def test_a_disagreement_is_handed_to_a_stronger_judge_or_left_to_a_person(lab: JudgeLab) -> None:
    to = {**FIELD, "judge": planted("first"), "escalate": {"to": [{**planted("honest"), "name": "strong"}]}}
    lab.run(lab.suite(to, {"a": WRONG}, task=META))
    assert lab.attempt("a").label == "loss"
    assert [j.judge for j in lab.judgements()] == ["planted", "planted", "strong", "strong"]
    lab.run(lab.suite({**FIELD, "judge": planted("first"), "escalate": {"person": True}}, {"a": WRONG}, task=META))
    assert lab.attempt("a").trouble is not None and lab.attempt("a").trouble.cause == "needs_person"
