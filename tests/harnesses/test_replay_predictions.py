"""Prediction files of SWE-bench and its kin, played again as the artifact `patch`."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from harness.api import MissingRequirement, Output, UsageFault
from harness.harnesses.replay import Replay
from harness.testing.fakes import FakeContext, Says, a_task

DIFF = "--- a/x\n+++ b/x\n"
LAYOUTS: dict[str, tuple[str, Any]] = {
    "a list": ("p.json", [{"instance_id": "o__r-1", "model_name_or_path": "m", "model_patch": DIFF}]),
    "an object by id": (
        "p.json",
        {"o__r-1": {"instance_id": "o__r-1", "model_name_or_path": "m", "model_patch": DIFF}},
    ),
    "JSONL": ("p.jsonl", [{"instance_id": "o__r-1", "model_name_or_path": "m", "model_patch": DIFF}]),
    "Live": ("p.json", {"o__r-1": {"model_patch": DIFF}}),
    "Pro": ("p.json", [{"instance_id": "o__r-1", "patch": DIFF, "prefix": "m"}]),
    "SWE-smith": ("p.jsonl", [{"instance_id": "o__r-1", "patch": DIFF}]),
}


def write(workspace: Path, name: str, rows: Any) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows) if name.endswith(".jsonl") else json.dumps(rows)
    (workspace / name).write_text(text)


def play(workspace: Path, **params: Any) -> Output:
    context = FakeContext(workspace, Says(""))
    return asyncio.run(Replay(**params).solve(a_task("p", id="o__r-1"), context))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_patch(tmp_path: Path, layout: str) -> None:
    name, rows = LAYOUTS[layout]
    write(tmp_path, name, rows)
    found = play(tmp_path, path=name)
    assert [(a.name, a.data) for a in found.artifacts] == [("patch", DIFF.encode())]


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_prediction_is_an_empty_patch_and_not_a_missing_one(tmp_path: Path, empty: str | None) -> None:
    write(tmp_path, "p.jsonl", [{"instance_id": "o__r-1", "model_patch": empty}])
    assert [(a.name, a.data) for a in play(tmp_path, path="p.jsonl").artifacts] == [("patch", b"")]


def test_one_model_of_several_is_chosen_by_its_own_field(tmp_path: Path) -> None:
    rows = [{"instance_id": "o__r-1", "model_name_or_path": m, "model_patch": m} for m in ("m1", "m2")]
    write(tmp_path, "p.jsonl", rows)
    assert play(tmp_path, path="p.jsonl", system="m2").artifacts[0].data == b"m2"


def test_of_a_model_that_is_there_twice_the_last_prediction_counts(tmp_path: Path) -> None:
    """As the official program has it; a submission of April 2024 has three such pairs. The first was played."""
    rows = [{"instance_id": "o__r-1", "model_name_or_path": "m", "model_patch": p} for p in ("first", "last")]
    write(tmp_path, "p.jsonl", rows)
    assert play(tmp_path, path="p.jsonl").artifacts[0].data == b"last"


def test_samples_that_say_their_epoch_are_epochs(tmp_path: Path) -> None:
    rows = [{"instance_id": "o__r-1", "model_patch": p, "epoch": i} for i, p in enumerate(("first", "last"), 1)]
    write(tmp_path, "p.jsonl", rows)
    assert play(tmp_path, path="p.jsonl").artifacts[0].data == b"first"


def test_predictions_of_two_models_are_no_epochs_of_one(tmp_path: Path) -> None:
    rows = [{"instance_id": "o__r-1", "model_name_or_path": m, "model_patch": m} for m in ("m1", "m2")]
    write(tmp_path, "p.jsonl", rows)
    with pytest.raises(UsageFault, match="a second answer for task 'o__r-1'") as e:
        play(tmp_path, path="p.jsonl")
    assert "system: ..." in str(e.value.fault.help)


def test_another_name_for_the_artifact(tmp_path: Path) -> None:
    write(tmp_path, "p.jsonl", [{"instance_id": "o__r-1", "model_patch": DIFF}])
    assert [a.name for a in play(tmp_path, path="p.jsonl", artifact="work.diff").artifacts] == ["work.diff"]


def test_a_plain_answer_gives_no_artifact(tmp_path: Path) -> None:
    write(tmp_path, "p.jsonl", [{"task": "o__r-1", "answer": "14"}])
    assert play(tmp_path, path="p.jsonl").artifacts == ()


def test_a_row_with_neither_patch_nor_answer_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, "p.jsonl", [{"instance_id": "o__r-1", "text": DIFF}])
    with pytest.raises(UsageFault, match="no field with an answer"):
        play(tmp_path, path="p.jsonl")


def test_a_folder_is_told_by_its_texts(tmp_path: Path) -> None:
    row: Any = {
        "task": "o__r-1",
        "artifacts": {"site": {"tree": {"a/b.txt": "hi\n", "c": ""}}, "raw": {"base64": "aGk="}, "x": "y"},
    }
    write(tmp_path, "p.jsonl", [row])
    found = {a.name: a.data for a in play(tmp_path, path="p.jsonl").artifacts}
    with tarfile.open(fileobj=io.BytesIO(found["site"])) as tar:
        assert {m.name: tar.extractfile(m).read() for m in tar} == {"a/b.txt": b"hi\n", "c": b""}  # type: ignore[union-attr]
    assert (found["raw"], found["x"]) == (b"hi", b"y")
    write(tmp_path, "p.jsonl", [{**row, "artifacts": {"site": {}}}])
    assert "{tree: {path: text}}" in Replay(path="p.jsonl").check(tmp_path)[0]


def attempt(data: bytes = DIFF.encode(), path: str = "artifacts/o__r-1@s@1@1/patch", **more: Any) -> dict[str, Any]:
    stored = {"name": "patch", "path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return {"task": "o__r-1", "system": "s", "epoch": 1, "attempt": 1, "status": "graded", "output": {},
            "artifacts": [stored], **more}  # fmt: skip


def a_run(workspace: Path, row: dict[str, Any], data: bytes | None = DIFF.encode()) -> str:
    run = workspace / "runs/one"
    (run / "artifacts/o__r-1@s@1@1").mkdir(parents=True)
    if data is not None:
        (run / "artifacts/o__r-1@s@1@1/patch").write_bytes(data)
    (run / "attempts.jsonl").write_text(json.dumps(row) + "\n")
    return "runs/one/attempts.jsonl"


def test_an_attempt_is_played_with_the_artifacts_beside_it(tmp_path: Path) -> None:
    """Without them the work of a box would be graded as if nothing had been done."""
    found = play(tmp_path, path=a_run(tmp_path, attempt()))
    assert [(a.name, a.data) for a in found.artifacts] == [("patch", DIFF.encode())]


@pytest.mark.parametrize(
    ("row", "data", "said"),
    [
        (attempt(), None, "cannot be read"),
        (attempt(), b"other", "is not what was recorded"),
        (attempt(b"root", "../../secret"), DIFF.encode(), "outside its run"),
    ],
    ids=["gone", "changed", "outside"],
)
def test_an_attempt_without_its_artifacts_is_skipped_and_never_graded_as_empty(
    tmp_path: Path, row: dict[str, Any], data: bytes | None, said: str
) -> None:
    (tmp_path / "secret").write_bytes(b"root")
    with pytest.raises(MissingRequirement, match=said):
        play(tmp_path, path=a_run(tmp_path, row, data))


def test_rows_of_ones_own_may_bring_what_a_box_task_collects(tmp_path: Path) -> None:
    rows = [{"task": "o__r-1", "artifacts": {"rows": "[[1]]", "tree": {"base64": "AAEC"}}, "declared_done": True}]
    write(tmp_path, "p.jsonl", rows)
    found = play(tmp_path, path="p.jsonl")
    assert [(a.name, a.data) for a in found.artifacts] == [("rows", b"[[1]]"), ("tree", b"\x00\x01\x02")]
    assert (found.answer, found.declared_done) == (None, True)


@pytest.mark.parametrize("bad", [[1], {"rows": 7}, {"tree": {"base64": "!"}}, {"tree": {"file": "x"}}])
def test_artifacts_of_another_form_are_refused_with_their_place(tmp_path: Path, bad: object) -> None:
    write(tmp_path, "p.jsonl", [{"task": "o__r-1", "artifacts": bad}])
    with pytest.raises(UsageFault) as e:
        play(tmp_path, path="p.jsonl")
    assert "p.jsonl:1:1" in e.value.render()
