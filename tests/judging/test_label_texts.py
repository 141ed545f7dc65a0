"""A label holds for what a person was shown: text, question, criterion. And every protocol can be labelled by keys."""

from __future__ import annotations

import json
import os
import select
import shutil
from pathlib import Path

import msgspec
import pytest
from judge_lab import JudgeLab, planted
from test_judging_measured import measured
from test_label_desk import Terminal, label, lines

from harness.cli.main import main
from harness.graders._case_judge import case_judge
from harness.graders.judge_rubric import JudgeRubric
from harness.plugins.contracts import Card
from harness.records.content import Json
from harness.records.label import Label
from harness.records.outcome import Artifact, Output
from harness.records.task import Task
from harness.report.build import build_report
from harness.store.labels import read_labels
from harness.testing.build import build
from harness.testing.fake_work import FakeWork

ROOT = Path(__file__).resolve().parents[2]
WORK = {"work": "The answer is alpha."}


def calibrated(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    code = main(["judge", "calibrate", "--json", "--workspace", str(lab.workspace)])
    assert code in (0, 3)
    (sheet,) = json.loads(capsys.readouterr().out)["sheets"]
    return sheet


def kappa(sheet: dict[str, object]) -> dict[str, object]:
    return next(f for f in sheet["figures"] if f["name"] == "kappa")  # type: ignore[attr-defined]  # read from JSON


def pressed(at: Terminal, *keys: str) -> None:
    for key in keys:
        at.press(key)
    assert at.close() == 0


def test_the_desk_and_the_judge_name_the_same_text_alike(lab: JudgeLab) -> None:
    measured(lab, "oracle", n=4, answers=WORK)
    pressed(label(lab, "--n", "4"), *"abtu")
    judged = {j.task: j.work for j in lab.judgements("score")}
    assert {x["task"]: x["work"] for x in lines(lab)} == judged
    assert all(judged.values())


def test_a_stored_label_for_another_answer_does_not_count(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels of stored work are copied into every run; when the answer is another one, they are for no work of it."""
    measured(lab, "oracle", n=6, answers=WORK)
    pressed(label(lab, "--n", "6", "--stored"), *"aaaaaa")
    measured(lab, "oracle", n=6, answers=WORK)
    assert kappa(calibrated(lab, capsys))["n"] == 6
    measured(lab, "oracle", n=6, answers={"work": "The answer is alpha, I believe."})
    found = calibrated(lab, capsys)
    assert kappa(found)["n"] == 0
    assert "6 for another text or question than was judged" in str(found["notes"])


def test_a_label_for_another_question_does_not_count(lab: JudgeLab, capsys: pytest.CaptureFixture[str]) -> None:
    measured(lab, "oracle", n=4, answers=WORK)
    pressed(label(lab, "--n", "4", "--stored"), *"aaaa")
    measured(lab, "oracle", n=4, answers=WORK, grader={"criteria": "Which is the more polite one?"})
    assert kappa(calibrated(lab, capsys))["n"] == 0


def test_a_label_without_a_digest_counts_as_before(lab: JudgeLab) -> None:
    report = measured(lab, "oracle", n=4, answers=WORK)
    labels = [
        Label(grader=report.sheets[0].grader, task=f"t{i:03d}", system="work", epoch=1, opponent="expert",
              labeler="ann", label="win" if i % 2 == 0 else "loss", run=lab.folder.name)
        for i in range(4)
    ]  # fmt: skip
    (lab.folder / "labels.jsonl").write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in labels))
    again = build_report(lab.folder).judges
    assert again is not None
    assert again.sheets[0].figure("kappa").n == 4  # type: ignore[union-attr]


def test_the_desk_serves_stale_labels_again_and_replaces_them(lab: JudgeLab) -> None:
    measured(lab, "oracle", n=3, answers=WORK)
    pressed(label(lab, "--n", "3", "--stored"), *"aaa")
    measured(lab, "oracle", n=3, answers={"work": "It is alpha."})
    at = label(lab, lab.folder.name, "--n", "3", "--stored")  # named: both runs may be of the same second
    pressed(at, *"ttt")
    assert "3 of 3 to label" in at.text
    (path,) = (lab.workspace / "graders" / "labels").glob("*.jsonl")
    assert [x.label for x in read_labels(path)] == ["tie"] * 3


def test_the_best_of_several_is_labelled_by_its_letter(lab: JudgeLab) -> None:
    """Whoever presses the letter over a candidate names that candidate, wherever it stood; none is named on screen."""
    file = lab.write("second.jsonl", [{"id": f"t{i}", "answer": "gamma."} for i in range(1, 7)])
    grader = {"use": "judge_select", "judge": planted("first"), "against": [{"field": "reference"}, {"file": file}]}
    lab.run(lab.suite(grader, {"work": "alpha."}, tasks=6, task={"reference": "beta."}))
    at = label(lab, "--n", "6")
    for _ in range(6):
        at.seen += 1
        while at.out.count(b"[q]uit") < at.seen:
            assert at._more()
        card = at.text.split("=== ")[-1]
        places = sorted(("alpha.", "beta.", "gamma."), key=card.index)
        assert "reference" not in card
        at.type("abc"[places.index("gamma.")])
    assert at.close() == 0
    found = lines(lab)
    assert {x["label"] for x in found} == {file}
    assert len({tuple(x["shown"]) for x in found}) > 2  # type: ignore[arg-type]  # a list of names
    assert {x["work"] for x in found} <= {j.work for j in lab.judgements("score")}


def test_the_first_wrong_step_is_labelled_by_its_number(lab: JudgeLab) -> None:
    grader = {"use": "judge_steps", "steps": "lines", "judge": planted("clean")}
    lab.run(lab.suite(grader, {"work": "one is 1\ntwo is 3\nthree is 4"}, tasks=3))
    at = label(lab, "--n", "3")
    at.press("s")
    at.type("7\r1\r")
    at.press("1")
    at.press("s")
    at.type("0\r")
    assert at.close() == 0
    assert "there is no step '7'" in at.text
    assert [x["label"] for x in lines(lab)] == ["1", "clean", "0"]
    assert {x["work"] for x in lines(lab)} == {j.work for j in lab.judgements("score")}


def test_an_image_is_labelled_where_it_can_be_opened(lab: JudgeLab, tmp_path: Path) -> None:
    """A terminal shows no picture: the card names a file that can be opened, and that names no system."""
    png = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big") + b"\0" * 9
    params: dict[str, Json] = {
        "judge": case_judge("met"),
        "inputs": {"artifacts": ["*.png"]},
        "criteria": [{"id": "c", "text": "It is a chart", "points": 1}],
    }
    rubric = build(JudgeRubric, params, tmp_path)
    output = Output(answer="see the chart", artifacts=(Artifact("chart.png", png),))
    card = rubric.card(FakeWork(Task(id="t", prompt="Draw."), output, workspace=tmp_path), "c", ())
    assert isinstance(card, Card)
    assert "[file: chart.png: PNG image, 640 x 480, 33 bytes]\n" in card.sides[0][1]
    (path,) = card.files[1]
    assert card.sides[0][1].endswith(path)
    assert (tmp_path / path).read_bytes() == png


def test_images_are_opened_by_a_key_and_the_card_stays(lab: JudgeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """`o` hands the task's picture to the desktop's program; then the same card is answered."""
    seen = lab.workspace / "seen"
    os.mkfifo(seen)
    told = os.open(seen, os.O_RDONLY | os.O_NONBLOCK)
    viewer = lab.workspace / "viewer"
    viewer.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    viewer.chmod(0o755)
    monkeypatch.setenv("HARNESS_OPEN", str(viewer))
    shutil.copy(ROOT / "tasks/mine/files/parcels.png", lab.workspace / "tasks/lab/parcels.png")
    criteria = [{"id": "c", "text": "Says 14 days", "points": 1}]
    grader = {"use": "judge_rubric", "judge": planted("honest"), "criteria": criteria}
    lab.run(lab.suite(grader, {"work": "14 days"}, task={"files": ["parcels.png"]}))
    at = label(lab, "--n", "1")
    at.press("o")
    assert select.select([told], [], [], 60)[0], "the viewer was started"
    assert os.read(told, 4096).decode().strip() == str(lab.workspace / "tasks/lab/parcels.png")
    os.close(told)
    at.press("1")
    assert at.close() == 0
    assert "parcels.png: PNG image, " in at.text
    assert [x["label"] for x in lines(lab)] == ["met"]


def test_each_step_is_labelled_right_or_wrong_where_each_is_judged(lab: JudgeLab) -> None:
    each = {"use": "judge_steps", "steps": "lines", "each": True, "judge": planted("each_right")}
    lab.run(lab.suite(each, {"work": "one is 1\ntwo is 3"}))
    at = label(lab, "--n", "3")
    for _ in range(3):
        at.press("1")
    assert at.close() == 0
    found = {str(x.get("about", "")): x["label"] for x in lines(lab)}
    assert found == {"": "clean", "step 0": "right", "step 1": "right"}
    assert {x["work"] for x in lines(lab)} == {j.work for j in lab.judgements("score")}
