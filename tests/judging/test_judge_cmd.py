"""`harness judge list`, `audit`, `calibrate` on real runs of planted judges."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from judge_lab import JudgeLab, planted
from measured_judges import share
from pydantic import ValidationError
from test_judging_measured import measured

from harness.cli.main import main
from harness.plugins.loader import load
from harness.records.label import Label
from harness.store.judgements import iter_judgements
from harness.store.labels import LABELS, encode_labels, read_labels


def said(lab: JudgeLab, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["judge", *words, "--workspace", str(lab.workspace)])
    out = capsys.readouterr()
    return code, out.out, out.err


def figure(text: str, name: str) -> dict[str, object]:
    (sheet,) = json.loads(text)["sheets"]
    return next(f for f in sheet["figures"] if f["name"] == name)


def test_an_audit_asks_both_orders_again_and_calls_no_system(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """One order was scored: nothing is known of position. The audit finds the bias; the score stays what it was."""
    report = measured(lab, "first", n=60, grader={"orders": "random_single"})
    assert report.sheets[0].position == "inconclusive"
    attempts = (lab.folder / "attempts.jsonl").read_bytes()
    scored = [j for j in iter_judgements(lab.folder) if j.role == "score"]
    code, out, err = said(lab, capsys, "audit", "--pairs", "40", "--quiet", "--json")
    assert code == 3
    assert "160 judgements added" in err
    assert (lab.folder / "attempts.jsonl").read_bytes() == attempts
    assert [j for j in iter_judgements(lab.folder) if j.role == "score"] == scored
    assert figure(out, "position_effect")["value"] == 1
    assert figure(out, "repetition_stability")["value"] == 1
    assert figure(out, "swap_consistency")["n"] == 40


def test_an_audit_of_nothing_is_refused(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=2)
    code, _, err = said(lab, capsys, "audit", "--grader", "nobody")
    assert code == 2
    assert "judged nothing" in err


def labels_file(lab: JudgeLab, labels: list[Label]) -> Path:
    path = lab.workspace / "graders" / "labels" / "l.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_labels(labels))
    return path


def reference_run(lab: JudgeLab, n: int = 200) -> str:
    report = measured(
        lab, "reference", strength=0.92, other=0.75, n=n, grader={"use": "judge_reference", "opponent": None}
    )
    return report.sheets[0].grader


def truth(i: int) -> str:
    return "correct" if share(f"truth {i} The answer is alpha.") < 0.7 else "incorrect"


def a_label(grader: str, i: int, **more: object) -> Label:
    fields: dict[str, object] = {
        "grader": grader, "task": f"t{i:03d}", "system": "work", "epoch": 1, "labeler": "ann", "label": truth(i),
    }  # fmt: skip
    return Label(**(fields | more))  # type: ignore[arg-type]  # fields of a label


def test_labels_of_this_run_correct_by_ppi_and_stay_in_its_report(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    grader = reference_run(lab)
    run = lab.folder.name
    labels_file(lab, [a_label(grader, i, run=run, inclusion_prob=0.5) for i in range(0, 200, 2)])
    _, out, _ = said(lab, capsys, "calibrate", "--json")
    assert str(figure(out, "corrected")["note"]).startswith("ppi++")
    assert figure(out, "kappa")["n"] == 100
    main(["report", run, "--workspace", str(lab.workspace), "--json"])
    kept = json.loads(capsys.readouterr().out)["judges"]["sheets"][0]["figures"]
    assert next(f for f in kept if f["name"] == "corrected")["n"] == 100


def test_labels_of_another_run_are_matched_there_and_correct_by_rogan_gladen(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    grader = reference_run(lab)
    before = lab.folder.name
    reference_run(lab)
    assert lab.folder.name != before
    labels_file(lab, [a_label(grader, i, run=before, inclusion_prob=0.5) for i in range(200)])
    _, out, _ = said(lab, capsys, "calibrate", lab.folder.name, "--json")
    found = figure(out, "corrected")
    assert str(found["note"]).startswith("rogan-gladen")
    low, high = found["interval"]["low"], found["interval"]["high"]  # type: ignore[index]  # an interval
    assert low <= sum(truth(i) == "correct" for i in range(200)) / 200 <= high
    code, _, err = said(lab, capsys, "calibrate", lab.folder.name, "--design", "run_sample")
    assert code == 2
    assert "no sample of it" in err


def test_labels_of_another_judge_are_refused(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    grader = reference_run(lab)
    before = lab.folder.name
    measured(lab, "reference", strength=0.5, other=0.5, n=60, grader={"use": "judge_reference", "opponent": None})
    labels_file(lab, [a_label(grader, i, run=before) for i in range(60)])
    code, _, err = said(lab, capsys, "calibrate", lab.folder.name)
    assert code == 2
    assert "was another one in run" in err


def test_unknown_ids_are_refused_with_place_and_help(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    grader = reference_run(lab, 60)
    labels_file(
        lab, [a_label(grader, 1), a_label(grader, 999), msgspec.structs.replace(a_label(grader, 2), system="ghost")]
    )
    code, _, err = said(lab, capsys, "calibrate")
    assert code == 2
    assert "graders/labels/l.jsonl:2:1" in err
    assert "judged no task 't999'" in err
    assert "graders/labels/l.jsonl:3:1" in err
    assert "system 'ghost'" in err


def test_a_useless_judge_corrects_nothing(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    report = measured(
        lab, "reference", strength=0.5, other=0.5, n=120, grader={"use": "judge_reference", "opponent": None}
    )
    grader = report.sheets[0].grader
    labels_file(lab, [a_label(grader, i) for i in range(120)])
    code, out, _ = said(lab, capsys, "calibrate", "--json")
    assert code == 3  # kappa under its threshold
    assert figure(out, "corrected")["value"] is None
    assert "uninformative" in str(figure(out, "corrected")["why_not"])


def test_no_labels_at_all_is_said(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    reference_run(lab, 20)
    code, _, err = said(lab, capsys, "calibrate")
    assert code == 2
    assert "there is no label" in err


def test_the_list_names_every_judge_of_a_suite(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    grader = reference_run(lab, 4)
    labels_file(lab, [a_label(grader, 1), a_label(grader, 2, set="dev")])
    _, out, _ = said(lab, capsys, "list", "--json")
    (row,) = json.loads(out)
    assert (row["judge"], row["model"], row["labels"], row["dev_labels"]) == ("biased", "scripted/biased", 1, 1)
    assert row["simulated"] is True
    _, text, _ = said(lab, capsys, "list")
    assert "scripted/biased (SIMULATED)" in text


def test_a_word_that_the_judge_cannot_say_is_no_label(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    grader = reference_run(lab, 60)
    labels_file(lab, [a_label(grader, i) for i in range(10)] + [a_label(grader, 11, label="win")])
    code, _, err = said(lab, capsys, "calibrate")
    assert code == 2
    assert "graders/labels/l.jsonl:11:1" in err
    assert "has no verdict 'win'" in err and "correct, incorrect, abstained, unsure" in err


def test_labels_of_one_grader_leave_those_of_others_in_the_run(
    lab: JudgeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise a judge that is not valid became one when another was calibrated."""
    grader = reference_run(lab, 60)
    other = Label(grader="other", task="t001", system="work", epoch=1, labeler="ann", label="met")
    (lab.folder / LABELS).write_bytes(encode_labels([other]))
    labels_file(lab, [a_label(grader, i) for i in range(60)])
    said(lab, capsys, "calibrate", "--grader", grader)
    kept = read_labels(lab.folder / LABELS)
    assert len(kept) == 61 and other in kept
    said(lab, capsys, "calibrate", "--grader", grader)
    assert len(read_labels(lab.folder / LABELS)) == 61, "and none twice"


def test_a_label_that_is_no_step_is_refused(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    grader = {"use": "judge_steps", "name": "way", "steps": "lines", "judge": planted("clean")}
    lab.run(lab.suite(grader, {"work": "2 + 2 = 4"}, tasks=2))
    made = [Label(grader="way", task=f"t{i + 1}", system="work", epoch=1, labeler="ann", label=word)
            for i, word in enumerate(("0", "second"))]  # fmt: skip
    labels_file(lab, made)
    code, _, err = said(lab, capsys, "calibrate")
    assert code == 2
    assert "graders/labels/l.jsonl:2:1" in err and "'way' has no verdict 'second'" in err
    assert "it has: clean, the number of a step, unsure" in err


def test_a_named_grader_is_told_alone(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside it stood the others as if nobody had labelled them, and their faults were the exit code."""
    one = {"use": "judge_reference", "name": "one", "judge": planted("honest")}
    other = {**one, "name": "other"}
    task = {"reference": "14 days", "graders": [one, other]}
    lab.run(lab.suite(one, {"work": "It takes 14 days."}, task=task, tasks=3))
    labels_file(lab, [Label(grader=n, task="t1", system="work", epoch=1, labeler="ann", label="correct")
                      for n in ("one", "other")])  # fmt: skip
    for words in (("calibrate",), ("audit", "--quiet")):
        _, out, _ = said(lab, capsys, *words, "--grader", "one", "--json")
        assert [s["grader"] for s in json.loads(out)["sheets"]] == ["one"], words


@pytest.mark.parametrize("use", ["judge_pairwise", "judge_select"])
def test_blank_criteria_are_refused(use: str) -> None:
    made = load("grader", use, Path())
    with pytest.raises(ValidationError, match="criteria"):
        made.model_validate({"criteria": "  ", "judge": {"model": "scripted/x"}})
    with pytest.raises(ValidationError, match="text"):
        load("grader", "judge_rubric", Path()).model_validate({"criteria": [{"id": "a", "text": "  ", "weight": 1}]})


def test_an_audit_is_of_the_same_calibration(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    reference_run(lab, 30)
    said(lab, capsys, "audit", "--pairs", "3")
    ids = {j.role: j.calibration for j in iter_judgements(lab.folder)}
    assert ids.keys() >= {"score", "audit"} and len(set(ids.values())) == 1, ids
