"""Finding the workspace, suites and runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.workspace import find_run, find_suite, find_workspace, run_names, suite_names
from harness.errors import UsageFault


@pytest.fixture
def space(tmp_path: Path) -> Path:
    for name in ("mine", "public/gsm8k"):
        (tmp_path / "tasks" / name).mkdir(parents=True)
        (tmp_path / "tasks" / name / "suite.yaml").write_text("suite: x\n")
    for name in ("20260101-mine-aa", "20260102-mine-ab", "20260103-other-cc"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "manifest.json").write_text("{}")
    (tmp_path / "runs" / "baselines").mkdir()
    return tmp_path.resolve()


def test_workspace_is_found_from_a_folder_below(space: Path) -> None:
    assert find_workspace(space / "tasks" / "public") == space


def test_environment_names_the_workspace(space: Path, tmp_path_factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("HARNESS_WORKSPACE", str(space))
    assert find_workspace() == space
    monkeypatch.setenv("HARNESS_WORKSPACE", str(space / "runs"))
    with pytest.raises(UsageFault, match="HARNESS_WORKSPACE names"):
        find_workspace()


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageFault) as caught:
        find_workspace(tmp_path)
    assert "harness new suite" in caught.value.render()


def test_suite_by_name_path_and_folder(space: Path) -> None:
    expected = space / "tasks" / "mine" / "suite.yaml"
    assert find_suite(space, "mine") == expected
    assert find_suite(space, "tasks/mine/suite.yaml") == expected
    assert find_suite(space, "tasks/mine") == expected
    assert find_suite(space, str(expected)) == expected


def test_suite_names_and_did_you_mean(space: Path) -> None:
    assert suite_names(space) == ["mine", "public/gsm8k"]
    with pytest.raises(UsageFault) as caught:
        find_suite(space, "mime")
    assert "did you mean 'mine'?" in caught.value.render()
    assert "public/gsm8k" in caught.value.render()


def test_nested_suite_is_found_by_the_name_that_is_listed(space: Path) -> None:
    assert find_suite(space, "public/gsm8k") == space / "tasks" / "public" / "gsm8k" / "suite.yaml"


def test_run_by_name_prefix_path_and_newest(space: Path) -> None:
    runs = space / "runs"
    assert run_names(space) == ["20260101-mine-aa", "20260102-mine-ab", "20260103-other-cc"]
    assert find_run(space, None) == find_run(space, "latest") == runs / "20260103-other-cc"
    assert find_run(space, "20260102") == runs / "20260102-mine-ab"
    assert find_run(space, "20260101-mine-aa") == runs / "20260101-mine-aa"
    assert find_run(space, str(runs / "20260101-mine-aa")) == runs / "20260101-mine-aa"
    assert find_run(space, "runs/20260101-mine-aa") == runs / "20260101-mine-aa"


def test_ambiguous_and_unknown_runs_are_refused(space: Path) -> None:
    with pytest.raises(UsageFault, match="start of 3 runs"):
        find_run(space, "2026")
    with pytest.raises(UsageFault, match="no run 'nope'"):
        find_run(space, "nope")


def test_no_run_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="no run yet"):
        find_run(tmp_path)
