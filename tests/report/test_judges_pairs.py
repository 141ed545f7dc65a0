"""Planted bias through the records: the data sheet must report what was planted (judge.md 7.7)."""

from __future__ import annotations

import random

import judged
import msgspec
import pytest

from harness.config.judge_gate import JudgePolicy
from harness.errors import StoreError
from harness.records.judgement import Judgement
from harness.report.judges import About, judge_report
from harness.report.judges_model import JudgeSheet
from harness.report.judges_sections import score_tables

POLICY = JudgePolicy()


def sheet(judgements, policy=POLICY, about=None) -> JudgeSheet:
    report = judge_report(judgements, policy, about)
    assert len(report.sheets) == 1
    return report.sheets[0]


def value(s: JudgeSheet, name: str) -> float | None:
    found = s.figure(name)
    assert found is not None, name
    return found.value


def check(s: JudgeSheet, name: str):
    return next(c for c in s.checks if c.name == name)


@pytest.mark.parametrize(("slot", "pe"), [(0, 1.0), (1, -1.0)])
def test_a_judge_of_one_slot(slot, pe):
    s = sheet(judged.pairwise(judged.always(slot), repeats=2))
    assert (value(s, "swap_consistency"), value(s, "position_effect"), value(s, "repetition_stability")) == (0, pe, 1)
    assert (value(s, "position_share"), value(s, "win_rate"), value(s, "disagreement_ties")) == (1, 0.5, 1)
    assert (value(s, "first_order_rate"), value(s, "second_order_rate")) == ((1, 0) if slot == 0 else (0, 1))
    assert (s.position, s.validity) == ("biased", "invalid")
    assert check(s, "swap_consistency_min").state == check(s, "position_effect_equiv").state == "failed"
    assert s.n_splits == 200
    assert {x.kind for x in s.splits} == {"flip_primacy" if slot == 0 else "flip_recency"}


def test_a_judge_of_one_name_has_a_label_effect_and_no_position_effect():
    """Names are permuted in a balanced design: each of four arrangements equally often."""
    rows = []
    for pair in range(200):
        for order in (0, 1):
            labels = ("A", "B") if (pair + order * (pair % 4 > 1)) % 2 == 0 else ("B", "A")
            rows.append(judged.verdict(pair, order, labels.index("A"), labels=labels))
    s = sheet(rows)
    assert value(s, "label_effect") == 1
    assert value(s, "position_effect") == 0
    assert s.figure("label_effect").note.startswith("biased")


def test_a_judge_of_one_slot_has_no_label_effect_when_names_are_permuted():
    rng = random.Random(6)
    rows = []
    for pair in range(200):
        for order in (0, 1):
            labels = ("A", "B") if rng.random() < 0.5 else ("B", "A")
            rows.append(judged.verdict(pair, order, 0, labels=labels))
    s = sheet(rows)
    assert value(s, "position_effect") == 1
    assert value(s, "label_effect") == pytest.approx(0, abs=0.1)


def test_names_tied_to_slots_cannot_be_told_from_them():
    found = sheet(judged.pairwise(judged.always(0))).figure("label_effect")
    assert found.value is None
    assert "tied to slots" in found.why_not


@pytest.mark.parametrize(
    ("say", "pc", "rs", "pe"),
    [
        (judged.coin(0.7), 0.42, 0.58, 0.40),
        (judged.per_call(0.3), 0.70, 0.79, 0.30),
        (judged.noisy(0.15), 0.745, 0.745, 0.0),
        (judged.oracle(), 1, 1, 0),
    ],
    ids=["coin", "beta per call", "noise", "oracle"],
)
def test_closed_forms_of_planted_judges(say, pc, rs, pe):
    n = 600
    s = sheet(judged.pairwise(say, n=n, repeats=2))
    four_sigma = 4 * 0.5 / n**0.5
    assert value(s, "swap_consistency") == pytest.approx(pc, abs=four_sigma)
    assert value(s, "repetition_stability") == pytest.approx(rs, abs=four_sigma)
    assert value(s, "position_effect") == pytest.approx(pe, abs=2 * four_sigma)
    for f in s.figures:
        assert f.interval is not None or f.why_not, f.name
        assert f.value is None or f.n > 0, f.name


def test_bias_of_some_items_is_told_from_bias_of_some_calls_by_the_repeats():
    def say(rng: random.Random, pair: int, better: int, order: int) -> int:
        return 0 if pair % 10 < 3 else better

    s = sheet(judged.pairwise(say, n=600, repeats=2))
    assert value(s, "swap_consistency") == pytest.approx(0.7)
    assert (value(s, "repetition_stability"), value(s, "position_effect")) == (1, pytest.approx(0.3))


def test_a_win_in_one_order_and_a_tie_in_the_other_is_half_a_flip():
    rows = [judged.verdict(p, order, 0 if order == 0 else None) for p in range(60) for order in (0, 1)]
    s = sheet(rows, about=About(rules={"helpful": "average"}))
    assert [(c.name, c.n) for c in s.classes] == [("half_primacy", 60)]
    assert value(s, "win_rate") == 0.75
    assert value(sheet(rows), "win_rate") == 0.5


def test_always_the_longer_is_consistent_and_unbiased_by_position_and_found_all_the_same():
    rows = []
    rng = random.Random(4)
    for pair in range(200):
        lengths = (rng.randint(100, 900), rng.randint(100, 900))
        for order in (0, 1):
            shown = lengths if order == 0 else lengths[::-1]
            rows.append(judged.verdict(pair, order, 0 if shown[0] >= shown[1] else 1, lengths=shown))
    s = sheet(rows)
    assert (value(s, "swap_consistency"), value(s, "position_effect"), value(s, "longer_wins")) == (1, 0, 1)
    assert value(s, "equal_length_rate") == pytest.approx(0.5, abs=0.12)
    assert "length alone" in s.figure("length_slope").why_not


def test_a_judge_that_prefers_its_own_family():
    """Planted lift .3: the judge picks its family's candidate in 80 of 100, another judge in half."""
    rows = []
    for pair in range(200):
        for order in (0, 1):
            mine = pair % 10 < 8
            rows.append(judged.verdict(pair, order, order if mine else 1 - order, family="acme"))
            other = pair % 2 == 0
            rows.append(
                judged.verdict(pair, order, order if other else 1 - order, family="zeta", judge="second", model="z/j")
            )
    report = judge_report(rows, POLICY, About(families={"work": "acme", "rival": "quux"}))
    s = next(s for s in report.sheets if s.judge == "main")
    assert value(s, "own_family_lift") == pytest.approx(0.3)
    assert s.figure("own_family_lift").interval.low > 0.15
    assert any(note.startswith("OWN FAMILY") for note in s.notes)
    assert any("OWN FAMILY" in w for w in report.warnings)
    other = next(s for s in report.sheets if s.judge == "second")
    assert value(other, "own_family_lift") is None


def test_own_family_without_another_judge_is_not_measured_rather_than_zero():
    s = sheet(judged.pairwise(judged.oracle(), family="acme"), about=About(families={"work": "acme"}))
    assert value(s, "own_family_lift") is None
    assert "no other judge" in s.figure("own_family_lift").why_not


def test_cached_repeats_are_copies_and_no_stability():
    rows = [msgspec.structs.replace(j, cached=j.repeat > 0) for j in judged.pairwise(judged.oracle(), n=60, repeats=3)]
    found = sheet(rows).figure("repetition_stability")
    assert found.value is None
    assert "cache" in found.why_not
    assert "one repeat" in sheet(judged.pairwise(judged.oracle())).figure("repetition_stability").why_not


def test_all_ties_are_no_information_and_never_pass():
    s = sheet(judged.pairwise(lambda rng, pair, better, order: None))
    assert (value(s, "swap_consistency"), value(s, "position_effect")) == (1, 0)
    assert check(s, "swap_consistency_min").state == "inconclusive"
    assert "no information" in check(s, "swap_consistency_min").reason
    assert s.validity == "inconclusive"


def test_too_few_pairs_never_pass():
    s = sheet(judged.pairwise(judged.oracle(), n=30))
    assert value(s, "swap_consistency") == 1
    assert check(s, "swap_consistency_min").state == "inconclusive"
    assert s.validity == "inconclusive"
    assert sheet(judged.pairwise(judged.oracle(), n=100)).validity == "valid"


def test_few_pairs_of_a_hopeless_judge_fail_all_the_same():
    s = sheet(judged.pairwise(judged.always(0), n=20))
    assert check(s, "swap_consistency_min").state == "failed"


def test_one_order_without_a_verdict_makes_the_pair_incomplete_not_half_a_score():
    rows = list(judged.pairwise(judged.oracle(), n=100))
    broken = [
        msgspec.structs.replace(j, status="refused", outcome="", slot=None) if j.order == 1 and i < 20 else j
        for i, j in enumerate(rows)
    ]
    s = sheet(broken)
    assert s.figure("swap_consistency").n == 90
    assert "10 incomplete" in s.figure("swap_consistency").note
    assert value(s, "win_rate") == pytest.approx(45 / 90)
    assert [(c.name, c.n) for c in s.ungraded] == [("refused", 10)]
    assert check(s, "ungraded_max").state == "failed"
    assert s.validity == "invalid"


def test_ungraded_rows_change_no_score():
    rows = list(judged.pairwise(judged.per_call(0.2), n=80))
    noise = [judged.verdict(1000 + i, i % 2, None, status="api_error", outcome="") for i in range(40)]
    clean, dirty = sheet(rows), sheet([*rows, *noise])
    for name in ("swap_consistency", "position_effect", "win_rate", "average_rate", "longer_wins"):
        assert value(clean, name) == value(dirty, name), name


def test_what_a_later_attempt_said_replaces_what_an_earlier_one_said():
    old = [msgspec.structs.replace(j, attempt=1) for j in judged.pairwise(judged.always(0), n=60)]
    new = [msgspec.structs.replace(j, attempt=2) for j in judged.pairwise(judged.oracle(), n=60)]
    for rows in ([*old, *new], [*new, *old]):
        assert value(sheet(rows), "swap_consistency") == 1


def test_an_audit_measures_its_pairs_and_never_moves_the_score():
    scored = list(judged.pairwise(judged.oracle(), n=60))
    audit = [msgspec.structs.replace(j, role="audit") for j in judged.pairwise(judged.always(0), n=60, repeats=2)]
    s = sheet([*scored, *audit])
    assert value(s, "swap_consistency") == 0
    assert value(s, "repetition_stability") == 1
    assert (value(s, "win_rate"), value(s, "disagreement_ties")) == (0.5, 0)


def test_a_record_that_contradicts_itself_is_refused_with_its_task():
    wrong = msgspec.structs.replace(judged.verdict(3, 0, 0), outcome="loss")
    with pytest.raises(StoreError, match="t00003") as e:
        judge_report([wrong], POLICY)
    assert "slot 0 in order 0" in str(e.value)


def test_the_order_of_lines_changes_nothing():
    rows = list(judged.pairwise(judged.per_call(0.3), n=60, repeats=2))
    mixed = rows.copy()
    random.Random(5).shuffle(mixed)
    assert judge_report(rows, POLICY) == judge_report(mixed, POLICY)


def test_duplicating_every_item_narrows_nothing_when_tasks_are_families():
    rows = list(judged.pairwise(judged.per_call(0.3), n=60, task_family=""))
    rows = [msgspec.structs.replace(j, task_family=j.task) for j in rows]
    copies = [msgspec.structs.replace(j, epoch=e) for j in rows for e in range(4)]
    once, often = sheet(rows).figure("swap_consistency"), sheet(copies).figure("swap_consistency")
    assert often.value == once.value
    assert often.n == 4 * once.n
    assert often.interval.high - often.interval.low > 0.93 * (once.interval.high - once.interval.low)


def test_no_judgement_is_no_sheet():
    report = judge_report([], POLICY)
    assert (report.sheets, report.validity) == ((), "valid")


def test_more_than_one_model_that_answered_is_said():
    rows = [msgspec.structs.replace(j, model_returned=f"m{j.order}") for j in judged.pairwise(judged.oracle(), n=60)]
    report = judge_report(rows, POLICY)
    assert [(c.name, c.n) for c in report.sheets[0].returned] == [("m0", 60), ("m1", 60)]
    assert any("MORE THAN ONE MODEL" in w for w in report.warnings)


def test_a_named_threshold_must_be_measured():
    rows = list(judged.pairwise(judged.oracle(), n=100))
    assert sheet(rows, JudgePolicy()).validity == "valid"
    asked = sheet(rows, JudgePolicy(sentinel_agreement_min=0.9))
    assert (asked.validity, check(asked, "sentinel_agreement_min").state) == ("inconclusive", "not_measured")
    assert sheet(rows, JudgePolicy(swap_consistency_min=None)).validity == "inconclusive"


def exchanged(j: Judgement) -> Judgement:
    """The same call, told of the other candidate."""
    outcome = {"win": "loss", "loss": "win"}.get(j.outcome, j.outcome)
    return msgspec.structs.replace(j, system=j.opponent, opponent=j.system, order=1 - j.order, outcome=outcome)


@pytest.mark.parametrize("seed", range(4))
def test_exchanging_the_candidates_mirrors_the_win_rate_and_nothing_else(seed):
    rows = list(judged.pairwise(judged.per_call(0.4), n=70, repeats=2, seed=seed))
    one, other = sheet(rows), sheet([exchanged(j) for j in rows])
    assert value(other, "win_rate") == pytest.approx(1 - value(one, "win_rate"))
    for name in ("swap_consistency", "repetition_stability", "position_effect"):
        assert value(other, name) == pytest.approx(value(one, name)), name


def test_an_order_is_no_free_name_so_exchanging_the_two_names_is_refused():
    """Order 0 is the one in which the work stands first, and the slots say so too: a record that renames it lies."""
    rows = list(judged.pairwise(judged.per_call(0.3), n=60, repeats=2))
    with pytest.raises(StoreError, match="contradicts itself"):
        sheet([msgspec.structs.replace(j, order=1 - j.order) for j in rows])


def test_order_blind_says_by_which_interval():
    """The sheet shows 95 %, which may reach over the band; the verdict is by the 90 % interval, and says so."""
    s = sheet(list(judged.pairwise(judged.oracle(), n=60)))
    reason = next(c.reason for c in s.checks if c.name == "position_effect_equiv")
    assert reason == "+0.00 [-0.05, +0.05] of 60 pairs: order blind, its 90% interval is within 0.1"


def sides(wins: dict[tuple[str, str], int], n: int = 20) -> list[Judgement]:
    """`n` pairs of each (work, opponent), of which so many are won in both orders and the next one is tied."""
    rows = []
    for (work, opponent), won in wins.items():
        for i in range(n):
            for order in (0, 1):
                slot = None if i == won else order if i < won else 1 - order
                slots = (work, opponent) if order == 0 else (opponent, work)
                rows.append(judged.verdict(i, order, slot, system=work, opponent=opponent, slots=slots))
    return rows


def test_wins_are_told_of_each_system_against_each_opponent():
    wins = {("good", "expert"): 18, ("good", "base"): 12, ("bad", "expert"): 2, ("bad", "base"): 0}
    s = sheet(sides(wins))
    for (work, opponent), won in wins.items():
        assert value(s, f"wins:{work}:{opponent}") == won / 20
        assert value(s, f"wins_plus_ties:{work}:{opponent}") == (won + 1) / 20
        assert value(s, f"win_rate:{work}:{opponent}") == (won + 0.5) / 20
    assert value(s, "wins") == 32 / 80
    assert "a mixture" in s.figure("wins").note
    assert s.figure("wins:bad:base").title == "bad against base: wins"
    told = " ".join(cell for t in score_tables(judge_report(sides(wins), POLICY)) for row in t.rows for cell in row)
    assert "good against expert: wins and ties" in told


def test_one_system_against_one_opponent_is_told_once():
    s = sheet(sides({("good", "expert"): 18}))
    assert not [f.name for f in s.figures if ":" in f.name]
    assert "a mixture" not in s.figure("wins").note
