"""Every agent CLI that is installed, in a box, against a scripted model: by `make agents`, once a week."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_lab import AgentLab, metrics

from harness.agents.recipes import RECIPES
from harness.testing.wire import WireServer
from harness.toolkit.agent_layers import find_layer

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.xdist_group("agents")]
HI = "@@sh echo hi > /work/out.txt"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[AgentLab]:
    with WireServer() as wire:
        yield AgentLab(tmp_path, wire)


def add(lab: AgentLab, name: str, **harness: object) -> None:
    if find_layer(name, RECIPES[name].version) is None:
        pytest.skip(f"{name}@{RECIPES[name].version} is not installed")
    model = {"use": "scripted", "name": "scripted", "prompted": True}
    lab.systems.append({"name": name, "harness": {"use": name, **harness}, "model": model})


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "aider"])
def test_an_agent_runs_the_command_and_says_the_answer(lab: AgentLab, name: str) -> None:
    add(lab, name)
    lab.task("hi", HI, "@@say it is written", answer="it is written")
    (attempt,) = lab.run()
    assert attempt["passed"] is True, attempt
    assert lab.artifact(attempt, "out") == b"hi\n"
    assert attempt["output"]["answer"] == "it is written"
    assert metrics(attempt)["ended"] == "done" and metrics(attempt)["tool_calls"]["shell"] >= 1
    assert metrics(attempt)["fingerprint"]["system_stable"]


@pytest.mark.parametrize("name", ["opencode", "qwen_code", "mini_swe_agent"])
def test_a_limit_of_turns_ends_also_those_that_try_again(lab: AgentLab, name: str) -> None:
    add(lab, name, grace_s=2)
    lab.suite["limits"] = {"time": "20m", "turns": 3}
    lab.task("turns", HI, *["@@sh echo more >> /work/out.txt"] * 5, "@@say never")
    (attempt,) = lab.run()
    assert (attempt["status"], attempt["limit"]) == ("graded", "turns"), attempt
    assert metrics(attempt)["ended"] == "limit:turns"


def test_aider_edits_a_file_by_a_block(lab: AgentLab) -> None:
    add(lab, "aider")
    lab.task("edit", "@@edit out.txt hi")
    (attempt,) = lab.run()
    assert attempt["status"] == "graded", attempt
    assert lab.artifact(attempt, "out") == b"hi\n"


@pytest.mark.parametrize("api", ["anthropic", "responses", "chat"])
def test_opencode_speaks_three_apis(lab: AgentLab, api: str) -> None:
    add(lab, "opencode", api=api)
    lab.task("hi", HI, "@@say done")
    (attempt,) = lab.run()
    assert lab.artifact(attempt, "out") == b"hi\n", attempt
    assert {e["dialect"] for e in lab.exchanges(attempt)} == {api}
