"""An alarm is looked at once more the same night, with fresh epochs; that is no night and clears nothing."""

from __future__ import annotations

import json
import shutil

import pytest

from harness.cli.main import main
from harness.store.history import read_history
from harness.store.read import read_manifest

TASKS = 30
HARNESS = '''
from pathlib import Path
from typing import ClassVar

from harness.api import Harness, Output


class Moody(Harness):
    """Answers right, but for as many trials as the file `mood` says."""

    version: ClassVar[str] = "1"

    def roles(self):
        return ()

    async def solve(self, task, ctx):
        mood = Path(__file__).with_name("mood")
        bad = int(mood.read_text()) if mood.exists() else 0
        mood.write_text(str(max(0, bad - 1)))
        return Output(answer="wrong" if bad else "right", declared_done=True)
'''


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A workspace with ten quiet nights, of which the baseline is made, and one more."""
    root = tmp_path_factory.mktemp("moody")
    tasks = "".join(
        f'  - {{id: t{i:02}, prompt: "Say right ({i})", reference: right, graders: [match]}}\n' for i in range(TASKS)
    )
    (root / "tasks" / "mine").mkdir(parents=True)
    (root / "tasks" / "mine" / "moody.py").write_text(HARNESS)
    (root / "tasks" / "mine" / "suite.yaml").write_text(
        f"suite: mine\ntasks:\n{tasks}systems:\n  - {{name: ours, harness: tasks/mine/moody.py:Moody}}\n"
        "epochs: 1\nconcurrency: 1\nnightly: {canary: none}\n"
    )
    for day in range(1, 12):
        assert nightly(root, day) == 0
    return root


@pytest.fixture
def workspace(learned, tmp_path):
    return shutil.copytree(learned, tmp_path / "w")


def nightly(workspace, day, *more):
    words = ["--workspace", str(workspace), "--now", f"2026-03-{day:02}T03:00Z", "--replicates", "100", "--quiet"]
    return main(["nightly", *words, *more])


def steps(workspace, day):
    folder = workspace / "runs" / "nightly" / f"mine-2026-03-{day:02}"
    return {s["name"]: s for s in json.loads((folder / "result.json").read_text())["steps"]}


def runs(workspace):
    return sorted((workspace / "runs").glob("2*"))


def mood(workspace, bad):
    (workspace / "tasks" / "mine" / "mood").write_text(str(bad))


def test_a_loss_that_stays_is_seen_again_with_fresh_epochs(workspace, capsys):
    mood(workspace, 1000)
    assert nightly(workspace, 12) == 1
    said = steps(workspace, 12)["confirm"]
    assert said["state"] == "failed"
    assert "alarms seen again with fresh epochs in 2" in said["said"], said
    assert all("seen again, z = -" in line for line in said["details"]), said
    *_, night, again = (read_manifest(p) for p in runs(workspace))
    assert (night.night, night.confirms) == ("2026-03-12", "")
    assert (again.night, again.confirms) == ("", "2026-03-12")
    assert again.seed != night.seed


def test_one_bad_night_is_not_seen_again_and_stays_red_until_it_is_acknowledged(workspace, capsys):
    mood(workspace, TASKS)
    assert nightly(workspace, 12) == 1
    said = steps(workspace, 12)["confirm"]
    assert (said["state"], "not seen again" in " ".join(said["details"])) == ("ok", True)
    assert "acknowledged" in said["said"]
    assert steps(workspace, 12)["trend"]["state"] == "failed"


def test_a_confirmation_is_made_once_and_is_no_night(workspace, capsys):
    mood(workspace, 1000)
    assert nightly(workspace, 12) == 1
    made = runs(workspace)
    history = (workspace / "runs" / "history" / "mine.jsonl").read_bytes()
    assert nightly(workspace, 12) == 1
    assert runs(workspace) == made
    assert (workspace / "runs" / "history" / "mine.jsonl").read_bytes() == history
    assert made[-1].name not in {n.run for n in read_history(workspace / "runs" / "history" / "mine.jsonl").nights}
    assert nightly(workspace, 13) == 1  # the alarm is an old one: nothing is confirmed again
    assert "confirm" not in steps(workspace, 13)
    capsys.readouterr()
    args = ["baseline", "promote", "--workspace", str(workspace), "--reason", "x", "--from", made[-1].name]
    assert main(args) != 0
    assert "alarm of 2026-03-12" in capsys.readouterr().err


def test_a_confirmation_that_was_killed_goes_on(workspace, capsys):
    mood(workspace, 1000)
    assert nightly(workspace, 12) == 1
    attempts = runs(workspace)[-1] / "attempts.jsonl"
    lines = attempts.read_text().splitlines(keepends=True)
    attempts.write_text("".join(lines[:7]) + lines[7][:20])
    assert nightly(workspace, 12) == 1
    assert len(attempts.read_text().splitlines()) == TASKS
    assert steps(workspace, 12)["confirm"]["state"] == "failed"


def test_a_suite_can_do_without(workspace, capsys):
    path = workspace / "tasks" / "mine" / "suite.yaml"
    path.write_text(path.read_text().replace("canary: none", "canary: none, confirm: false"))
    mood(workspace, 1000)
    before = len(runs(workspace))
    assert nightly(workspace, 12) == 1
    assert len(runs(workspace)) == before + 1
    assert "confirm" not in steps(workspace, 12)
