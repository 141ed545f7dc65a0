"""A system that others are compared with is not measured by that: it gets no rate out of judgements nobody made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from judge_lab import JudgeLab, planted

from harness.api import Grade
from harness.cli.main import main
from harness.report.build import build_report
from harness.report.measured import measure
from harness.report.model import Report
from harness.report.trials import read_trials

ANSWERS = {"a": "It takes 14 days.", "base": "It takes 30 days."}
PAIR = {"use": "judge_pairwise", "name": "pair", "judge": planted("honest"), "opponent": {"system": "base"}}
SELECT = {"use": "judge_select", "name": "best", "judge": planted("honest"), "against": [{"system": "base"}]}
MATCH = {"use": "match", "mode": "contains"}
FAILS = {"use": "match"}


@pytest.fixture(params=[PAIR, SELECT], ids=["pairwise", "select"])
def grader(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def rates(report: Report) -> dict[str, tuple[float | None, int]]:
    return {s.name: (s.passed.value, s.coverage.graded) for s in report.systems}


def test_the_named_opponent_has_no_pass_rate_and_the_run_is_valid(lab: JudgeLab, grader: dict[str, Any]) -> None:
    lab.run(lab.suite(grader, ANSWERS, tasks=4))
    found = [a for a in lab.attempts() if a.system == "base"]
    assert {(a.status, a.passed, a.value) for a in found} == {("ungradable", None, None)}
    assert {a.trouble.cause for a in found if a.trouble} == {"is_opponent"}
    report = build_report(lab.folder)
    assert rates(report) == {"a": (1, 4), "base": (None, 0)}
    assert (report.invalid, report.exit_code) == ((), 0)
    said = "NOT JUDGED: 4 of 4 trials of base: others are compared with it, and nobody judges it."
    assert any(w.startswith(said) for w in report.warnings)
    totals = measure(read_trials(lab.folder), "base").totals
    assert (totals.counted, totals.as_opponent, totals.overlooked) == (0, 4, 4)


@pytest.mark.parametrize("other", [FAILS, MATCH], ids=["fails", "passes"])
@pytest.mark.parametrize("combined", ["", "all_of", "any_of", "weighted"])
def test_other_graders_do_not_make_a_rate_of_it(
    lab: JudgeLab, other: dict[str, Any], combined: str, grader: dict[str, Any]
) -> None:
    """Of two deciding graders, a failed one decides: then its failures alone would be counted."""
    graders: list[Any] = [other, grader]
    if combined:
        own = {k: v for k, v in grader.items() if k != "name"}
        graders = [{"use": combined, "graders": [other, own], **({"threshold": 0.5} if combined == "weighted" else {})}]
    lab.suite(grader, ANSWERS)
    lab.run(lab.suite(grader, ANSWERS, task={"reference": "30 days", "graders": graders}, tasks=2))
    assert {a.status for a in lab.attempts() if a.system == "base"} == {"ungradable"}
    assert {a.status for a in lab.attempts() if a.system == "a"} == {"graded"}


def test_alone_in_the_run_nothing_was_measured(lab: JudgeLab, grader: dict[str, Any]) -> None:
    lab.run(lab.suite(grader, ANSWERS), systems=["base"])
    report = build_report(lab.folder)
    assert report.exit_code == 3
    assert "base: nothing was graded (0 of 1 trials)" in report.invalid


def test_a_tie_of_a_named_system_that_was_compared_counts(lab: JudgeLab) -> None:
    """`against: [base, mid]`: `mid` is compared with `base`; only the first of them stands against nobody."""
    against = [{"system": "base"}, {"system": "mid"}]
    lab.run(lab.suite({**SELECT, "against": against}, {**ANSWERS, "mid": "It takes 14 days, then."}))
    assert {a.system: a.status for a in lab.attempts()} == {"a": "graded", "base": "ungradable", "mid": "graded"}
    assert lab.attempt("mid").label == "selected"


def test_whoever_stands_against_nothing_but_empty_work_has_won(lab: JudgeLab) -> None:
    lab.run(lab.suite({**SELECT, "against": [{"system": "base"}]}, {**ANSWERS, "base": " "}))
    assert (lab.attempt("a").label, lab.attempt("a").passed) == ("alone", True)


def test_a_gate_passes_over_the_system_that_nobody_judges(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.workspace / "gates.yaml").write_text("metrics: {pass_rate: {min: 0.2}}\n")
    lab.run(lab.suite({**PAIR, "judge": planted("honest")}, ANSWERS, tasks=12, gate="gates.yaml"))
    monkeypatch.chdir(lab.workspace)
    code = main(["gate", Path(lab.folder).name])
    told = "".join(capsys.readouterr())
    assert code == 0, told
    assert "others are compared with it, and nobody judges it" in told


WORDS = {"answers": "It takes 14 days.", "declines": "I don't know"}


def declining(lab: JudgeLab, grader: dict[str, Any], named: str, words: dict[str, str] = WORDS) -> None:
    """Two systems, of which what says `I don't know` abstains; the other is compared with `named`."""
    systems = [
        {"name": name, "harness": {"use": "single_turn", "abstain": "I don't know"},
         "model": {"use": "scripted", "name": f"of-{name}", "answer": text}}
        for name, text in words.items()
    ]  # fmt: skip
    lab.run(lab.suite({**grader, "opponent": {"system": named}}, {}, systems=systems))


@pytest.mark.parametrize(
    ("work", "named", "value", "label"),
    [("answers", "declines", 1.0, "opponent_abstained"), ("declines", "answers", 0.0, "abstained")],
)
def test_a_side_that_abstains_loses_whichever_side_it_is(
    lab: JudgeLab, work: str, named: str, value: float, label: str
) -> None:
    declining(lab, {**PAIR, "judge": planted("second")}, named)
    found = lab.attempt(work)
    assert (found.value, found.label, lab.judgements()) == (value, label, [])


@pytest.mark.parametrize(("work", "named"), [("answers", "declines"), ("declines", "answers")])
def test_where_refusing_may_be_right_both_sides_are_judged_by_their_words(lab: JudgeLab, work: str, named: str) -> None:
    declining(lab, {**PAIR, "refusals": "judged"}, named)
    assert lab.attempt(work).label == ("win" if work == "answers" else "loss")
    assert len(lab.judgements("score")) == 2


def test_two_that_abstain_tie_and_the_record_says_why(lab: JudgeLab) -> None:
    declining(lab, PAIR, "b", {"a": "I don't know", "b": "I don't know"})
    found = lab.attempt("a")
    grade = found.grades["pair"]
    assert isinstance(grade, Grade)
    assert (found.value, found.label) == (0.5, "both_declined")
    assert grade.parts["lacks"] == {"work": "abstained", "opponent": "abstained"}


@pytest.mark.parametrize(("refusals", "label"), [("lose", "alone"), ("judged", "selected")])
def test_a_candidate_that_abstains_is_not_shown_unless_its_words_are_to_be_judged(
    lab: JudgeLab, refusals: str, label: str
) -> None:
    own = {**SELECT, "against": [{"system": "declines"}], "refusals": refusals}
    systems = [
        {"name": name, "harness": {"use": "single_turn", "abstain": "I don't know"},
         "model": {"use": "scripted", "name": f"of-{name}", "answer": text}}
        for name, text in WORDS.items()
    ]  # fmt: skip
    lab.run(lab.suite(own, {}, systems=systems))
    assert lab.attempt("answers").label == label
