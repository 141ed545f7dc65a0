"""The baseline's file: whole, small, the same everywhere, and never believed when it is damaged."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from harness.errors import HarnessError
from harness.report.baseline import Baseline, baseline_path, made_of, measured_of, read_baseline, write_baseline
from harness.report.compare import compare
from harness.report.comparison import Options
from harness.report.measured import PASS_RATE, Measured, measure, pool
from harness.report.trials import read_trials
from harness.testing.simulate import Missing, Night, World, simulate_run


def nights(workspace: Path, count: int = 3) -> list[Measured]:
    world = World(tasks=30, families=6)
    made = [
        simulate_run(workspace / "runs", world, Night(epochs=2, seed=i, missing=Missing(random=0.03)), number=i)
        for i in range(count)
    ]
    return [measure(read_trials(p), "sim") for p in made]


def baseline(workspace: Path, found: list[Measured]) -> Baseline:
    created = [f"2026-01-0{i + 1}T03:23:00+00:00" for i in range(len(found))]
    return made_of("base", found, created, {"promoted": "2026-01-09T00:00:00+00:00", "reason": "first"})


def test_a_pool_goes_through_its_file_unchanged(tmp_path: Path) -> None:
    images = {"grading": frozenset({"sha256:a", "sha256:b"}), "work: db": frozenset({"sha256:c"})}
    found = [dataclasses.replace(m, images={m.tasks[3]: images}) for m in nights(tmp_path)]
    write_baseline(tmp_path, baseline(tmp_path, found))
    back, whole = measured_of(read_baseline(tmp_path, "base")), pool(found, "baseline:base")
    assert back.tasks == whole.tasks
    assert back.digests == whole.digests
    assert back.about == whole.about
    assert back.totals == whole.totals
    assert back.images == whole.images == found[0].images
    for name, tally in whole.tallies.items():
        assert np.allclose(back.tallies[name].total, tally.total, atol=1e-8), name
        assert back.tallies[name].n.tolist() == tally.n.tolist()
    assert back.tallies[PASS_RATE].n.sum() == sum(m.totals.graded for m in found)


def test_nights_stay_apart_in_the_file(tmp_path: Path) -> None:
    found = nights(tmp_path)
    made = baseline(tmp_path, found)
    for i, night in enumerate(found):
        assert sum(t.passed[i] for t in made.tasks) == night.totals.passed
        assert sum(t.graded[i] for t in made.tasks) == night.totals.graded


def test_one_task_is_one_line(tmp_path: Path) -> None:
    path = write_baseline(tmp_path, baseline(tmp_path, nights(tmp_path)))
    lines = path.read_text().splitlines()
    assert sum('"id":"task-' in line for line in lines) == 30
    assert max(map(len, lines)) < 1500
    assert json.loads(path.read_text())["nights"][0]["run"].startswith("20260101T")


def edited(path: Path, change: dict[str, object]) -> None:
    said = json.loads(path.read_text())
    said.update(change)
    path.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"nights": []}, "no night"),
        ({"tasks": []}, "no task"),
        ({"format": 99}, "format 99"),
        ({"promoted": 5}, "damaged"),
    ],
)
def test_a_damaged_file_is_told_and_never_used(tmp_path: Path, change: dict[str, object], word: str) -> None:
    path = write_baseline(tmp_path, baseline(tmp_path, nights(tmp_path)))
    edited(path, change)
    with pytest.raises(HarnessError, match=word):
        read_baseline(tmp_path, "base")


def test_more_passed_than_graded_is_a_forgery(tmp_path: Path) -> None:
    path = write_baseline(tmp_path, baseline(tmp_path, nights(tmp_path)))
    said = json.loads(path.read_text())
    said["tasks"][3]["passed"][1] = 7
    path.write_text(json.dumps(said))
    with pytest.raises(HarnessError, match="more often than it was graded"):
        read_baseline(tmp_path, "base")


def test_a_missing_baseline_is_named_with_those_there_are(tmp_path: Path) -> None:
    write_baseline(tmp_path, baseline(tmp_path, nights(tmp_path)))
    with pytest.raises(HarnessError) as caught:
        read_baseline(tmp_path, "bsae")
    assert "base" in caught.value.fault.help


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(HarnessError, match="cannot name a baseline"):
        baseline_path(tmp_path, name)


def test_a_pool_that_timed_nothing_can_still_be_compared(tmp_path: Path) -> None:
    """Answers from a file take no time: no task has sums of seconds, and the file holds none."""
    found = nights(tmp_path)
    made = baseline(tmp_path, found)
    bare = [replace(t, sums={n: v for n, v in t.sums.items() if "seconds" not in n}) for t in made.tasks]
    write_baseline(tmp_path, replace(made, tasks=tuple(bare)))
    back = measured_of(read_baseline(tmp_path, "base"))
    assert compare(back, found[0], Options()).economy is not None
