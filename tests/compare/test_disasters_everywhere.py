"""Each disaster through every command that decides: its own code, no verdict, no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import test_disasters as bad
from nights import NOW, edit, edit_manifest, harness, night, promoted

from harness.testing.simulate import Missing


def nothing_planned(root: Path) -> None:
    edit_manifest(night(root, 30, missing=Missing(cut=1.0)), n_tasks=0)


def half_a_manifest(root: Path) -> None:
    path = night(root, 30) / "manifest.json"
    path.write_text(path.read_text()[:300])


def no_records(root: Path) -> None:
    (night(root, 30) / "attempts.jsonl").unlink()


def changed_suite(root: Path) -> None:
    night(root, 30, versions={"task": "2"}, altered=40)


CODES: dict[Callable[[Path], None], dict[str, int]] = {
    bad.nothing_ran: {"gate": 5, "compare": 5, "report": 5, "trend": 3, "route": 5, "promote": 3},
    nothing_planned: {"gate": 5, "compare": 5, "report": 5, "trend": 3, "route": 5, "promote": 3},
    bad.half_missing: {"gate": 3, "compare": 3, "report": 3, "trend": 3, "route": 3, "promote": 3},
    bad.hard_missing: {"gate": 3, "compare": 3, "report": 3, "trend": 3, "route": 3, "promote": 3},
    bad.outage: {"gate": 3, "compare": 3, "report": 3, "trend": 3, "route": 3, "promote": 3},
    bad.all_errored: {"gate": 3, "compare": 3, "report": 3, "trend": 3, "route": 5, "promote": 3},
    bad.no_score: {"gate": 3, "compare": 3, "report": 3, "trend": 3, "route": 5, "promote": 3},
    bad.score_out_of_range: {"gate": 3, "compare": 3, "report": 3, "trend": 3, "route": 5, "promote": 3},
    bad.half_written: {"gate": 3, "compare": 3, "report": 3, "trend": 3, "route": 3, "promote": 3},
    half_a_manifest: {"gate": 2, "compare": 2, "report": 2, "trend": 3, "route": 2, "promote": 2},
    no_records: {"gate": 2, "compare": 2, "report": 2, "trend": 3, "route": 2, "promote": 2},
    bad.regraded_differently: {"gate": 6, "compare": 6, "report": 0, "trend": 6},
    changed_suite: {"gate": 6, "compare": 6, "report": 0, "trend": 6},
    bad.clock_ahead: {"gate": 3, "trend": 3, "promote": 3},
    bad.no_clock: {"gate": 3, "trend": 3, "route": 3, "promote": 2},
}
"""What a command ends with. One that is left out asks nothing that the disaster touches."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten nights, a baseline of them, and their history."""
    root = promoted(tmp_path_factory.mktemp("sound"))
    assert harness(root, "trend", "--suite", "simulated", "--now", NOW, "--replicates", "50").code == 0
    return root


@pytest.mark.parametrize("disaster", CODES, ids=lambda d: d.__name__)
def test_every_command_ends_a_disaster_in_its_code(
    tmp_path: Path, sound: Path, disaster: Callable[[Path], None]
) -> None:
    root = shutil.copytree(sound, tmp_path / "w")
    disaster(root)
    newest = max((root / "runs").glob("2026*")).name
    commands = {
        "gate": ("gate", newest, "--now", NOW),
        "compare": ("compare", "baseline:simulated-sim", newest),
        "report": ("report", newest),
        "trend": ("trend", "--suite", "simulated", "--now", NOW, "--replicates", "50"),
        "route": ("route", newest, "--now", NOW),
        "promote": ("baseline", "promote", "--from", newest, "--reason", "x", "--now", NOW),
    }
    found = {name: harness(root, *commands[name]) for name in CODES[disaster]}
    assert {name: done.code for name, done in found.items()} == CODES[disaster]
    for name, done in found.items():
        assert "Traceback" not in done.err, (name, done.err)
        if done.code in (2, 3, 5, 6):
            assert len(done.err + done.out) > 40, name
            assert " is ok" not in done.out


def test_a_forged_second_line_turns_no_failure_around_in_trend_and_route(tmp_path: Path, sound: Path) -> None:
    root = shutil.copytree(sound, tmp_path / "w")
    run = night(root, 30)

    def successes() -> tuple[list[float], list[float]]:
        route = json.loads(harness(root, "route", run.name, "--now", NOW, "--format", "json").out)
        asked = ("trend", "--suite", "simulated", "--now", NOW, "--no-record", "--replicates", "50", "--format", "json")
        chart = json.loads(harness(root, *asked).out)["systems"][0]["charts"][0]
        return [x["success"] for x in route["overall"]["lines"]], [p["value"] for p in chart["points"]]

    before = successes()
    edit(run, lambda lines: [*lines, *({**x, "passed": True, "value": 1.0} for x in lines if x["passed"] is False)])
    assert successes() == before


@pytest.mark.parametrize("word", ["latest", "whole"])
def test_a_run_where_a_baselines_name_stands_is_refused(tmp_path: Path, sound: Path, word: str) -> None:
    root = shutil.copytree(sound, tmp_path / "w")
    name = "latest" if word == "latest" else night(root, 30).name
    done = harness(root, "baseline", "promote", name, "--reason", "x", "--now", NOW)
    assert (done.code, f"--from {name}" in done.err) == (2, True)


@pytest.mark.parametrize("command", ["gate", "compare", "report", "route", "trend"])
def test_a_pass_over_failing_grades_is_believed_by_no_command(tmp_path: Path, command: str) -> None:
    """A record edited to `passed: true`: readers took it, and only its grades still said what had happened."""
    promoted(tmp_path, nights=1)
    run = night(tmp_path, 30)
    edit(run, lambda lines: [{**x, "passed": True, "value": 1.0} for x in lines], follow=False)
    words = {
        "compare": ("compare", "baseline:simulated-sim", run.name),
        "trend": ("trend", "--suite", "simulated", "--now", NOW),
        "gate": ("gate", run.name, "--now", NOW),
    }
    done = harness(tmp_path, *words.get(command, (command, run.name)))
    assert done.code not in (0, 1), done.out
    assert "contradicts itself: it says passed, and none of its graders does (match)" in " ".join(
        (done.err + done.out).split()
    )
