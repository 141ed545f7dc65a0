"""`harness list`: what it shows, and that one broken file does not hide the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.records.outcome import Attempt
from harness.records.transcript import Output, Transcript
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest, SystemInfo

SUITE = """\
suite: mine
description: what we ask every night
tasks:
  - tasks/mine/*.yaml
  - {id: inline, prompt: hello, graders: [match]}
defaults: {tags: [nightly], graders: [numeric]}
systems:
  - {name: floor, harness: empty}
  - name: big
    harness: {use: single_turn, answer: last_line}
    models: {main: anthropic/claude-x, checker: {use: openai, name: gpt-y}}
    default: false
epochs: 3
"""
MANY = """\
tasks:
  - id: sum
    prompt: 1+1
    reference: 2
    shape: {horizon: short, stakes: high, surface: document, tools: 2}
    tags: [arithmetic]
  - rows: {path: data/q.jsonl}
    template: {id: "q-{{ n }}", prompt: "{{ q }}", family: quiz}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks" / "mine"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "many.yaml").write_text(MANY)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "q.jsonl").write_text('{"n": 1}\n\n{"n": 2}\n')
    return tmp_path


def listed(workspace: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["list", *words, "--workspace", str(workspace)]) == code
    return capsys.readouterr().out


def add_run(workspace: Path, name: str, *, planned: int, attempts: list[Attempt]) -> None:
    manifest = Manifest(
        run=name, suite="mine", suite_path="tasks/mine/suite.yaml", suite_digest="", tasks_digest="",
        created="2026-11-20T10:00:00Z", n_tasks=planned, epochs=1, seed=0,
        systems=(SystemInfo("floor", "empty", {}, "", "", simulated=True),),
    )  # fmt: skip
    with RunFolder.create(workspace / "runs", manifest) as folder:
        for a in attempts:
            folder.add(a, Transcript(a.task, a.system, a.epoch, a.attempt, Output()))
        folder.flush()


def attempt(task: str, status: str, passed: bool | None = None, number: int = 1, final: bool = True) -> Attempt:
    return Attempt(task=task, system="floor", epoch=1, attempt=number, status=status, passed=passed, final=final)  # type: ignore[arg-type]


def test_suites_are_the_default_list(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, line = listed(workspace, capsys).splitlines()
    assert header.split() == ["suite", "tasks", "systems", "epochs", "place", "description"]
    assert " ".join(line.split()) == "mine 4 floor (+1) 3 tasks/mine/suite.yaml what we ask every night"


def test_tasks_have_their_defaults_place_and_row_counts(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {r["id"]: r for r in json.loads(listed(workspace, capsys, "tasks", "--suite", "mine", "--json"))}
    assert rows["sum"]["shape"] == "short high document tools=2"
    assert rows["sum"]["tags"] == ["nightly", "arithmetic"]
    assert rows["sum"]["graders"] == ["numeric"]
    assert rows["sum"]["place"] == "tasks/mine/many.yaml:2:5"
    assert (rows["q-{{ n }}"]["rows"], rows["q-{{ n }}"]["family"]) == (2, "quiz")
    assert rows["inline"]["place"] == "tasks/mine/suite.yaml:5:5"


def test_systems_name_harness_and_models(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(listed(workspace, capsys, "systems", "--json"))
    assert [(r["system"], r["harness"], r["models"], r["default"]) for r in rows] == [
        ("floor", "empty", "-", True),
        ("big", "single_turn", "main=anthropic/claude-x, checker=openai/gpt-y", False),
    ]


def test_runs_are_newest_first_with_what_was_decided(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(workspace, "20261119-mine-aa", planned=2, attempts=[attempt("a", "graded", True), attempt("b", "skipped")])
    tries = [attempt("a", "infra_error", final=False), attempt("a", "graded", False, 2), attempt("b", "infra_error")]
    add_run(workspace, "20261120-mine-bb", planned=2, attempts=tries)
    rows = json.loads(listed(workspace, capsys, "runs", "--json"))
    assert [(r["run"], r["status"], r["passed"]) for r in rows] == [
        ("20261120-mine-bb", "partial 1/2", ["floor 0/1"]),
        ("20261119-mine-aa", "complete", ["floor 1/1"]),
    ]
    assert rows[0]["systems"] == ["floor (simulated)"]


def test_runs_past_the_allowance_are_listed_uncounted(workspace: Path) -> None:
    from harness.cli._runs import RunSkimmer

    add_run(workspace, "20261119-mine-aa", planned=1, attempts=[attempt("a", "graded", True)])
    line = RunSkimmer(allowance=3).skim(workspace / "runs" / "20261119-mine-aa")
    assert (line["status"], line["decided"], line["trials"]) == ("not counted", None, 1)


def test_damaged_run_is_named_and_the_others_are_listed(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_run(workspace, "20261119-mine-aa", planned=1, attempts=[])
    (workspace / "runs" / "20261120-bad").mkdir()
    (workspace / "runs" / "20261120-bad" / "manifest.json").write_text("{")
    assert main(["list", "runs", "--workspace", str(workspace)]) == 2
    said = capsys.readouterr()
    assert "20261119-mine-aa" in said.out
    assert "cannot read runs/20261120-bad" in said.err


def test_broken_yaml_is_named_with_its_place_and_the_rest_is_listed(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "tasks" / "mine" / "bad.yaml").write_text("id: x\nprompt: [\n")
    assert main(["list", "tasks", "--workspace", str(workspace)]) == 2
    said = capsys.readouterr()
    assert "sum" in said.out
    assert "cannot read tasks/mine/bad.yaml:3:1" in said.err


def test_own_graders_come_before_the_installed_ones(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "graders").mkdir()
    (workspace / "graders" / "tone.yaml").write_text("use: match\n")
    (workspace / "graders" / "own.py").write_text("raise SystemExit('a list must not run this')\n")
    names = [r["grader"] for r in json.loads(listed(workspace, capsys, "graders", "--json"))]
    assert names[:2] == ["tone", "graders/own.py"]
    assert "match" in names


def test_limit_says_how_many_more_there_are(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tasks", "--limit", "1", "--workspace", str(workspace)]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert "2 more" in said.err


def test_unknown_suite_is_a_usage_fault(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tasks", "--suite", "mien", "--workspace", str(workspace)]) == 2
    assert "did you mean 'mine'?" in capsys.readouterr().err


def test_entry_point_groups_equal_the_contracts() -> None:
    from harness.cli._entry_points import GROUPS
    from harness.plugins import contracts

    assert dict(contracts.GROUPS) == GROUPS
