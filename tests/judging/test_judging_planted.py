"""Rows of judge.md 7.7 through prompt, call, parser, record and sheet that need tasks of their own.

Which test proves which row: docs/design/009-judge-measurement.md.
"""

from __future__ import annotations

from typing import Any

import measured_judges
import pytest
import yaml
from judge_lab import JudgeLab, planted
from measured_judges import Biased
from test_judging_measured import GRADER, measured, sheet, value

from harness.config.load import load_suite
from harness.errors import RunInvalid
from harness.report.build import build_report
from harness.report.judges_model import JudgeSheet
from harness.report.trend_collect import collect
from harness.toolkit.judging.seen import Seen

FILLER = "so it is said here "


def judged_cases(lab: JudgeLab, grader: dict[str, Any], tasks: list[dict[str, Any]], answer: str) -> JudgeSheet:
    """These tasks judged by a planted judge; the sheet of that judge."""
    (lab.workspace / "graders" / "biased.py").write_text(GRADER)
    system = {
        "name": "work",
        "harness": "single_turn",
        "model": {"use": "scripted", "name": "of-work", "answer": answer},
    }
    said = {"suite": "lab", "systems": [system], "seed": 3, "tasks": [{**t, "graders": [grader]} for t in tasks]}
    (lab.workspace / "tasks" / "lab" / "suite.yaml").write_text(yaml.safe_dump(said))
    assert lab.run(load_suite(lab.workspace, "lab")) == "complete"
    report = build_report(lab.folder).judges
    assert report is not None
    return sheet(report)


def biased(rule: str, **more: Any) -> dict[str, Any]:
    """A judge that obeys a rule of measured_judges.py."""
    model = {"use": "graders/biased.py:Biased", "rule": rule, **more}
    return {"name": "biased", "output": "json", "cache": False, "model": model}


def test_a_planted_slope_of_length_is_recovered(lab: JudgeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """P(longer wins) is logistic in log2 of the lengths with slope 1, and nothing else counts. The work is the longer
    one on average: its raw win rate is above a half, the controlled one covers a half.
    """

    def by_length(seen: Seen, m: Biased, u: float) -> str:
        one, two = seen.answers
        share = measured_judges.share(f"pair {measured_judges.case_of(seen)}")
        work, other = (one, two) if seen.answers[one].startswith("work") else (two, one)
        ratio = len(seen.answers[work]) / len(seen.answers[other])
        return work if share < ratio**1.4427 / (1 + ratio**1.4427) else other

    monkeypatch.setitem(measured_judges.RULES, "by_length", by_length)
    tasks = [
        {"id": f"t{i:03d}", "prompt": f"Case {i}: which?", "meta": {"expert": f"other {FILLER * (2 + i % 15)}"}}
        for i in range(300)
    ]
    grader = {"use": "judge_pairwise", "judge": biased("by_length"), "opponent": {"field": "expert"}}
    s = judged_cases(lab, grader, tasks, f"work {FILLER * 12}")
    slope, controlled = s.figure("length_slope"), s.figure("equal_length_rate")
    assert slope is not None and slope.interval is not None and slope.interval.low <= 1 <= slope.interval.high
    assert controlled is not None and controlled.interval is not None
    assert controlled.interval.low <= 0.5 <= controlled.interval.high
    raw = s.figure("win_rate")
    assert raw is not None and raw.interval is not None and raw.interval.low > 0.5


@pytest.mark.parametrize(("rule", "f"), [("never", 0.0), ("zero", 0.0), ("exact", 1.0)])
def test_a_constant_judge_of_steps_gets_nothing(
    lab: JudgeLab, monkeypatch: pytest.MonkeyPatch, rule: str, f: float
) -> None:
    """Ways with a known first error in step 1, 2 or nowhere: always clean, always step 0, and the right step."""

    def says(seen: Seen, m: Biased, u: float) -> str:
        case = measured_judges.case_of(seen) % 3
        right = ("clean", "1", "2")[case]
        said = {"never": "clean", "zero": "0", "exact": right}[m.rule]
        quote = "" if said == "clean" else seen.pieces[f"step {said}"]
        return f'{{"reason": "r", "quote": "{quote}", "verdict": "{said}", "token": "{seen.token}"}}'

    monkeypatch.setitem(measured_judges.RULES, rule, says)
    tasks = [
        {"id": f"t{i:02d}", "prompt": f"Case {i}: which?", "meta": {"error": ("clean", "1", "2")[i % 3]}}
        for i in range(30)
    ]
    grader = {"use": "judge_steps", "steps": "lines", "judge": biased(rule), "gold": "error"}
    s = judged_cases(lab, grader, tasks, "first\nsecond\nthird")
    assert value(s, "steps_f") == f
    assert value(s, "steps_exact") == (1.0 if rule == "exact" else 0.0)
    assert value(s, "steps_near") == {"never": 0.0, "zero": 0.5, "exact": 1.0}[rule]
    assert value(s, "steps_late") == 0


def test_repeats_from_the_cache_are_copies_and_measure_nothing(lab: JudgeLab) -> None:
    """The second run's repeats are what the first run was told: repeat stability is refused there, not 1."""
    more = {"grader": {"repeats": 2}, "n": 20}
    judge = {**biased("coin", strength=0.5), "cache": True}
    first = sheet(measured(lab, "coin", **{**more, "grader": {**more["grader"], "judge": judge}}))  # type: ignore[dict-item]
    again = sheet(measured(lab, "coin", **{**more, "grader": {**more["grader"], "judge": judge}}))  # type: ignore[dict-item]
    assert first.figure("repetition_stability").value is not None  # type: ignore[union-attr]
    assert all(j.cached for j in lab.judgements("score"))
    assert again.figure("repetition_stability").value is None  # type: ignore[union-attr]
    assert value(again, "swap_consistency") == value(first, "swap_consistency")


def test_a_judge_that_changes_between_nights_stops_the_second_and_has_no_figure_in_it(lab: JudgeLab) -> None:
    """Yesterday's verdicts are frozen as sentinels; tonight another rule answers: no system is asked, no score."""
    rows = [
        {"id": f"s{i}", "question": "q", "answer": "Within 14 days.", "opponent": "Thirty days.", "expect": "win"}
        for i in range(30)
    ]
    grader = {
        "use": "judge_pairwise", "name": "pair", "opponent": {"field": "expert"},
        "sentinels": lab.write("graders/s.jsonl", rows),
    }  # fmt: skip
    task = {"meta": {"expert": "Thirty days."}}
    lab.run(lab.suite({**grader, "judge": planted("honest")}, {"a": "Within 14 days."}, task=task))
    one = build_report(lab.folder)
    assert one.judges is not None and value(sheet(one.judges), "sentinel_agreement") == 1
    with pytest.raises(RunInvalid, match="0 of 30 sentinels of 'pair' came out as frozen") as e:
        lab.run(lab.suite({**grader, "judge": planted("tie")}, {"a": "Within 14 days."}, task=task))
    assert e.value.exit_code == 3
    two = build_report(lab.folder)
    assert two.judges is not None and value(sheet(two.judges), "sentinel_agreement") == 0
    assert sheet(two.judges).validity == "invalid"
    assert lab.attempts() == [] and lab.judgements("score") == []
    (night,) = [n for n in collect(lab.workspace, "lab").history.nights if n.run == lab.folder.name]
    assert (night.graded, night.tasks, night.judges["planted"].hits) == (0, {}, 0), "it is no point of the trend"
