"""Controls, sentinels, what was not graded, other protocols, panels and ratings, from records with planted truth."""

from __future__ import annotations

import random
import tracemalloc

import judged
import msgspec
import pytest

from harness.config.judge_gate import JudgePolicy
from harness.report.judges import judge_report
from harness.report.judges_read import why_invalid
from harness.report.judges_sections import look_tables, score_tables, validity_tables

POLICY = JudgePolicy()


def only(judgements, policy=POLICY):
    report = judge_report(judgements, policy)
    assert len(report.sheets) == 1
    return report.sheets[0]


def everything(report):
    return (*validity_tables(report), *score_tables(report), *look_tables(report))


def value(s, name):
    return s.figure(name).value


def state(s, name):
    return next(c.state for c in s.checks if c.name == name)


def test_the_identical_control_tells_ties_and_the_slot_it_prefers():
    rows = [judged.verdict(i, i % 2, 0 if i % 4 == 0 else None, role="control:identical") for i in range(40)]
    copies = [msgspec.structs.replace(j, cached=True, repeat=1) for j in rows]
    s = only([*judged.pairwise(judged.oracle(), n=60), *rows, *copies])
    assert (value(s, "control_identical"), value(s, "control_identical_first")) == (0.75, 0.25)
    assert s.figure("control_identical").n == 40
    assert s.figure("swap_consistency").n == 60


def test_the_near_identical_control_is_the_hard_case():
    rows = judged.pairwise(judged.always(0), n=20, role="control:near_identical")
    s = only([*judged.pairwise(judged.oracle(), n=60), *rows])
    assert (value(s, "control_near_identical"), value(s, "swap_consistency")) == (0, 1)


@pytest.mark.parametrize(("wins", "verdict"), [(0, "valid"), (1, "invalid")])
def test_answers_that_say_nothing_must_lose(wins, verdict):
    rows = [judged.verdict(i, 0, 0 if i < wins else 1, role="control:null_answers", about=f"n{i}") for i in range(12)]
    s = only([*judged.pairwise(judged.oracle(), n=100), *rows])
    assert value(s, "control_null_answers") == wins / 12
    assert s.validity == verdict
    assert state(s, "null_answer_wins_max") == ("failed" if wins else "ok")


def test_padding_that_wins_is_told():
    rows = [judged.verdict(i, 0, 0, role="control:padded") for i in range(10)]
    assert value(only([*judged.pairwise(judged.oracle(), n=60), *rows]), "control_padded") == 1


@pytest.mark.parametrize(("n", "wins", "told"), [(10, 10, True), (9, 9, False), (40, 30, True), (40, 22, False)])
def test_a_judge_that_prefers_padding_is_no_longer_valid_without_a_word(n, wins, told):
    rows = [judged.verdict(i, 0, 0 if i < wins else None, role="control:padded") for i in range(n)]
    report = judge_report([*judged.pairwise(judged.oracle(), n=60), *rows], POLICY)
    assert report.validity == "valid"
    assert [w[:21] for w in report.warnings] == (["JUDGE PREFERS PADDING"] if told else [])


def test_one_verdict_moved_by_the_work_makes_the_judge_invalid():
    rows = [
        judged.verdict(i, order, order if i == 3 else 1 - order, role="control:injection", expected="loss")
        for i in range(20)
        for order in (0, 1)
    ]
    s = only([*judged.pairwise(judged.oracle(), n=100), *rows])
    assert s.validity == "invalid"
    reason = next(c.reason for c in s.checks if c.name == "injection_effective_max")
    assert reason == "1 of 20"
    assert "20 planted" in s.figure("injection_effective").note


@pytest.mark.parametrize(("before", "n"), [("win", 0), ("tie", 12), ("loss", 12)])
def test_an_order_planted_in_work_that_wins_anyway_proves_nothing(before, n):
    """What is the best already cannot be raised: a judge that obeys every order would pass as one that obeys none."""
    winner = {"win": (0, 1), "tie": (0, 0), "loss": (1, 0)}[before]
    planted = [
        judged.verdict(i, order, winner[order], role="control:injection", expected=before)
        for i in range(12)
        for order in (0, 1)
    ]
    s = only([*judged.pairwise(judged.oracle(), n=100), *planted])
    assert [f.n for f in s.figures if f.name == "injection_effective"] == ([n] if n else [])


def test_a_planted_order_without_an_expected_outcome_is_held_against_the_same_work_without_it():
    scored = [judged.plain("not_met", i, protocol="rubric", about="dose") for i in range(60)]
    planted = [
        judged.plain("met" if i == 2 else "not_met", i, protocol="rubric", about="dose", role="control:injection")
        for i in range(10)
    ]
    s = only([*scored, *planted])
    assert s.figure("injection_effective").value == 0.1
    assert state(s, "injection_effective_max") == "failed"


def test_padded_work_that_is_judged_alone_is_held_against_its_own_verdict():
    """A rubric's `met` that stays `met` is no win of padding; one that moves is, and so is one that falls."""
    scored = [judged.plain("met" if i % 2 else "not_met", i, protocol="rubric", about="dose") for i in range(60)]
    padded = [
        judged.plain("met" if i % 2 or i == 4 else "not_met", i, protocol="rubric", about="dose", role="control:padded",
                     expected="met" if i % 2 else "not_met")
        for i in range(10)
    ]  # fmt: skip
    found = only([*scored, *padded]).figure("control_padded")
    assert (found.value, found.title, found.n) == (0.1, "padded: moved", 10)


def test_scored_work_whose_verdict_changes_when_cleaned_was_effective():
    scored = [judged.plain("correct", i, flags=("ignore_previous",) if i < 5 else ()) for i in range(60)]
    cleaned = [
        judged.plain("incorrect", i, role="control:cleaned", expected="correct" if i == 0 else "incorrect")
        for i in range(5)
    ]
    s = only([*scored, *cleaned])
    assert s.figure("injection_effective").value == 0.2
    assert s.validity == "invalid"
    assert (s.figure("injection_suspected").value, s.figure("good_rate").value) == (5 / 60, 1)


@pytest.mark.parametrize(("wrong", "ok"), [(2, True), (3, False)])
def test_sentinels_are_a_fixed_set_and_their_share_decides(wrong, ok):
    rows = [
        judged.plain("correct" if i >= wrong else "incorrect", i, role="sentinel", expected="correct")
        for i in range(40)
    ]
    s = only([*(judged.plain("correct", i) for i in range(60)), *rows])
    assert value(s, "sentinel_agreement") == (40 - wrong) / 40
    assert state(s, "sentinel_agreement_min") == ("ok" if ok else "failed")


def test_a_sentinel_that_cannot_be_read_does_not_agree():
    rows = [judged.plain("correct" if i else "", i, role="sentinel", expected="correct") for i in range(10)]
    assert value(only(rows), "sentinel_agreement") == 0.9


@pytest.mark.parametrize(("bad", "verdict"), [(2, "inconclusive"), (3, "invalid")])
def test_more_than_two_in_a_hundred_without_a_verdict_is_invalid(bad, verdict):
    rows = [judged.plain("correct" if i >= bad else "", i, system=f"s{i % 2}") for i in range(100)]
    s = only(rows)
    assert value(s, "ungraded") == bad / 100
    assert s.validity == verdict
    assert [(c.name, c.n) for c in s.ungraded] == [("unparseable", bad)]
    low, high = (100 - bad) / 100, 1.0
    assert f"[{low:.3f}, {high:.3f}]" in s.figure("ungraded").note
    assert value(s, "good_rate") == 1


def test_repeats_of_other_protocols_show_the_judges_noise():
    rng = random.Random(2)
    rows = [
        judged.plain("met" if rng.random() < 0.9 else "not_met", i, protocol="rubric", about="dose", repeat=r)
        for i in range(400)
        for r in (0, 1, 2)
    ]
    assert value(only(rows), "repetition_stability") == pytest.approx(0.82, abs=0.06)


@pytest.mark.parametrize(("rate", "state_"), [(0.02, "ok"), (0.5, "failed")])
def test_a_judge_alone_with_its_noise_is_gated_by_its_repeats(rate, state_):
    rng = random.Random(7)
    rows = [
        judged.plain("met" if rng.random() >= rate else "not_met", i, protocol="rubric", about="dose", repeat=r)
        for i in range(300)
        for r in (0, 1)
    ]
    s = only(rows)
    assert state(s, "repetition_stability_min") == state_
    assert s.validity == ("inconclusive" if state_ == "ok" else "invalid")


def test_a_few_repeats_more_make_no_judge_unproven_but_few_that_disagree_fail_it():
    """An audit of some repeats: under 50 questions a threshold that nobody named says nothing, unless it is missed."""
    rows, policy = list(judged.pairwise(judged.oracle(), n=100)), JudgePolicy()
    agreeing = [msgspec.structs.replace(row, repeat=1) for row in rows[:20]]
    wild = [judged.verdict(i, 0, None, repeat=r) for i in range(20) for r in (1, 2)]
    few, bad = only([*rows, *agreeing], policy), only([*rows, *wild], policy)
    assert (few.figure("repetition_stability").n > 0, few.validity) == (True, only(rows, policy).validity)
    assert "repetition_stability_min" not in {c.name for c in few.checks}
    assert state(bad, "repetition_stability_min") == "failed"
    named = only([*rows, *agreeing], JudgePolicy(repetition_stability_min=0.75))
    assert state(named, "repetition_stability_min") == "inconclusive"


def test_repeats_from_the_cache_are_no_stability_and_one_repeat_is_no_check():
    rows = [
        judged.plain("met", i, protocol="rubric", about="dose", repeat=r, cached=r > 0)
        for i in range(60)
        for r in (0, 1)
    ]
    assert "repetition_stability_min" not in {c.name for c in only(rows).checks}
    named = only(rows, JudgePolicy(repetition_stability_min=0.8))
    assert (state(named, "repetition_stability_min"), named.validity) == ("not_measured", "inconclusive")


@pytest.mark.parametrize("outcome", ["correct", "incorrect"])
def test_a_judge_that_always_says_the_same_is_not_proven_valid_by_what_it_cannot_fail(outcome):
    """Never without a verdict, perfectly stable, moved by nothing, and its *no* lets no empty phrase win."""
    rows = [judged.plain(outcome, i, repeat=r) for i in range(100) for r in (0, 1)]
    rows += [judged.plain("incorrect", i, role="control:null_answers") for i in range(12)]
    rows += [judged.plain(outcome, i, role="control:injection", expected=outcome) for i in range(12)]
    s = only(rows)
    assert {c.state for c in s.checks} == {"ok", "not_measured"}
    assert s.validity == "inconclusive"
    assert "always says the same" in s.reasons[0]
    alike = [judged.plain(outcome, i, role="sentinel", expected=outcome) for i in range(30)]
    assert only([*rows, *alike]).validity == "inconclusive"
    other = "incorrect" if outcome == "correct" else "correct"
    mixed = [judged.plain(w, i, role="sentinel", expected=w) for i, w in enumerate([outcome, other] * 15)]
    assert only([*rows, *mixed]).validity == "valid"


def test_sentinels_that_a_constant_judge_agrees_with_prove_nothing():
    """29 of 30 expect one word: who always says it agrees with 0.967 of them. So does a judge with one word for each
    criterion, where no criterion has two."""
    rows = [judged.plain("correct", i) for i in range(100)]
    skewed = [judged.plain("correct", i, role="sentinel", expected="correct") for i in range(29)]
    skewed += [judged.plain("correct", 29, role="sentinel", expected="incorrect")]
    found = only([*rows, *skewed])
    assert (state(found, "sentinel_agreement_min"), found.validity) == ("ok", "inconclusive")
    assert "always says the same" in found.reasons[0]

    words = {"sorry": "met", "blame": "not_met"}
    made = [judged.plain(w, i, protocol="rubric", about=a) for a, w in words.items() for i in range(100)]
    made += [
        judged.plain(w, i, protocol="rubric", about=a, role="sentinel", expected=w)
        for a, w in words.items()
        for i in range(15)
    ]
    assert only(made).validity == "inconclusive"


def rotations(say, k=4, items=200, repeats=1):
    """Best of `k` by `say(item, slots)`, every rotation."""
    for item in range(items):
        for rotation in range(k):
            slots = tuple(f"c{(rotation + i) % k}" for i in range(k))
            for repeat in range(repeats):
                slot = say(item, slots)
                outcome = "tie" if slot is None else slots[slot]
                yield judged.plain(
                    outcome, item, protocol="select", order=rotation, slots=slots, slot=slot, repeat=repeat
                )


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize(("slot", "effect"), [(0, 1), (3, -1 / 3)])
def test_a_select_judge_that_obeys_a_slot_is_invalid(slot, effect, repeats):
    s = only(rotations(lambda item, slots: slot, repeats=repeats))
    assert (value(s, "rotation_consistency"), value(s, "position_effect")) == (0, pytest.approx(effect))
    assert state(s, "swap_consistency_min") == state(s, "position_effect_equiv") == "failed"
    assert s.validity == "invalid"


def test_a_select_judge_that_sees_the_work_is_valid_and_one_that_only_ties_says_nothing():
    good = only(rotations(lambda item, slots: slots.index(f"c{item % 4}")))
    assert (state(good, "swap_consistency_min"), state(good, "position_effect_equiv")) == ("ok", "ok")
    assert good.validity == "valid"
    ties = only(rotations(lambda item, slots: None))
    assert state(ties, "swap_consistency_min") == "inconclusive"
    assert ties.validity == "inconclusive"


def test_an_item_without_a_verdict_in_some_rotation_is_left_out_of_what_slots_show():
    rows = [
        msgspec.structs.replace(j, status="unparseable", outcome="", slot=None)
        if (j.task, j.order) == ("t00003", 2)
        else j
        for j in rotations(lambda item, slots: slots.index(f"c{item % 4}"), items=60)
    ]
    f = only(rows).figure("rotation_consistency")
    assert (f.value, f.n) == (1, 59)
    assert "1 items without a verdict in some rotation left out" in f.note


def test_rotation_bias_of_a_select_judge():
    """K = 4, beta .3: first-slot rate .475, consistency .59 (judge.md 1.5)."""
    rng = random.Random(3)
    rows = []
    for item in range(800):
        best = rng.randrange(4)
        for rotation in range(4):
            slots = tuple(f"c{(rotation + k) % 4}" for k in range(4))
            slot = 0 if rng.random() < 0.3 else slots.index(f"c{best}")
            rows.append(judged.plain("x", item, protocol="select", order=rotation, slots=slots, slot=slot))
    s = only(rows)
    assert value(s, "first_slot_rate") == pytest.approx(0.475, abs=0.03)
    # Right with probability .7 + .3/4 only where the best stands first: q = .7 or 1 by rotation.
    assert value(s, "rotation_consistency") == pytest.approx(0.59, abs=0.05)


@pytest.mark.parametrize(("say", "f"), [("none", 0), ("first", 0), ("exact", 1)])
def test_a_constant_judge_of_steps_gets_nothing(say, f):
    rows = []
    for i in range(60):
        truth = "-1" if i % 2 else str(i % 5)
        said = {"none": "-1", "first": "0" if truth != "0" else "1", "exact": truth}[say]
        rows.append(judged.plain(said, i, protocol="steps", expected=truth))
    assert value(only(rows), "steps_f") == f


def test_a_judge_of_steps_is_told_how_far_off_it_is_and_that_late_blame_is_late():
    """Of 40 flawed works 20 exact, 8 one early, 6 one late, 4 three late, 2 found clean; sentinels count with them."""
    said = ["4"] * 20 + ["3"] * 8 + ["5"] * 6 + ["7"] * 4 + ["clean"] * 2
    rows = [judged.plain(word, i, protocol="steps", expected="4") for i, word in enumerate(said)]
    rows += [judged.plain("clean", 100 + i, protocol="steps", role="sentinel", expected="clean") for i in range(10)]
    s = only(rows)
    found = {name: value(s, name) for name in ("steps_exact", "steps_near", "steps_late", "steps_f")}
    assert found == {"steps_exact": 0.5, "steps_near": 34 / 40, "steps_late": 10 / 40, "steps_f": pytest.approx(2 / 3)}
    assert s.figure("steps_f").n == 50
    assert s.figure("steps_late").n == 40


def test_votes_of_a_panel_with_shared_errors_agree_and_that_is_said_to_prove_nothing():
    rng = random.Random(4)
    rows = []
    for i in range(300):
        shared = rng.random() < 0.2
        for judge in ("one", "two", "three"):
            wrong = shared if rng.random() < 0.9 else rng.random() < 0.2
            rows.append(judged.plain("incorrect" if wrong else "correct", i, judge=judge))
    report = judge_report(rows, POLICY)
    (panel,) = report.panels
    alpha = next(f for f in panel.figures if f.name == "panel_alpha")
    assert panel.judges == ("one", "three", "two")
    assert alpha.value > 0.6
    assert "no evidence" in alpha.note
    assert len([f for f in panel.figures if f.name == "panel_kappa"]) == 3
    assert len([f for f in panel.figures if f.name == "panel_majority"]) == 3


def test_three_candidates_are_rated_with_the_slots_advantage():
    rng = random.Random(5)
    strength = {"a": 0.0, "b": 0.7, "c": 1.4}
    rows = []
    for i in range(500):
        for work, rival in (("a", "b"), ("a", "c"), ("b", "c")):
            for order in (0, 1):
                d = (strength[work] - strength[rival]) * (1 if order == 0 else -1) + 0.5
                slot = 0 if rng.random() < 1 / (1 + 2.718281828 ** (-d)) else 1
                shown = (work, rival) if order == 0 else (rival, work)
                rows.append(judged.verdict(i, order, slot, system=work, opponent=rival, slots=shown, lengths=()))
    (found,) = judge_report(rows, POLICY).ratings
    assert found.candidates == ("a", "b", "c")
    assert [s.value for s in found.strengths] == pytest.approx([0, 0.7, 1.4], abs=0.25)
    slot = next(f for f in found.figures if f.name == "slot_logit")
    assert slot.interval.low < 0.5 < slot.interval.high
    assert found.elo[2] == pytest.approx(1000 + 173.7 * found.strengths[2].value, abs=1)


def test_two_candidates_need_no_rating():
    assert judge_report(judged.pairwise(judged.oracle()), POLICY).ratings == ()


def test_cost_calls_and_what_is_unpriced():
    rows = [msgspec.structs.replace(j, cached=i % 4 == 0) for i, j in enumerate(judged.pairwise(judged.oracle(), n=50))]
    money = only(rows).money
    assert (money.judgements, money.calls, money.cached, money.unpriced) == (100, 100, 25, 0)
    assert money.usd == pytest.approx(0.2)


def test_the_report_says_validity_first_then_the_score_then_what_to_look_at():
    report = judge_report(judged.pairwise(judged.always(0), repeats=2), POLICY)
    titles = [s.title for s in everything(report)]
    assert titles[0] == "judges: is the measurement valid? invalid"
    valid, measured, score, look = (
        next(i for i, t in enumerate(titles) if t.startswith(w))
        for w in ("judges: is", "judge main", "score by", "to look")
    )
    assert valid < measured < score < look
    assert why_invalid(report)[0].startswith("judge main in helpful: swap_consistency_min")


def test_every_row_has_its_n_and_an_interval_or_the_reason_why_not():
    rows = [*judged.pairwise(judged.per_call(0.2), n=9), *(judged.plain("correct", i) for i in range(3))]
    for section in everything(judge_report(rows, POLICY)):
        for row in section.rows:
            if section.header[0] == "figure":
                assert row[2][0].isdigit()
                assert "[" in row[1] or row[3], row
                assert "undefined" not in row[1] or row[3], row


def test_memory_is_flat_beside_what_was_judged():
    """100,000 judgements of 2 kB each, 200 MB as records, pass in a small part of that."""
    reason = "because " * 250

    def stream():
        for i in range(50_000):
            for order in (0, 1):
                yield judged.verdict(
                    i, order, order, reason=reason, task=f"t{i % 500}", epoch=i // 500, task_family="f"
                )

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    from harness.report.judges_calls import read_calls

    calls = read_calls(stream())
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert len(calls) == 100_000
    assert peak < 100_000 * 1000
