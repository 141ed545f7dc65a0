"""`calibration:` of a suite: which labels, and by which design a score is corrected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from judge_lab import JudgeLab, planted

from harness.cli.main import main
from harness.records.label import Label
from harness.store.labels import encode_labels


def run(lab: JudgeLab, capsys: pytest.CaptureFixture[str], calibration: dict[str, Any]) -> dict[str, Any]:
    """A run of 60 works through the command line; its data sheet's figures by name."""
    grader = {"use": "judge_reference", "judge": planted("honest", cache=False)}
    lab.suite(grader, {"a": "It takes 14 days."}, task={"reference": "14 days"}, tasks=60, calibration=calibration)
    assert main(["run", "--suite", "lab", "--quiet", "--workspace", str(lab.workspace)]) in (0, 3)
    capsys.readouterr()
    runs = sorted((lab.workspace / "runs").glob("*/summary.json"), key=lambda p: p.stat().st_mtime_ns)
    (sheet,) = json.loads(runs[-1].read_text())["judges"]["sheets"]
    return {f["name"]: f for f in sheet["figures"]}


def labels(path: Path, n: int, word: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = [
        Label(grader="judge_reference", task=f"t{i}", system="a", epoch=1, labeler="ann", label=word)
        for i in range(1, n + 1)
    ]
    path.write_bytes(encode_labels(said))


def test_only_the_files_that_are_named_count(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    labels(lab.workspace / "graders" / "labels" / "all.jsonl", 50, "incorrect")
    labels(lab.workspace / "calibration" / "few.jsonl", 7, "correct")
    assert run(lab, capsys, {})["kappa"]["n"] == 50
    assert run(lab, capsys, {"labels": "calibration/few.jsonl"})["agreement"]["value"] == 1
    assert run(lab, capsys, {"labels": ["calibration/few.jsonl"]})["kappa"]["n"] == 7


def test_the_design_is_the_suites_and_is_kept_in_the_run(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels for all runs are from elsewhere: asked for as a sample of this run, they correct nothing."""
    labels(lab.workspace / "graders" / "labels" / "all.jsonl", 50, "correct")
    assert "rogan-gladen" in run(lab, capsys, {})["corrected"]["note"]
    found = run(lab, capsys, {"design": "run_sample"})["corrected"]
    assert (found["value"], found["why_not"]) == (None, "uncalibrated: no labels")


def calibrated(lab: JudgeLab, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    """`harness judge calibrate`: exit code, figures of the one sheet, what was said on stderr."""
    code = main(["judge", "calibrate", *words, "--json", "--workspace", str(lab.workspace)])
    told = capsys.readouterr()
    sheets = json.loads(told.out)["sheets"] if told.out else [{"figures": []}]
    return code, {f["name"]: f for f in sheets[0]["figures"]}, told.err


def test_calibrate_goes_by_the_suites_files_and_design(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """It took all of graders/labels, and any design; what is said on the command line still wins."""
    labels(lab.workspace / "graders" / "labels" / "all.jsonl", 50, "incorrect")
    labels(lab.workspace / "calibration" / "few.jsonl", 7, "correct")
    said = {"labels": "calibration/few.jsonl", "design": "external"}
    run(lab, capsys, said)
    _, found, _ = calibrated(lab, capsys)
    assert found["kappa"]["n"] == 7
    _, found, _ = calibrated(lab, capsys, "--labels", str(lab.workspace / "graders" / "labels" / "all.jsonl"))
    assert found["kappa"]["n"] == 50
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "calibration": {"design": "run_sample"}}))
    code, _, err = calibrated(lab, capsys)
    assert code == 2 and "no label was drawn from this run" in err
    _, found, _ = calibrated(lab, capsys, "--design", "external")
    assert "rogan-gladen" in found["corrected"]["note"]


def test_calibrate_says_where_it_looked_for_labels(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    other = Label(grader="other", task="t1", system="a", epoch=1, labeler="ann", label="met")
    (lab.workspace / "calibration").mkdir()
    (lab.workspace / "calibration" / "other.jsonl").write_bytes(encode_labels([other]))
    run(lab, capsys, {"labels": "calibration/other.jsonl"})
    code, _, err = calibrated(lab, capsys)
    assert code == 2
    assert "no label for judge_reference in calibration/other.jsonl, which the suite's `calibration` names" in err


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"labels": "gone.jsonl"}, "there is no file of labels 'gone.jsonl'"),
        ({"design": "ppi"}, "expected auto, run_sample or external"),
        ({"label": "x"}, "unknown key `label`"),
    ],
)
def test_what_is_wrong_is_told_at_the_suite(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str], said: dict[str, Any], told: str
) -> None:
    lab.suite({"use": "judge_reference", "judge": planted("honest")}, {"a": "x"}, task={"reference": "14"})
    path = lab.workspace / "tasks" / "lab" / "suite.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "calibration": said}))
    assert main(["run", "--suite", "lab", "--quiet", "--workspace", str(lab.workspace)]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "tasks/lab/suite.yaml" in err
