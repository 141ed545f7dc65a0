"""What ends or steers both agents from outside, for real: the run's budget, effort, a refused model, many at once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_lab import AgentLab, metrics, needs_agents, words
from cli_process import run_harness

from harness.testing.wire import Call, Step, WireServer

pytestmark = needs_agents("claude_code", "codex_cli")
OWN_IMAGES = ("s:/bin/bash:/bin/sh:",)
HI = "@@sh echo hi > /work/out.txt"


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def lab(tmp_path: Path, wire: WireServer) -> AgentLab:
    wire.reset()
    return AgentLab(tmp_path, wire)


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_the_runs_budget_ends_it_at_once_and_resume_runs_it_again(lab: AgentLab, agent: str) -> None:
    """It is no outcome of the agent's: nothing is graded, and with more money the trial is made anew."""
    lab.claude() if agent == "claude" else lab.codex()
    lab.priced(1000.0)  # with a million tokens Claude Code would end by itself: its context is full
    lab.suite["budget"] = {"cost_usd": 0.5}
    lab.task("budget", "@@usage 1000 10", HI, "@@sh echo more >> /work/out.txt", "@@say done", answer="done")
    (attempt,) = lab.run()
    assert lab.code == 3 and "budget" in lab.said
    assert (attempt["status"], attempt["trouble"]["source"]) == ("infra_error", "budget"), attempt
    answered, stopped = lab.exchanges(attempt)
    assert answered["response"] and stopped["limit"] == "budget", "it did not ask a third time"
    assert attempt["usage"]["cost_usd"] == pytest.approx(1.01, rel=0.01) and "passed" not in attempt
    assert lab.folder is not None
    done = run_harness(("resume", lab.folder.name, "--budget-usd", "50"), lab.place, lab.env(), 600)
    assert done.returncode == 0, done.stdout + done.stderr
    again = lab.attempts()
    assert words(again, "status") == ["infra_error", "graded"]
    assert again[-1]["passed"] is True, again[-1]["output"]
    assert lab.artifact(again[-1], "out") == b"hi\nmore\n"


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_a_prompt_that_begins_as_a_command_of_theirs_is_the_task(lab: AgentLab, agent: str) -> None:
    lab.claude() if agent == "claude" else lab.codex()
    for n, first in enumerate(("/help me", "/review out.txt for faults", "- mend it", "!important")):
        lab.task(f"begins-{n}", answer="done")
        lab.tasks[-1]["prompt"] = f"{first}\n{HI}\n@@say done\n"
    attempts = lab.run()
    assert [a["passed"] for a in attempts] == [True] * 4, attempts


def test_effort_is_said_to_them_and_pinned_whatever_they_ask_for(lab: AgentLab) -> None:
    lab.claude("claude")
    lab.claude("claude-low", flags=["--effort", "low"])
    lab.codex("codex")
    lab.codex("codex-low", flags=["-c", 'model_reasoning_effort="low"'])
    for system in lab.systems:
        system["settings"] = {"effort": "high"}
    lab.task("effort", "@@say done", answer="done")
    asked = {a["system"]: effort_asked(lab.exchanges(a)[-1]["settings"]) for a in lab.run()}
    assert asked == {"claude": "high", "claude-low": "low", "codex": "high", "codex-low": "low"}, lab.said
    sent = [effort_asked(r["body"]) for r in lab.wire.log()]
    assert len(sent) >= 4 and set(sent) == {"high"}


def effort_asked(body: dict[str, Any]) -> Any:
    return (body.get("output_config") or body.get("reasoning") or {}).get("effort")


def test_a_model_that_the_provider_refuses_is_no_failure_of_theirs(lab: AgentLab) -> None:
    lab.both()
    names = " and ".join(system["model"]["name"] for system in lab.systems)
    lab.wire.script(Step(status=404, error_message=f"no such model: {names}", repeat=50))
    lab.task("refused", HI, "@@say done")
    for attempt in lab.run():
        assert (attempt["status"], attempt["trouble"]["cause"]) == ("infra_error", "not_found"), attempt
        assert attempt["trouble"]["source"] == "model" and len(lab.exchanges(attempt)) <= 3
    assert lab.code == 3


def test_an_image_without_bash_and_git_has_what_codex_needs_and_not_what_claude_code_does(lab: AgentLab) -> None:
    lab.both()
    (lab.place / "tasks/lab").mkdir(parents=True)
    bare = "ARG BASE=debian:bookworm-slim\nFROM ${BASE}\nUSER root\nRUN sed -i s:/bin/bash:/bin/sh: /etc/passwd\n"
    bare += "RUN rm -f /bin/bash /usr/bin/bash /usr/bin/git\nWORKDIR /work\n"
    (lab.place / "tasks/lab/Dockerfile").write_text(bare)
    lab.task("bare", HI, "@@say done", answer="done", sandbox={"memory": "3g", "dockerfile": "Dockerfile"})
    claude, codex = lab.run()
    assert codex["passed"] is True and lab.artifact(codex, "out") == b"hi\n", codex
    assert claude["status"] == "skipped"
    assert claude["trouble"]["detail"] == "the task's image lacks what claude_code@2.1.329 needs: bash"


def test_a_stream_that_breaks_is_survived_by_codex_too(lab: AgentLab) -> None:
    lab.wire.script(Step(text="Half an answer that never ends, and is not the last word.", truncate="cut"))
    lab.codex()
    lab.task("broken", HI, "@@say all of it", answer="all of it")
    (attempt,) = lab.run()
    assert attempt["passed"] is True and metrics(attempt)["cut_streams"] == 1, attempt


def test_codexs_freeform_calls_are_calls(lab: AgentLab) -> None:
    """Its `apply_patch` takes text and no JSON: an answer with one is not the end of the work."""
    patch = "*** Begin Patch\n*** Add File: out.txt\n+hi\n*** End Patch"
    lab.wire.script(Step(text="", tool_calls=(Call("apply_patch", patch, "c1", custom=True),)))
    lab.codex()
    lab.task("patched", "@@sh echo no > out.txt", "@@say done", answer="done")
    (attempt,) = lab.run()
    assert attempt["passed"] is True and lab.artifact(attempt, "out") == b"hi\n", attempt
    called, ended = lab.exchanges(attempt)
    assert (called["response"]["stop"], ended["response"]["stop"]) == ("tool_use", "end")
    assert metrics(attempt)["tools_called"] == {"apply_patch": 1} and metrics(attempt)["tool_calls"] == {"edit": 1}


def test_thirty_two_trials_of_claude_code_keep_their_records_apart(lab: AgentLab) -> None:
    lab.claude()
    lab.apart(32)
    lab.told_apart(lab.run("-j", "32", "--boxes", "8"))


def test_two_runs_at_once_on_one_machine_keep_apart(tmp_path: Path, wire: WireServer) -> None:
    """Each run has a gateway in its own process: neither sees or removes what is the other's."""
    wire.reset()
    labs = [AgentLab(tmp_path / name, wire, mark=name) for name in ("one", "two")]
    for lab in labs:
        lab.codex()
        lab.apart(6)
        lab.write()
    started = [subprocess.Popen(lab.argv("--boxes", "2"), cwd=lab.place, env=lab.env(), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True) for lab in labs]  # fmt: skip
    for lab, process in zip(labs, started, strict=True):
        lab.said, _ = process.communicate(timeout=900)
        assert process.returncode == 0, lab.said
        lab.told_apart(lab.attempts())
