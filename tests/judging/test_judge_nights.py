"""`harness judge pool` and `compare`: nights that add up, and versions that are bridged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from judge_lab import JudgeLab, planted
from test_judging_measured import measured

from harness.cli.main import main
from harness.stats.intervals import wilson, z_of

RIGHT, WRONG = "It takes 14 days.", "It takes 30 days."


def said(lab: JudgeLab, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["judge", *words, "--workspace", str(lab.workspace)])
    out = capsys.readouterr()
    return code, out.out, out.err


def figures(text: str) -> dict[str, dict[str, Any]]:
    found = json.loads(text)
    (sheet,) = found["sheets"] if isinstance(found, dict) else found
    return {f["name"]: f for f in sheet["figures"]}


def numbered(lab: JudgeLab, number: int) -> None:
    """Runs of one second have no order by their names: give this one its place."""
    lab.folder = lab.folder.rename(lab.folder.parent / f"{number:02}-night")


def night(lab: JudgeLab, rule: str, **more: Any) -> None:
    """One run of six works that are worse than the expert's, with eight sentinels that must win."""
    rows = [{"id": f"r{i}", "question": "q", "answer": RIGHT, "opponent": WRONG, "expect": "win"} for i in range(8)]
    grader = {
        "use": "judge_pairwise", "opponent": {"field": "expert"}, "judge": planted(rule, **more),
        "sentinels": lab.write("graders/s.jsonl", rows), "sentinel_agreement": 0,
    }  # fmt: skip
    lab.run(lab.suite(grader, {"a": WRONG}, task={"meta": {"expert": RIGHT}}, tasks=6))


def test_nights_add_up_and_other_versions_are_left_out(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Per-call noise in three nights of 30 pairs; a fourth night's judge was another one and says nothing here."""
    measured(lab, "first", n=30)
    numbered(lab, 1)
    for seed in (11, 12, 13):
        measured(lab, "per_call", strength=0.3, n=30, seed=seed)
        numbered(lab, seed)
    code, out, _ = said(lab, capsys, "pool", "--json")
    assert code in (0, 3)
    swap = figures(out)["swap_consistency"]
    assert swap["n"] == 90
    _, text, _ = said(lab, capsys, "pool")
    assert "suite lab: 3 runs, 11-night to 13-night; 60 judgements of other versions or judges left out" in text
    _, text, _ = said(lab, capsys, "pool", "--last", "2")
    assert "2 runs, 12-night to 13-night" in text
    one = wilson(swap["value"], 30, z_of(0.95))
    assert swap["interval"]["high"] - swap["interval"]["low"] < one.high - one.low, "three nights say more than one"


def test_audits_of_the_suite_add_up_with_its_nights(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """One order was scored, so nights alone say nothing of position: the audit, kept apart, does."""
    measured(lab, "first", n=30, grader={"orders": "random_single"})
    _, out, _ = said(lab, capsys, "pool", "--suite", "lab", "--json")
    assert figures(out)["swap_consistency"]["value"] is None
    said(lab, capsys, "audit", "--suite", "lab", "--quiet")
    _, out, _ = said(lab, capsys, "pool", "--suite", "lab", "--json")
    swap = figures(out)["swap_consistency"]
    assert (swap["value"], swap["n"]) == (0, 30)
    _, text, _ = said(lab, capsys, "pool", "--suite", "lab")
    assert "suite lab: 1 run and 1 audit, " in text
    name = next((lab.workspace / "runs" / "audits").iterdir())
    before = json.loads((name / "manifest.json").read_text())
    (name / "manifest.json").write_text(json.dumps(before | {"created": "2001-01-01T00:00:00+00:00"}))
    _, text, _ = said(lab, capsys, "pool", "--suite", "lab")
    assert "suite lab: 1 run, " in text, "an audit from before the runs that are pooled is none of them"


def test_the_same_night_again_is_no_news(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Families are the clusters: a copy of a night leaves the value, and the interval is no narrower."""
    once = measured(lab, "per_item", strength=0.3, n=60).sheets[0].figure("position_effect")
    measured(lab, "per_item", strength=0.3, n=60)
    _, out, _ = said(lab, capsys, "pool", "--json")
    twice = figures(out)["position_effect"]
    assert once is not None
    assert once.interval is not None
    assert (twice["n"], twice["value"]) == (120, once.value)
    assert twice["interval"]["high"] - twice["interval"]["low"] >= once.interval.high - once.interval.low - 1e-9


def test_two_versions_are_bridged_on_the_same_works(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Exact: honest says loss of six equal-length works, longer says tie; eight sentinels only the old one repeats."""
    night(lab, "honest")
    old = lab.folder.name
    night(lab, "longer")
    _, out, _ = said(lab, capsys, "compare", old, lab.folder.name, "--json")
    found = figures(out)
    assert (found["sentinels_old"]["value"], found["sentinels_new"]["value"]) == (1, 0)
    assert "8 only by the old one, 0 only by the new one; McNemar's p = 0.00781" in found["sentinels_new"]["note"]
    assert (found["bridge_same"]["value"], found["bridge_same"]["n"]) == (0, 6)
    assert found["bridge_shift"]["value"] == 0.5
    assert "6 up, 0 down; McNemar's p = 0.0312" in found["bridge_shift"]["note"]
    _, text, _ = said(lab, capsys, "compare", old, lab.folder.name)
    assert "a calibration of its own" in text
    assert "said otherwise" in text
    assert "loss" in text


def test_one_version_twice_is_the_same_calibration(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    night(lab, "honest")
    old = lab.folder.name
    night(lab, "honest")
    _, out, _ = said(lab, capsys, "compare", old, lab.folder.name, "--json")
    (bridge,) = json.loads(out)
    assert (bridge["same"], bridge["n_moved"]) == (True, 0)
    assert figures(out)["bridge_same"]["value"] == 1


def test_other_answers_are_no_bridge(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """A work counts for both versions only if its text was the same."""
    measured(lab, "oracle", n=4)
    old = lab.folder.name
    measured(lab, "oracle", n=4, answers={"work": "The answer is alpha, I believe."})
    _, text, _ = said(lab, capsys, "compare", old, lab.folder.name)
    assert "no work was judged by both" in text


def test_runs_without_a_common_judge_are_refused(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=2)
    old = lab.folder.name
    night(lab, "honest")
    code, _, err = said(lab, capsys, "compare", old, lab.folder.name)
    assert code == 2
    assert "share no judge" in err
    code, _, err = said(lab, capsys, "pool", "--suite", "other")
    assert code == 2
    assert "suites with judged runs: lab" in err


def test_a_judge_of_another_name_is_bridged_by_its_audit(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """`second` is asked by no grader yet; what it says of the stored work stands beside what the first one said."""
    judges = {"second": {"output": "json", "cache": False, "model": {"use": "graders/biased.py:Biased", "rule": "tie"}}}
    measured(lab, "oracle", n=20, judges=judges)
    run = lab.folder
    said(lab, capsys, "audit", str(run), "--judge", "second", "--quiet")
    (apart,) = (lab.workspace / "runs" / "audits").iterdir()
    _, out, _ = said(lab, capsys, "compare", run.name, str(apart), "--judges", "biased=second", "--json")
    found = figures(out)
    assert (found["bridge_same"]["n"], found["bridge_same"]["value"]) == (20, 0)
    assert found["bridge_shift"]["value"] == 0
    assert "10 up, 10 down" in found["bridge_shift"]["note"]
    code, _, err = said(lab, capsys, "compare", run.name, str(apart), "--judges", "biased")
    assert code == 2
    assert "--judges OLD=NEW" in err
