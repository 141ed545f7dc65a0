"""A run folder with judgements: the data sheet stands in its report, and a failed judge gate is exit code 3."""

from __future__ import annotations

import json
from pathlib import Path

import judged
import pytest

from harness.cli.main import main
from harness.records.label import Label
from harness.records.outcome import Attempt, Grade, Output
from harness.records.transcript import Transcript
from harness.store.folder import RunFolder
from harness.store.labels import LABELS, encode_labels
from harness.store.manifest import Manifest, SystemInfo


def run_with(tmp_path: Path, judgements, **more) -> Path:
    manifest = Manifest(
        run="r1", suite="s", suite_path="s.yaml", suite_digest="d", tasks_digest="t", created="2026-01-02T03:04:05Z",
        systems=(SystemInfo("work", "single_turn", {}, "h", "m"),), n_tasks=1, epochs=1, seed=1, **more,
    )  # fmt: skip
    with RunFolder.create(tmp_path, manifest) as folder:
        attempt = Attempt(task="t00000", system="work", epoch=1, attempt=1, status="graded", value=1.0, passed=True,
                          grades={"helpful": Grade(1.0, True)})  # fmt: skip
        folder.add(attempt, Transcript("t00000", "work", 1, 1, Output(answer="x")))
        folder.add_judgements(list(judgements))
        folder.flush()
    return folder.path


def exit_code(path: Path, *words: str) -> int:
    return main(["report", str(path), *words])


def test_a_biased_judge_makes_the_run_invalid_whatever_was_scored(tmp_path, capsys):
    path = run_with(tmp_path, judged.pairwise(judged.always(0), n=80))
    assert exit_code(path, "--short") == 3
    text = capsys.readouterr().out
    assert "!! INVALID: judge main in helpful: swap_consistency_min: 0.00 of 80 pairs" in text
    assert text.index("judges: is the measurement valid? invalid") < text.index("results: tasks")
    assert exit_code(path, "--section", "judges") == 3
    text = capsys.readouterr().out
    order = [
        text.index(w)
        for w in (
            "judges: is the measurement valid? invalid",
            "judge main in helpful: invalid; pairwise",
            "score by main",
        )
    ]
    assert order == sorted(order)
    assert "these scores decide nothing" in text
    assert "disagrees with itself" in text


def test_a_valid_judge_leaves_the_run_valid(tmp_path, capsys):
    assert exit_code(run_with(tmp_path, judged.pairwise(judged.oracle(), n=80))) == 0
    assert "judges: is the measurement valid? valid" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--strict",), 4)])
def test_a_judge_not_proven_valid_warns_and_fails_when_strict(tmp_path, capsys, words, code):
    path = run_with(tmp_path, judged.pairwise(judged.oracle(), n=12))
    assert exit_code(path, *words) == code
    assert "!! JUDGE NOT PROVEN VALID: main in helpful" in capsys.readouterr().out


def test_strict_does_not_make_an_invalid_run_less_so(tmp_path):
    assert exit_code(run_with(tmp_path, judged.pairwise(judged.always(0), n=80)), "--strict") == 3


def test_the_suites_own_thresholds_decide(tmp_path):
    rows = list(judged.pairwise(judged.per_call(0.2), n=100))
    lenient = {"swap_consistency_min": 0.5, "position_effect_equiv": 0.5}
    assert exit_code(run_with(tmp_path / "a", rows)) == 3
    assert exit_code(run_with(tmp_path / "b", rows, judge_gate=lenient)) == 0


@pytest.mark.parametrize("form", ["md", "html", "json", "text"])
def test_every_form_has_the_sheet(tmp_path, capsys, form):
    path = run_with(tmp_path, judged.pairwise(judged.per_call(0.3), n=80, repeats=2))
    out = tmp_path / "out"
    assert exit_code(path, "--format", form, "--out", str(out)) == 3
    text = out.read_text(encoding="utf-8")
    assert "swap consistency" in text
    assert "position effect" in text


def test_the_sheet_is_data_in_the_summary(tmp_path, capsys):
    path = run_with(tmp_path, judged.pairwise(judged.per_call(0.3), n=80, repeats=2))
    exit_code(path, "--json")
    (sheet,) = json.loads(capsys.readouterr().out)["judges"]["sheets"]
    by_name = {f["name"]: f for f in sheet["figures"]}
    assert by_name["swap_consistency"]["n"] == 80
    assert sheet["validity"] == "invalid"
    assert {c["name"] for c in sheet["checks"]} >= {"swap_consistency_min", "position_effect_equiv", "ungraded_max"}


def test_labels_kept_in_the_run_are_part_of_its_sheet(tmp_path, capsys):
    path = run_with(tmp_path, [judged.plain("correct", i) for i in range(100)])
    labels = [
        Label(
            grader="facts", task=f"t{i:05d}", system="work", labeler="ann", label="correct" if i < 80 else "incorrect"
        )
        for i in range(100)
    ]
    (path / LABELS).write_bytes(encode_labels(labels))
    assert exit_code(path) == 3
    assert "kappa_min" in capsys.readouterr().out


def test_names_from_records_cannot_break_out_of_the_markdown(tmp_path, capsys):
    rows = judged.pairwise(judged.always(0), n=60, judge="x | <b>evil</b>\n# title", task_family="f")
    path = run_with(tmp_path, rows)
    exit_code(path, "--format", "md")
    assert "<b>evil" not in capsys.readouterr().out
