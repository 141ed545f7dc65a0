"""Judges against people's labels: baselines beside agreement, refusals, designs, dev sets never reported on."""

from __future__ import annotations

import random

import judged
import pytest

from harness.config.judge_gate import JudgePolicy
from harness.records.label import Label
from harness.report.judges import About, judge_report


def label(task: int, word: str, **fields: object) -> Label:
    said: dict[str, object] = {
        "grader": "facts",
        "task": f"t{task:05d}",
        "system": "work",
        "labeler": "ann",
        "label": word,
    }
    return Label(**(said | fields))


def sheet(judgements, labels, run="", **policy):
    (found,) = judge_report(judgements, JudgePolicy(**policy), About(run=run, labels=labels)).sheets
    return found


def world(n: int, seed: int, theta: float = 0.7, se: float = 0.92, sp: float = 0.75):
    """Truth by task, and a judge with these error rates."""
    rng = random.Random(seed)
    truth = [rng.random() < theta for _ in range(n)]
    said = [rng.random() < se if t else rng.random() > sp for t in truth]
    return truth, [judged.plain("correct" if s else "incorrect", i) for i, s in enumerate(said)]


def word(passes: bool) -> str:
    return "correct" if passes else "incorrect"


def test_a_judge_that_passes_everything_agrees_and_fails_on_kappa():
    """80 % passes: agreement .80, kappa 0, specificity 0, and the gate fails on kappa (judge.md 7.7)."""
    s = sheet([judged.plain("correct", i) for i in range(100)], [label(i, word(i < 80)) for i in range(100)])
    assert s.figure("agreement").value == 0.8
    assert "constant judge: 0.80" in s.figure("agreement").note
    assert (s.figure("kappa").value, s.figure("specificity").value, s.figure("sensitivity").value) == (0, 0, 1)
    assert next(c.state for c in s.checks if c.name == "kappa_min") == "failed"
    assert s.validity == "invalid"
    assert "80/20/0/0" in s.figure("sensitivity").note


def test_labels_of_another_grader_or_item_do_not_count_as_this_ones():
    _, rows = world(60, 1)
    s = sheet(rows, [label(0, "correct", grader="other"), label(900, "correct")])
    assert s.figure("kappa").value is None
    assert any("1 without a verdict" in n for n in s.notes)


def test_dev_labels_are_never_reported_on():
    truth, rows = world(100, 2)
    dev = [label(i, word(t), set="dev") for i, t in enumerate(truth)]
    s = sheet(rows, dev)
    assert s.figure("kappa").value is None
    assert s.figure("corrected").value is None
    assert any("100 of the dev set" in n for n in s.notes)


def test_people_who_are_split_or_unsure_settle_nothing():
    _, rows = world(60, 3)
    labels = [
        label(0, "correct"),
        label(0, "incorrect", labeler="bob"),
        label(1, "unsure"),
        label(2, "correct"),
        label(3, "correct"),
    ]
    s = sheet(rows, labels)
    assert s.figure("agreement").n == 2
    assert s.figure("human_ceiling").value == 0
    assert any("1 unsure" in n and "1 on which people are split" in n for n in s.notes)


def test_the_human_ceiling_is_how_people_agree_with_each_other():
    truth, rows = world(60, 4)
    labels = [label(i, word(t)) for i, t in enumerate(truth)]
    labels += [label(i, word(t if i % 10 else not t), labeler="bob") for i, t in enumerate(truth[:40])]
    s = sheet(rows, labels)
    assert s.figure("human_ceiling").value == pytest.approx(0.9)
    assert s.figure("human_ceiling").n == 40


def test_labels_drawn_from_this_run_correct_it_by_ppi():
    truth, rows = world(1000, 5)
    picked = random.Random(6).sample(range(1000), 200)
    labels = [label(i, word(truth[i]), run="r1", inclusion_prob=0.2) for i in picked]
    found = sheet(rows, labels, run="r1").figure("corrected")
    assert found.note.startswith("ppi++")
    assert found.interval.low < sum(truth) / 1000 < found.interval.high
    assert found.n == 200


def test_labels_from_elsewhere_correct_it_by_rogan_gladen_and_never_by_ppi():
    """The same labels, said to hold in any run: the design refuses PPI++ (judge.md 7.7)."""
    truth, rows = world(1000, 7)
    labels = [label(i, word(truth[i]), inclusion_prob=0.2) for i in range(200)]
    found = sheet(rows, labels, run="r1").figure("corrected")
    assert found.note.startswith("rogan-gladen")
    assert found.interval.low < sum(truth) / 1000 < found.interval.high


def test_a_judge_worse_than_chance_corrects_nothing():
    truth, rows = world(300, 8, se=0.5, sp=0.5)
    found = sheet(rows, [label(i, word(t)) for i, t in enumerate(truth[:100])]).figure("corrected")
    assert found.value is None
    assert "uninformative" in found.why_not


def test_without_labels_a_score_is_uncalibrated_and_says_so():
    _, rows = world(60, 9)
    assert "uncalibrated" in sheet(rows, []).figure("corrected").why_not


def test_one_class_only_in_a_sample_of_this_run_leaves_the_labels_alone():
    rows = [judged.plain("correct", i) for i in range(100)]
    found = sheet(rows, [label(i, "correct", run="r1") for i in range(40)], run="r1").figure("corrected")
    assert found.note.startswith("labels only")


def test_pairs_are_compared_by_the_conservative_outcome():
    rows = list(judged.pairwise(judged.always(0), n=60))
    labels = [label(i, "win" if i % 2 == 0 else "loss", grader="helpful", opponent="rival") for i in range(60)]
    s = sheet(rows, labels)
    assert s.figure("agreement").value == 0
    assert s.figure("kappa_linear").value == pytest.approx(0, abs=1e-9)


def test_one_label_is_no_agreement():
    _, rows = world(60, 10)
    s = sheet(rows, [label(0, "correct")])
    assert "1 labelled items" in s.figure("kappa").why_not


def test_labels_of_another_run_are_not_matched_with_this_runs_work():
    """The same task and system, another answer: what a person said of that one says nothing of this one."""
    truth, rows = world(60, 11)
    s = sheet(rows, [label(i, word(t), run="r0") for i, t in enumerate(truth)], run="r1")
    assert s.figure("kappa").value is None
    assert any("60 of other runs" in n for n in s.notes)


def pairs_with_labels(each: int):
    """Pairs won, tied and lost, `each` of every kind, judged right in both orders, with labels for all runs."""
    rows, labels = [], []
    for i in range(3 * each):
        word_ = ("win", "tie", "loss")[i % 3]
        for order in (0, 1):
            slot = {"win": order, "tie": None, "loss": 1 - order}[word_]
            rows.append(judged.verdict(i, order, slot))
        labels.append(label(i, word_, grader="helpful", opponent="rival"))
    return rows, labels


def test_three_way_labels_correct_by_class_from_thirty_of_each_and_wins_alone_below():
    """judge.md 3.2: theta = C^-1 p where every class has 30 labels; else the two classes that there are."""
    rows, labels = pairs_with_labels(40)
    found = sheet(rows, labels).figure("corrected")
    assert (found.title, found.note) == ("score corrected by labels", "confusion matrix")
    table = "judge by people's win/tie/loss: win 40/0/0, tie 0/40/0, loss 0/0/40"
    assert sheet(rows, labels).figure("kappa").note == table
    assert found.value == pytest.approx(0.5)
    rows, labels = pairs_with_labels(20)
    found = sheet(rows, labels).figure("corrected")
    assert found.title == "wins corrected by labels"
    assert "20 labels in the rarest class: 30 are needed in each" in found.note
    assert found.value == pytest.approx(1 / 3)


def test_a_correction_is_of_one_system_and_not_of_a_mixture():
    """Work of `good` is right 9 times of 10, of `bad` 1 time; the judge passes everything; all of it is labelled."""
    rows = [judged.plain("correct", i, system=who) for who in ("good", "bad") for i in range(100)]
    rows[0] = judged.plain("incorrect", 0, system="good")
    labels = [
        label(i, word(i % 10 != 0 if who == "good" else i % 10 == 0), system=who, run="r1")
        for who in ("good", "bad")
        for i in range(100)
    ]
    s = sheet(rows, labels, run="r1")
    assert s.figure("corrected").value == pytest.approx(0.5)
    assert "a mixture" in s.figure("corrected").note
    assert s.figure("corrected:good").value == pytest.approx(0.9)
    assert s.figure("corrected:bad").value == pytest.approx(0.1)
    assert s.figure("corrected:bad").title == "bad: score corrected by labels"
    assert (s.figure("good_rate:good").value, s.figure("good_rate:bad").value) == (0.99, 1)


def test_labels_from_elsewhere_correct_each_system_by_the_judges_error_rates():
    """A judge with no error: each system's own share, not that of both."""
    rows = [judged.plain(word(i % 4 != 0), i, system="good") for i in range(100)]
    rows += [judged.plain(word(i % 4 == 0), i, system="bad") for i in range(100)]
    labels = [label(i, word(i % 4 != 0), system="good") for i in range(100)]
    s = sheet(rows, labels, run="r1")
    assert s.figure("corrected:good").value == pytest.approx(0.75)
    assert s.figure("corrected:bad").value == pytest.approx(0.25)
    assert "also of other systems" in s.figure("corrected:bad").note
