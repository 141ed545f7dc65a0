"""The trend excerpt of a report is the pass rate's chart of `harness trend`, up to this run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nights import NOW, harness, night, workspace

from harness.testing.simulate import Conduct, Missing

NIGHTS = 14


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = workspace(tmp_path_factory.mktemp("nights"))
    for number in range(NIGHTS):
        night(made, number)
    night(made, 20, Conduct(delta=-0.2))
    night(made, 21, Conduct(delta=-0.2), missing=Missing(cut=0.5))
    night(made, 22, Conduct(delta=-0.2))
    return made


def excerpt(root: Path, run: str) -> list[dict[str, object]]:
    done = harness(root, "report", run, "--format", "json")
    assert done.code in (0, 3), done.err
    return next(s for s in json.loads(done.out)["sections"] if s["key"] == "trend")["data"]["systems"]["sim"]


def test_the_excerpt_is_the_chart_of_trend(root: Path) -> None:
    asked = ("trend", "--suite", "simulated", "--now", NOW, "--no-record", "--replicates", "50", "--format", "json")
    chart = json.loads(harness(root, *asked).out)["systems"][0]["charts"][0]
    assert chart["name"] == "pass rate"
    found = excerpt(root, chart["points"][-1]["run"])
    assert [(p["run"], p["mark"]) for p in found] == [(p["run"], p["mark"]) for p in chart["points"]]
    for ours, theirs in zip(found, chart["points"], strict=True):
        assert ours["value"] == pytest.approx(theirs["value"])
        assert ours["z"] == (None if theirs["z"] is None else pytest.approx(theirs["z"]))
        assert ours["sum"] == pytest.approx(theirs["down"])
    assert {p["mark"] for p in found} == {"baseline", "watched", "hollow"}


def test_the_excerpt_of_an_old_run_ends_with_it(root: Path) -> None:
    runs = sorted(p.name for p in (root / "runs").glob("2026*"))
    assert [p["run"] for p in excerpt(root, runs[4])] == runs[:5]
    assert {p["mark"] for p in excerpt(root, runs[4])} == {"learning"}
