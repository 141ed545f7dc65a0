"""The tasks of the suite `mine` that work in boxes, on a real engine: what each system must get right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_suite_mine import BOXED, Ran, copy_workspace, harness, newest

pytestmark = pytest.mark.docker
CAREFUL = dict.fromkeys(("box-ledger-split", "box-node-slug"), "resolved") | {
    "box-merge-shifts": "right", "box-old-backups": "right", "box-shop-cancel-old": "right", "log-report": "passed",
}  # fmt: skip
HASTY = dict.fromkeys(("box-ledger-split", "box-merge-shifts"), "passes_visible_fails_hidden") | {
    "box-node-slug": "failed", "box-old-backups": "critical", "box-shop-cancel-old": "partial", "log-report": "failed",
}  # fmt: skip
ENGINE = {"DOCKER_HOST": os.environ.get("DOCKER_HOST", "")}
CHOSEN = [word for task in sorted(BOXED) for word in ("--task", task)]


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    workspace = copy_workspace(tmp_path_factory.mktemp("boxed"))
    words = ("run", "--suite", "mine", *CHOSEN, "--epochs", "1")
    process = harness(workspace, *words, timeout_s=900, **ENGINE)
    return Ran(workspace, newest(workspace), process)


def test_the_ceiling_passes_and_the_floor_fails_every_task_in_a_box(boxed: Ran) -> None:
    found = {(a["task"], a["system"]): (a["status"], a.get("passed")) for a in boxed.attempts()}
    for task in BOXED:
        assert found[task, "reference"] == ("graded", True), task
        assert found[task, "empty"] == ("graded", False), task


def test_stored_work_of_every_kind_is_graded(boxed: Ran) -> None:
    found = {(a["task"], a["system"]): (a["status"], a.get("label", "")) for a in boxed.attempts()}
    assert {t: found[t, "careful"] for t in BOXED} == {t: ("graded", label) for t, label in CAREFUL.items()}
    assert {t: found[t, "hasty"] for t in BOXED} == {t: ("graded", label) for t, label in HASTY.items()}


def test_every_box_has_its_image_in_the_record_and_nothing_is_left(boxed: Ran) -> None:
    worked = [a for a in boxed.attempts() if a["system"] in ("reference", "empty")]
    assert all(str(a["digests"]["image"]).startswith("sha256:") for a in worked)  # type: ignore[index]
    left = harness(boxed.workspace, "sandbox", "list", "--json", **ENGINE)
    assert left.returncode == 0, left.stderr
    assert boxed.folder.name not in left.stdout


def test_deleting_what_must_be_kept_is_a_critical_error(boxed: Ran, tmp_path: Path) -> None:
    workspace = copy_workspace(tmp_path)
    task = workspace / "tasks/mine/box-backups.yaml"
    text = task.read_text(encoding="utf-8")
    assert 'grep -qx "$f" KEEP && continue' in text
    task.write_text(text.replace('grep -qx "$f" KEEP && continue', ":"), encoding="utf-8")
    words = ("--task", "box-old-backups", "--system", "reference", "--epochs", "1", "--quiet")
    harness(workspace, "run", "--suite", "mine", *words, **ENGINE)
    [attempt] = boxed.attempts(newest(workspace))
    assert attempt["passed"] is False
    [grade] = attempt["grades"].values()  # type: ignore[attr-defined]
    assert grade["critical"] is True and "kept" in grade["explanation"]
